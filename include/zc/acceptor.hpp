#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <type_traits>
#include <vector>

#include "zc/detail/export.hpp"
#include "zc/detail/multishot.hpp"
#include "zc/fd.hpp"
#include "zc/result.hpp"

namespace zc {

struct acceptor_options {
  /// SOCK_NONBLOCK, SOCK_CLOEXEC: what the accepted descriptors have.
  int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
};
static_assert(std::is_trivially_destructible_v<acceptor_options>);

/// Accepts connections, one op for many of them: accept4(2).
///
/// IORING_OP_ACCEPT, multishot, Linux 5.19; one op for each connection on a kernel that does not
/// know that. The listener may be in blocking mode or not, and stays the caller's, open for as long
/// as this lives. Belongs to the context of the first next(): goes before it, on its thread.
class ZC_API acceptor final : private detail::multishot {
  class next_connection;

 public:
  explicit acceptor(int listener, acceptor_options options = {}) noexcept
      : listener_(listener), flags_(options.flags) {}
  acceptor(const acceptor&) = delete;
  acceptor& operator=(const acceptor&) = delete;
  /// Accepts no more, and closes the connections that nobody took.
  ~acceptor();

  /// `co_await next()` resumes with a connection: result<fd>. One coroutine at a time.
  ///
  /// From the first call on, the kernel accepts whether or not somebody waits, until pause(). It
  /// stops by itself when `kept_limit` connections wait here to be taken; then, and after pause(),
  /// it goes on as soon as next() finds none left. What it accepts before it has stopped is kept:
  /// no more than the ring has completions for (four times context_options::entries).
  ///
  /// A connection that died before it was accepted (ECONNABORTED, EPROTO, ... in accept(2)) is
  /// skipped; where 16 in a row say so, the last one's error is the result. Any other error is the
  /// result, after the connections that came before it: EMFILE, ENFILE, ENOBUFS and ENOMEM leave
  /// the rest in the listener's queue, for the caller to try again, better a little later; so does
  /// an EPERM that stays. EINVAL: the socket does not listen, or has been shut down.
  ///
  /// It accepts ahead of its caller, and so takes descriptors that a connection may need besides
  /// its own: where they may run out, serve() with a prepare() is what takes both.
  ///
  /// Cancelled, it ends with ECANCELED and loses no connection: the following next() gets it. Leave
  /// a loop on ECANCELED (see result).
  [[nodiscard]] next_connection next() noexcept;

  /// Has the kernel accept no more until the following next() that finds no connection left: what
  /// comes meanwhile stays in the listener's queue (listen(2), backlog). Does nothing while a
  /// coroutine waits in next().
  void pause() noexcept;

  static constexpr std::size_t kept_limit = 64;

 private:
  class next_connection : public wait {
   public:
    explicit next_connection(acceptor& on) noexcept : wait(on), on_(on) {}
    result<fd> await_resume() noexcept;

   private:
    acceptor& on_;
  };

  void prepare(io_uring_sqe& sqe) noexcept override;
  void arrived(int result, unsigned flags) noexcept override;
  bool has_some() const noexcept override { return kept() > 0 || error_ != 0; }

  std::size_t kept() const noexcept { return accepted_.size() - taken_; }
  void keep(int connection) noexcept;
  result<fd> take() noexcept;

  std::vector<int> accepted_;  // owned from `taken_` on
  std::size_t taken_ = 0;
  int listener_;
  int flags_;
  int error_ = 0;
  int skipped_ = 0;          // in a row
  bool one_by_one_ = false;  // the kernel does not know better
  bool began_well_ = false;
};

inline acceptor::next_connection acceptor::next() noexcept { return next_connection(*this); }

}  // namespace zc
