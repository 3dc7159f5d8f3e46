#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>

#include "transfer/aligned_memory.hpp"
#include "transfer/leased_pipe.hpp"
#include "transfer/mover.hpp"
#include "zc/op/read.hpp"
#include "zc/op/recv.hpp"
#include "zc/op/send.hpp"
#include "zc/op/write.hpp"

namespace zc::detail {

namespace {

constexpr std::size_t copy_bytes = 64 * 1024;
// No more is kept for a few bytes that wait for `out`.
constexpr std::size_t small_bytes = 4096;
constexpr std::size_t block_bytes = endpoint::block_bytes;

/// What was read, as bytes that wait for `out`: few of them in no more memory than they need, but
/// where `out` takes whole blocks only, at a block's boundary.
remainder keep(aligned_memory buffer, std::size_t size, bool aligned) noexcept {
  if (size <= small_bytes && !aligned) {
    std::unique_ptr<std::byte[]> tight(new (std::nothrow) std::byte[size]);
    if (tight) {
      std::memcpy(tight.get(), buffer.data(), size);
      return {std::move(tight), 0, size};
    }
  }
  return std::move(buffer).first(size);
}

/// Whether a file is used where its position is.
bool at_file_position(const endpoint& end, std::int64_t next) noexcept {
  return end.is == endpoint::kind::file && next == file_position;
}

/// Where to read or write next. A file position is looked up and set here, not by the kernel, which
/// forgets to advance it at offset -1 (seen on 6.18) after an O_DIRECT read or write, and after a
/// write that came short of a full disk: the next would go over the same bytes again.
std::int64_t offset_of(const endpoint& end, std::int64_t next) noexcept {
  if (at_file_position(end, next)) return ::lseek(end.fd, 0, SEEK_CUR);
  return end.seekable ? next : -1;
}

void finish_read(const mover& m, std::int64_t from, std::size_t nbytes) noexcept {
  if (!at_file_position(m.in, m.in_at) || from < 0) return;
  ::lseek(m.in.fd, from + static_cast<std::int64_t>(nbytes), SEEK_SET);
}

void finish_write(const mover& m, std::int64_t from, std::size_t nbytes) noexcept {
  if (!at_file_position(m.out, m.out_at) || from < 0) return;
  if (m.out.append) {
    ::lseek(m.out.fd, 0, SEEK_END);
  } else {
    ::lseek(m.out.fd, from + static_cast<std::int64_t>(nbytes), SEEK_SET);
  }
}

/// How much to ask of `in`: no more than is wanted, than a nonblocking caller's `out` has room for,
/// or than a buffer holds; but a message whole.
std::size_t read_size(const mover& m) noexcept {
  const std::size_t most = m.in.messages ? m.in.message_limit_bytes : copy_bytes;
  return static_cast<std::size_t>(std::min<std::uint64_t>({m.left, most, m.take_limit_bytes()}));
}

/// Takes less from a pipe than a packet may be. Of one that is longer (pipe2(2), O_DIRECT) read(2)
/// would drop the rest, and a splice leaves it. False where there is no pipe to be had for that.
task<bool> take_part(const mover& m, std::span<std::byte> into, result<std::size_t>& taken) {
  leased_pipe between;
  if (!between.take(m.pipes())) co_return false;
  between.busy = true;
  // Who may not call splice(2) may still have the ring do it.
  for (const bool direct : {true, false}) {
    taken =
        co_await splice_once(m, direct, m.in.fd, -1, between.write_end(), -1, into.size(), false);
    if (taken || !may_be_forbidden(taken.error().value())) break;
  }
  between.busy = false;
  between.holds = taken ? *taken : 0;
  while (between.holds > 0) {
    // Never blocks: the bytes are there, and nobody else reads.
    const ssize_t got = ::read(between.read_end(), into.data(), between.holds);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      taken = errno_code(got < 0 ? errno : EIO);
      break;
    }
    into = into.subspan(static_cast<std::size_t>(got));
    between.holds -= static_cast<std::size_t>(got);
  }
  co_return true;
}

}  // namespace

// Each time round is one move: a read into the empty buffer, or a write of what is in it.
task<outcome> copy(mover& m, bool to_the_end) {
  // Sockets tell by themselves that they are full; others, blocking ones, are asked first.
  const bool ask_out = m.out.is != endpoint::kind::socket;
  if (to_the_end) m.done.route = route::copy;
  bool wait_out = ask_out;
  bool copied = false;
  while (m.staged.empty() ? !m.over() : !m.cut()) {
    if (m.staged.empty() && copied && !to_the_end) co_return outcome::heavy;
    co_await breather(*m.env.where);
    const bool reading = m.staged.empty();
    side where = reading ? side::in : side::out;
    std::error_code error;
    if (reading) {
      error = co_await ready(m, m.in, POLLIN);
      if (!error && m.has(splice_flags::nonblock)) {
        error = co_await ready(m, m.out, POLLOUT);
        if (error) where = side::out;
      }
    } else if (wait_out) {
      error = co_await ready(m, m.out, POLLOUT);
    }
    result<std::size_t> moved = std::size_t{0};
    if (!error && reading) {
      const std::size_t nbytes = read_size(m);
      if (const std::error_code no_message = m.check_message(nbytes)) {
        moved = no_message;
      } else {
        // O_DIRECT reads whole blocks; those beyond what was asked for are left in the file.
        const bool whole_blocks = m.in.in_blocks();
        const std::size_t asked =
            whole_blocks ? (nbytes + block_bytes - 1) / block_bytes * block_bytes : nbytes;
        // Memory only now: an idle transfer holds none.
        aligned_memory buffer(std::max(asked, block_bytes));
        if (!buffer) {
          m.stop(errno_code(ENOMEM), side::zc);
          break;
        }
        const std::int64_t at = offset_of(m.in, m.in_at);
        if (m.in.messages) {
          // At once: by the ring another transfer from the same socket could come in between, and
          // this one would cut a message that nobody has looked at.
          moved = as_result(direct_recv(m.kernel(), m.in.fd, buffer.data(), nbytes, MSG_DONTWAIT));
        } else if (m.in.is == endpoint::kind::socket) {
          moved = co_await op::recv(m.in.fd, buffer.data(), nbytes, MSG_DONTWAIT);
        } else {
          const bool is_part = m.in.is == endpoint::kind::pipe && nbytes < PIPE_BUF;
          const bool took = is_part && co_await take_part(m, {buffer.data(), nbytes}, moved);
          if (!took) moved = co_await op::read(m.in.fd, buffer.data(), asked, at);
        }
        if (moved && *moved > 0) {
          const std::size_t size = std::min(*moved, nbytes);
          finish_read(m, at, size);
          m.staged = keep(std::move(buffer), size, m.out.in_blocks());
          m.took(size);
          continue;
        }
      }
    } else if (!error) {
      const auto bytes =
          m.staged.bytes().first(std::min(m.staged.size(), m.out.write_limit_bytes()));
      const bool more = m.more_follows(m.staged.size() - bytes.size(), m.left);
      if (m.out.is == endpoint::kind::socket) {
        moved = co_await op::send(m.out.fd, bytes, MSG_DONTWAIT | (more ? MSG_MORE : 0));
      } else {
        const std::int64_t at = offset_of(m.out, m.out_at);
        moved = co_await op::write(m.out.fd, bytes, at);
        if (moved && *moved > 0) finish_write(m, at, *moved);
      }
      wait_out = ask_out;
      if (moved && *moved > 0) {
        m.staged.drop(*moved);
        m.gave(*moved, route::copy);
        m.corked = more;
        copied = true;
        continue;
      }
    }

    // Nothing has moved.
    if (error) {
      if (m.judge_wait(error, where) == verdict::retry) continue;
      break;
    }
    if (moved && reading) {
      if (m.in.datagrams) continue;  // an empty message: datagrams have no end
      m.done.reason = stop_reason::end_of_file;
      break;
    }
    if (moved) {
      m.stop(errno_code(EIO), side::out);  // accepts nothing, and does not say why
      break;
    }
    const verdict next = m.judge(moved.error(), where);
    if (next == verdict::leave) break;
    if (next == verdict::retry) continue;
    wait_out = true;
    error = co_await back_off(m);
    if (error) {
      m.stop(error, side::zc);
      break;
    }
  }
  co_return outcome::over;
}

}  // namespace zc::detail
