// Moves bytes every way at once for as long as one likes, and watches what the process holds.
//
//   soak --seconds 3600 --transfers 64
//
// Each of the transfers draws its ends, size, route and disturbance (a cancel, a deadline, a peer
// that leaves), and every byte is compared with the one that belongs at its position. After every
// round all of them are at rest, and a line says what is held then. Ends with 1 where a byte, a
// count or the comparison of the first and last quarter is wrong, and with 3 where something hangs.

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <random>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/loop.hpp"
#include "engine/off_thread.hpp"
#include "support/descriptors.hpp"
#include "support/process.hpp"
#include "transfer/transfer_service.hpp"
#include "zc/zc.hpp"

namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

constexpr std::size_t pattern_bytes = 16 * 1024 * 1024;
constexpr std::size_t largest_bytes = 4 * 1024 * 1024;

enum class kind : std::uint8_t { file, pipe, unix_socket, tcp };
enum class disturbance : std::uint8_t { none, deadline, stop, peer_leaves };

constexpr std::array<const char*, 4> kind_names{"file", "pipe", "unix", "tcp"};
constexpr std::array<const char*, 4> disturbance_names{"none", "deadline", "stop", "peer leaves"};
constexpr std::array<const char*, 4> route_names{"automatic", "direct", "ring", "copy"};

/// One transfer, or several in a row that move one stream where it is cut.
struct step {
  kind from = kind::file;
  kind to = kind::file;
  bool nonblocking = true;
  bool bounded = true;  // asks for so many bytes, rather than for all up to the end
  zc::route route = zc::route::automatic;
  disturbance by = disturbance::none;
  std::size_t base = 0;  // where in the pattern the stream begins
  std::size_t size = 0;
  std::size_t leaves_after = 0;  // how many bytes the peer reads before it leaves
  std::chrono::microseconds delay{0};
};

std::string text_of(const step& s) {
  std::array<char, 200> text{};
  std::snprintf(text.data(), text.size(),
                "%s -> %s, %s, %s, route %s, disturbance %s after %lld us, base %zu, size %zu, "
                "peer leaves after %zu",
                kind_names[static_cast<std::size_t>(s.from)],
                kind_names[static_cast<std::size_t>(s.to)],
                s.nonblocking ? "nonblocking" : "blocking", s.bounded ? "bounded" : "to the end",
                route_names[static_cast<std::size_t>(s.route)],
                disturbance_names[static_cast<std::size_t>(s.by)],
                static_cast<long long>(s.delay.count()), s.base, s.size, s.leaves_after);
  return text.data();
}

struct totals {
  std::uint64_t transfers = 0;
  std::uint64_t bytes = 0;
  std::uint64_t cut = 0;
  std::uint64_t peers_gone = 0;
  std::uint64_t errors = 0;
};

/// Requests stops from a thread of its own, each after its delay.
class stopper {
 public:
  stopper() : thread_([this](std::stop_token over) { run(over); }) {}

  void stop_after(std::stop_source what, std::chrono::microseconds delay) {
    const std::lock_guard lock(mutex_);
    queue_.push_back({std::move(what), steady::now() + delay});
    changed_.notify_one();
  }

 private:
  struct entry {
    std::stop_source what;
    steady::time_point when;
  };

  void run(const std::stop_token& over) {
    std::unique_lock lock(mutex_);
    while (changed_.wait(lock, over, [this] { return !queue_.empty(); })) {
      const auto next = std::min_element(queue_.begin(), queue_.end(),
                                         [](auto& a, auto& b) { return a.when < b.when; });
      if (next->when > steady::now()) {
        const auto when = next->when;
        lock.unlock();
        std::this_thread::sleep_until(std::min(when, steady::now() + 200us));
        lock.lock();
        continue;
      }
      std::stop_source what = std::move(next->what);
      queue_.erase(next);
      lock.unlock();
      what.request_stop();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<entry> queue_;
  std::jthread thread_;
};

/// Ends the process where the loop shows no life for too long, and says what was under way.
class watchdog {
 public:
  watchdog(std::chrono::seconds patience, const std::vector<step>& steps)
      : thread_([this, patience, &steps](std::stop_token over) {
          std::unique_lock lock(mutex_);
          std::uint64_t before = beats_;
          auto since = steady::now();
          while (!changed_.wait_for(lock, over, 500ms, [&over] { return over.stop_requested(); })) {
            if (over.stop_requested()) return;
            if (beats_ != before) {
              before = beats_;
              since = steady::now();
            }
            if (steady::now() - since < patience) continue;
            std::fprintf(stderr, "soak: nothing has ended for a while; under way:\n");
            for (const step& each : steps) std::fprintf(stderr, "  %s\n", text_of(each).c_str());
            std::_Exit(3);
          }
        }) {}

  void beat() {
    const std::lock_guard lock(mutex_);
    ++beats_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::uint64_t beats_ = 0;
  std::jthread thread_;
};

struct soak {
  std::string pattern = support::bytes_at(0, pattern_bytes);
  zc::fd pattern_file;
  std::mt19937_64 random;
  totals sum;
  std::size_t most_workers = 0;
  std::size_t most_descriptors = 0;
  std::vector<step> steps;  // what each slot does, for the watchdog: a race worth having
  stopper stops;

  std::size_t draw(std::size_t below) { return static_cast<std::size_t>(random() % below); }

  std::string_view expected(const step& s, std::size_t at, std::size_t size) const {
    return std::string_view(pattern).substr(s.base + at, size);
  }

  void complain(const step& s, const char* what, std::uint64_t a = 0, std::uint64_t b = 0) {
    ++sum.errors;
    std::fprintf(stderr, "soak: %s (%llu, %llu): %s\n", what, static_cast<unsigned long long>(a),
                 static_cast<unsigned long long>(b), text_of(s).c_str());
  }
};

step draw_step(soak& in) {
  step s;
  s.from = static_cast<kind>(in.draw(4));
  s.to = static_cast<kind>(in.draw(4));
  s.nonblocking = in.draw(2) == 0;
  s.bounded = s.from == kind::file || in.draw(2) == 0;
  // Small ones as often as large ones, and all that stand beside a power of two.
  s.size = std::size_t{1} << in.draw(23);
  s.size = std::min(s.size + in.draw(s.size), largest_bytes);
  if (in.draw(4) == 0) s.size = (std::size_t{1} << in.draw(19)) + in.draw(3) - 1;
  s.base = in.draw(pattern_bytes - s.size);
  s.route = static_cast<zc::route>(in.draw(4));
  const auto is_socket = [](kind k) { return k == kind::unix_socket || k == kind::tcp; };
  if (s.route == zc::route::direct && !s.nonblocking && (is_socket(s.from) || is_socket(s.to))) {
    s.route = zc::route::automatic;  // direct refuses sockets that could block the thread
  }
  switch (in.draw(10)) {
    case 0:
    case 1:
    case 2:
      s.by = disturbance::deadline;
      break;
    case 3:
    case 4:
      s.by = disturbance::stop;
      break;
    case 5:
      if (s.to != kind::file) s.by = disturbance::peer_leaves;
      break;
    default:
      break;
  }
  s.leaves_after = in.draw(s.size + 1);
  s.delay = std::chrono::microseconds(in.draw(std::size_t{1} << in.draw(14)));
  return s;
}

/// One end of a transfer, `own`, and what the test does with the other one, `peer`.
struct both_ends {
  zc::fd own;
  zc::fd peer;
};

both_ends make_ends(kind of, bool nonblocking, bool source) {
  const int pipe_flags = nonblocking ? O_NONBLOCK : 0;
  const int socket_flags = nonblocking ? SOCK_NONBLOCK : 0;
  support::ends made;
  switch (of) {
    case kind::file:
      return {support::empty_file(), zc::fd()};
    case kind::pipe:
      made = support::make_pipe(pipe_flags);
      if (!source) std::swap(made.first, made.second);
      break;
    case kind::unix_socket:
      made = support::unix_pair(socket_flags);
      break;
    case kind::tcp:
      made = support::tcp_pair(socket_flags);
      // Else loopback's ports are all in TIME_WAIT after a minute.
      if (source) support::reset_on_close(made.first.get());
      support::reset_on_close(made.second.get());
      break;
  }
  return {std::move(made.first), std::move(made.second)};
}

/// Writes the stream to a source's other end, and ends it.
zc::task<> feed(soak& in, const step& s, zc::fd& to) {
  std::size_t at = 0;
  while (at < s.size) {
    const std::string_view rest =
        in.expected(s, at, std::min<std::size_t>(s.size - at, 256 * 1024));
    const void* const bytes = rest.data();
    zc::result<std::size_t> wrote = std::size_t{0};
    if (s.from == kind::pipe) {
      wrote = co_await zc::op::write(to.get(), bytes, rest.size());
    } else {
      wrote = co_await zc::op::send(to.get(), bytes, rest.size());
    }
    if (!wrote) {
      // The transfer has given up because its own peer is gone.
      if (s.by != disturbance::peer_leaves) in.complain(s, "feeding", at, s.size);
      co_return;
    }
    at += *wrote;
  }
  if (s.from == kind::pipe) {
    const zc::fd closed = std::move(to);
  } else {
    ::shutdown(to.get(), SHUT_WR);
  }
}

/// Reads a target's other end up to its end, or for as long as it is to stay.
zc::task<> drink(soak& in, const step& s, zc::fd& from, std::size_t& got) {
  std::vector<char> buffer(64 * 1024);
  const std::size_t most = s.by == disturbance::peer_leaves ? s.leaves_after : s.size + 1;
  while (got < most) {
    const std::size_t ask = std::min(buffer.size(), most - got);
    zc::result<std::size_t> some = std::size_t{0};
    if (s.to == kind::pipe) {
      some = co_await zc::op::read(from.get(), buffer.data(), ask);
    } else {
      some = co_await zc::op::recv(from.get(), buffer.data(), ask);
    }
    if (!some) {
      in.complain(s, "reading", got, static_cast<std::uint64_t>(some.error().value()));
      break;
    }
    if (*some == 0) break;
    if (*some > s.size - got ||
        std::memcmp(buffer.data(), in.expected(s, got, *some).data(), *some) != 0) {
      in.complain(s, "wrong bytes at, of", got, s.size);
      break;
    }
    got += *some;
  }
  if (s.by == disturbance::peer_leaves) const zc::fd closed = std::move(from);
}

void check_remainder(soak& in, const step& s, const zc::transfer& done, std::size_t at) {
  const auto kept = done.remainder.bytes();
  const bool right =
      kept.size() <= s.size - at &&
      (kept.empty() ||
       std::memcmp(kept.data(), in.expected(s, at, kept.size()).data(), kept.size()) == 0);
  if (!right) in.complain(s, "wrong bytes in the remainder", at, kept.size());
}

/// One call, disturbed as the step says.
zc::task<zc::transfer> call(soak& in, const step& s, int from, int to, zc::splice_options options,
                            bool disturb) {
  zc::task<zc::transfer> moving = zc::try_splice(from, to, options);
  if (disturb && s.by == disturbance::deadline) {
    co_return co_await zc::timeout(s.delay, std::move(moving));
  }
  if (disturb && s.by == disturbance::stop) {
    std::stop_source source;
    in.stops.stop_after(source, s.delay);
    co_return co_await zc::with_stop(source.get_token(), std::move(moving));
  }
  co_return co_await std::move(moving);
}

/// Moves the stream, call by call where it is cut. True when all of it has been moved.
zc::task<bool> move(soak& in, const step& s, int from, int to) {
  std::size_t moved = 0;
  bool disturb = true;
  for (;;) {
    zc::splice_options options;
    if (s.from == kind::file) options.offset = static_cast<std::int64_t>(s.base + moved);
    if (s.to == kind::file) options.out_offset = static_cast<std::int64_t>(moved);
    if (s.bounded) options.nbytes = s.size - moved;
    options.route = s.route;
    zc::task<zc::transfer> calling = call(in, s, from, to, options, disturb);
    zc::transfer done = co_await std::move(calling);
    ++in.sum.transfers;
    in.sum.bytes += done.moved;
    moved += done.moved;
    if (done.taken != done.moved + done.remainder.size()) {
      in.complain(s, "counts: taken, moved", done.taken, done.moved);
    }
    if (moved > s.size) {
      in.complain(s, "more than there was", moved, s.size);
      co_return false;
    }
    check_remainder(in, s, done, moved);
    switch (done.reason) {
      case zc::stop_reason::complete:
      case zc::stop_reason::end_of_file:
        if (moved != s.size) in.complain(s, "short: moved, of", moved, s.size);
        co_return true;
      case zc::stop_reason::cancelled:
      case zc::stop_reason::timed_out: {
        if (!disturb) in.complain(s, "cut by nobody", moved, s.size);
        ++in.sum.cut;
        disturb = false;
        zc::splice_options rest;
        if (s.to == kind::file) rest.out_offset = static_cast<std::int64_t>(moved);
        zc::task<zc::transfer> delivering = zc::try_splice(std::move(done.remainder), to, rest);
        const zc::transfer delivered = co_await std::move(delivering);
        in.sum.bytes += delivered.moved;
        moved += delivered.moved;
        if (delivered.reason != zc::stop_reason::complete)
          in.complain(s, "remainder", moved, s.size);
        break;
      }
      default: {
        const bool gone =
            done.error == std::errc::broken_pipe || done.error == std::errc::connection_reset;
        if (s.by == disturbance::peer_leaves && gone && done.side == zc::side::out) {
          ++in.sum.peers_gone;
        } else {
          in.complain(s, "failed: errno, moved", static_cast<std::uint64_t>(done.error.value()),
                      moved);
        }
        co_return false;
      }
    }
  }
}

zc::task<> run_step(soak& in, const step& s) {
  both_ends source;
  if (s.from != kind::file) source = make_ends(s.from, s.nonblocking, true);
  both_ends target = make_ends(s.to, s.nonblocking, false);
  const int from = s.from == kind::file ? in.pattern_file.get() : source.own.get();
  std::size_t got = 0;
  zc::scope beside;
  if (source.peer) beside.spawn(feed(in, s, source.peer));
  if (target.peer) beside.spawn(drink(in, s, target.peer, got));
  zc::task<bool> moving = move(in, s, from, target.own.get());
  const bool whole = co_await std::move(moving);
  // The stream ends, on both sides: nobody waits any more.
  if (!whole && source.own) ::shutdown(source.own.get(), SHUT_RDWR);
  { const zc::fd closed = std::move(source.own); }
  if (s.to == kind::unix_socket || s.to == kind::tcp) {
    ::shutdown(target.own.get(), SHUT_WR);
  } else if (s.to == kind::pipe) {
    const zc::fd closed = std::move(target.own);
  }
  co_await beside.join();
  if (s.to == kind::file) {
    const std::string all = support::contents(target.own.get());
    got = all.size();
    if (whole && all != in.expected(s, 0, s.size)) in.complain(s, "wrong bytes in the file", got);
  }
  if (whole && s.by != disturbance::peer_leaves && got != s.size) {
    in.complain(s, "the peer got, of", got, s.size);
  }
}

zc::task<> slot(soak& in, std::size_t index, steady::time_point until, watchdog& alive) {
  while (steady::now() < until) {
    in.steps[index] = draw_step(in);
    zc::task<> one = run_step(in, in.steps[index]);
    co_await std::move(one);
    alive.beat();
  }
}

zc::task<> sample_peaks(soak& in) {
  for (;;) {
    co_await zc::sleep_for(250ms);
    in.most_workers = std::max(in.most_workers, support::kernel_workers());
    in.most_descriptors = std::max(in.most_descriptors, support::open_descriptors());
  }
}

zc::task<> round_of(soak& in, std::size_t slots, steady::time_point until, watchdog& alive) {
  zc::scope peaks;
  peaks.spawn(sample_peaks(in));
  zc::scope all;
  for (std::size_t i = 0; i < slots; ++i) all.spawn(slot(in, i, until, alive));
  co_await all.join();
  peaks.cancel();
  co_await peaks.join();
}

/// What is held at the end of a round, when nothing is under way.
struct sample {
  double seconds = 0;
  std::uint64_t transfers = 0;
  std::size_t resident = 0;
  std::size_t descriptors = 0;
  std::size_t threads = 0;
  std::size_t workers = 0;
  std::size_t pipes = 0;
};

template <class Field>
double mean(const std::vector<sample>& of, std::size_t first, std::size_t last, Field field) {
  double all = 0;
  for (std::size_t i = first; i < last; ++i) all += static_cast<double>(field(of[i]));
  return all / static_cast<double>(last - first);
}

/// Compares the first and the last quarter; false where something has grown.
bool judge(const std::vector<sample>& samples, const soak& in, std::size_t worker_limit) {
  const std::size_t quarter = std::max<std::size_t>(samples.size() / 4, 1);
  const std::size_t size = samples.size();
  bool good = in.sum.errors == 0 && in.sum.transfers > 0;
  std::printf("\n%-24s %14s %14s\n", "at rest, mean of", "first quarter", "last quarter");
  const auto row = [&](const char* name, auto field, double slack_ratio, double slack) {
    const double first = mean(samples, 0, quarter, field);
    const double last = mean(samples, size - quarter, size, field);
    const bool grew = last > first * (1 + slack_ratio) + slack;
    if (grew) good = false;
    std::printf("%-24s %14.1f %14.1f  %s\n", name, first, last, grew ? "GREW" : "ok");
  };
  constexpr double mebibyte = 1024.0 * 1024.0;
  // What the C library keeps depends on which sizes came together; it levels off.
  row(
      "resident MiB", [](const sample& s) { return static_cast<double>(s.resident) / mebibyte; },
      0.1, 8);
  row(
      "descriptors, less pipes", [](const sample& s) { return s.descriptors - 2 * s.pipes; }, 0, 0);
  // Those for files come when there is something for them to do.
  row(
      "user threads", [](const sample& s) { return s.threads; }, 0, 2.0);
  row(
      "pipes kept", [](const sample& s) { return s.pipes; }, 0, 64);
  row(
      "kernel workers", [](const sample& s) { return s.workers; }, 0,
      static_cast<double>(worker_limit));
  const bool bounded = in.most_workers <= worker_limit;
  if (!bounded) good = false;
  std::printf("most kernel workers at once: %zu of %zu allowed  %s\n", in.most_workers,
              worker_limit, bounded ? "ok" : "TOO MANY");
  std::printf("most descriptors at once: %zu\n", in.most_descriptors);
  std::printf(
      "verdict: %s: %llu transfers, %llu bytes, %llu cut short, %llu peers gone, %llu errors\n",
      good ? "PASS" : "FAIL", static_cast<unsigned long long>(in.sum.transfers),
      static_cast<unsigned long long>(in.sum.bytes), static_cast<unsigned long long>(in.sum.cut),
      static_cast<unsigned long long>(in.sum.peers_gone),
      static_cast<unsigned long long>(in.sum.errors));
  return good;
}

sample take_sample(zc::context& context, const soak& in, double seconds) {
  const auto& pipes = zc::detail::transfer_service::of(zc::detail::loop::of(context)).pipes;
  return {.seconds = seconds,
          .transfers = in.sum.transfers,
          .resident = support::resident_bytes(),
          .descriptors = support::open_descriptors(),
          .threads = support::user_threads(),
          .workers = support::kernel_workers(),
          .pipes = pipes.idle() + pipes.lent()};
}

int run_for(std::chrono::seconds duration, std::size_t slots, std::chrono::milliseconds round,
            std::uint64_t seed) {
  soak in;
  in.random.seed(seed);
  in.steps.resize(slots);
  in.pattern_file = support::empty_file();
  support::write_all(in.pattern_file.get(), in.pattern);
  zc::context_options options;
  zc::context context(options);
  watchdog alive(60s, in.steps);

  std::printf("soak: seed %llu, %zu transfers at once\n", static_cast<unsigned long long>(seed),
              slots);
  std::printf("%9s %11s %15s %7s %9s %6s %8s %8s %6s\n", "elapsed", "transfers", "bytes", "errors",
              "RSS KiB", "fds", "threads", "workers", "pipes");
  std::vector<sample> samples;
  const auto began = steady::now();
  while (steady::now() - began < duration) {
    const auto until = std::min(steady::now() + round, began + duration);
    context.run(round_of(in, slots, until, alive));
    const std::chrono::duration<double> elapsed = steady::now() - began;
    const sample now = take_sample(context, in, elapsed.count());
    samples.push_back(now);
    std::printf("%9.1f %11llu %15llu %7llu %9zu %6zu %8zu %8zu %6zu\n", now.seconds,
                static_cast<unsigned long long>(in.sum.transfers),
                static_cast<unsigned long long>(in.sum.bytes),
                static_cast<unsigned long long>(in.sum.errors), now.resident / 1024,
                now.descriptors, now.threads, now.workers, now.pipes);
    std::fflush(stdout);
  }
  return judge(samples, in, 2 * std::size_t{options.workers}) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Moves bytes every way at once, and watches what the process holds.");
  std::int64_t seconds = 60;
  std::size_t slots = 64;
  double round_seconds = 5;
  std::uint64_t seed = std::random_device{}();
  app.add_option("--seconds", seconds, "How long")->check(CLI::Range(1, 1'000'000));
  app.add_option("--transfers", slots, "How many at once")->check(CLI::Range(1, 10'000));
  app.add_option("--round", round_seconds, "Seconds between two lines")
      ->check(CLI::Range(0.1, 3600.0));
  app.add_option("--seed", seed, "Of what is drawn; timing is not repeatable");
  CLI11_PARSE(app, argc, argv);
  try {
    return run_for(std::chrono::seconds(seconds), slots,
                   std::chrono::milliseconds(static_cast<std::int64_t>(round_seconds * 1000)),
                   seed);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "soak: %s\n", error.what());
    return 1;
  }
}
