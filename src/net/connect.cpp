#include "zc/connect.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "zc/detail/errno_code.hpp"
#include "zc/detail/event.hpp"
#include "zc/detail/turn_share.hpp"
#include "zc/op/connect.hpp"
#include "zc/scope.hpp"
#include "zc/timeout.hpp"

namespace zc {

namespace {

result<fd> make_socket(int family) {
  fd made(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!made) return std::error_code(errno, std::system_category());
  return made;
}

bool is_exhaustion(std::error_code error) noexcept {
  return error == std::errc::too_many_files_open ||
         error == std::errc::too_many_files_open_in_system || error == std::errc::no_buffer_space ||
         error == std::errc::not_enough_memory;
}

/// AF_UNSPEC of what is no socket.
int family_of(int socket) noexcept {
  int family = AF_UNSPEC;
  socklen_t size = sizeof family;
  ::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &family, &size);
  return family;
}

/// Before a socket is asked for: one that is not to be had may be asked for again at once.
task<std::error_code> breathe() {
  const detail::environment env = co_await detail::this_environment{};
  const bool cancelled = env.cancel->requested();
  co_await detail::turn_share(*env.where, cancelled);
  if (!cancelled) co_return std::error_code();
  env.cancel->observe();
  co_return detail::errno_code(ECANCELED);
}

[[noreturn]] void fail(const address& where, std::error_code why) {
  throw std::system_error(why, "zc::connect: " + to_string(where));
}

/// The attempts to connect to one of several addresses.
class attempts {
 public:
  attempts(const std::vector<address>& candidates, connect_options options, fd spare)
      : candidates_(candidates), options_(options), spare_(std::move(spare)) {
    running_.emplace();
  }

  task<result<fd>> first_to_answer() {
    while (!answered_ && (started_ < candidates_.size() || running_->running() > 0)) {
      if (started_ < candidates_.size()) {
        if (const std::error_code cancelled = co_await start_next()) co_return cancelled;
      }
      // What cannot even be started is no reason to wait.
      const bool waits = running_->running() > 0;
      const std::error_code cancelled = waits ? co_await something_to_do() : std::error_code();
      if (cancelled) co_return cancelled;
    }
    running_->cancel();
    co_await running_->join();
    if (!answered_) co_return last_error_;
    co_return std::move(answered_);
  }

  /// The last that was tried.
  const address& latest() const noexcept {
    return candidates_[std::max<std::size_t>(started_, 1) - 1];
  }

 private:
  /// ECANCELED, or nothing.
  task<std::error_code> start_next() {
    const address& where = candidates_[started_];
    result<fd> made = socket_for(where);
    if (!made && is_exhaustion(made.error()) && running_->running() > 0) {
      const std::error_code cancelled = co_await give_up();
      if (cancelled || answered_) co_return cancelled;
      made = socket_for(where);
    }
    ++started_;
    if (made) {
      running_->spawn(attempt(where, std::move(*made)));
    } else {
      last_error_ = made.error();
    }
    co_return std::error_code();
  }

  result<fd> socket_for(const address& where) {
    if (spare_ && family_of(spare_.get()) == where.family()) return std::move(spare_);
    result<fd> made = make_socket(where.family());
    if (!made && is_exhaustion(made.error()) && spare_) {
      spare_ = {};
      made = make_socket(where.family());
    }
    return made;
  }

  task<> attempt(const address& where, fd socket) {
    const result<void> connected = co_await op::connect(socket.get(), where.data(), where.size());
    if (connected) {
      answered_ = std::move(socket);
    } else if (&where == &candidates_.back()) {
      last_error_ = connected.error();
    }
    one_ended_.set();
  }

  task<std::error_code> give_up() {
    running_->cancel();
    co_await running_->join();
    running_.emplace();
    const result<void> heard = co_await one_to_end();
    co_return heard.error();
  }

  /// Until one has ended or, where there is another to try, the latest has had its head start.
  /// Resumes with ECANCELED, or nothing.
  task<std::error_code> something_to_do() {
    if (started_ == candidates_.size()) {
      const result<void> one = co_await one_to_end();
      co_return one.error();
    }
    const result<void> one = co_await timeout(options_.head_start, one_to_end());
    const bool late = one.error() == std::errc::timed_out;
    co_return late ? std::error_code() : one.error();
  }

  task<result<void>> one_to_end() {
    const std::error_code error = co_await one_ended_.wait();
    co_return error ? result<void>(error) : result<void>();
  }

  const std::vector<address>& candidates_;
  connect_options options_;
  fd spare_;
  std::size_t started_ = 0;
  fd answered_;
  std::error_code last_error_;
  detail::event one_ended_;
  std::optional<scope> running_;  // last: what it runs uses the rest
};

}  // namespace

task<result<fd>> try_connect(address where) {
  if (const std::error_code cancelled = co_await breathe()) co_return cancelled;
  result<fd> made = make_socket(where.family());
  if (!made) co_return made;
  const result<void> connected = co_await op::connect(made->get(), where.data(), where.size());
  if (!connected) co_return connected.error();
  co_return std::move(made);
}

task<fd> connect(address where) {
  result<fd> made = co_await try_connect(where);
  if (!made) fail(where, made.error());
  co_return std::move(*made);
}

task<result<fd>> try_connect(std::vector<address> candidates, connect_options options, fd spare) {
  if (candidates.empty()) throw std::invalid_argument("zc::connect: no address");
  if (const std::error_code cancelled = co_await breathe()) co_return cancelled;
  attempts all(candidates, options, std::move(spare));
  co_return co_await all.first_to_answer();
}

task<fd> connect(std::vector<address> candidates, connect_options options, fd spare) {
  if (candidates.empty()) throw std::invalid_argument("zc::connect: no address");
  if (const std::error_code cancelled = co_await breathe()) fail(candidates.back(), cancelled);
  attempts all(candidates, options, std::move(spare));
  result<fd> made = co_await all.first_to_answer();
  if (!made) fail(all.latest(), made.error());
  co_return std::move(*made);
}

}  // namespace zc
