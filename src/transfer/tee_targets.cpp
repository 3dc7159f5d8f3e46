#include "transfer/tee_targets.hpp"

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <tuple>

#include "transfer/checks.hpp"
#include "transfer/overlap.hpp"
#include "zc/detail/errno_code.hpp"

namespace zc::detail {

tee_targets::tee_targets(const std::vector<int>& outs, const tee_options& options,
                         environment where)
    : options_{.offset = options.offset,
               .nbytes = options.nbytes,
               .flags = options.flags,
               .out_offset = options.out_offset} {
  for (const int out : outs) all_.emplace_back(out, options_, where);
}

void tee_targets::check(const result<endpoint>& in) {
  for_live([&](tee_target& to) {
    const result<endpoint> out = look_at(to.fd, direction::writing);
    const refusal why = detail::check(to.call, in, out);
    if (why.error != 0) to.end(errno_code(why.error), why.where);
  });
  refuse_repeated();
  refuse_overlapping();
}

/// Of targets that are one and the same, only the first gets anything: the others' bytes would end
/// up between its own.
void tee_targets::refuse_repeated() {
  std::set<int> seen;
  std::set<std::tuple<dev_t, ino_t>> streams;
  for_live([&](tee_target& to) {
    const endpoint& out = to.call.out.end;
    const bool stream = out.is_pipe() || out.is == endpoint::kind::socket;
    const bool first =
        seen.insert(to.fd).second && (!stream || streams.emplace(out.device, out.inode).second);
    if (!first) to.end(errno_code(EINVAL), side::out);
  });
}

/// Of targets that overlap in one file only the first gets anything, for the same reason.
void tee_targets::refuse_overlapping() {
  std::multimap<std::tuple<dev_t, ino_t>, const pump*> before;
  for_live([&](tee_target& to) {
    const endpoint& out = to.call.out.end;
    if (out.is != endpoint::kind::file) return;
    const std::tuple file(out.device, out.inode);
    const auto same = before.equal_range(file);
    const bool any = std::any_of(same.first, same.second, [&](const auto& each) {
      const sink& other = each.second->out;
      return overlap({out, to.call.out.at, true}, {other.end, other.at, true}, to.call.in.left);
    });
    if (any) return to.end(errno_code(EINVAL), side::out);
    before.emplace(file, &to.call);
  });
}

std::uint64_t tee_targets::wanted() const noexcept {
  const auto first =
      std::find_if(all_.begin(), all_.end(), [](const tee_target& to) { return to.live; });
  return first == all_.end() ? 0 : first->call.in.left;
}

bool tee_targets::any_live() const noexcept {
  return std::any_of(all_.begin(), all_.end(), [](const tee_target& to) { return to.live; });
}

void tee_targets::show_progress(progress* seen) const noexcept {
  if (seen == nullptr) return;
  std::uint64_t least = to_end;
  for (const tee_target& to : all_) {
    const transfer& done = to.call.done;
    if (done.reason != stop_reason::failed) least = std::min(least, done.moved);
  }
  if (least != to_end) seen->moved.store(least, std::memory_order_relaxed);
}

}  // namespace zc::detail
