#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <optional>

#include "mover.hpp"

namespace zc::detail {

namespace {

/// A pipe from the pool, for as long as bytes flow, and how many of them are in it.
class leased_pipe {
 public:
  explicit leased_pipe(pipe_pool& from) noexcept : from_(from) {}
  leased_pipe(const leased_pipe&) = delete;
  leased_pipe& operator=(const leased_pipe&) = delete;
  ~leased_pipe() { give_back(); }

  /// False where none is to be had.
  bool take() {
    if (!pipe_) pipe_ = from_.take();
    return pipe_.has_value();
  }

  /// An idle transfer holds no pipe.
  void give_back() noexcept {
    if (!pipe_) return;
    // Destroyed while a splice was under way, the count may be short of the truth.
    from_.give_back(*std::move(pipe_), holds == 0 && !busy);
    pipe_.reset();
  }

  /// Moves the bytes into memory. Never blocks: they are there, and nobody else reads.
  remainder rescue() {
    if (holds == 0) return {};
    auto storage = std::make_unique_for_overwrite<std::byte[]>(holds);
    std::size_t size = 0;
    while (size < holds) {
      const ssize_t got = ::read(read_end(), storage.get() + size, holds - size);
      if (got < 0 && errno == EINTR) continue;
      assert(got > 0 && "the pipe holds what was counted into it");
      if (got <= 0) break;
      size += static_cast<std::size_t>(got);
    }
    holds -= size;
    return {std::move(storage), 0, size};
  }

  int read_end() const noexcept { return pipe_->read_end.get(); }
  int write_end() const noexcept { return pipe_->write_end.get(); }
  std::size_t capacity_bytes() const noexcept { return pipe_->capacity_bytes; }

  std::size_t holds = 0;
  bool busy = false;  // a splice into or out of it is under way

 private:
  pipe_pool& from_;
  std::optional<pipe> pipe_;
};

/// Drains the pipe into `out`. Whatever stops it early leaves the bytes in the pipe.
task<outcome> drain(mover& m, leased_pipe& lease, bool direct, route how) {
  bool wait_first = !direct;
  while (lease.holds > 0) {
    co_await breather(m);
    if (m.cancelled()) {
      m.stop(errno_code(ECANCELED), side::none);
      co_return outcome::over;
    }
    if (wait_first) {
      if (const std::error_code error = co_await ready(m, m.out, POLLOUT)) {
        m.stop(error, side::out);
        co_return outcome::over;
      }
    }
    wait_first = !direct;
    const std::size_t nbytes = std::min(lease.holds, m.out.write_limit_bytes());
    const bool more = m.more_follows(lease.holds - nbytes, m.left);
    lease.busy = true;
    const result<std::size_t> moved =
        co_await splice_once(m, direct, lease.read_end(), -1, m.out.fd, m.out_at, nbytes, more);
    lease.busy = false;
    if (moved && *moved > 0) {
      lease.holds -= *moved;
      m.gave(*moved, how);
      m.corked = more;
    } else if (moved) {
      m.stop(errno_code(EIO), side::out);  // accepts nothing, and does not say why
      co_return outcome::over;
    } else if (sort(moved.error()) == trouble::again) {
      wait_first = true;
      if (const std::error_code error = co_await back_off(m)) {
        m.stop(error, side::out);
        co_return outcome::over;
      }
    } else if (sort(moved.error()) == trouble::cannot_splice && !m.forced()) {
      co_return outcome::cannot_splice;
    } else if (sort(moved.error()) != trouble::interrupted) {
      m.stop(moved.error(), side::out);
      co_return outcome::over;
    }
  }
  co_return outcome::over;
}

}  // namespace

task<outcome> through_pipe(mover& m) {
  const bool fill_direct = m.is_direct(m.in);
  const bool drain_direct = m.is_direct(m.out);
  const route how = fill_direct && drain_direct ? route::direct : route::ring;
  leased_pipe lease(m.pipes());
  bool wait_first = !fill_direct;
  while (!m.over()) {
    co_await breather(m);
    if (wait_first && m.in.pollable()) {
      lease.give_back();
      if (const std::error_code error = co_await ready(m, m.in, POLLIN)) {
        m.stop(error, side::in);
        co_return outcome::over;
      }
    }
    wait_first = !fill_direct;
    if (!lease.take()) co_return outcome::no_pipe;

    // Fill only an empty pipe: then EAGAIN speaks of `in`, and nothing waits behind the fill.
    const std::size_t nbytes =
        static_cast<std::size_t>(std::min<std::uint64_t>(m.left, lease.capacity_bytes()));
    lease.busy = true;
    const result<std::size_t> filled = co_await splice_once(m, fill_direct, m.in.fd, m.in_at,
                                                            lease.write_end(), -1, nbytes, false);
    lease.busy = false;
    if (filled && *filled > 0) {
      m.took(*filled);
      lease.holds = *filled;
    } else if (filled) {
      co_return m.source_ended();
    } else if (sort(filled.error()) == trouble::again) {
      wait_first = true;
      if (const std::error_code error = co_await back_off(m)) {
        m.stop(error, side::in);
        co_return outcome::over;
      }
      continue;
    } else if (sort(filled.error()) == trouble::cannot_splice && !m.forced()) {
      co_return outcome::cannot_splice;
    } else if (sort(filled.error()) == trouble::interrupted) {
      continue;
    } else {
      m.stop(filled.error(), side::in);
      co_return outcome::over;
    }

    const outcome drained = co_await drain(m, lease, drain_direct, how);
    if (lease.holds > 0) {
      m.staged = lease.rescue();
      co_return drained;
    }
  }
  co_return outcome::over;
}

}  // namespace zc::detail
