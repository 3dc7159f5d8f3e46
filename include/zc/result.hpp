#pragma once

#include <cassert>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include "zc/detail/cpp20.hpp"

namespace zc {

/// What an op resumes with: a value, or the error code the kernel gave instead.
///
/// Errors are in std::system_category(), so they compare equal to std::errc. True when it holds a
/// value. Not thread-safe.
///
/// ECANCELED says that the task is cancelled, and so does all that it awaits from then on: leave a
/// loop on it. One that goes on costs a turn of the loop each time round, and keeps waiting whoever
/// waits for the task: timeout(), a scope's end.
template <class T>
class [[nodiscard]] result {
 public:
  result(T value) noexcept : value_(std::move(value)) {}
  result(std::error_code error) noexcept : error_(error) { assert(error); }

  bool has_value() const noexcept { return value_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }

  /// The error; zero (false) when there is a value.
  std::error_code error() const noexcept { return error_; }

  /// The value; throws std::system_error with error() when there is none.
  T& value() & {
    throw_error();
    return *value_;
  }
  const T& value() const& {
    throw_error();
    return *value_;
  }
  T value() && {
    throw_error();
    return std::move(*value_);
  }

  T value_or(T other) && { return has_value() ? std::move(*value_) : std::move(other); }

  /// The value, unchecked: only after has_value().
  T& operator*() & noexcept { return *value_; }
  const T& operator*() const& noexcept { return *value_; }
  T operator*() && noexcept { return std::move(*value_); }
  T* operator->() noexcept { return &*value_; }
  const T* operator->() const noexcept { return &*value_; }

  /// For timeout(), and when_all(): what is inside.
  friend void time_out(result& what) noexcept {
    if (what.error_ == std::errc::operation_canceled) {
      what.error_ = {ETIMEDOUT, std::system_category()};
    }
  }
  template <class Visit>
  friend void each_part(result& of, const Visit& visit) {
    if (of.value_) visit(*of.value_);
  }

 private:
  void throw_error() const {
    if (!value_) throw std::system_error(error_);
  }

  std::optional<T> value_;
  std::error_code error_;
};

/// Success or an error code, for ops that return no value.
template <>
class [[nodiscard]] result<void> {
 public:
  result() noexcept = default;
  result(std::error_code error) noexcept : error_(error) { assert(error); }

  bool has_value() const noexcept { return !error_; }
  explicit operator bool() const noexcept { return has_value(); }
  std::error_code error() const noexcept { return error_; }

  /// Throws std::system_error with error() unless the op succeeded.
  void value() const {
    if (error_) throw std::system_error(error_);
  }

  /// For timeout().
  friend void time_out(result& what) noexcept {
    if (what.error_ == std::errc::operation_canceled) {
      what.error_ = {ETIMEDOUT, std::system_category()};
    }
  }

 private:
  std::error_code error_;
};

}  // namespace zc
