#pragma once

#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>

#include "zc/detail/awaitable.hpp"
#include "zc/task.hpp"

namespace zc::detail {

/// What gives a task, or something else to await, when it is called.
template <class Work>
concept gives_awaitable = !awaitable<Work> && requires(std::decay_t<Work>& work) {
  { std::invoke(work) } -> awaitable;
};

/// Calls `work` and awaits what it gives; a closure lives for as long as that.
template <class Work>
task<> kept_call(Work work) {
  static_cast<void>(co_await std::invoke(work));
}

}  // namespace zc::detail
