#pragma once

#include <cstddef>
#include <optional>
#include <system_error>
#include <utility>

#include "engine/uring/ring.hpp"
#include "transfer/pipe_pool.hpp"
#include "zc/transfer.hpp"

namespace zc::detail {

/// A pipe from the pool, for as long as bytes flow, and how many of them are in it.
class leased_pipe {
 public:
  leased_pipe() noexcept = default;
  leased_pipe(const leased_pipe&) = delete;
  leased_pipe& operator=(const leased_pipe&) = delete;
  ~leased_pipe() { give_back(); }

  /// False where none is to be had.
  bool take(pipe_pool& from);
  /// For as long as nothing flows. One that is not empty is closed.
  void give_back() noexcept {
    if (pipe_) return_it();
  }

  void swap(leased_pipe& other) noexcept {
    std::swap(from_, other.from_);
    std::swap(pipe_, other.pipe_);
    std::swap(holds, other.holds);
    std::swap(busy, other.busy);
  }

  int read_end() const noexcept { return pipe_->read_end.get(); }
  int write_end() const noexcept { return pipe_->write_end.get(); }
  std::size_t capacity_bytes() const noexcept { return pipe_->capacity_bytes; }

  /// Moves what is in the pipe into memory, behind the `bytes` there. Leaves in the pipe what it
  /// cannot move, and says why.
  std::error_code read_back(ring& kernel, remainder& bytes) noexcept;

  std::size_t holds = 0;
  bool busy = false;  // a splice into or out of it is under way

 private:
  void return_it() noexcept;

  pipe_pool* from_ = nullptr;
  std::optional<pipe> pipe_;
};

}  // namespace zc::detail
