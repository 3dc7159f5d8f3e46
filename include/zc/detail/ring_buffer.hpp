#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "zc/detail/cpp20.hpp"

namespace zc::detail {

/// Values, first in, first out. Grows as needed, and keeps its memory: so once it has been as long
/// as it gets, nothing is allocated.
template <class T>
class ring_buffer {
 public:
  bool empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }

  /// Throws std::bad_alloc, and then has left `value` alone. Not after a pop().
  void push(T&& value) {
    if (size_ == slots_.size()) grow();
    slots_[at(size_)].emplace(std::move(value));
    ++size_;
  }

  /// Only when it is not empty.
  T pop() noexcept {
    std::optional<T>& first = slots_[first_];
    T value = std::move(*first);
    first.reset();
    first_ = at(1);
    --size_;
    return value;
  }

 private:
  std::size_t at(std::size_t rank) const noexcept { return (first_ + rank) % slots_.size(); }

  void grow() {
    std::vector<std::optional<T>> larger(std::max<std::size_t>(4, 2 * slots_.size()));
    for (std::size_t i = 0; i < size_; ++i) larger[i].emplace(std::move(*slots_[at(i)]));
    slots_ = std::move(larger);
    first_ = 0;
  }

  std::vector<std::optional<T>> slots_;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace zc::detail
