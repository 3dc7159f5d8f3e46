#pragma once

#include <cstdint>

#include "zc/detail/cpp20.hpp"

namespace zc {

/// How a context is set up. The defaults suit servers and copy programs alike.
struct context_options {
  /// Submission queue entries: how many ops one io_uring_enter(2) can carry. Not a limit on ops in
  /// flight: more than fit wait in a queue.
  std::uint32_t entries = 256;
  /// Most pipes kept and used at once by transfers. Beyond it a transfer copies.
  std::uint32_t pipes = 64;
  /// Size asked for each pipe, in bytes. The kernel may give less to a plain user (pipe(7)).
  std::uint32_t pipe_bytes = 256 * 1024;
  /// Most kernel workers for what may block: for regular files and block devices (io_uring calls
  /// these bounded), and as many again for all else (unbounded). 0: as many as the thread had
  /// before zc first ran on it; by itself the kernel gives it four for each processor, no more than
  /// the entries of its first ring, and as many as RLIMIT_NPROC allows. The limit is the thread's:
  /// run() sets it anew where another context's run() has set another, and it stays when that
  /// returns. The kernel gives no more than RLIMIT_NPROC, and sets the limit of the thread that
  /// made the context as well; context::counters() says what it is.
  std::uint32_t workers = 16;
  /// Buffers provided to the kernel for recv_stream, from when the first one receives: how many
  /// pieces can be in use at once before streams take other memory. At most 32768; 0: none. Idle
  /// streams use none, however many they are.
  std::uint32_t recv_buffers = 256;
  /// Size of each of these buffers, in bytes: the most that recv_stream gives at once.
  std::uint32_t recv_buffer_bytes = 4096;
};

}  // namespace zc
