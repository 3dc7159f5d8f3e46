#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <limits>
#include <new>
#include <utility>
#include <vector>

#include "engine/direct_call.hpp"
#include "transfer/tee_targets.hpp"
#include "zc/detail/errno_code.hpp"
#include "zc/detail/turn_share.hpp"
#include "zc/when_all.hpp"

namespace zc::detail {

namespace {

constexpr std::size_t copied_bytes = 4096;

/// One tee of a stream while it runs. `from` takes a piece, into a pipe or into memory; tee(2)
/// gives each target the pages of the pipe, one after the other, through a pipe that those who take
/// all of it leave for the next.
class stream_tee {
 public:
  stream_tee(tee_targets& targets, const source& in, const tee_options& options, environment env)
      : targets_(targets), options_(options), taking_{.flags = options.flags}, from_(taking_, env) {
    from_.in = in;
    // It only takes: nothing of a target's holds it up.
    from_.out.end.never_waits = true;
  }

  task<> pass_all();

 private:
  bool at_once() const noexcept { return from_.has(splice_flags::nonblock); }
  bool any_blocked() noexcept;
  bool begin_piece() noexcept;
  void give(std::vector<task<>>& late);
  bool give_pages(tee_target& to, bool last) noexcept;
  bool move_to_memory() noexcept;
  void follow(tee_target& to, step next, std::vector<task<>>& late);
  void settle(tee_target& to) noexcept;
  void end_as_source() noexcept;

  tee_targets& targets_;
  const tee_options& options_;
  splice_options taking_;
  pump from_;
};

bool stream_tee::any_blocked() noexcept {
  const std::deque<tee_target>& all = targets_.all();
  return std::any_of(all.begin(), all.end(), [](const tee_target& to) {
    return to.call.done.reason == stop_reason::would_block;
  });
}

/// With splice_flags::nonblock all targets must have room for what is taken.
bool stream_tee::begin_piece() noexcept {
  if (!at_once()) return true;
  std::size_t most = std::numeric_limits<std::size_t>::max();
  bool ready = true;
  targets_.for_live([&](tee_target& to) {
    const endpoint& out = to.call.out.end;
    most = std::min(most, out.room_bytes());
    ready = ready && (!out.pollable() || direct_poll(from_.kernel(), to.fd, POLLOUT) != 0);
  });
  from_.take_most(from_.in.whole_blocks(most));
  return ready;
}

/// Gives the pages in the pipe of `from_` to a target, by way of a pipe of its own. False where
/// that cannot be had, or holds less.
bool stream_tee::give_pages(tee_target& to, bool last) noexcept {
  leased_pipe& pages = from_.pipe();
  leased_pipe& own = to.call.pipe();
  const std::size_t nbytes = pages.holds;
  if (last) {
    own.swap(pages);
  } else {
    if (!own.take(from_.shared().pipes)) return false;
    int count = -EINTR;
    while (count == -EINTR) {
      count =
          direct_tee(from_.kernel(), pages.read_end(), own.write_end(), nbytes, SPLICE_F_NONBLOCK);
    }
    own.holds = static_cast<std::size_t>(std::max(count, 0));
    if (own.holds != nbytes) {
      own.give_back();
      return false;
    }
  }
  return true;
}

/// Where pages cannot be duplicated. False where there is no memory for it: then they are lost.
bool stream_tee::move_to_memory() noexcept {
  const std::error_code lost = from_.pipe().read_back(from_.kernel(), from_.memory());
  from_.pipe().give_back();
  if (!lost) return true;
  targets_.for_live([&](tee_target& to) { to.end(lost, side::zc); });
  return false;
}

/// Gives what was taken to every target. Those that cannot take all of it at once go on in `late`.
void stream_tee::give(std::vector<task<>>& late) {
  std::vector<tee_target*> live;
  targets_.for_live([&](tee_target& to) { live.push_back(&to); });
  late.reserve(live.size());
  const std::size_t nbytes = from_.memory().empty() ? from_.pipe().holds : from_.memory().size();
  for (tee_target* const to : live) to->call.begin_piece(nbytes);
  std::size_t given = 0;
  // Of few bytes, a copy for each costs less than pages.
  const bool few = nbytes < copied_bytes && from_.memory().empty() && live.size() > 1;
  if (few && !move_to_memory()) return;
  if (from_.memory().empty()) {
    while (given < live.size() && give_pages(*live[given], given + 1 == live.size())) {
      follow(*live[given], live[given]->call.give_pipe(), late);
      ++given;
    }
    if (given < live.size() && !move_to_memory()) return;
  }
  for (; given < live.size(); ++given) {
    follow(*live[given], live[given]->call.give_copy(from_.memory().bytes()), late);
  }
  from_.drop_memory();
}

/// After a target took what it could at once.
void stream_tee::follow(tee_target& to, step next, std::vector<task<>>& late) {
  if (next.what == step::kind::end) {
    settle(to);
    return;
  }
  try {
    late.push_back(run(to.call, next));
  } catch (const std::bad_alloc&) {
    to.end(errno_code(ENOMEM), side::zc);
  }
}

/// After a target has had its piece, or has failed.
void stream_tee::settle(tee_target& to) noexcept {
  if (to.call.done.reason == stop_reason::complete) {
    to.call.pipe().give_back();
  } else {
    to.live = false;
    to.call.finish();
  }
}

/// All that are left end as the source has.
void stream_tee::end_as_source() noexcept {
  const transfer& how = from_.done;
  targets_.for_live([&](tee_target& to) {
    if (how.reason == stop_reason::failed) {
      to.end(how.error, how.side == side::zc ? side::zc : side::in);
    } else if (how.reason == stop_reason::cancelled) {
      to.end(errno_code(ECANCELED), side::none);
    } else if (how.reason == stop_reason::would_block) {
      to.end(errno_code(EAGAIN), side::none);
    } else {
      to.live = false;
      to.call.done.reason = how.reason;
    }
  });
}

task<> stream_tee::pass_all() {
  from_.start();
  from_.in.wait = true;  // one that is idle from the start takes no pipe
  while (targets_.any_live()) {
    co_await turn_share(*from_.env.where);
    if (!begin_piece()) from_.stop(errno_code(EAGAIN), side::none);
    try {
      co_await run_to_piece(from_);
      if (from_.over()) break;
      std::vector<task<>> late;
      give(late);
      if (!late.empty()) co_await when_all(std::move(late));
    } catch (const std::bad_alloc&) {
      from_.stop(errno_code(ENOMEM), side::zc);
      break;
    }
    targets_.for_live([&](tee_target& to) { settle(to); });
    targets_.show_progress(options_.progress);
    // Where one has no room for what is taken already, nothing more can move now.
    if (from_.in.left > 0 && any_blocked()) from_.stop(errno_code(EAGAIN), side::none);
  }
  end_as_source();
}

}  // namespace

task<> tee_stream(tee_targets& targets, source from, const tee_options& options, environment env) {
  targets.for_live([](tee_target& to) {
    to.call.in = source();
    to.call.start();
  });
  stream_tee all(targets, from, options, env);
  co_await all.pass_all();
}

}  // namespace zc::detail
