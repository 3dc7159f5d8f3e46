// What an op costs beside the same op by hand: IORING_OP_NOP, one and 64 in flight.
//
// Prints ns per op. `bench-nop --ops WAY NUMBER` does that many and nothing else: for callgrind,
// see bench/instructions.

#include <benchmark/benchmark.h>
#include <liburing.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include "zc/zc.hpp"

namespace {

constexpr unsigned many = 64;
// So many that making a ring does not show.
constexpr std::uint64_t ops_per_ring = 64 * 1024;

/// The cheapest loop there is: one system call for all that is in flight, completions in a batch.
void by_hand(std::uint64_t ops, unsigned in_flight) {
  io_uring ring{};
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
  if (io_uring_queue_init_params(256, &ring, &params) < 0) std::abort();
  std::array<io_uring_cqe*, many> ended{};
  for (std::uint64_t done = 0; done < ops;) {
    for (unsigned i = 0; i < in_flight; ++i) {
      io_uring_sqe* const sqe = io_uring_get_sqe(&ring);
      io_uring_prep_nop(sqe);
      io_uring_sqe_set_data64(sqe, i);
    }
    if (io_uring_submit_and_wait(&ring, in_flight) < 0) std::abort();
    const unsigned count = io_uring_peek_batch_cqe(&ring, ended.data(), in_flight);
    for (unsigned i = 0; i < count; ++i) {
      if (ended[i]->res < 0 || ended[i]->user_data >= in_flight) std::abort();
    }
    io_uring_cq_advance(&ring, count);
    done += count;
  }
  io_uring_queue_exit(&ring);
}

zc::task<> ops_of_a_task(std::uint64_t ops) {
  for (std::uint64_t i = 0; i < ops; ++i) (co_await zc::op::nop()).value();
}

zc::task<> task_of_one_op() { (co_await zc::op::nop()).value(); }

/// A task for each op.
zc::task<> tasks_of_one_op(std::uint64_t ops) {
  for (std::uint64_t i = 0; i < ops; ++i) co_await task_of_one_op();
}

void by_zc(zc::task<> (*work)(std::uint64_t), std::uint64_t ops, unsigned in_flight) {
  const auto all = [&]() -> zc::task<> {
    zc::scope beside;
    for (unsigned i = 0; i < in_flight; ++i) beside.spawn(work(ops / in_flight));
    co_await beside.join();
  };
  zc::run(all());
}

struct way {
  std::string_view name;
  void (*run)(std::uint64_t ops);
};

constexpr std::array<way, 6> ways{{
    {"hand/1", [](std::uint64_t ops) { by_hand(ops, 1); }},
    {"zc/1", [](std::uint64_t ops) { by_zc(ops_of_a_task, ops, 1); }},
    {"zc-task-each/1", [](std::uint64_t ops) { by_zc(tasks_of_one_op, ops, 1); }},
    {"hand/64", [](std::uint64_t ops) { by_hand(ops, many); }},
    {"zc/64", [](std::uint64_t ops) { by_zc(ops_of_a_task, ops, many); }},
    {"zc-task-each/64", [](std::uint64_t ops) { by_zc(tasks_of_one_op, ops, many); }},
}};

int run_one(std::string_view name, const char* ops) {
  for (const way& each : ways) {
    if (each.name != name) continue;
    each.run(std::stoull(ops));
    return 0;
  }
  std::cerr << "bench-nop: no way is called " << name << '\n';
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::string_view(argv[1]) == "--ops") return run_one(argv[2], argv[3]);
  for (const way& each : ways) {
    benchmark::RegisterBenchmark(std::string(each.name).c_str(),
                                 [run = each.run](benchmark::State& state) {
                                   while (state.KeepRunningBatch(ops_per_ring)) run(ops_per_ring);
                                 })
        ->UseRealTime()
        ->MeasureProcessCPUTime();
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
