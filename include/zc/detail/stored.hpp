#pragma once

#include <type_traits>
#include <variant>

#include "zc/task.hpp"

namespace zc::detail {

/// A tuple or variant has no room for void: std::monostate stands for it.
template <class T>
using stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class T>
stored<T> take_stored(task<T>& from) {
  if constexpr (std::is_void_v<T>) {
    from.take();
    return {};
  } else {
    return from.take();
  }
}

}  // namespace zc::detail
