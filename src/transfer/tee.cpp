#include "zc/tee.hpp"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <limits>
#include <map>
#include <new>
#include <set>
#include <tuple>
#include <utility>

#include "core/timers.hpp"
#include "engine/direct_call.hpp"
#include "engine/loop.hpp"
#include "transfer/overlap.hpp"
#include "transfer/tee_source.hpp"
#include "transfer/tee_target.hpp"
#include "transfer/transfer_service.hpp"
#include "zc/detail/breather.hpp"
#include "zc/when_all.hpp"

namespace zc {

namespace {

using detail::endpoint;
using detail::errno_code;
using detail::tee_target;

constexpr std::chrono::milliseconds fruitless_pause(1);

/// One call while it runs. Each piece goes to all targets before the next is taken: then the
/// slowest sets the pace, and each target's bytes in between are in one place.
struct tee_call {
  tee_call(const std::vector<int>& outs, const tee_options& options, detail::environment where)
      : asked(options), env(where), from(kernel()), targets(outs.size()) {
    for (std::size_t i = 0; i < outs.size(); ++i) {
      targets[i].fd = outs[i];
      targets[i].at = options.out_offset;
    }
  }

  detail::ring& kernel() const noexcept { return detail::loop::of(*env.where).kernel(); }
  detail::pipe_pool& pipes() const { return detail::transfer_service::of(*env.where).pipes; }
  bool at_once() const noexcept {
    return (asked.flags & splice_flags::nonblock) != splice_flags::none;
  }
  bool any_live() const noexcept {
    return std::any_of(targets.begin(), targets.end(), [](const auto& to) { return to.live; });
  }

  template <class Function>
  void for_live(Function act) {
    for (tee_target& to : targets) {
      if (to.live) act(to);
    }
  }

  void end_all(std::error_code error, side where) noexcept {
    for_live([&](tee_target& to) { to.end(error, where); });
  }

  tee_options asked;
  detail::environment env;
  detail::tee_source from;
  std::vector<tee_target> targets;
  remainder piece;  // for all targets, where it is not in their pipes
};

/// What splice() would check, for each target.
task<> check(tee_call& call, int in) {
  const splice_options nothing{.offset = call.asked.offset,
                               .nbytes = 0,
                               .flags = call.asked.flags,
                               .out_offset = call.asked.out_offset};
  for (tee_target& to : call.targets) {
    co_await detail::breather(*call.env.where);
    transfer checked = co_await try_splice(in, to.fd, nothing);
    if (checked.reason == stop_reason::failed) {
      to.end(checked.error, checked.side);
      continue;
    }
    const result<endpoint> found = detail::look_at(to.fd, detail::direction::writing);
    if (found) {
      to.out = *found;
    } else {
      to.end(found.error(), side::out);
    }
  }
}

/// Of targets that are one and the same, only the first gets anything: the others' bytes would end
/// up between its own.
void refuse_repeated(tee_call& call) {
  std::set<int> seen;
  std::set<std::tuple<dev_t, ino_t>> streams;
  call.for_live([&](tee_target& to) {
    const bool stream = to.out->is == endpoint::kind::pipe || to.out->is == endpoint::kind::socket;
    const bool first = seen.insert(to.fd).second &&
                       (!stream || streams.emplace(to.out->device, to.out->inode).second);
    if (!first) to.end(errno_code(EINVAL), side::out);
  });
}

void refuse_too_far(tee_call& call) {
  constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const std::uint64_t left = call.from.left();
  call.for_live([&](tee_target& to) {
    if (to.at <= 0 || left == to_end) return;
    if (left > largest - static_cast<std::uint64_t>(to.at)) {
      to.end(errno_code(EOVERFLOW), side::out);
    }
  });
}

/// Of targets that overlap in one file only the first gets anything, for the same reason; and none
/// that overlaps what is to be read.
void refuse_overlapping(tee_call& call) {
  std::multimap<std::tuple<dev_t, ino_t>, const tee_target*> before;
  call.for_live([&](tee_target& to) {
    if (to.out->is != endpoint::kind::file) return;
    if (call.from.overlaps(*to.out, to.at)) return to.end(errno_code(EINVAL), side::none);
    const std::tuple file(to.out->device, to.out->inode);
    const auto same = before.equal_range(file);
    const bool any = std::any_of(same.first, same.second, [&](const auto& each) {
      return detail::overlap({*to.out, to.at, true}, {*each.second->out, each.second->at, true},
                             call.from.left());
    });
    if (any) return to.end(errno_code(EINVAL), side::out);
    before.emplace(file, &to);
  });
}

/// A pipe for each target: false, and none, where there are not enough.
bool take_pipes(tee_call& call) {
  bool all = true;
  call.for_live([&](tee_target& to) { all = all && to.pipe.take(call.pipes()); });
  if (!all) call.for_live([](tee_target& to) { to.pipe.give_back(); });
  return all;
}

/// The one whose bytes fit into all others: slots are what fills a pipe, and tee(2) copies slots.
tee_target& smallest(tee_call& call) {
  tee_target* found = nullptr;
  call.for_live([&](tee_target& to) {
    if (found == nullptr || to.pipe.capacity_bytes() < found->pipe.capacity_bytes()) found = &to;
  });
  return *found;
}

/// Gives every pipe what is in the first, or else takes it back from all of them into memory.
std::error_code duplicate(tee_call& call) {
  tee_target& first = *std::find_if(call.targets.begin(), call.targets.end(),
                                    [](const tee_target& to) { return to.pipe.holds > 0; });
  bool whole = true;
  call.for_live([&](tee_target& to) {
    if (&to == &first || !whole) return;
    int count = -EINTR;
    while (count == -EINTR) {
      count = detail::direct_tee(call.kernel(), first.pipe.read_end(), to.pipe.write_end(),
                                 first.pipe.holds, SPLICE_F_NONBLOCK);
    }
    to.pipe.holds = static_cast<std::size_t>(std::max(count, 0));
    whole = to.pipe.holds == first.pipe.holds;
  });
  if (whole) return {};
  const std::error_code lost = first.pipe.read_back(call.kernel(), call.piece);
  call.for_live([](tee_target& to) { to.pipe.give_back(); });
  return lost;
}

/// How much to take: with splice_flags::nonblock no more than every target has room for.
std::size_t most_to_take(tee_call& call) noexcept {
  std::size_t most = std::numeric_limits<std::size_t>::max();
  if (!call.at_once()) return most;
  call.for_live([&](tee_target& to) { most = std::min(most, to.out->room_bytes()); });
  return call.from.whole_blocks(most);
}

/// Takes the next bytes into the first of the targets' pipes.
task<result<std::size_t>> fill(tee_call& call, std::size_t most) {
  tee_target& first = smallest(call);
  first.pipe.busy = true;
  const result<std::size_t> filled =
      co_await call.from.fill(first.pipe.write_end(), std::min(most, first.pipe.capacity_bytes()));
  first.pipe.busy = false;
  if (filled) first.pipe.holds = *filled;
  co_return filled;
}

/// Takes the next bytes for all targets, into their pipes or into memory. Says how many; none at
/// the end of `in`.
task<result<std::size_t>> take(tee_call& call) {
  const std::size_t most = most_to_take(call);
  if (call.from.splices() && take_pipes(call)) {
    const result<std::size_t> filled = co_await fill(call, most);
    if (filled && *filled > 0) co_return filled;
    call.for_live([](tee_target& to) { to.pipe.give_back(); });
    if (!call.from.must_read_after(filled)) co_return filled;
  }
  result<remainder> read = co_await call.from.read(most);
  if (!read) co_return read.error();
  call.piece = *std::move(read);
  co_return call.piece.size();
}

/// Waits for `in`; with splice_flags::nonblock it and all targets must be ready now.
task<std::error_code> ready(tee_call& call) {
  const std::error_code error = co_await call.from.ready(call.at_once());
  if (error || !call.at_once()) co_return error;
  bool all = true;
  call.for_live([&](tee_target& to) {
    all = all && (!to.out->pollable() || detail::direct_poll(call.kernel(), to.fd, POLLOUT) != 0);
  });
  co_return all ? std::error_code() : errno_code(EAGAIN);
}

/// Delivers what was taken.
task<> give(tee_call& call) {
  std::vector<task<>> deliveries;
  deliveries.reserve(call.targets.size());
  call.for_live([&](tee_target& to) {
    deliveries.push_back(detail::deliver(to, call.piece, call.asked.flags, call.env));
  });
  co_await when_all(std::move(deliveries));
}

/// Ends all targets that have not got a piece, as far as memory allows with it.
void keep_piece(tee_call& call) {
  call.for_live([&](tee_target& to) {
    result<remainder> own = detail::copy_of(call.piece);
    to.end_with(errno_code(ENOMEM), side::zc, own ? *std::move(own) : remainder(), call.kernel());
  });
}

/// What to make of an attempt to take something that gave `error`: none is "try again".
task<std::error_code> judge(tee_call& call, std::error_code error) {
  if (error == std::errc::interrupted) co_return std::error_code();
  if (error != std::errc::resource_unavailable_try_again) co_return error;
  if (!call.from.spins()) co_return std::error_code();
  // Ready, and yet nothing: no descriptor's whim makes this spin.
  if (call.at_once()) co_return error;
  co_return co_await detail::timer(fruitless_pause);
}

/// The same for waiting: only a caller who said nonblock is told that nothing is ready.
std::error_code judge_wait(const tee_call& call, std::error_code error) noexcept {
  const bool refused = error == std::errc::resource_unavailable_try_again && !call.at_once();
  return refused || error == std::errc::interrupted ? std::error_code() : error;
}

/// Takes one piece and delivers it to all. An error is that of `in`, and an end.
task<std::error_code> pass_on(tee_call& call) {
  if (const std::error_code error = co_await ready(call)) co_return judge_wait(call, error);
  const result<std::size_t> taken = co_await take(call);
  if (!taken) co_return co_await judge(call, taken.error());
  if (*taken == 0) {
    call.for_live([](tee_target& to) { to.end(stop_reason::end_of_file); });
    co_return std::error_code();
  }
  call.for_live([&](tee_target& to) { to.done.taken += *taken; });
  if (call.piece.empty()) {
    if (const std::error_code lost = duplicate(call)) call.end_all(lost, side::zc);
  }
  co_await give(call);
  call.piece = remainder();
  co_return std::error_code();
}

/// What the slowest has accepted, of those that have not failed; while there are any.
void show_progress(tee_call& call) noexcept {
  if (call.asked.progress == nullptr) return;
  std::uint64_t least = to_end;
  for (const tee_target& to : call.targets) {
    if (to.done.reason != stop_reason::failed) least = std::min(least, to.done.moved);
  }
  if (least == to_end) return;
  call.asked.progress->moved.store(least, std::memory_order_relaxed);
}

/// Whether there is more to do: ends the targets if not.
bool goes_on(tee_call& call) {
  if (call.from.left() == 0) {
    call.for_live([](tee_target& to) { to.end(stop_reason::complete); });
  } else if (call.env.cancel->requested()) {
    call.end_all(errno_code(ECANCELED), side::none);
  } else if (std::any_of(call.targets.begin(), call.targets.end(), [](const tee_target& to) {
               return to.done.reason == stop_reason::would_block;
             })) {
    // Where one has no room for what is taken already, nothing more can move now.
    call.end_all(errno_code(EAGAIN), side::none);
  }
  return call.any_live();
}

/// Passes everything on.
task<> pass_all(tee_call& call) {
  while (goes_on(call)) {
    co_await detail::breather(*call.env.where);
    try {
      const std::error_code error = co_await pass_on(call);
      if (error) call.end_all(error, side::in);
    } catch (const std::bad_alloc&) {
      keep_piece(call);
    }
    show_progress(call);
  }
  const bool cut = std::any_of(call.targets.begin(), call.targets.end(), [](const tee_target& to) {
    return to.done.reason == stop_reason::cancelled;
  });
  if (cut) call.env.cancel->observe();
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
  tee_call call(outs, options, co_await detail::this_environment{});
  co_await check(call, in);
  refuse_repeated(call);
  if (call.any_live()) {
    const std::error_code error = call.from.open(in, options.offset, options.nbytes);
    if (error) call.end_all(error, side::in);
    refuse_too_far(call);
    refuse_overlapping(call);
  }
  if (options.progress != nullptr && call.any_live()) {
    options.progress->total.store(call.from.left(), std::memory_order_relaxed);
  }
  co_await pass_all(call);
  for (tee_target& to : call.targets) copies.push_back(std::move(to.done));
  co_return copies;
}

}  // namespace zc
