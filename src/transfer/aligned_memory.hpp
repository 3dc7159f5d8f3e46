#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>

#include "zc/detail/endpoint.hpp"
#include "zc/transfer.hpp"

namespace zc::detail {

/// Memory at a block's boundary, as O_DIRECT wants it, that can become a remainder. False where
/// there is none.
class aligned_memory {
 public:
  aligned_memory() noexcept = default;
  explicit aligned_memory(std::size_t size) noexcept
      : storage_(new(std::nothrow) std::byte[size + endpoint::block_bytes]) {
    if (!storage_) return;
    void* at = storage_.get();
    std::size_t space = size + endpoint::block_bytes;
    std::align(endpoint::block_bytes, size, at, space);
    begin_ = size + endpoint::block_bytes - space;
  }

  explicit operator bool() const noexcept { return static_cast<bool>(storage_); }
  std::byte* data() const noexcept { return storage_.get() + begin_; }

  /// Gives the memory away. The object is false then.
  remainder first(std::size_t size) && noexcept { return {std::move(storage_), begin_, size}; }

 private:
  std::unique_ptr<std::byte[]> storage_;
  std::size_t begin_ = 0;
};

}  // namespace zc::detail
