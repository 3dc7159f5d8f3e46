// What timers cost beside many others: a deadline that is not met, and a storm of cancellations.
//
// The number is how many idle timers stand beside, or are cancelled at once.

#include <benchmark/benchmark.h>

#include <chrono>

#include "zc/zc.hpp"

namespace {

using namespace std::chrono_literals;

zc::task<> idle() { co_await zc::sleep_for(1h); }

zc::task<> nothing() { co_await zc::yield(); }

void deadline_not_met(benchmark::State& state) {
  const auto loop = [](benchmark::State& of) -> zc::task<> {
    zc::scope others;
    for (std::int64_t i = 0; i < of.range(0); ++i) others.spawn(idle());
    co_await zc::yield();
    for ([[maybe_unused]] const auto each : of) co_await zc::timeout(1min, nothing());
    others.cancel();
    co_await others.join();
  };
  zc::run(loop(state));
}

void cancel_all(benchmark::State& state) {
  const auto loop = [](benchmark::State& of) -> zc::task<> {
    for ([[maybe_unused]] const auto each : of) {
      of.PauseTiming();
      zc::scope those;
      for (std::int64_t i = 0; i < of.range(0); ++i) those.spawn(idle());
      co_await zc::yield();
      co_await zc::yield();
      of.ResumeTiming();
      those.cancel();
      co_await those.join();
    }
  };
  zc::run(loop(state));
}

BENCHMARK(deadline_not_met)->UseRealTime()->Arg(0)->Arg(100)->Arg(10'000);
BENCHMARK(cancel_all)->UseRealTime()->Unit(benchmark::kMillisecond)->Arg(100)->Arg(10'000);

}  // namespace

BENCHMARK_MAIN();
