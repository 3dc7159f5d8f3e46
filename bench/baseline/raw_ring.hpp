#pragma once

#include <liburing.h>

#include <cstdint>
#include <type_traits>

#include "support/require.hpp"

namespace baseline {

/// A ring as one sets it up by hand for one thread.
class raw_ring {
 public:
  explicit raw_ring(unsigned entries = 256) {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    bench::require_ring(io_uring_queue_init_params(entries, &ring_, &params), "io_uring_setup");
  }
  raw_ring(const raw_ring&) = delete;
  raw_ring& operator=(const raw_ring&) = delete;
  ~raw_ring() { io_uring_queue_exit(&ring_); }

  io_uring* get() { return &ring_; }

  /// An entry to fill in; submits what is there where all are in use.
  io_uring_sqe* entry() {
    io_uring_sqe* free = io_uring_get_sqe(&ring_);
    if (free == nullptr) {
      bench::require_ring(io_uring_submit(&ring_), "io_uring_enter");
      free = io_uring_get_sqe(&ring_);
    }
    return free;
  }

  /// Submits, and waits for a completion if told to. Hands every completion to
  /// `take(user_data, result)`, or to `take(user_data, result, flags)`.
  template <class Take>
  void turn(bool wait, const Take& take) {
    bench::require_ring(
        wait ? io_uring_submit_and_wait(&ring_, 1) : io_uring_submit_and_get_events(&ring_),
        "io_uring_enter");
    io_uring_cqe* done = nullptr;
    unsigned head = 0;
    unsigned count = 0;
    io_uring_for_each_cqe(&ring_, head, done) {
      if constexpr (std::is_invocable_v<const Take&, std::uint64_t, int, unsigned>) {
        take(done->user_data, done->res, done->flags);
      } else {
        take(done->user_data, done->res);
      }
      ++count;
    }
    io_uring_cq_advance(&ring_, count);
  }

  /// Submits the one op that is there, and gives its result.
  int finish_one(const char* what) {
    int answer = 0;
    turn(true, [&](std::uint64_t, int result) { answer = result; });
    return bench::require_ring(answer, what);
  }

 private:
  io_uring ring_{};
};

}  // namespace baseline
