// P10: two contexts on two threads against one.
//
//   bench-threads --rounds 7
//
// Hot files of 64 KiB, each thread its own, go to /dev/null, which needs no other side; and to TCP
// connections where there are cores for those who read. Prints GB/s, and how much more two do than
// one: what the machine gives is what the loops by hand get.

#include <fcntl.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "baseline/batch.hpp"
#include "support/arguments.hpp"
#include "support/data_file.hpp"
#include "support/measure.hpp"
#include "support/require.hpp"
#include "support/rounds.hpp"
#include "support/sink.hpp"
#include "support/table.hpp"
#include "zc/zc.hpp"

namespace {

using baseline::batch;
using bench::kind;

constexpr std::size_t file_bytes = 64 * 1024;
constexpr unsigned targets_per_thread = 8;

struct work {
  std::vector<int> files;  // one for each thread
  std::size_t transfers;   // for each thread
};

zc::task<> lane(const batch& what, std::size_t& number, int target, zc::route by) {
  while (number < what.transfers) {
    ++number;
    const std::uint64_t moved =
        co_await zc::splice(what.files[0], target, {.nbytes = what.file_bytes, .route = by});
    bench::require_equal(moved, what.file_bytes, "bytes of a transfer");
  }
}

/// A transfer to each target at a time.
zc::task<> all_lanes(const batch& what, zc::route by) {
  std::size_t number = 0;
  zc::scope lanes;
  for (const int target : what.targets) lanes.spawn(lane(what, number, target, by));
  co_await lanes.join();
}

using runner = std::function<void(const batch&)>;

runner zc_runner(zc::route by) {
  return [by](const batch& what) { zc::run(all_lanes(what, by)); };
}

/// Runs `run` in each of some threads, pinned to cores of their own; GB/s of all together. `finish`
/// is a part of what is timed, and tells how many bytes arrived.
double run_threads(const std::vector<batch>& each, const runner& run,
                   const std::function<std::uint64_t()>& finish) {
  using clock = std::chrono::steady_clock;
  std::barrier start(static_cast<std::ptrdiff_t>(each.size()));
  // By the threads' own clocks: this thread may be scheduled only when they have ended.
  std::vector<clock::time_point> begun(each.size());
  std::vector<std::exception_ptr> failures(each.size());
  std::vector<std::thread> threads;
  for (std::size_t at = 0; at < each.size(); ++at) {
    threads.emplace_back([&, at] {
      bench::pin_to(static_cast<unsigned>(at));
      start.arrive_and_wait();
      begun[at] = clock::now();
      try {
        run(each[at]);
      } catch (...) {
        failures[at] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  const std::uint64_t arrived = finish();
  const std::chrono::duration<double> passed =
      clock::now() - *std::min_element(begun.begin(), begun.end());
  std::uint64_t wanted = 0;
  for (const batch& one : each) wanted += one.transfers * one.file_bytes;
  bench::require_equal(arrived, wanted, "bytes that arrived");
  return static_cast<double>(wanted) * 1e-9 / passed.count();
}

double to_null(const work& what, unsigned threads, const runner& run) {
  return bench::in_child([&] {
    const zc::fd null(bench::require(::open("/dev/null", O_WRONLY | O_CLOEXEC), "/dev/null"));
    const std::vector<int> targets(targets_per_thread, null.get());
    std::vector<batch> each;
    for (unsigned at = 0; at < threads; ++at) {
      each.push_back({{&what.files[at], 1}, file_bytes, targets, what.transfers});
    }
    // Nobody counts what /dev/null gets: every way fails where it moves less than it should.
    return run_threads(each, run,
                       [&] { return std::uint64_t{threads} * what.transfers * file_bytes; });
  });
}

double to_sockets(const work& what, unsigned threads, const runner& run, bool nonblocking) {
  return bench::in_child([&] {
    std::vector<std::unique_ptr<bench::sink>> sinks;
    std::vector<std::vector<int>> targets(threads);
    std::vector<batch> each;
    for (unsigned at = 0; at < threads; ++at) {
      sinks.push_back(std::make_unique<bench::sink>(2 + at, targets_per_thread, false));
      for (const zc::fd& socket : sinks.back()->sockets()) {
        bench::set_nonblocking(socket.get(), nonblocking);
        targets[at].push_back(socket.get());
      }
      each.push_back({{&what.files[at], 1}, file_bytes, targets[at], what.transfers});
    }
    return run_threads(each, run, [&] {
      std::uint64_t sum = 0;
      for (const auto& one : sinks) sum += one->finish();
      return sum;
    });
  });
}

struct measured {
  double null_one = 0;
  double null_two = 0;
  double tcp_one = 0;  // 0: not measured
  double tcp_two = 0;
};

std::vector<bench::contender<measured>> contenders(const work& null, const work& tcp,
                                                   bool with_tcp) {
  std::vector<bench::contender<measured>> all;
  const auto add = [&](const char* name, kind is, const runner& run, bool nonblocking = true) {
    all.push_back({name, is, [=](bool) -> measured {
                     measured found{to_null(null, 1, run), to_null(null, 2, run)};
                     if (with_tcp) {
                       found.tcp_one = to_sockets(tcp, 1, run, nonblocking);
                       found.tcp_two = to_sockets(tcp, 2, run, nonblocking);
                     }
                     return found;
                   }});
  };
  add("a loop of sendfile", kind::baseline, baseline::batch_by_sendfile, false);
  add("a loop of splice, twice", kind::baseline, baseline::batch_by_splice, false);
  add("zc", kind::zc, zc_runner(zc::route::automatic));
  add("zc, direct", kind::zc_forced, zc_runner(zc::route::direct));
  add("zc, ring", kind::zc_forced, zc_runner(zc::route::ring));
  add("zc, copy", kind::zc_forced, zc_runner(zc::route::copy));
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  // Two that send and two that receive.
  bool with_tcp = bench::cores() >= 4;
  return bench::run_program(
      argc, argv, "Two contexts on two threads against one.",
      [&](CLI::App& app) {
        app.add_flag("--tcp", with_tcp, "to TCP too, with fewer cores than the four it needs");
      },
      [&](const bench::arguments& given) {
        if (bench::cores() < 2) throw std::runtime_error("this needs two cores");
        const zc::fd one = bench::make_file(given.directory, file_bytes);
        const zc::fd two = bench::make_file(given.directory, file_bytes);
        const std::vector<int> files{one.get(), two.get()};
        const work null{files, given.quick ? 2000U : 40'000U};
        const work tcp{files, given.quick ? 500U : 8000U};
        std::vector<bench::table::column> columns;
        const std::vector<std::string> kinds = with_tcp
                                                   ? std::vector<std::string>{"/dev/null", "TCP"}
                                                   : std::vector<std::string>{"/dev/null"};
        for (const std::string& target : kinds) {
          columns.push_back({target + ": one, GB/s", false, 2});
          columns.push_back({"two, GB/s", false, 2});
          columns.push_back({"two / one", false, 2});
        }
        bench::table speed("threads", "P10: 64 KiB transfers by one thread and by two", columns);
        bench::take_turns(given.rounds, contenders(null, tcp, with_tcp),
                          [&](const auto& who, const measured& of) {
                            speed.add(who.name, who.what, 0, of.null_one);
                            speed.add(who.name, who.what, 1, of.null_two);
                            speed.add(who.name, who.what, 2, of.null_two / of.null_one);
                            if (!with_tcp) return;
                            speed.add(who.name, who.what, 3, of.tcp_one);
                            speed.add(who.name, who.what, 4, of.tcp_two);
                            speed.add(who.name, who.what, 5, of.tcp_two / of.tcp_one);
                          });
        bench::publish({speed}, given.rounds, given.json);
        if (!with_tcp) std::printf("TCP was left out: it needs four cores.\n\n");
      });
}
