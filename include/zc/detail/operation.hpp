#pragma once

#include <algorithm>
#include <cerrno>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "zc/detail/cancel.hpp"
#include "zc/detail/errno_code.hpp"
#include "zc/detail/export.hpp"
#include "zc/detail/promise.hpp"
#include "zc/fd.hpp"
#include "zc/result.hpp"

struct io_uring_sqe;

namespace zc {
class context;
}

namespace zc::detail {

/// One submission to the ring and its completion. `co_await` submits it and resumes with its end.
///
/// It stays where it is, and its memory stays valid, until the kernel has completed it; destroying
/// one in flight cancels and awaits it first. Begun under a cancelled scope, it ends with ECANCELED
/// and never reaches the kernel; whatever else is ready has its turn before the waiter goes on, as
/// with all that ends at once in a cancelled task. However it ended, it can be awaited again;
/// awaiting one that is in flight is std::logic_error. A copy has its arguments, and has not begun.
/// Context's thread only.
class ZC_API operation : public cancellable {
 public:
  bool await_ready() const noexcept { return false; }

  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> waiter) {
    start(waiter.promise());
  }

  void cancel() noexcept override;

  /// The ring's lengths have 32 bits: a longer one becomes a short read, write or splice.
  static unsigned clamp_length(std::size_t nbytes) noexcept {
    return static_cast<unsigned>(std::min<std::size_t>(nbytes, 1u << 30));
  }

 protected:
  operation() noexcept = default;
  operation(const operation& other) noexcept
      : cancellable(),  // NOLINT(readability-redundant-member-init): GCC wants it
        cancellable_(other.cancellable_),
        descriptor_(other.descriptor_),
        tag_(other.tag_) {}
  operation& operator=(const operation&) = delete;
  ~operation() {
    if (unfinished() || descriptor_) dispose();
  }

  /// Fills the submission in. Called when there is room in the ring, perhaps after other ops.
  virtual void prepare(io_uring_sqe& sqe) noexcept = 0;

  /// For ops that must run even in a cancelled task: giving resources back.
  void ignore_cancel() noexcept { cancellable_ = false; }

  /// For what derives from multishot, and nothing else.
  void has_several_completions() noexcept { tag_ = several_bit; }

  /// For ops whose result is a descriptor: one that nobody took is closed.
  void owns_descriptor() noexcept { descriptor_ = true; }
  int take_raw() noexcept { return std::exchange(raw_, -ECANCELED); }

  /// The kernel's result: not negative, or -errno.
  int raw() const noexcept { return raw_; }
  void set_raw(int raw) noexcept { raw_ = raw; }

 private:
  friend class op_queue;
  friend class multishot;
  friend class fifo<operation>;
  // In the user_data of a submission, beside its op's address: so that those with one completion
  // need not be asked whether they have more.
  static constexpr std::uint8_t several_bit = 4;
  enum class stage : std::uint8_t { idle, queued, in_kernel, done };

  bool unfinished() const noexcept { return stage_ == stage::queued || stage_ == stage::in_kernel; }
  /// Cancels and awaits it, and closes a descriptor that nobody took.
  void dispose();

  void start(resumable& waiter);

  operation* next = nullptr;
  resumable* waiter_ = nullptr;
  scheduler* where_ = nullptr;
  int raw_ = 0;
  std::uint8_t completions_due_ = 0;  // its own, and that of a cancel aimed at it
  stage stage_ = stage::idle;
  bool cancel_wanted_ = false;
  bool cancellable_ = true;
  bool descriptor_ = false;
  std::uint8_t tag_ = 0;  // several_bit or nothing
};

/// An operation whose end is a result<T>, made from the kernel's number.
template <class T>
class operation_of : public operation {
 public:
  result<T> await_resume() noexcept {
    if (raw() < 0) return errno_code(-raw());
    if constexpr (std::is_void_v<T>) {
      return {};
    } else {
      return T(static_cast<T>(raw()));
    }
  }
};

/// An operation that opens a descriptor, and owns it until the result is taken.
class ZC_API operation_of_fd : public operation {
 public:
  result<fd> await_resume() noexcept {
    const int opened = take_raw();
    if (opened < 0) return errno_code(-opened);
    return fd(opened);
  }

 protected:
  operation_of_fd() noexcept { owns_descriptor(); }
};

}  // namespace zc::detail
