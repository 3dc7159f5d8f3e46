#pragma once

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "zc/detail/recv_buffer.hpp"
#include "zc/detail/scheduler.hpp"

namespace zc::detail {

class ring;

struct free_memory {
  void operator()(void* memory) const noexcept { std::free(memory); }
};
template <class T>
using malloced = std::unique_ptr<T, free_memory>;

/// Memory for so many entries of a queue of buffers, at the beginning of a page, as the kernel
/// wants it; null where there is none.
malloced<io_uring_buf_ring> allocate_queue(std::uint32_t entries, std::size_t page_bytes) noexcept;

/// The memory that a context's streams receive into: buffers that are provided to the kernel, which
/// takes one when there are bytes for it, and beside them others, made when needed.
///
/// One context's thread. Lives on after its context while buffers are lent.
class recv_pool {
 public:
  /// Null where there is no memory. Without provided buffers where the kernel has none.
  static recv_pool* make(scheduler& where, ring& kernel, std::uint32_t buffers,
                         std::uint32_t buffer_bytes) noexcept;

  /// Its context ends.
  struct end {
    void operator()(recv_pool* pool) const noexcept;
  };

  /// Whether there is a buffer that the kernel could take, as far as is known here.
  bool kernel_has_some() const noexcept { return provided_ > 0; }
  static constexpr std::uint16_t group = 0;
  std::uint32_t buffer_bytes() const noexcept { return buffer_bytes_; }

  /// The buffer that a completion says the kernel has taken.
  recv_buffer& taken(std::uint32_t cqe_flags) noexcept;
  /// One that the kernel does not know; null where there is no memory.
  recv_buffer* take() noexcept;

  static void give(recv_buffer& buffer) noexcept;

 private:
  recv_pool(scheduler& where, ring& kernel, std::uint32_t buffer_bytes) noexcept
      : where_(where), kernel_(&kernel), buffer_bytes_(buffer_bytes) {}
  ~recv_pool();

  bool provide(std::uint32_t buffers) noexcept;
  void hand_over(const recv_buffer& buffer) noexcept;
  void end_if_unused() noexcept;

  scheduler& where_;  // gone with kernel_
  ring* kernel_;      // null once it has gone
  std::uint32_t buffer_bytes_;
  std::uint32_t entries_ = 0;  // of the kernel's queue of buffers
  std::uint32_t provided_ = 0;
  std::size_t lent_ = 0;
  malloced<io_uring_buf_ring> queue_;
  std::unique_ptr<recv_buffer[]> buffers_;
  std::unique_ptr<std::byte[]> memory_;
  fifo<recv_buffer> spare_;  // of those that the kernel does not know
  std::size_t spare_count_ = 0;
};

}  // namespace zc::detail
