#pragma once

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "zc/detail/awaitable.hpp"
#include "zc/detail/join.hpp"
#include "zc/detail/stored.hpp"
#include "zc/left_behind.hpp"
#include "zc/task.hpp"

namespace zc {

namespace detail {

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
  if (std::apply([](auto&... each) { return (each.promise().error() || ...); }, tasks)) {
    first_error first;
    std::apply([&first](auto&... each) { (first.add(each), ...); }, tasks);
    first.rethrow();
  }
  co_return std::apply(
      [](auto&... each) { return std::tuple<stored<Ts>...>{take_stored(each)...}; }, tasks);
}

template <class T>
void rethrow_any(std::vector<task<T>>& ended) {
  const auto failed = [](const task<T>& each) { return each.promise().error() != nullptr; };
  if (std::none_of(ended.begin(), ended.end(), failed)) return;
  first_error first;
  for (task<T>& each : ended) first.add(each);
  first.rethrow();
}

}  // namespace detail

/// Runs all tasks at once, or whatever else can be awaited (ops, say); resumes with a tuple of
/// their values, in order.
///
/// A task<> counts as std::monostate. Waits for every task even when one throws, and then rethrows
/// the exception of the first in order. Where another has bytes that would be lost then (in a
/// transfer's remainder), the exception has them: see left_behind; other values of other tasks are
/// dropped. settle() keeps all of them. Does not cancel the others: see scope for that.
template <detail::awaitable... Works>
task<std::tuple<detail::stored<detail::awaited_t<Works>>...>> when_all(Works&&... works) {
  return detail::when_all_of(std::tuple(detail::to_task(std::forward<Works>(works))...));
}

/// The same for any number of tasks of one type; resumes with a vector, in order.
template <class T>
task<std::vector<T>> when_all(std::vector<task<T>> tasks) {
  detail::join_vector<T> all(tasks);
  co_await all;
  detail::rethrow_any(tasks);
  std::vector<T> values;
  values.reserve(tasks.size());
  for (task<T>& each : tasks) values.push_back(each.take());
  co_return values;
}

/// The same for tasks without a value.
inline task<> when_all(std::vector<task<>> tasks) {
  detail::join_vector<void> all(tasks);
  co_await all;
  detail::rethrow_any(tasks);
}

/// The same for ops and whatever else can be awaited, which are moved into it.
template <detail::awaitable Work>
  requires(!detail::is_task<Work>)
auto when_all(std::vector<Work> works) {
  std::vector<task<detail::awaited_t<Work>>> tasks;
  tasks.reserve(works.size());
  for (Work& each : works) tasks.push_back(detail::to_task(std::move(each)));
  return when_all(std::move(tasks));
}

}  // namespace zc
