#pragma once

#include <stop_token>
#include <utility>

#include "zc/detail/cancel.hpp"
#include "zc/detail/join.hpp"
#include "zc/detail/promise.hpp"
#include "zc/task.hpp"

namespace zc {

namespace detail {

/// Carries a stop request, from whatever thread it comes, to a cancel_scope on its own thread.
class stop_relay final : private remote_call {
 public:
  stop_relay(scheduler& where, cancel_scope& scope) noexcept : where_(where), scope_(scope) {}
  ~stop_relay() { where_.forget_remote(*this); }
  void stop() { where_.post_remote(*this); }

 private:
  void run() noexcept override { scope_.request(); }

  scheduler& where_;
  cancel_scope& scope_;
};

}  // namespace detail

/// Runs `work`; cancels it when `token` is asked to stop, from any thread.
///
/// Resumes with what `work` makes of that: a transfer is `cancelled`, most other things throw
/// std::system_error ECANCELED.
template <class T>
task<T> with_stop(std::stop_token token, task<T> work) {
  const detail::environment env = co_await detail::this_environment{};
  detail::cancel_scope scope;
  scope.go_below(env.cancel);
  if (token.stop_requested()) scope.request();
  detail::stop_relay relay(*env.where, scope);
  const auto on_stop = [&relay] { relay.stop(); };
  const std::stop_callback callback(token, on_stop);
  co_return co_await detail::run_below(scope, std::move(work));
}

}  // namespace zc
