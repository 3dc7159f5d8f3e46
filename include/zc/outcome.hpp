#pragma once

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "zc/detail/awaitable.hpp"
#include "zc/detail/stored.hpp"
#include "zc/detail/timed_out.hpp"
#include "zc/task.hpp"

namespace zc {

/// How a task has ended: the value that it returned, or the exception that it threw.
///
/// A task<> counts as std::monostate. True when it holds a value. Default-constructed it holds
/// neither. Not thread-safe.
template <class T>
class [[nodiscard]] outcome {
 public:
  outcome() noexcept = default;
  explicit outcome(T value) : value_(std::move(value)) {}
  explicit outcome(std::exception_ptr error) noexcept : error_(std::move(error)) {}

  bool has_value() const noexcept { return value_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }

  /// The exception; null when there is none.
  std::exception_ptr error() const noexcept { return error_; }

  /// The value; throws the exception where there is one instead, and std::bad_optional_access where
  /// there is neither.
  T& value() & {
    if (error_) std::rethrow_exception(error_);
    return value_.value();
  }
  T value() && { return std::move(value()); }

  /// The value, unchecked: only after has_value().
  T& operator*() noexcept { return *value_; }
  T* operator->() noexcept { return &*value_; }

  /// For timeout().
  friend void time_out(outcome& what) noexcept {
    if (what.error_) what.error_ = detail::timed_out(what.error_);
  }
  /// For timeout() and when_all(): what is inside.
  template <class Visit>
  friend void each_part(outcome& of, const Visit& visit) {
    if (of.error_) visit(of.error_);
    if (of.value_) visit(*of.value_);
  }

 private:
  std::optional<T> value_;
  std::exception_ptr error_;
};

namespace detail {

/// What a task that has ended gave.
template <class T>
outcome<stored<T>> outcome_of(task<T>& ended) {
  if (std::exception_ptr error = ended.promise().error()) return outcome<stored<T>>(error);
  return outcome<stored<T>>(take_stored(ended));
}

template <class T>
task<outcome<stored<T>>> settle(task<T> work) {
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(work);
      co_return outcome<std::monostate>(std::monostate());
    } else {
      co_return outcome<T>(co_await std::move(work));
    }
  } catch (...) {
    co_return outcome<stored<T>>(std::current_exception());
  }
}

template <class Place, class T>
task<> assign(Place& place, task<T> work) {
  place = co_await std::move(work);
}

}  // namespace detail

/// Runs `work`; resumes with how it ended, and never throws for it: with the others of its kind in
/// when_all() every value and every exception is there, whichever of them failed.
///
///     auto both = co_await zc::when_all(zc::settle(greet(a)), zc::settle(zc::try_splice(b, c)));
///
/// A cancellation is such an exception too, std::system_error ECANCELED.
template <detail::awaitable Work>
task<outcome<detail::stored<detail::awaited_t<Work>>>> settle(Work&& work) {
  return detail::settle(detail::to_task(std::forward<Work>(work)));
}

/// Runs `work` and leaves its value in `place`, which must live until then: for where a value would
/// have nowhere to go, as in scope::spawn(). Nothing is assigned where it throws.
template <class Place, detail::awaitable Work>
  requires std::is_assignable_v<Place&, detail::awaited_t<Work>>
task<> into(Place& place, Work&& work) {
  return detail::assign(place, detail::to_task(std::forward<Work>(work)));
}

}  // namespace zc
