#pragma once

#include <stop_token>
#include <utility>

#include "zc/detail/awaitable.hpp"
#include "zc/detail/cancel.hpp"
#include "zc/detail/export.hpp"
#include "zc/detail/join.hpp"
#include "zc/detail/promise.hpp"
#include "zc/task.hpp"

namespace zc {

namespace detail {

/// Carries a stop request, from whatever thread it comes, to a cancel_scope on its own thread.
class ZC_API stop_relay final : private remote_call {
 public:
  stop_relay(scheduler& where, cancel_scope& scope) noexcept : where_(where), scope_(scope) {}
  ~stop_relay() { where_.forget_remote(*this); }
  void stop() { where_.post_remote(*this); }

 private:
  void run() noexcept override { scope_.request(); }

  scheduler& where_;
  cancel_scope& scope_;
};

template <class T>
task<T> with_stop(std::stop_token token, task<T> work) {
  const environment env = co_await this_environment{};
  cancel_scope scope;
  scope.go_below(env.cancel);
  if (token.stop_requested()) scope.request();
  stop_relay relay(*env.where, scope);
  const auto on_stop = [&relay] { relay.stop(); };
  const std::stop_callback callback(token, on_stop);
  co_return co_await run_below(scope, std::move(work));
}

}  // namespace detail

/// Runs `work`, a task or whatever else can be awaited (an op, say); cancels it when `token` is
/// asked to stop, from any thread.
///
/// Resumes with what `work` makes of that: a transfer is `cancelled`, most other things throw
/// std::system_error ECANCELED.
template <detail::awaitable Work>
task<detail::awaited_t<Work>> with_stop(std::stop_token token, Work&& work) {
  return detail::with_stop(std::move(token), detail::to_task(std::forward<Work>(work)));
}

}  // namespace zc
