#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "mover.hpp"
#include "zc/op/read.hpp"
#include "zc/op/recv.hpp"
#include "zc/op/send.hpp"
#include "zc/op/write.hpp"

namespace zc::detail {

namespace {

constexpr std::size_t copy_bytes = 64 * 1024;
// O_DIRECT wants memory, offset and length at multiples of the device's block, which divide this.
constexpr std::size_t block_bytes = 4096;
// A blocking pipe that poll(2) calls writable takes this much without blocking (pipe(7)).
constexpr std::size_t pipe_room_bytes = 4096;

/// How much one write may carry, after poll(2), without blocking a kernel worker.
std::size_t write_limit_bytes(const endpoint& out) noexcept {
  const bool blocking_pipe = out.is == endpoint::kind::pipe && !out.nonblocking;
  return blocking_pipe ? pipe_room_bytes : out.write_limit_bytes();
}

/// Memory for `copy_bytes`, at a block's boundary inside a larger allocation.
class copy_buffer {
 public:
  copy_buffer() {
    void* at = storage_.get();
    std::size_t space = whole_bytes;
    std::align(block_bytes, copy_bytes, at, space);
    begin_ = whole_bytes - space;
  }

  std::byte* data() const noexcept { return storage_.get() + begin_; }

  /// The first `size` bytes; gives the memory away.
  remainder take_first(std::size_t size) && noexcept { return {std::move(storage_), begin_, size}; }

 private:
  static constexpr std::size_t whole_bytes = copy_bytes + block_bytes;
  std::unique_ptr<std::byte[]> storage_ = std::make_unique_for_overwrite<std::byte[]>(whole_bytes);
  std::size_t begin_ = 0;
};

/// Writes what is staged to `out`, all of it unless the transfer stops.
task<> drain(mover& m) {
  bool wait_first = m.out.is != endpoint::kind::socket;
  while (!m.staged.empty()) {
    co_await breather(m);
    if (m.cancelled()) {
      m.stop(errno_code(ECANCELED), side::none);
      co_return;
    }
    if (wait_first) {
      if (const std::error_code error = co_await ready(m, m.out, POLLOUT)) {
        m.stop(error, side::out);
        co_return;
      }
    }
    const auto bytes = m.staged.bytes().first(std::min(m.staged.size(), write_limit_bytes(m.out)));
    const bool more = m.more_follows(m.staged.size() - bytes.size(), m.left);
    result<std::size_t> wrote = std::size_t{0};
    if (m.out.is == endpoint::kind::socket) {
      wrote = co_await op::send(m.out.fd, bytes, MSG_DONTWAIT | (more ? MSG_MORE : 0));
    } else {
      wrote = co_await op::write(m.out.fd, bytes, m.out.seekable ? m.out_at : -1);
    }
    wait_first = m.out.is != endpoint::kind::socket;
    if (wrote && *wrote > 0) {
      m.staged.drop(*wrote);
      m.gave(*wrote, route::copy);
      m.corked = more;
    } else if (wrote) {
      m.stop(errno_code(EIO), side::out);  // accepts nothing, and does not say why
      co_return;
    } else if (sort(wrote.error()) == trouble::again) {
      wait_first = true;
      if (const std::error_code error = co_await back_off(m)) {
        m.stop(error, side::out);
        co_return;
      }
    } else if (sort(wrote.error()) != trouble::interrupted) {
      m.stop(wrote.error(), side::out);
      co_return;
    }
  }
}

}  // namespace

task<outcome> copy(mover& m, bool to_the_end) {
  for (;;) {
    co_await drain(m);
    if (!m.staged.empty() || m.over()) co_return outcome::over;
    co_await breather(m);
    if (const std::error_code error = co_await ready(m, m.in, POLLIN)) {
      m.stop(error, side::in);
      co_return outcome::over;
    }
    // Memory only now: an idle transfer holds none.
    copy_buffer buffer;
    const std::size_t wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(m.left, copy_bytes));
    result<std::size_t> got = std::size_t{0};
    if (m.in.is == endpoint::kind::socket) {
      got = co_await op::recv(m.in.fd, buffer.data(), wanted, MSG_DONTWAIT);
    } else {
      // O_DIRECT reads whole blocks; those beyond what was asked for are left in the file.
      const bool round_up = m.in.direct_io && m.in_at >= 0;
      const std::size_t nbytes =
          round_up ? (wanted + block_bytes - 1) / block_bytes * block_bytes : wanted;
      got = co_await op::read(m.in.fd, buffer.data(), nbytes, m.in.seekable ? m.in_at : -1);
    }
    if (got && *got > 0) {
      const std::size_t size = std::min(*got, wanted);
      m.took(size);
      m.staged = std::move(buffer).take_first(size);
    } else if (got) {
      m.done.route = route::copy;
      m.done.reason = stop_reason::end_of_file;
      co_return outcome::over;
    } else if (sort(got.error()) == trouble::again) {
      if (const std::error_code error = co_await back_off(m)) {
        m.stop(error, side::in);
        co_return outcome::over;
      }
    } else if (sort(got.error()) != trouble::interrupted) {
      m.stop(got.error(), side::in);
      co_return outcome::over;
    }
    if (!to_the_end) {
      co_await drain(m);
      if (!m.staged.empty() || m.over()) co_return outcome::over;
      co_return outcome::no_pipe;
    }
  }
}

}  // namespace zc::detail
