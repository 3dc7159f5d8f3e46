#pragma once

#include <cstddef>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "zc/detail/awaitable.hpp"
#include "zc/detail/cancel.hpp"
#include "zc/detail/join.hpp"
#include "zc/detail/stored.hpp"
#include "zc/left_behind.hpp"
#include "zc/outcome.hpp"
#include "zc/task.hpp"

namespace zc {

namespace detail {

template <class... Ts>
class race final : public join {
 public:
  race(std::tuple<task<Ts>...>& tasks, cancel_scope& scope) noexcept
      : tasks_(tasks), scope_(scope) {}

  promise_base* winner() const noexcept { return winner_; }

 private:
  void start_children() override {
    std::apply([this](auto&... each) { (start(each.promise(), &scope_), ...); }, tasks_);
  }
  void one_done(promise_base& child) noexcept override {
    if (winner_ != nullptr) return;
    winner_ = &child;
    scope_.mute();
    scope_.request();
  }

  std::tuple<task<Ts>...>& tasks_;
  cancel_scope& scope_;
  promise_base* winner_ = nullptr;
};

}  // namespace detail

/// What when_any() resumes with: the value of the first to finish, in a std::variant whose index()
/// says which one it was; and how the others ended.
template <class... Ts>
class first_of : public std::variant<Ts...> {
 public:
  using std::variant<Ts...>::variant;

  /// How each of the others ended, once it had been cancelled: a transfer with its remainder, say,
  /// or what it threw. Empty for the first.
  std::tuple<outcome<Ts>...> others;

  /// For timeout() and when_all(): what is inside.
  template <class Visit>
  friend void each_part(first_of& of, const Visit& visit) {
    visit(static_cast<std::variant<Ts...>&>(of));
    visit(of.others);
  }
};

namespace detail {

template <class... Ts, std::size_t... Is>
first_of<stored<Ts>...> take_first(std::tuple<task<Ts>...>& tasks, const promise_base* winner,
                                   std::index_sequence<Is...>) {
  std::optional<first_of<stored<Ts>...>> taken;
  const auto take = [&](auto index, auto& each) {
    if (&each.promise() == winner) taken.emplace(std::in_place_index<index>, take_stored(each));
  };
  (take(std::integral_constant<std::size_t, Is>(), std::get<Is>(tasks)), ...);
  const auto take_other = [&](auto& place, auto& each) {
    if (&each.promise() != winner) place = outcome_of(each);
  };
  (take_other(std::get<Is>(taken->others), std::get<Is>(tasks)), ...);
  return std::move(*taken);
}

template <class... Ts>
task<first_of<stored<Ts>...>> when_any_of(std::tuple<task<Ts>...> tasks) {
  const environment env = co_await this_environment{};
  cancel_scope scope;
  scope.go_below(env.cancel);
  race<Ts...> first(tasks, scope);
  co_await first;
  if (first.winner()->error()) {
    first_error thrown;
    const auto winner_first = [&](auto& each) {
      if (&each.promise() == first.winner()) thrown.add(each);
    };
    std::apply([&](auto&... each) { (winner_first(each), ...); }, tasks);
    std::apply([&](auto&... each) { (thrown.add(each), ...); }, tasks);
    thrown.rethrow();
  }
  co_return take_first(tasks, first.winner(), std::index_sequence_for<Ts...>());
}

}  // namespace detail

/// Runs all tasks at once, or whatever else can be awaited; resumes with the value of the first to
/// finish, in a std::variant whose index() says which one it was (a task<> counts as
/// std::monostate).
///
/// The others are cancelled and awaited before it resumes; how each ended is in first_of::others,
/// so that a transfer loses no byte. When the first to finish threw, its exception is rethrown;
/// where one of the others has bytes that would be lost then, the exception has them: see
/// left_behind.
template <detail::awaitable... Works>
  requires(sizeof...(Works) > 0)
task<first_of<detail::stored<detail::awaited_t<Works>>...>> when_any(Works&&... works) {
  return detail::when_any_of(std::tuple(detail::to_task(std::forward<Works>(works))...));
}

}  // namespace zc
