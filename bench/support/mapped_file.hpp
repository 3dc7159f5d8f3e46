#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <system_error>

#include "data_file.hpp"

namespace bench {

/// The bytes of a file, in place.
class mapped_file {
 public:
  explicit mapped_file(int file) : size_(size_of(file)) {
    begin_ = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file, 0);
    if (begin_ == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  }
  mapped_file(const mapped_file&) = delete;
  mapped_file& operator=(const mapped_file&) = delete;
  ~mapped_file() { ::munmap(begin_, size_); }

  std::span<const std::byte> bytes() const {
    return {static_cast<const std::byte*>(begin_), size_};
  }

  /// Whether they are `wanted` from `offset` on.
  bool has(std::span<const std::byte> wanted, std::uint64_t offset) const {
    return offset + wanted.size() <= size_ &&
           std::memcmp(bytes().data() + offset, wanted.data(), wanted.size()) == 0;
  }

 private:
  std::size_t size_;
  void* begin_;
};

}  // namespace bench
