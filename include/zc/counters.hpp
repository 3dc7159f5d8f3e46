#pragma once

#include <cstdint>

#include "zc/detail/cpp20.hpp"

namespace zc {

/// What the transfers of one context have done since it was made: how their bytes went, and why.
///
/// For operators and benchmarks; see context::counters(). The first group only ever grows.
struct counters {
  /// Moves that `out` accepted bytes of, by the route they took; see transfer::route.
  struct moves {
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
  };
  moves direct;
  moves ring;
  moves copy;

  /// Moves that found no room, or nothing to take (EAGAIN), and waited.
  std::uint64_t would_block = 0;
  /// Pieces of files that went to a kernel worker because not all of their pages were in memory, or
  /// where the kernel cannot tell (before Linux 6.5).
  std::uint64_t cold_fills = 0;
  /// Transfers that went on by copying because a descriptor cannot be spliced.
  std::uint64_t cannot_splice = 0;
  /// Pieces that were copied because no pipe was to be had.
  std::uint64_t without_pipe = 0;
  /// How often a pipe was filled; with how many bytes; and with how many it could have been.
  std::uint64_t pipe_fills = 0;
  std::uint64_t pipe_fill_bytes = 0;
  std::uint64_t pipe_room_bytes = 0;

  /// Pipes in use and kept for the next transfer, now.
  std::uint32_t pipes_lent = 0;
  std::uint32_t pipes_idle = 0;
  /// Most kernel workers that the context's thread had when its last run() began, as the kernel
  /// said: for regular files and block devices, and for all else. 0 before the first run(). See
  /// context_options::workers.
  std::uint32_t worker_limit = 0;
  std::uint32_t unbounded_worker_limit = 0;
};

}  // namespace zc
