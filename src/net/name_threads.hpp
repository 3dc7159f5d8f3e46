#pragma once

#include <array>
#include <coroutine>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "engine/loop_service.hpp"
#include "zc/address.hpp"
#include "zc/detail/cancel.hpp"
#include "zc/detail/promise.hpp"
#include "zc/detail/scheduler.hpp"
#include "zc/host_port.hpp"
#include "zc/resolve.hpp"

namespace zc::detail {

class loop;
class name_call;

/// One name and what getaddrinfo(3) said of it. Shared by the coroutine that waits and the thread
/// that asks: whichever is there longer.
struct name_lookup {
  host_port name;
  resolve_options options;
  std::vector<address> found;
  std::error_code error;
  name_call* waiting = nullptr;  // guarded by the mutex of name_threads
};

/// The threads of one context that look names up: at most `limit`, started when needed, ended when
/// nothing is left to do.
///
/// Unlike those of off_threads nobody waits for them: getaddrinfo(3) cannot be stopped, and may
/// take as long as a name server is silent. A lookup that nobody waits for any more ends by itself,
/// and so may one at the context's end.
class name_threads final : public loop_service {
 public:
  static constexpr std::size_t slot = 1;
  static constexpr std::size_t limit = 2;

  explicit name_threads(const loop&) {}
  ~name_threads() override;

 private:
  friend class name_call;
  struct worker {
    std::thread thread;
    bool ended = true;  // and perhaps still to be joined
  };
  /// Lives as long as the last thread.
  struct shared {
    std::mutex mutex;  // guards what follows
    std::deque<std::shared_ptr<name_lookup>> queue;
    std::array<worker, limit> workers;
  };

  /// Throws std::system_error where there is no thread to be had, or std::bad_alloc.
  void begin(const std::shared_ptr<name_lookup>& what);
  /// False where it is too late: the result is on its way.
  bool forsake(name_lookup& what) noexcept;

  static void start(const std::shared_ptr<shared>& all, worker& on,
                    const std::shared_ptr<name_lookup>& first);
  static void serve(const std::shared_ptr<shared>& all, worker& self,
                    std::shared_ptr<name_lookup> what) noexcept;

  std::shared_ptr<shared> shared_ = std::make_shared<shared>();
};

/// `co_await name_call(threads, lookup)`: has the lookup made; resumes without an error when it is,
/// or with ECANCELED at once, or with what kept a thread from starting.
class name_call final : public cancellable, private remote_call {
 public:
  name_call(name_threads& by, std::shared_ptr<name_lookup> what) noexcept
      : by_(by), what_(std::move(what)) {}
  ~name_call();

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> waiter) noexcept {
    if (!start(waiter.promise())) env_.where->post(waiter.promise());
  }
  std::error_code await_resume() const noexcept;

  void cancel() noexcept override;

 private:
  friend class name_threads;
  /// False when it has already ended.
  bool start(resumable& waiter) noexcept;
  void made() noexcept { env_.where->post_remote(*this); }  // on the other thread
  void run() noexcept override { end({}); }                 // back on the context's
  void end(std::error_code why) noexcept;

  name_threads& by_;
  std::shared_ptr<name_lookup> what_;
  resumable* waiter_ = nullptr;  // while it is pending
  environment env_;
  std::error_code error_;
};

}  // namespace zc::detail
