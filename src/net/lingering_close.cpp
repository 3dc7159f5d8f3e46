#include "zc/lingering_close.hpp"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <span>
#include <system_error>
#include <utility>

#include "core/timers.hpp"
#include "engine/direct_call.hpp"
#include "engine/loop.hpp"
#include "transfer/transfer_service.hpp"
#include "zc/detail/operation.hpp"
#include "zc/detail/turn_share.hpp"
#include "zc/op/poll.hpp"
#include "zc/timeout.hpp"

namespace zc {

namespace {

using detail::loop;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

// A message in its error queue keeps a socket "ready" with nothing to read.
constexpr std::chrono::milliseconds fruitless_pause{10};

steady_clock::time_point later(steady_clock::time_point from, nanoseconds by) noexcept {
  return from + std::min<steady_clock::duration>(by, steady_clock::time_point::max() - from);
}

/// How many bytes that were sent the peer has not taken.
int not_taken(int socket) noexcept {
  int bytes = 0;
  return ::ioctl(socket, SIOCOUTQ, &bytes) < 0 ? 0 : bytes;
}

/// Drops some of what has come: how many bytes, 0 at the peer's end, EAGAIN where there are none.
result<std::size_t> drop_some(loop& in, int socket) {
  // TCP drops what is not copied; others copy, and need the memory.
  std::span<std::byte> memory = detail::transfer_service::of(in).scratch();
  // Where there is none: 0 bytes asked for would look as the peer's end does.
  std::array<std::byte, 512> little;
  if (memory.empty()) memory = little;
  return detail::as_result(detail::direct_recv(in.kernel(), socket, memory.data(), memory.size(),
                                               MSG_DONTWAIT | MSG_TRUNC));
}

/// What a poll says of the socket is found out by reading.
task<result<void>> input(int socket) {
  const auto seen = co_await op::poll(socket, POLLIN);
  if (seen.error() == std::errc::operation_canceled) co_return seen.error();
  co_return result<void>();
}

task<std::error_code> wait_for_input(int socket, nanoseconds at_most) {
  const result<void> waited = co_await timeout(at_most, input(socket));
  co_return waited.error();
}

/// When to give the peer up.
class bounds {
 public:
  bounds(int socket, const lingering_close_options& options) noexcept
      : socket_(socket), options_(options) {}

  void dropped(std::size_t bytes) noexcept {
    dropped_ += bytes;
    begin_idling(steady_clock::now());
  }

  bool reached() noexcept {
    const steady_clock::time_point now = steady_clock::now();
    // A reader that is slow and says nothing is not idle.
    if (not_taken_ > 0) {
      const int before = std::exchange(not_taken_, not_taken(socket_));
      if (not_taken_ < before) begin_idling(now);
    }
    return dropped_ >= options_.limit_bytes || now >= end_ || now >= idle_end_;
  }

  /// Until reached() is to be asked again.
  nanoseconds wait() const noexcept {
    const nanoseconds left = std::min(end_, idle_end_) - steady_clock::now();
    // Often enough to know, nearly, when the last byte was taken.
    return not_taken_ > 0 ? std::min(left, options_.idle_timeout / 4) : left;
  }

 private:
  void begin_idling(steady_clock::time_point now) noexcept {
    idle_end_ = later(now, options_.idle_timeout);
  }

  int socket_;
  lingering_close_options options_;
  std::uint64_t dropped_ = 0;
  int not_taken_ = not_taken(socket_);
  steady_clock::time_point end_ = later(steady_clock::now(), options_.total_timeout);
  steady_clock::time_point idle_end_ = later(steady_clock::now(), options_.idle_timeout);
};

}  // namespace

task<> lingering_close(fd socket, lingering_close_options options) {
  const detail::environment env = co_await detail::this_environment{};
  loop& in = loop::of(*env.where);
  const fd closing = std::move(socket);  // in any case, when this ends
  result<std::size_t> got = drop_some(in, closing.get());
  if (got && *got == 0) co_return;
  ::shutdown(closing.get(), SHUT_WR);
  bounds until(closing.get(), options);
  for (bool woken = false; !env.cancel->requested();) {
    if (got) {
      if (*got == 0) co_return;
      woken = false;
      until.dropped(*got);
    } else if (got.error() != std::errc::resource_unavailable_try_again &&
               got.error() != std::errc::interrupted) {
      co_return;
    }
    if (until.reached()) co_return;
    if (woken) {
      co_await detail::timer(fruitless_pause);
      woken = false;
    } else if (!got) {
      const std::error_code waited = co_await wait_for_input(closing.get(), until.wait());
      if (waited && waited != std::errc::timed_out) co_return;
      woken = !waited;
    }
    co_await detail::turn_share(*env.where);
    got = drop_some(in, closing.get());
  }
}

}  // namespace zc
