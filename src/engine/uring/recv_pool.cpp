#include "engine/uring/recv_pool.hpp"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <new>

#include "core/here.hpp"
#include "engine/uring/ring.hpp"
#include "zc/detail/precondition.hpp"

namespace zc::detail {

namespace {

// The kernel's limit on a queue of buffers.
constexpr std::uint32_t most_buffers = 32768;
constexpr std::size_t most_spare = 64;

}  // namespace

malloced<io_uring_buf_ring> allocate_queue(std::uint32_t entries, std::size_t page_bytes) noexcept {
  const std::size_t bytes = entries * sizeof(io_uring_buf);
  const std::size_t whole_pages = (bytes + page_bytes - 1) / page_bytes * page_bytes;
  void* const memory = std::aligned_alloc(page_bytes, whole_pages);
  return malloced<io_uring_buf_ring>(static_cast<io_uring_buf_ring*>(memory));
}

recv_pool* recv_pool::make(scheduler& where, ring& kernel, std::uint32_t buffers,
                           std::uint32_t buffer_bytes) noexcept {
  auto* const pool = new (std::nothrow) recv_pool(where, kernel, std::max(buffer_bytes, 1u));
  if (pool != nullptr && !pool->provide(std::min(buffers, most_buffers))) {
    pool->queue_.reset();
    pool->buffers_.reset();
    pool->memory_.reset();
  }
  return pool;
}

bool recv_pool::provide(std::uint32_t buffers) noexcept {
  if (buffers == 0) return false;
  const std::uint32_t entries = std::bit_ceil(buffers);
  queue_ = allocate_queue(entries, static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
  buffers_.reset(new (std::nothrow) recv_buffer[buffers]);
  memory_.reset(new (std::nothrow) std::byte[std::size_t{buffers} * buffer_bytes_]);
  if (!queue_ || !buffers_ || !memory_) return false;
  io_uring_buf_ring_init(queue_.get());
  io_uring_buf_reg where{};
  where.ring_addr = reinterpret_cast<std::uint64_t>(queue_.get());
  where.ring_entries = entries;
  where.bgid = group;
  if (!kernel_->register_buffers(where)) return false;
  entries_ = entries;
  for (std::uint32_t i = 0; i < buffers; ++i) {
    recv_buffer& each = buffers_[i];
    each.from = this;
    each.data = memory_.get() + std::size_t{i} * buffer_bytes_;
    each.id = static_cast<std::uint16_t>(i);
    each.provided = true;
    hand_over(each);
  }
  return true;
}

void recv_pool::hand_over(const recv_buffer& buffer) noexcept {
  io_uring_buf_ring_add(queue_.get(), buffer.data, buffer_bytes_, buffer.id,
                        io_uring_buf_ring_mask(entries_), 0);
  io_uring_buf_ring_advance(queue_.get(), 1);
  ++provided_;
}

recv_buffer& recv_pool::taken(std::uint32_t cqe_flags) noexcept {
  --provided_;
  ++lent_;
  return buffers_[cqe_flags >> IORING_CQE_BUFFER_SHIFT];
}

recv_buffer* recv_pool::take() noexcept {
  recv_buffer* buffer = spare_.pop();
  if (buffer != nullptr) {
    --spare_count_;
  } else {
    void* const memory = ::operator new(sizeof(recv_buffer) + buffer_bytes_, std::nothrow);
    if (memory == nullptr) return nullptr;
    buffer = new (memory) recv_buffer{};
    buffer->from = this;
    buffer->data = static_cast<std::byte*>(memory) + sizeof(recv_buffer);
  }
  ++lent_;
  return buffer;
}

void recv_pool::give(recv_buffer& buffer) noexcept {
  recv_pool& pool = *buffer.from;
  if (pool.kernel_ != nullptr && current_scheduler != &pool.where_ &&
      !pool.where_.on_own_thread()) {
    precondition_broken("zc::received: destroyed on another thread than its context's");
  }
  --pool.lent_;
  if (buffer.provided) {
    if (pool.kernel_ != nullptr) pool.hand_over(buffer);
  } else if (pool.spare_count_ < most_spare) {
    pool.spare_.push(buffer);
    ++pool.spare_count_;
  } else {
    ::operator delete(&buffer);
  }
  pool.end_if_unused();
}

void recv_pool::end::operator()(recv_pool* pool) const noexcept {
  if (pool->entries_ > 0) pool->kernel_->unregister_buffers(group);
  pool->kernel_ = nullptr;
  pool->end_if_unused();
}

void recv_pool::end_if_unused() noexcept {
  if (kernel_ == nullptr && lent_ == 0) delete this;
}

recv_pool::~recv_pool() {
  while (recv_buffer* const each = spare_.pop()) ::operator delete(each);
}

}  // namespace zc::detail
