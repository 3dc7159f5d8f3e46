// P4: 10 000 transfers of 16 KiB by zc::splice_batch, and the memory that it takes.
//
//   bench-batch --rounds 7
//
// Hot files go to /dev/null, where nothing but the moves costs anything, and to 64 TCP connections
// that another core reads. By hand it is a loop that blocks; zc waits for many at a time.

#include "baseline/batch.hpp"

#include <fcntl.h>

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "support/arguments.hpp"
#include "support/data_file.hpp"
#include "support/heap_peak.hpp"
#include "support/measure.hpp"
#include "support/require.hpp"
#include "support/rounds.hpp"
#include "support/sink.hpp"
#include "support/table.hpp"
#include "zc/splice_batch.hpp"
#include "zc/zc.hpp"

namespace {

using baseline::batch;
using bench::kind;

constexpr std::size_t file_bytes = 16 * 1024;
constexpr unsigned connections = 64;

zc::splice_job job_of(const batch& what, std::size_t number) {
  return {what.files[number % what.files.size()],
          what.targets[number % what.targets.size()],
          {.nbytes = what.file_bytes}};
}

std::vector<zc::splice_job> jobs_of(const batch& what) {
  std::vector<zc::splice_job> jobs;
  jobs.reserve(what.transfers);
  for (std::size_t number = 0; number < what.transfers; ++number) {
    jobs.push_back(job_of(what, number));
  }
  return jobs;
}

zc::task<> run_vector(const batch& what, unsigned in_flight) {
  std::vector<zc::splice_job> jobs = jobs_of(what);
  const std::vector<zc::transfer> done =
      co_await zc::splice_batch(std::move(jobs), {.in_flight = in_flight});
  std::uint64_t moved = 0;
  for (const zc::transfer& each : done) moved += each.moved;
  bench::require_equal(moved, what.transfers * what.file_bytes, "bytes that zc moved");
}

using runner = std::function<void(const batch&)>;

runner zc_runner(unsigned in_flight) {
  return [in_flight](const batch& what) { zc::run(run_vector(what, in_flight)); };
}

struct measured {
  std::array<bench::cost, 2> per_transfer;  // to /dev/null, to TCP
};

bench::cost to_null(batch what, const runner& run) {
  return bench::in_child([&] {
    bench::pin_to(0);
    const zc::fd null(bench::require(::open("/dev/null", O_WRONLY | O_CLOEXEC), "/dev/null"));
    const int target = null.get();
    what.targets = {&target, 1};
    const bench::stopwatch since;
    run(what);
    return since.read();
  });
}

bench::cost to_sockets(batch what, const runner& run, bool nonblocking) {
  return bench::in_child([&] {
    bench::pin_to(0);
    bench::sink to(1, connections, false);
    std::vector<int> targets;
    for (const zc::fd& each : to.sockets()) {
      bench::set_nonblocking(each.get(), nonblocking);
      targets.push_back(each.get());
    }
    what.targets = targets;
    const bench::stopwatch since;
    run(what);
    const std::uint64_t arrived = to.finish();
    const bench::cost spent = since.read();
    bench::require_equal(arrived, what.transfers * what.file_bytes, "bytes that arrived");
    return spent;
  });
}

double peak_kib(std::size_t but_for_bytes) {
  return (static_cast<double>(bench::heap_peak()) - static_cast<double>(but_for_bytes)) / 1024;
}

zc::task<double> peak_of_vector(const batch& what, unsigned in_flight) {
  std::vector<zc::splice_job> jobs = jobs_of(what);
  bench::count_heap();
  const std::vector<zc::transfer> done =
      co_await zc::splice_batch(std::move(jobs), {.in_flight = in_flight});
  co_return peak_kib(done.size() * sizeof(zc::transfer));
}

zc::task<double> peak_of_generator(const batch& what, unsigned in_flight) {
  std::size_t number = 0;
  const auto next = [&]() -> std::optional<zc::splice_job> {
    if (number == what.transfers) return std::nullopt;
    return job_of(what, number++);
  };
  const auto done = [](zc::splice_job&&, zc::transfer&&) {};
  bench::count_heap();
  const zc::batch_result all = co_await zc::splice_batch(next, done, {.in_flight = in_flight});
  bench::require_equal(all.jobs, what.transfers, "transfers that ended");
  co_return peak_kib(0);
}

using peak_task = std::function<zc::task<double>(const batch&, unsigned in_flight)>;

/// Beyond the ring, the first pipe and what else one transfer has made.
double measure_peak(batch what, unsigned in_flight, const peak_task& peak) {
  return bench::in_child([&] {
    const zc::fd null(bench::require(::open("/dev/null", O_WRONLY | O_CLOEXEC), "/dev/null"));
    const int target = null.get();
    what.targets = {&target, 1};
    batch one = what;
    one.transfers = 1;
    zc::context context;
    context.run(peak(one, in_flight));
    return context.run(peak(what, in_flight));
  });
}

bench::table memory_table(const batch& what, unsigned rounds, bool quick) {
  const std::array<std::size_t, 2> counts{1000, quick ? 10'000U : 100'000U};
  bench::table memory(
      "batch-memory",
      "P4: most heap in use by a batch to /dev/null beyond the jobs and their results, KiB",
      {{std::to_string(counts[0]) + " transfers", true, 0},
       {std::to_string(counts[1]) + " transfers", true, 0}});
  const auto measure = [&](const std::string& name, unsigned in_flight, const peak_task& peak) {
    for (std::size_t column = 0; column < counts.size(); ++column) {
      batch many = what;
      many.transfers = counts[column];
      for (unsigned round = 0; round < rounds; ++round) {
        memory.add(name + ", " + std::to_string(in_flight) + " in flight", kind::zc_forced, column,
                   measure_peak(many, in_flight, peak));
      }
    }
  };
  for (const unsigned in_flight : {8U, 64U}) {
    measure("zc, a vector of jobs", in_flight, peak_of_vector);
    measure("zc, jobs one by one", in_flight, peak_of_generator);
  }
  return memory;
}

std::vector<bench::contender<measured>> contenders(const batch& what) {
  std::vector<bench::contender<measured>> all;
  const auto add = [&](const char* name, kind is, const runner& run, bool nonblocking) {
    all.push_back({name, is, [=](bool) -> measured {
                     return {{to_null(what, run), to_sockets(what, run, nonblocking)}};
                   }});
  };
  add("a loop of sendfile", kind::baseline, baseline::batch_by_sendfile, false);
  add("a loop of splice, twice", kind::baseline, baseline::batch_by_splice, false);
  add("zc", kind::zc, zc_runner(64), true);
  add("zc, 8 in flight", kind::zc_forced, zc_runner(8), true);
  add("zc, sockets in blocking mode", kind::zc, zc_runner(64), false);
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t transfers = 10'000;
  return bench::run_program(
      argc, argv, "Many transfers of 16 KiB, by zc::splice_batch and in a loop by hand.",
      [&](CLI::App& app) {
        app.add_option("--transfers", transfers, "how many")->capture_default_str();
      },
      [&](const bench::arguments& given) {
        if (given.quick) transfers = std::min<std::size_t>(transfers, 2000);
        std::vector<zc::fd> files;
        std::vector<int> plain;
        for (unsigned count = 0; count < connections; ++count) {
          files.push_back(bench::make_file(given.directory, file_bytes));
          plain.push_back(files.back().get());
        }
        const batch what{plain, file_bytes, {}, transfers};
        bench::table speed(
            "batch", "P4: " + std::to_string(transfers) + " transfers of 16 KiB, \u00b5s each",
            {{"/dev/null", true, 2},
             {"/dev/null, CPU", true, 2},
             {"TCP", true, 2},
             {"TCP, sender's CPU", true, 2}});
        bench::take_turns(given.rounds, contenders(what), [&](const auto& who, const measured& of) {
          const double scale = 1e6 / static_cast<double>(transfers);
          for (std::size_t target = 0; target < of.per_transfer.size(); ++target) {
            const bench::cost& spent = of.per_transfer[target];
            speed.add(who.name, who.what, 2 * target, spent.seconds * scale);
            speed.add(who.name, who.what, 2 * target + 1, spent.cpu_seconds * scale);
          }
        });
        bench::publish({speed, memory_table(what, std::min(given.rounds, 3U), given.quick)},
                       given.rounds, given.json);
      });
}
