#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/uring/ring.hpp"
#include "zc/result.hpp"
#include "zc/task.hpp"

namespace zc::detail {

/// One system call that moves bytes: made on the calling thread, or by the engine.
struct move {
  enum class call : std::uint8_t {
    splice,
    sendfile,
    read,
    read_cached,  // preadv2(2) with RWF_NOWAIT: what is in memory already
    write,
    recv,
    send,
  };

  call what = call::splice;
  int in = -1;               // splice, sendfile, read, recv
  int out = -1;              // splice, sendfile, write, send
  std::int64_t in_at = -1;   // or -1: the file position, or none
  std::int64_t out_at = -1;  // the same
  std::byte* memory = nullptr;
  std::size_t nbytes = 0;
  unsigned flags = 0;  // SPLICE_F_* or MSG_*

  /// Makes the call: how many bytes, or -errno.
  int now(ring& kernel) const noexcept;
};

/// Has the engine make the call, for as long as it takes: read_cached is a read then. There is no
/// op for sendfile (EINVAL).
task<result<std::size_t>> by_engine(const move& one);

}  // namespace zc::detail
