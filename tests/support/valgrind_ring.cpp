// Preloaded by scripts/memcheck, and nowhere else: tells valgrind 3.19 what it does not know of
// io_uring.
//
// It runs one thread at a time, and does not know that io_uring_enter(2) may block: a loop that
// waits for another thread would keep that thread from running
// (https://bugs.kde.org/show_bug.cgi?id=463859). So here it waits in poll(2), which valgrind knows.
// And it does not see the kernel write into the buffer of an op, so that what was read would pass
// for uninitialised: exactly the bytes of which a completion says that they were read are marked as
// defined. Nor does it see the kernel use memory that has been freed, or send what was never
// written: so a buffer is checked when it is submitted, and again when its completion is in.

#include <dlfcn.h>
#include <liburing.h>
#include <poll.h>
#include <signal.h>
#include <valgrind/memcheck.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace {

struct read_op {
  std::uint64_t user_data;
  std::uint64_t buffer;  // 0: the kernel takes a provided one
};

/// The provided buffers of this thread's rings.
struct provided_queue {
  int ring;
  io_uring_buf_ring* queue;
  unsigned entries;
};
thread_local std::array<provided_queue, 64> provided{};

/// What is at the address of a provided buffer. An entry is what it last was, also when taken.
std::uint64_t provided_buffer(int ring, unsigned id) {
  for (const provided_queue& each : provided) {
    if (each.queue == nullptr || each.ring != ring) continue;
    for (unsigned i = 0; i < each.entries; ++i) {
      if (each.queue->bufs[i].addr != 0 && each.queue->bufs[i].bid == id) {
        return each.queue->bufs[i].addr;
      }
    }
  }
  return 0;
}

/// Reads that this thread's rings have in the kernel. Without operator new: tests count and refuse
/// it.
struct reads {
  std::array<read_op, 4096> all;
  std::size_t count = 0;

  void add(const io_uring_sqe& sqe) {
    if (sqe.opcode == IORING_OP_WRITE || sqe.opcode == IORING_OP_SEND) {
      VALGRIND_CHECK_MEM_IS_DEFINED(reinterpret_cast<void*>(sqe.addr), sqe.len);
    }
    if (sqe.opcode != IORING_OP_READ && sqe.opcode != IORING_OP_RECV) return;
    const bool provided_one = (sqe.flags & IOSQE_BUFFER_SELECT) != 0;
    if (!provided_one) {
      VALGRIND_CHECK_MEM_IS_ADDRESSABLE(reinterpret_cast<void*>(sqe.addr), sqe.len);
    }
    if (count < all.size()) all[count++] = {sqe.user_data, provided_one ? 0 : sqe.addr};
  }

  void end(int ring, const io_uring_cqe& cqe) {
    for (std::size_t i = 0; i < count; ++i) {
      if (all[i].user_data != cqe.user_data) continue;
      const bool is_provided = (cqe.flags & IORING_CQE_F_BUFFER) != 0;
      const std::uint64_t buffer =
          is_provided ? provided_buffer(ring, cqe.flags >> IORING_CQE_BUFFER_SHIFT) : all[i].buffer;
      if (cqe.res > 0) {
        VALGRIND_CHECK_MEM_IS_ADDRESSABLE(reinterpret_cast<void*>(buffer),
                                          static_cast<std::size_t>(cqe.res));
        VALGRIND_MAKE_MEM_DEFINED(reinterpret_cast<void*>(buffer),
                                  static_cast<std::size_t>(cqe.res));
      }
      if ((cqe.flags & IORING_CQE_F_MORE) == 0) all[i] = all[--count];
      return;
    }
  }
};

thread_local reads in_kernel;

template <class Call>
Call in_liburing(const char* name) {
  return reinterpret_cast<Call>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" int io_uring_submit_and_get_events(io_uring* ring) {
  static const auto real =
      in_liburing<decltype(&io_uring_submit_and_get_events)>("io_uring_submit_and_get_events");
  const io_uring_sq& queue = ring->sq;
  for (unsigned at = queue.sqe_head; at != queue.sqe_tail; ++at) {
    in_kernel.add(queue.sqes[at & *queue.kring_mask]);
  }
  const int submitted = real(ring);
  // zc takes completions out of memory, without a call. None comes but from this one.
  unsigned head = 0;
  io_uring_cqe* cqe = nullptr;
  io_uring_for_each_cqe(ring, head, cqe) in_kernel.end(ring->ring_fd, *cqe);
  return submitted;
}

extern "C" int io_uring_submit_and_wait_timeout(io_uring* ring, io_uring_cqe** first,
                                                unsigned wait_nr, __kernel_timespec* limit,
                                                sigset_t* /*none*/) {
  using std::chrono::steady_clock;
  const auto begun = steady_clock::now();
  const int submitted = io_uring_submit_and_get_events(ring);
  if (submitted < 0) return submitted;
  *first = nullptr;
  while (io_uring_cq_ready(ring) < wait_nr) {
    if (limit != nullptr &&
        steady_clock::now() - begun >=
            std::chrono::seconds(limit->tv_sec) + std::chrono::nanoseconds(limit->tv_nsec)) {
      return -ETIME;
    }
    // With deferred task work the ring may not look readable before it is entered again.
    pollfd completions{ring->ring_fd, POLLIN, 0};
    if (::poll(&completions, 1, 1) < 0) break;  // a signal: as the call it stands for
    const int error = io_uring_submit_and_get_events(ring);
    if (error < 0) return error;
  }
  return submitted;
}

extern "C" int io_uring_submit_and_wait(io_uring* ring, unsigned wait_nr) {
  io_uring_cqe* first = nullptr;
  return io_uring_submit_and_wait_timeout(ring, &first, wait_nr, nullptr, nullptr);
}

extern "C" int io_uring_register_buf_ring(io_uring* ring, io_uring_buf_reg* where, unsigned flags) {
  static const auto real =
      in_liburing<decltype(&io_uring_register_buf_ring)>("io_uring_register_buf_ring");
  const int error = real(ring, where, flags);
  for (provided_queue& each : provided) {
    if (error != 0 || each.queue != nullptr) continue;
    each = {ring->ring_fd, reinterpret_cast<io_uring_buf_ring*>(where->ring_addr),
            where->ring_entries};
    break;
  }
  return error;
}

extern "C" int io_uring_unregister_buf_ring(io_uring* ring, int group) {
  static const auto real =
      in_liburing<decltype(&io_uring_unregister_buf_ring)>("io_uring_unregister_buf_ring");
  for (provided_queue& each : provided) {
    if (each.ring == ring->ring_fd) each = {};
  }
  return real(ring, group);
}
