#include "zc/serve.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "zc/detail/errno_code.hpp"
#include "zc/detail/event.hpp"
#include "zc/detail/turn_share.hpp"
#include "zc/op/accept.hpp"
#include "zc/result.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"
#include "zc/with_stop.hpp"

namespace zc {

using detail::errno_code;
using detail::event;
using detail::service;

namespace {

// Short enough for a client to wait; the limit may have been another process's to lift.
constexpr std::chrono::milliseconds pause_when_exhausted{100};
// Between two that fail, doubled from one to the next.
constexpr std::chrono::milliseconds first_pause_when_failing{1};
constexpr std::chrono::milliseconds longest_pause_when_failing{100};

bool is_exhaustion(std::error_code error) noexcept {
  return error == std::errc::too_many_files_open ||  // this process has no descriptor left
         error == std::errc::too_many_files_open_in_system ||  // nor has the system
         error == std::errc::no_buffer_space ||                // socket memory
         error == std::errc::not_enough_memory;
}

/// What accept(2) says of one connection, which has gone meanwhile, and not of the listener.
bool is_of_one_connection(std::error_code error) noexcept {
  switch (error.value()) {
    case ECONNABORTED:
    case EINTR:
    case EPERM:  // a firewall's; a security module's stays: the connection is left in the queue
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
      return true;
    default:
      return false;
  }
}

/// What says nothing: accept(2) is asked again. A thread that others are quicker than for long is
/// told EAGAIN at a listener in non-blocking mode: the kernel waits no more than so many times.
bool is_passing(std::error_code error) noexcept { return error.value() == EAGAIN; }

/// One call of serve().
class server {
 public:
  server(int listener, service& by, std::stop_token stop, serve_options options) noexcept
      : listener_(listener), by_(by), stop_(std::move(stop)), options_(options) {}

  task<> run() {
    tasks_.spawn(supervise());
    co_await tasks_.join();
  }

 private:
  /// Takes a connection that has begun off the count, where it ends.
  class counted {
   public:
    explicit counted(server& in) noexcept : in_(in) {}
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() {
      --in_.connections_;
      in_.one_ended_.set();
    }

   private:
    server& in_;
  };

  task<> supervise() {
    const result<void> accepted = co_await with_stop(stop_, accept_all());
    if (!accepted && !stop_.stop_requested()) throw_cancelled(accepted.error());
    by_.give_up();
    say(serve_event::draining);
    const result<void> ended = co_await timeout(options_.grace, last_to_end());
    if (ended.error() == std::errc::timed_out) {
      say(serve_event::cancelling);
    } else if (!ended) {
      throw_cancelled(ended.error());
    }
    tasks_.cancel();
  }

  [[noreturn]] static void throw_cancelled(std::error_code error) {
    throw std::system_error(error, "zc::serve");
  }

  task<result<void>> last_to_end() {
    while (connections_ > 0) {
      const result<void> one = co_await one_to_end();
      if (!one) co_return one;
    }
    co_return result<void>();
  }

  task<result<void>> one_to_end() {
    const std::error_code error = co_await one_ended_.wait();
    co_return error ? result<void>(error) : result<void>();
  }

  /// Until it is cancelled: ECANCELED. Throws what else ends it.
  task<result<void>> accept_all() {
    const detail::environment env = co_await detail::this_environment{};
    for (;;) {
      while (connections_ >= options_.connections) {
        pause(serve_event::full, {});
        const result<void> one = co_await one_to_end();
        if (!one) co_return one;
      }
      co_await detail::turn_share(*env.where);
      std::error_code error = prepare();
      if (!error) {
        result<fd> client =
            co_await op::accept(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        error = client ? begin(std::move(*client)) : client.error();
      }
      result<void> paused;
      if (is_exhaustion(error)) {
        pause(serve_event::exhausted, error);
        paused = co_await timeout(pause_when_exhausted, one_to_end());
      } else if (is_of_one_connection(error)) {
        paused = co_await back_off(error);
      } else if (error == std::errc::operation_canceled) {
        co_return error;
      } else if (error && !is_passing(error)) {
        throw std::system_error(error, "zc::serve: accept");
      }
      if (paused.error() == std::errc::operation_canceled) co_return paused;
    }
  }

  std::error_code prepare() {
    try {
      by_.prepare();
    } catch (const std::bad_alloc&) {
      return errno_code(ENOMEM);
    } catch (const std::system_error& failed) {
      if (!is_exhaustion(failed.code())) throw;
      return failed.code();
    }
    return {};
  }

  /// After an error that may stay, or come again with every connection there is: the thread has
  /// more to do than that.
  task<result<void>> back_off(std::error_code error) {
    const auto wait = std::exchange(
        next_pause_,
        std::clamp(2 * next_pause_, first_pause_when_failing, longest_pause_when_failing));
    if (wait == longest_pause_when_failing) pause(serve_event::failing, error);
    if (wait == wait.zero()) co_return result<void>();
    co_return co_await try_sleep_for(wait);
  }

  std::error_code begin(fd client) {
    try {
      // The handler's frame is made here too: want of memory for it is no failure of the handler's.
      tasks_.spawn(attend(by_.handle(std::move(client))));
    } catch (const std::bad_alloc&) {
      return errno_code(ENOMEM);
    }
    ++connections_;
    next_pause_ = next_pause_.zero();
    if (std::exchange(paused_, false)) say(serve_event::accepting);
    return {};
  }

  // Counted from before it starts; one that cannot be made is none that ends.
  task<> attend(task<> handling) {
    const counted one(*this);
    try {
      co_await std::move(handling);
    } catch (const std::system_error& ended) {
      if (ended.code() != std::errc::operation_canceled || !stop_.stop_requested()) throw;
    }
  }

  void pause(serve_event why, std::error_code error) {
    by_.give_up();  // others may need what is held for nobody
    if (!std::exchange(paused_, true)) say(why, error);
  }

  void say(serve_event what, std::error_code error = {}) {
    by_.notice({what, connections_, error});
  }

  int listener_;
  service& by_;
  std::stop_token stop_;
  serve_options options_;
  std::size_t connections_ = 0;
  bool paused_ = false;
  std::chrono::milliseconds next_pause_{0};  // after an error that may stay
  event one_ended_;
  scope tasks_;  // last: what it runs uses the rest
};

}  // namespace

const char* to_string(serve_event what) noexcept {
  switch (what) {
    case serve_event::full:
      return "full";
    case serve_event::exhausted:
      return "exhausted";
    case serve_event::accepting:
      return "accepting";
    case serve_event::draining:
      return "draining";
    case serve_event::cancelling:
      return "cancelling";
    case serve_event::failing:
      return "failing";
  }
  return "unknown";
}

task<> detail::serve(int listener, service& by, std::stop_token stop, serve_options options) {
  if (options.connections == 0) {
    throw std::system_error(errno_code(EINVAL), "zc::serve: no connection is allowed");
  }
  server one(listener, by, std::move(stop), options);
  co_await one.run();
}

}  // namespace zc
