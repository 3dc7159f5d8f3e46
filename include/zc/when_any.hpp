#pragma once

#include <array>
#include <cstddef>
#include <tuple>
#include <utility>
#include <variant>

#include "zc/detail/cancel.hpp"
#include "zc/detail/join.hpp"
#include "zc/task.hpp"
#include "zc/when_all.hpp"

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

template <class Variant, std::size_t I, class Tasks>
Variant take_at(Tasks& tasks) {
  return Variant(std::in_place_index<I>, take_stored(std::get<I>(tasks)));
}

template <class... Ts, std::size_t... Is>
std::variant<stored<Ts>...> take_winner(std::tuple<task<Ts>...>& tasks, const promise_base* winner,
                                        std::index_sequence<Is...>) {
  using variant = std::variant<stored<Ts>...>;
  using taker = variant (*)(std::tuple<task<Ts>...>&);
  constexpr std::array<taker, sizeof...(Ts)> takers{
      &take_at<variant, Is, std::tuple<task<Ts>...>>...};
  const std::array<bool, sizeof...(Ts)> won{(&std::get<Is>(tasks).promise() == winner)...};
  std::size_t index = 0;
  while (!won[index]) ++index;
  return takers[index](tasks);
}

template <class... Ts>
task<std::variant<stored<Ts>...>> when_any_of(std::tuple<task<Ts>...> tasks) {
  const environment env = co_await this_environment{};
  cancel_scope scope;
  scope.go_below(env.cancel);
  race<Ts...> first(tasks, scope);
  co_await first;
  co_return take_winner(tasks, first.winner(), std::index_sequence_for<Ts...>());
}

}  // namespace detail

/// Runs all tasks at once; resumes with the value of the first to finish, in a std::variant whose
/// index() says which one it was (a task<> counts as std::monostate).
///
/// The others are cancelled and awaited before it resumes; their values and exceptions are dropped,
/// so a transfer that must not lose its remainder belongs in when_all() or timeout(). When the
/// first to finish threw, its exception is rethrown.
template <class... Ts>
  requires(sizeof...(Ts) > 0)
task<std::variant<detail::stored<Ts>...>> when_any(task<Ts>... tasks) {
  return detail::when_any_of(std::tuple<task<Ts>...>(std::move(tasks)...));
}

}  // namespace zc
