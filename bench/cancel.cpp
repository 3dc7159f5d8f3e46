// How long it takes from asking for a cancellation until what was cancelled has resumed.
//
//   bench-cancel --samples 2000
//
// For ops that wait in the kernel or on one of its workers, and for transfers on each route in each
// phase: not yet submitted, waiting for the source, waiting for the target, moving. Asked for from
// the loop's own thread, from another thread, and by a deadline, which counts from when it is due.
// Prints microseconds; the loop has nothing else to do, but for the rows that say so.

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "zc/zc.hpp"

namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;
using work_factory = std::function<zc::task<>()>;
using times = std::vector<steady::duration>;

void require(bool fine, const char* what) {
  if (fine) return;
  std::perror(what);
  std::exit(1);
}

struct ends {
  zc::fd first;
  zc::fd second;
};

ends make_pipe() {
  std::array<int, 2> raw{};
  require(::pipe2(raw.data(), O_CLOEXEC) == 0, "pipe2");
  return {zc::fd(raw[0]), zc::fd(raw[1])};
}

ends make_sockets() {
  std::array<int, 2> raw{};
  const int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  require(::socketpair(AF_UNIX, type, 0, raw.data()) == 0, "socketpair");
  return {zc::fd(raw[0]), zc::fd(raw[1])};
}

/// Descriptors on which what waits, waits for good, and what moves, moves for long.
struct scenery {
  scenery() {
    require(::ftruncate(huge.get(), std::int64_t{1} << 44) == 0, "ftruncate");
    const std::string block(65536, 'x');
    while (::send(full.first.get(), block.data(), block.size(), MSG_DONTWAIT) > 0) {
    }
    require(::write(loaded.second.get(), "x", 1) == 1, "write");
  }

  zc::fd huge{::memfd_create("zc-bench", MFD_CLOEXEC)};
  zc::fd null{::open("/dev/null", O_WRONLY | O_CLOEXEC)};
  ends empty = make_pipe();
  ends other = make_pipe();
  ends loaded = make_pipe();
  ends quiet = make_sockets();
  ends full = make_sockets();
  char byte = 0;
};

template <class Op, class... Args>
zc::task<> run_op(Args... args) {
  const auto done = co_await Op(args...);
  static_cast<void>(done);
}

zc::task<> run_transfer(int in, int out, zc::splice_options options) {
  const zc::transfer done = co_await zc::try_splice(in, out, options);
  if (done.reason != zc::stop_reason::cancelled && done.reason != zc::stop_reason::timed_out) {
    std::fprintf(stderr, "bench-cancel: a transfer ended by itself\n");
    std::exit(1);
  }
}

zc::task<> note_end(zc::task<> work, steady::time_point& ended) {
  try {
    co_await std::move(work);
  } catch (const std::system_error&) {
    // ECANCELED or ETIMEDOUT, from what is no transfer.
  }
  ended = steady::now();
}

enum class moment { queued, begun };

/// Asked for on the loop's own thread.
zc::task<steady::duration> cancel_here(const work_factory& make, moment when) {
  steady::time_point asked;
  steady::time_point ended;
  zc::scope tasks;
  const auto ask = [&]() -> zc::task<> {
    asked = steady::now();
    tasks.cancel();
    co_return;
  };
  tasks.spawn(note_end(make(), ended));
  if (when == moment::queued) {
    tasks.spawn(ask());  // in the same turn: before anything reaches the kernel
  } else {
    co_await zc::sleep_for(300us);
    asked = steady::now();
    tasks.cancel();
  }
  co_await tasks.join();
  co_return ended - asked;
}

/// Asks for stops from a thread of its own, each a while after it was given.
class other_thread {
 public:
  void stop_soon(std::stop_source what) {
    what_ = std::move(what);
    given_.store(true);
    given_.notify_one();
  }
  steady::time_point asked() const { return asked_.load(); }

  ~other_thread() {
    over_ = true;
    given_.store(true);
    given_.notify_one();
    thread_.join();
  }

 private:
  void run() {
    for (;;) {
      given_.wait(false);
      if (over_) return;
      std::stop_source what = std::move(what_);
      given_ = false;
      std::this_thread::sleep_for(300us);
      asked_ = steady::now();
      what.request_stop();
    }
  }

  std::atomic<bool> given_{false};
  std::atomic<bool> over_{false};
  std::atomic<steady::time_point> asked_{};
  std::stop_source what_;
  std::thread thread_{[this] { run(); }};
};

zc::task<steady::duration> cancel_from(other_thread& there, const work_factory& make) {
  steady::time_point ended;
  std::stop_source stop;
  there.stop_soon(stop);
  zc::task<> work = zc::with_stop(stop.get_token(), note_end(make(), ended));
  co_await std::move(work);
  co_return ended - there.asked();
}

zc::task<steady::duration> cancel_by_deadline(const work_factory& make) {
  steady::time_point ended;
  const auto due = steady::now() + 1ms;
  zc::task<> work = zc::timeout(1ms, make());
  co_await note_end(std::move(work), ended);
  co_return ended - due;
}

/// A thousand at once: how long each of them takes to resume, counted from the one request.
zc::task<times> cancel_many(const work_factory& make) {
  std::vector<steady::time_point> ended(1000);
  zc::scope tasks;
  for (steady::time_point& each : ended) tasks.spawn(note_end(make(), each));
  co_await zc::sleep_for(5ms);
  const auto asked = steady::now();
  tasks.cancel();
  co_await tasks.join();
  times took;
  for (const steady::time_point each : ended) took.push_back(each - asked);
  co_return took;
}

void print(const std::string& what, const char* how, times took) {
  std::sort(took.begin(), took.end());
  const auto at = [&took](double share) {
    const auto index = static_cast<std::size_t>(share * static_cast<double>(took.size() - 1));
    return std::chrono::duration<double, std::micro>(took[index]).count();
  };
  const auto late = std::count_if(took.begin(), took.end(), [](auto each) { return each > 10ms; });
  std::printf("%-40s %-14s %8.1f %8.1f %8.1f %9.1f %7ld\n", what.c_str(), how, at(0.5), at(0.9),
              at(0.99), at(1), static_cast<long>(late));
  std::fflush(stdout);
}

struct row {
  std::string what;
  work_factory make;
};

std::vector<row> rows_of(scenery& with) {
  namespace op = zc::op;
  constexpr std::int64_t none = -1;
  constexpr std::size_t one = 1;
  const int empty = with.empty.first.get();
  const int other = with.other.second.get();
  std::vector<row> rows{
      {"op::poll", [=] { return run_op<op::poll>(empty, unsigned{POLLIN}); }},
      {"op::read, pipe", [=, &with] { return run_op<op::read>(empty, &with.byte, one); }},
      {"op::recv", [&] { return run_op<op::recv>(with.quiet.first.get(), &with.byte, one); }},
      {"op::send, full", [&] { return run_op<op::send>(with.full.first.get(), &with.byte, one); }},
      {"op::timeout", [] { return run_op<op::timeout>(std::chrono::nanoseconds(1h)); }},
      {"op::splice, on a worker",
       [=] { return run_op<op::splice>(empty, none, other, none, one); }},
      {"op::tee, on a worker", [=] { return run_op<op::tee>(empty, other, one); }},
  };
  const std::array<const char*, 4> names{"automatic", "direct", "ring", "copy"};
  for (const zc::route route :
       {zc::route::automatic, zc::route::direct, zc::route::ring, zc::route::copy}) {
    const std::string by = std::string(", ") + names[static_cast<std::size_t>(route)];
    const zc::splice_options options{.route = route};
    rows.push_back({"transfer, no bytes to take" + by, [&with, options] {
                      return run_transfer(with.quiet.first.get(), with.null.get(), options);
                    }});
    rows.push_back({"transfer, no room to give" + by, [&with, options] {
                      return run_transfer(with.huge.get(), with.full.first.get(), options);
                    }});
    rows.push_back({"transfer, moving a file" + by, [&with, options] {
                      return run_transfer(with.huge.get(), with.null.get(), options);
                    }});
  }
  return rows;
}

zc::task<times> sample(std::size_t count, const std::function<zc::task<steady::duration>()>& once) {
  times took;
  for (std::size_t i = 0; i < count; ++i) {
    zc::task<steady::duration> next = once();
    const steady::duration each = co_await std::move(next);
    took.push_back(each);
  }
  co_return took;
}

void run_all(std::size_t samples, const std::string& only) {
  scenery with;
  other_thread there;
  std::printf("%-40s %-14s %8s %8s %8s %9s %7s\n", "microseconds from request to resumption",
              "requested", "p50", "p90", "p99", "max", "> 10 ms");
  for (const row& each : rows_of(with)) {
    if (each.what.find(only) == std::string::npos) continue;
    const work_factory& make = each.make;
    print(each.what, "queued",
          zc::run(sample(samples, [&] { return cancel_here(make, moment::queued); })));
    print(each.what, "here",
          zc::run(sample(samples, [&] { return cancel_here(make, moment::begun); })));
    print(each.what, "other thread",
          zc::run(sample(samples, [&] { return cancel_from(there, make); })));
    print(each.what, "deadline",
          zc::run(sample(samples, [&] { return cancel_by_deadline(make); })));
    // Workers are bounded, and so is what is moved in a turn: a thousand movers are queued.
    const bool waits = each.what.find("moving") == std::string::npos;
    if (waits) print(each.what, "1000 at once", zc::run(cancel_many(make)));
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Prints how long cancellations take.");
  std::size_t samples = 1000;
  app.add_option("--samples", samples, "Of each row")->check(CLI::Range(1, 1'000'000));
  std::string only;
  app.add_option("--only", only, "Rows whose name has this in it");
  CLI11_PARSE(app, argc, argv);
  try {
    run_all(samples, only);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench-cancel: %s\n", error.what());
    return 1;
  }
}
