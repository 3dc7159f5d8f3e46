#include "relays/step.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <stop_token>
#include <thread>

#include "conserve/peers.hpp"
#include "conserve/step.hpp"
#include "support/descriptors.hpp"
#include "support/process.hpp"
#include "zc/zc.hpp"

namespace relays {

namespace {

using namespace std::chrono_literals;
using conserve::peers;
using conserve::steady;

// Whatever should have ended by now never will.
constexpr auto patience = 20s;

/// The descriptors of one end that the relay gets, and the peer's.
struct end_fds {
  zc::fd in;
  zc::fd out;  // false where `in` is both
  zc::fd say;
  zc::fd hear;

  int out_fd() const { return out ? out.get() : in.get(); }
};

zc::fd duplicate(const zc::fd& of) { return zc::fd(::fcntl(of.get(), F_DUPFD_CLOEXEC, 0)); }

void limit_buffers(int socket, std::uint32_t bytes) {
  const int value = static_cast<int>(bytes);
  ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &value, sizeof value);
  ::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &value, sizeof value);
}

end_fds make_end(const end_plan& of) {
  end_fds made;
  if (of.is == kind::pipe) {
    support::ends said = support::make_pipe();
    support::ends heard = support::make_pipe();
    for (const zc::fd* each : {&said.first, &heard.first}) {
      if (of.buffer != 0) ::fcntl(each->get(), F_SETPIPE_SZ, static_cast<int>(of.buffer));
    }
    made = {std::move(said.first), std::move(heard.second), std::move(said.second),
            std::move(heard.first)};
    support::set_nonblocking(made.out.get(), of.nonblock);
  } else {
    support::ends pair = of.is == kind::tcp           ? support::tcp_pair()
                         : of.is == kind::unix_stream ? support::unix_pair()
                                                      : support::pty_pair();
    if (of.is == kind::tty_slave) std::swap(pair.first, pair.second);
    if (conserve::is_socket(of.is) && of.buffer != 0) {
      limit_buffers(pair.first.get(), of.buffer);
      limit_buffers(pair.second.get(), of.buffer);
    }
    made = {std::move(pair.first), zc::fd(), std::move(pair.second), zc::fd()};
    made.hear = duplicate(made.say);
    if (of.doubled) made.out = duplicate(made.in);
  }
  support::set_nonblocking(made.in.get(), of.nonblock);
  support::set_nonblocking(made.say.get(), true);
  support::set_nonblocking(made.hear.get(), true);
  return made;
}

/// One relay while it runs. Lane 0 of its two is from end 0 to end 1.
struct relay_run {
  const relay_plan* plan = nullptr;
  std::size_t lane = 0;
  std::array<unsigned, 2> salts{};
  std::array<end_fds, 2> ends;
  std::array<int, 4> flags{};
  std::array<zc::progress, 2> progress;
  std::stop_source stop;
  std::stop_source give_up;
  peers* others = nullptr;
  seen_relay seen;

  peers::pair& from(std::size_t end) { return (*others)[lane + end]; }
  peers::pair& to(std::size_t end) { return (*others)[lane + 1 - end]; }
  std::array<int, 4> flags_now() const {
    std::array<int, 4> now{};
    for (std::size_t i = 0; i < 2; ++i) {
      now[2 * i] = ::fcntl(ends[i].in.get(), F_GETFL);
      now[2 * i + 1] = ::fcntl(ends[i].out_fd(), F_GETFL);
    }
    return now;
  }
};

conserve::lane lane_of(const end_plan& from, const end_plan& to) {
  conserve::lane made;
  made.from = from.is;
  made.to = to.is;
  made.size = from.says;
  made.feed_bytes = from.say_bytes;
  made.feed_pause_us = from.say_pause_us;
  made.ending = from.half_closes ? conserve::ending::half_close : conserve::ending::stay;
  made.read_bytes = to.hear_bytes;
  made.read_pause_us = to.hear_pause_us;
  return made;
}

void die(relay_run& run, std::size_t end) {
  const end_plan& plan = run.plan->ends[end];
  conserve::feeder& says = run.from(end).in;
  conserve::reader& hears = run.to(end).out;
  if (plan.dies == death::reset) support::reset_on_close(hears.fd.get());
  says.fd = zc::fd();
  hears.fd = zc::fd();
  says.done = hears.done = hears.closed = true;
  run.seen.died[end] = true;
}

void arrange_death(relay_run& run, std::size_t end) {
  const end_plan& plan = run.plan->ends[end];
  std::function<bool()> when;
  std::chrono::microseconds after{0};
  switch (plan.when) {
    case moment::after_us:
      after = std::chrono::microseconds(plan.dies_at);
      break;
    case moment::after_said:
      when = [&run, end, &plan] { return run.from(end).in.fed == plan.says; };
      break;
    case moment::after_heard:
      when = [&run, end, &plan] { return run.to(end).out.bytes.size() >= plan.dies_at; };
      break;
  }
  run.others->arrange({run.lane, after, [&run, end] { die(run, end); }, std::move(when)});
}

void prepare(relay_run& run) {
  for (std::size_t end = 0; end < 2; ++end) {
    const end_plan& plan = run.plan->ends[end];
    run.ends[end] = make_end(plan);
    conserve::feeder& says = run.from(end).in;
    conserve::reader& hears = run.to(end).out;
    says.plan = lane_of(plan, run.plan->ends[1 - end]);
    hears.plan = lane_of(run.plan->ends[1 - end], plan);
    if (plan.mute_at < plan.says) {
      says.plan.event = conserve::event::feeder_stalls;
      says.plan.event_at = plan.mute_at;
    }
    if (plan.deaf_at != never) {
      hears.plan.event = conserve::event::reader_stalls;
      hears.plan.event_at = plan.deaf_at;
    }
    says.salt = run.salts[end];
    says.fd = std::move(run.ends[end].say);
    hears.fd = std::move(run.ends[end].hear);
    if (plan.dies != death::none) arrange_death(run, end);
  }
  run.flags = run.flags_now();
  const auto at = [&run](std::chrono::microseconds after, std::function<void()> what) {
    run.others->arrange({run.lane, after, std::move(what), {}});
  };
  if (run.plan->cancel_us != 0) {
    at(std::chrono::microseconds(run.plan->cancel_us), [&run] { run.stop.request_stop(); });
  }
  at(patience, [&run] {
    run.seen.gave_up = true;
    run.give_up.request_stop();
  });
}

zc::task<zc::relay_result> bounded(relay_run& run) {
  const relay_plan& plan = *run.plan;
  const auto or_never = [](std::uint32_t us) {
    return us == 0 ? std::chrono::nanoseconds::max()
                   : std::chrono::nanoseconds(std::chrono::microseconds(us));
  };
  const zc::relay_end a(run.ends[0].in.get(), run.ends[0].out_fd());
  const zc::relay_end b(run.ends[1].in.get(), run.ends[1].out_fd());
  zc::task<zc::relay_result> work = zc::relay(a, b,
                                              {.idle_timeout = or_never(plan.idle_us),
                                               .total_timeout = or_never(plan.total_us),
                                               .route = plan.route,
                                               .progress_a_to_b = &run.progress[0],
                                               .progress_b_to_a = &run.progress[1]});
  if (plan.deadline_us != 0) {
    work = zc::timeout(std::chrono::microseconds(plan.deadline_us), std::move(work));
  }
  if (plan.cancel_us != 0) work = zc::with_stop(run.stop.get_token(), std::move(work));
  return zc::with_stop(run.give_up.get_token(), std::move(work));
}

zc::task<> relay_one(relay_run& run) {
  if (run.plan->start_us != 0) {
    co_await zc::sleep_for(std::chrono::microseconds(run.plan->start_us));
  }
  run.others->lane_begins(run.lane);
  run.others->lane_begins(run.lane + 1);
  const auto began = steady::now();
  zc::task<zc::relay_result> work = bounded(run);
  zc::relay_result done = co_await std::move(work);
  run.seen.took = steady::now() - began;
  run.seen.flags_kept = run.flags == run.flags_now();
  run.seen.ways[0].done = std::move(done.a_to_b);
  run.seen.ways[1].done = std::move(done.b_to_a);
  for (std::size_t way = 0; way < 2; ++way) {
    seen_way& seen = run.seen.ways[way];
    seen.progress = run.progress[way].moved;
    // Of the end of file the peer has heard already, if it could.
    end_fds& target = run.ends[1 - way];
    if (seen.done.reason != zc::stop_reason::end_of_file) {
      ::shutdown(target.out_fd(), SHUT_WR);
    }
    target.out = zc::fd();
    run.others->lane_ended(run.lane + way, seen.done.moved);
  }
}

zc::task<> relay_all(std::vector<std::unique_ptr<relay_run>>& runs) {
  std::vector<zc::task<>> tasks;
  for (const auto& each : runs) tasks.push_back(relay_one(*each));
  co_await zc::when_all(std::move(tasks));
}

/// Reads what is left of a stream, and not more than one byte too many.
std::string drain(int fd, std::uint64_t expected) {
  std::string all(expected + 1, '\0');
  std::size_t size = 0;
  while (size < all.size()) {
    pollfd one{fd, POLLIN, 0};
    if (::poll(&one, 1, size < expected ? 10'000 : 0) <= 0) break;
    const ssize_t got = ::read(fd, &all[size], all.size() - size);
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  all.resize(size);
  return all;
}

void look_at_results(relay_run& run) {
  for (std::size_t way = 0; way < 2; ++way) {
    seen_way& seen = run.seen.ways[way];
    peers::pair& lane = (*run.others)[run.lane + way];
    seen.said = lane.in.fed;
    seen.received = std::move(lane.out.bytes);
    seen.starved = lane.out.starved;
    const std::uint64_t taken = seen.done.taken;
    const int in = run.ends[way].in.get();
    support::set_nonblocking(in, true);
    const bool all_there = !run.seen.died[way] && seen.said > taken;
    seen.left_in_source = drain(in, all_there ? seen.said - taken : 0);
  }
}

}  // namespace

unsigned salt_of(const plan& all, std::size_t relay, std::size_t end) {
  return all.salt * 64 + static_cast<unsigned>(2 * relay + end);
}

observation run(const plan& all) {
  observation seen;
  const std::size_t descriptors = support::open_descriptors();
  {
    peers others(2 * all.relays.size());
    std::vector<std::unique_ptr<relay_run>> runs;
    for (std::size_t i = 0; i < all.relays.size(); ++i) {
      runs.push_back(std::make_unique<relay_run>());
      relay_run& made = *runs.back();
      made.plan = &all.relays[i];
      made.lane = 2 * i;
      made.salts = {salt_of(all, i, 0), salt_of(all, i, 1)};
      made.others = &others;
      prepare(made);
    }
    seen.left_over = conserve::run_beside(
        others, {.entries = all.entries, .pipes = all.pipes, .pipe_bytes = all.pipe_bytes},
        [&runs] { return relay_all(runs); }, 2 * patience, to_text(all));
    for (const auto& each : runs) {
      look_at_results(*each);
      seen.relays.push_back(std::move(each->seen));
    }
  }
  const std::size_t now = support::open_descriptors();
  if (now != descriptors) seen.left_over += " descriptors: " + std::to_string(now - descriptors);
  return seen;
}

}  // namespace relays
