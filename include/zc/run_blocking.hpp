#pragma once

#include <concepts>
#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include "zc/detail/export.hpp"
#include "zc/detail/named.hpp"
#include "zc/detail/stored.hpp"
#include "zc/task.hpp"

namespace zc {

namespace detail {

/// A call that may block, whatever its callable is.
class blocking_call {
 public:
  virtual void make() noexcept = 0;

 protected:
  ~blocking_call() = default;
};

/// Has it made on another thread of the context's. Throws std::system_error: ECANCELED, EAGAIN.
ZC_API task<> make_elsewhere(blocking_call& call);

template <class Callable>
class blocking_call_of final : public blocking_call {
 public:
  using value_type = std::invoke_result_t<Callable&>;

  explicit blocking_call_of(Callable& work) noexcept : work_(work) {}

  void make() noexcept override {
    try {
      if constexpr (std::is_void_v<value_type>) {
        std::invoke(work_);
      } else {
        value_.emplace(std::invoke(work_));
      }
    } catch (...) {
      error_ = std::current_exception();
    }
  }

  value_type take() {
    if (error_) std::rethrow_exception(error_);
    if constexpr (!std::is_void_v<value_type>) return std::move(*value_);
  }

 private:
  Callable& work_;
  std::optional<stored<value_type>> value_;
  std::exception_ptr error_;
};

template <class Callable>
task<std::invoke_result_t<Callable&>> run_blocking(Callable work) {
  blocking_call_of<Callable> call(work);
  co_await make_elsewhere(call);
  co_return call.take();
}

}  // namespace detail

/// Calls `work()` on another thread and resumes, on the context's, with its value, or throws its
/// exception: for what blocks or computes for long, while the context's other tasks go on.
///
/// A context has up to four such threads ("zc-blocking"), with all signals blocked, started when
/// they are needed and ended when idle for some seconds; calls beyond that wait for one. Cancelled
/// while it waits it throws std::system_error ECANCELED, and `work` was not called; once `work`
/// runs, nothing can stop it: it is awaited, also by the context's end, and its value is given
/// back. EAGAIN: no thread is to be had.
///
/// `work` is copied or moved into the task (std::ref keeps it outside). Where it owns something,
/// name it before the co_await expression: GCC 12 destroys a temporary there twice, and so does not
/// compile one.
template <class Callable>
  requires std::invocable<std::decay_t<Callable>&>
task<std::invoke_result_t<std::decay_t<Callable>&>> run_blocking(Callable&& work) {
  detail::refuse_temporaries<Callable>();
  return detail::run_blocking<std::decay_t<Callable>>(std::forward<Callable>(work));
}

}  // namespace zc
