#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "zc/detail/join.hpp"
#include "zc/task.hpp"

namespace zc {

namespace detail {

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

template <class... Ts>
class join_tuple final : public join {
 public:
  explicit join_tuple(std::tuple<task<Ts>...>& tasks) noexcept : tasks_(tasks) {}

 private:
  void start_children() override {
    std::apply([this](auto&... each) { (start(each.promise()), ...); }, tasks_);
  }

  std::tuple<task<Ts>...>& tasks_;
};

template <class T>
class join_vector final : public join {
 public:
  explicit join_vector(std::vector<task<T>>& tasks) noexcept : tasks_(tasks) {}

 private:
  void start_children() override {
    for (task<T>& each : tasks_) start(each.promise());
  }

  std::vector<task<T>>& tasks_;
};

template <class... Ts>
task<std::tuple<stored<Ts>...>> when_all_of(std::tuple<task<Ts>...> tasks) {
  join_tuple<Ts...> all(tasks);
  co_await all;
  // Braces: results are taken, and so exceptions rethrown, from first to last.
  co_return std::apply(
      [](auto&... each) { return std::tuple<stored<Ts>...>{take_stored(each)...}; }, tasks);
}

}  // namespace detail

/// Runs all tasks at once; resumes with a tuple of their values, in order.
///
/// A task<> counts as std::monostate. Waits for every task even when one throws, and then rethrows
/// the exception of the first in order. Does not cancel the others: see scope for that.
template <class... Ts>
task<std::tuple<detail::stored<Ts>...>> when_all(task<Ts>... tasks) {
  return detail::when_all_of(std::tuple<task<Ts>...>(std::move(tasks)...));
}

/// The same for any number of tasks of one type; resumes with a vector, in order.
template <class T>
task<std::vector<T>> when_all(std::vector<task<T>> tasks) {
  detail::join_vector<T> all(tasks);
  co_await all;
  std::vector<T> values;
  values.reserve(tasks.size());
  for (task<T>& each : tasks) values.push_back(each.take());
  co_return values;
}

/// The same for tasks without a value.
inline task<> when_all(std::vector<task<>> tasks) {
  detail::join_vector<void> all(tasks);
  co_await all;
  for (task<>& each : tasks) each.take();
}

}  // namespace zc
