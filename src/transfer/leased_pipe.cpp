#include "transfer/leased_pipe.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "engine/direct_call.hpp"
#include "transfer/aligned_memory.hpp"
#include "zc/detail/errno_code.hpp"

namespace zc::detail {

bool leased_pipe::take(pipe_pool& from) {
  if (pipe_) return true;
  pipe_ = from.take();
  from_ = &from;
  return pipe_.has_value();
}

void leased_pipe::return_it() noexcept {
  // Destroyed while a splice was under way, the count may be short of the truth.
  from_->give_back(*std::move(pipe_), holds == 0 && !busy);
  pipe_.reset();
  holds = 0;
}

std::error_code leased_pipe::read_back(ring& kernel, remainder& bytes) noexcept {
  if (holds == 0) return {};
  aligned_memory all(bytes.size() + holds);
  if (!all) return errno_code(ENOMEM);
  std::copy(bytes.bytes().begin(), bytes.bytes().end(), all.data());
  std::size_t size = bytes.size();
  std::error_code error;
  while (holds > 0 && !error) {
    // Never blocks: the bytes are there, and nobody else reads.
    const int got = direct_read(kernel, read_end(), all.data() + size, holds, -1);
    if (got == -EINTR) continue;
    if (got > 0) {
      size += static_cast<std::size_t>(got);
      holds -= static_cast<std::size_t>(got);
    } else {
      error = errno_code(got < 0 ? -got : EIO);
    }
  }
  bytes = std::move(all).first(size);
  return error;
}

}  // namespace zc::detail
