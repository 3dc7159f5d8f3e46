#pragma once

#include <concepts>
#include <coroutine>
#include <type_traits>
#include <utility>

#include "zc/task.hpp"

namespace zc::detail {

template <class T>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<task<T>> = true;

/// What co_await suspends on: `work` itself, or what its operator co_await gives.
template <class Work>
decltype(auto) awaiter_of(Work&& work) {
  if constexpr (requires { std::forward<Work>(work).operator co_await(); }) {
    return std::forward<Work>(work).operator co_await();
  } else {
    return static_cast<Work&&>(work);
  }
}

/// What a task can await. A task is one as an rvalue only.
template <class Work>
concept awaitable = requires(Work&& work, std::coroutine_handle<task<>::promise_type> waiter) {
  { awaiter_of(std::forward<Work>(work)).await_ready() } -> std::convertible_to<bool>;
  awaiter_of(std::forward<Work>(work)).await_suspend(waiter);
  awaiter_of(std::forward<Work>(work)).await_resume();
};

/// The value that co_await resumes with.
template <class Work>
using awaited_t = std::remove_cvref_t<decltype(awaiter_of(std::declval<Work>()).await_resume())>;

template <class Work>
task<awaited_t<Work>> await_one(Work work) {
  co_return co_await std::move(work);
}

/// A task that awaits `work`, which it owns: a copy of it where it is an lvalue.
template <awaitable Work>
task<awaited_t<Work>> to_task(Work&& work) {
  if constexpr (is_task<std::remove_cvref_t<Work>>) {
    return std::forward<Work>(work);
  } else {
    return await_one<std::remove_cvref_t<Work>>(std::forward<Work>(work));
  }
}

}  // namespace zc::detail
