#include "zc/tee.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "transfer/ends.hpp"
#include "transfer/tee_targets.hpp"
#include "zc/detail/errno_code.hpp"
#include "zc/detail/turn_share.hpp"
#include "zc/when_all.hpp"

namespace zc {

namespace {

using detail::endpoint;
using detail::errno_code;
using detail::step;
using detail::tee_target;
using detail::tee_targets;

/// Whether every target can read the source for itself, at an offset of its own.
bool can_be_read_again(const endpoint& in) noexcept {
  return in.is == endpoint::kind::file && in.size.has_value();
}

/// Shows how far the slowest has come, whenever one of them has moved something.
class slowest final : public detail::observer {
 public:
  slowest(tee_targets& targets, progress* seen) noexcept : targets_(targets), seen_(seen) {}

 private:
  void moved(const detail::pump&) noexcept override { targets_.show_progress(seen_); }
  void waits_for_out(const detail::pump&) noexcept override {}

  tee_targets& targets_;
  progress* seen_;
};

/// One that begins in a later turn.
task<> move_later(detail::pump& call) {
  co_await detail::turn_share(*call.env.where);
  const step next = begin_to_move(call);
  if (next.what != step::kind::end) co_await move_rest(call, next);
}

/// Each target takes the bytes of a file for itself: none waits for another.
task<> tee_file(tee_targets& targets, std::int64_t from, progress* seen) {
  slowest shown(targets, seen);
  std::vector<task<>> all;
  targets.for_live([&](tee_target& to) {
    to.call.in.at = from;
    if (seen != nullptr) to.call.seen_by = &shown;
    try {
      if (to.call.env.where->turn_spent()) return all.push_back(move_later(to.call));
      const step next = begin_to_move(to.call);
      if (next.what != step::kind::end) all.push_back(move_rest(to.call, next));
    } catch (const std::bad_alloc&) {
      to.end(errno_code(ENOMEM), side::zc);
    }
  });
  co_await when_all(std::move(all));
  for (tee_target& to : targets.all()) to.call.finish();
  targets.show_progress(seen);
}

}  // namespace

task<std::vector<transfer>> tee(int in, std::vector<int> outs, tee_options options) {
  std::vector<transfer> copies;
  copies.reserve(outs.size());
  if (outs.size() == 1) {
    copies.push_back(co_await try_splice(in, outs.front(),
                                         {.offset = options.offset,
                                          .nbytes = options.nbytes,
                                          .flags = options.flags,
                                          .out_offset = options.out_offset,
                                          .progress = options.progress}));
    co_return copies;
  }
  if (options.progress != nullptr) {
    options.progress->moved.store(0, std::memory_order_relaxed);
    options.progress->total.store(0, std::memory_order_relaxed);
  }
  const detail::environment env = co_await detail::this_environment{};
  tee_targets targets(outs, options, env);
  co_await detail::turn_share(*env.where, env.cancel->requested());
  const result<endpoint> source = detail::look_at(in, detail::direction::reading);
  targets.check(source);
  if (targets.any_live()) {
    if (options.progress != nullptr) {
      options.progress->total.store(targets.wanted(), std::memory_order_relaxed);
    }
    if (can_be_read_again(*source)) {
      const bool by_position = options.offset == file_position;
      const std::int64_t from =
          by_position ? std::int64_t{::lseek(in, 0, SEEK_CUR)} : options.offset;
      co_await tee_file(targets, from, options.progress);
      std::uint64_t taken = 0;
      for (const tee_target& to : targets.all()) taken = std::max(taken, to.call.done.taken);
      if (by_position) ::lseek(in, from + static_cast<std::int64_t>(taken), SEEK_SET);
    } else {
      detail::source stream;
      for (tee_target& to : targets.all()) {
        if (to.live) stream = to.call.in;
      }
      co_await detail::tee_stream(targets, stream, options, env);
    }
  }
  for (tee_target& to : targets.all()) copies.push_back(std::move(to.call.done));
  co_return copies;
}

}  // namespace zc
