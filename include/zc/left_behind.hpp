#pragma once

#include <exception>
#include <memory>
#include <utility>
#include <vector>

#include "zc/detail/export.hpp"
#include "zc/detail/parts.hpp"
#include "zc/detail/stored.hpp"
#include "zc/task.hpp"
#include "zc/transfer.hpp"

namespace zc {

/// A second base of the exception that when_all(), when_any(), scope::join(), context::run(),
/// run_on(), a batch or relay() throws where another of the tasks has ended with bytes that would
/// be lost with it.
///
///     } catch (const std::exception& failed) {
///       if (auto* more = dynamic_cast<const zc::left_behind*>(&failed)) {
///         for (zc::transfer& each : more->transfers()) { ... }
///
/// That exception has the text of the task's own, which is nested in it (std::rethrow_if_nested),
/// and is also a transfer_error, a std::system_error of the same code, a std::logic_error, a
/// std::bad_alloc or else a std::runtime_error, as that one was. Where nobody else has bytes, and
/// so nearly always, the task's own exception is thrown. settle() is the way without exceptions.
class ZC_API left_behind {
 public:
  explicit left_behind(std::vector<transfer> transfers)
      : transfers_(std::make_shared<std::vector<transfer>>(std::move(transfers))) {}

  /// The transfers that have a remainder, in the order of the tasks: from values, whatever they are
  /// in, and from each transfer_error but the thrown one. Bytes that a recv_stream gave are one
  /// too. Shared by copies of this exception: move them out once.
  ///
  /// A value of a type of your own is looked into only where its namespace has a function
  /// `void give_bytes(T&, std::vector<zc::transfer>&)`.
  std::vector<transfer>& transfers() const noexcept { return *transfers_; }

 private:
  std::shared_ptr<std::vector<transfer>> transfers_;
};

namespace detail {

/// The bytes of a transfer_error and of a left_behind.
ZC_API void give_bytes(const std::exception_ptr& from, std::vector<transfer>& to);

/// Moves to `to` what has bytes in it.
template <class T>
void leave_bytes(T& value, std::vector<transfer>& to) {
  if constexpr (requires { give_bytes(value, to); }) {
    give_bytes(value, to);
  } else {
    visit_parts(value, [&to](auto& part) { leave_bytes(part, to); });
  }
}

/// Throws `error`, as a left_behind where there are any transfers.
[[noreturn]] ZC_API void rethrow_beside(const std::exception_ptr& error,
                                        std::vector<transfer> left);

/// `first`, as a left_behind where `other` has bytes.
ZC_API std::exception_ptr with_bytes_of(const std::exception_ptr& other,
                                        const std::exception_ptr& first) noexcept;

/// Of tasks that have ended, one of them with an exception: throws that of the first added.
class first_error {
 public:
  void add(const std::exception_ptr& error) {
    if (error == first_) return;
    if (first_) {
      give_bytes(error, left_);
    } else {
      first_ = error;
    }
  }

  template <class T>
  void add(task<T>& ended) {
    if (const std::exception_ptr error = ended.promise().error()) {
      add(error);
    } else if constexpr (!std::is_void_v<T>) {
      T value = ended.take();
      leave_bytes(value, left_);
    }
  }

  [[noreturn]] void rethrow() { rethrow_beside(first_, std::move(left_)); }

 private:
  std::exception_ptr first_;
  std::vector<transfer> left_;
};

}  // namespace detail

}  // namespace zc
