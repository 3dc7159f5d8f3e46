// What one op and one small transfer cost, beside what they cost by hand.
//
// A hot file goes to /dev/null, so that nothing but the moves themselves is measured. Prints time
// per op or per transfer; the process's CPU time counts the kernel's workers.

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <liburing.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "zc/zc.hpp"

namespace {

/// A file in memory of `size` bytes, /dev/null, and a pipe for those who move by hand.
struct fixture {
  explicit fixture(std::size_t size) : file(::memfd_create("zc-bench", MFD_CLOEXEC)) {
    if (::ftruncate(file.get(), static_cast<off_t>(size)) < 0) std::abort();
    void* const pages = ::mmap(nullptr, size, PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (pages == MAP_FAILED) std::abort();
    for (std::size_t at = 0; at < size; at += 4096) static_cast<char*>(pages)[at] = 1;
    ::munmap(pages, size);
    if (::pipe2(pipe.data(), O_CLOEXEC) < 0) std::abort();
    if (::fcntl(pipe[1], F_SETPIPE_SZ, 256 * 1024) < 0) std::abort();
  }
  fixture(const fixture&) = delete;
  fixture& operator=(const fixture&) = delete;
  ~fixture() {
    ::close(pipe[0]);
    ::close(pipe[1]);
  }

  zc::fd file;
  zc::fd null{::open("/dev/null", O_WRONLY | O_CLOEXEC)};
  std::array<int, 2> pipe{};
};

class raw_ring {
 public:
  raw_ring() {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    if (io_uring_queue_init_params(256, &ring_, &params) < 0) std::abort();
  }
  raw_ring(const raw_ring&) = delete;
  raw_ring& operator=(const raw_ring&) = delete;
  ~raw_ring() { io_uring_queue_exit(&ring_); }

  io_uring_sqe* sqe() { return io_uring_get_sqe(&ring_); }

  /// Submits and waits for `count` completions; the sum of their results.
  long finish(unsigned count) {
    long sum = 0;
    for (unsigned seen = 0; seen < count;) {
      if (io_uring_submit_and_wait(&ring_, 1) < 0) std::abort();
      io_uring_cqe* cqe = nullptr;
      while (io_uring_peek_cqe(&ring_, &cqe) == 0) {
        sum += cqe->res;
        io_uring_cqe_seen(&ring_, cqe);
        ++seen;
      }
    }
    return sum;
  }

 private:
  io_uring ring_{};
};

void nop_by_hand(benchmark::State& state) {
  raw_ring ring;
  for ([[maybe_unused]] const auto each : state) {
    io_uring_prep_nop(ring.sqe());
    ring.finish(1);
  }
}

void nop_by_zc(benchmark::State& state) {
  const auto loop = [](benchmark::State& of) -> zc::task<> {
    for ([[maybe_unused]] const auto each : of) (co_await zc::op::nop()).value();
  };
  zc::run(loop(state));
}

void move_by_system_calls(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const fixture with(size);
  for ([[maybe_unused]] const auto each : state) {
    off_t at = 0;
    while (static_cast<std::size_t>(at) < size) {
      ssize_t in_pipe = ::splice(with.file.get(), &at, with.pipe[1], nullptr, size, 0);
      if (in_pipe <= 0) std::abort();
      while (in_pipe > 0) {
        const ssize_t out = ::splice(with.pipe[0], nullptr, with.null.get(), nullptr,
                                     static_cast<std::size_t>(in_pipe), 0);
        if (out <= 0) std::abort();
        in_pipe -= out;
      }
    }
  }
}

void move_by_linked_ops(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const fixture with(size);
  raw_ring ring;
  for ([[maybe_unused]] const auto each : state) {
    for (std::size_t at = 0; at < size; at += 256 * 1024) {
      const auto chunk = static_cast<unsigned>(std::min<std::size_t>(size - at, 256 * 1024));
      io_uring_sqe* const fill = ring.sqe();
      io_uring_prep_splice(fill, with.file.get(), static_cast<std::int64_t>(at), with.pipe[1], -1,
                           chunk, 0);
      fill->flags |= IOSQE_IO_LINK;
      io_uring_prep_splice(ring.sqe(), with.pipe[0], -1, with.null.get(), -1, chunk, 0);
      if (ring.finish(2) != 2 * static_cast<long>(chunk)) std::abort();
    }
  }
}

void move_by_zc(benchmark::State& state, zc::route route) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const fixture with(size);
  const auto loop = [](benchmark::State& of, int in, int out, zc::route by) -> zc::task<> {
    for ([[maybe_unused]] const auto each : of) co_await zc::splice(in, out, {.route = by});
  };
  zc::run(loop(state, with.file.get(), with.null.get(), route));
}

void sizes(benchmark::internal::Benchmark* of) {
  for (const long size : {4L << 10, 16L << 10, 64L << 10, 256L << 10, 1L << 20}) of->Arg(size);
  of->UseRealTime()->MeasureProcessCPUTime();
}

BENCHMARK(nop_by_hand)->UseRealTime();
BENCHMARK(nop_by_zc)->UseRealTime();
BENCHMARK(move_by_system_calls)->Apply(sizes);
BENCHMARK(move_by_linked_ops)->Apply(sizes);
BENCHMARK_CAPTURE(move_by_zc, direct, zc::route::direct)->Apply(sizes);
BENCHMARK_CAPTURE(move_by_zc, ring, zc::route::ring)->Apply(sizes);
BENCHMARK_CAPTURE(move_by_zc, copy, zc::route::copy)->Apply(sizes);
BENCHMARK_CAPTURE(move_by_zc, automatic, zc::route::automatic)->Apply(sizes);

}  // namespace

BENCHMARK_MAIN();
