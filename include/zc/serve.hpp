#pragma once

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <system_error>
#include <type_traits>
#include <utility>

#include "zc/fd.hpp"
#include "zc/task.hpp"

namespace zc {

/// What a server's operator may want to hear of.
enum class serve_event {
  full,        ///< as many connections as allowed: new ones wait in the kernel's queue
  exhausted,   ///< the system has no more to give (`error`): it accepts again when it can
  accepting,   ///< again, after one of those
  draining,    ///< asked to stop: no connection is accepted any more
  cancelling,  ///< the grace is over: what still runs is cancelled
};

const char* to_string(serve_event what) noexcept;

struct serve_notice {
  serve_event event;
  std::size_t connections;  ///< that are open now
  std::error_code error;    ///< EMFILE, ENFILE, ENOBUFS or ENOMEM for `exhausted`
};

/// How to serve. Designated initialisers: `{.connections = 1000}`.
struct serve_options {
  /// Most connections at once, at least 1. Beyond it nothing is accepted: clients wait in the
  /// listening socket's backlog, and then in their own connect(2).
  std::size_t connections = 10'000;
  /// How long the connections that are open when it is asked to stop may go on.
  std::chrono::nanoseconds grace = std::chrono::seconds(10);
};
static_assert(std::is_trivially_destructible_v<serve_options>);

namespace detail {

/// What serve() needs of its caller's handler and watch, whatever their types.
class service {
 public:
  virtual task<> handle(fd client) = 0;
  virtual void notice(const serve_notice& what) = 0;

 protected:
  ~service() = default;
};

template <class Handler, class Watch>
class service_of final : public service {
 public:
  service_of(Handler& handler, Watch& watch) noexcept : handler_(handler), watch_(watch) {}
  task<> handle(fd client) override { return handler_(std::move(client)); }
  void notice(const serve_notice& what) override { watch_(what); }

 private:
  Handler& handler_;
  Watch& watch_;
};

task<> serve(int listener, service& by, std::stop_token stop, serve_options options);

struct watch_nothing {
  void operator()(const serve_notice&) const noexcept {}
};

}  // namespace detail

/// Accepts connections on `listener` and runs `handler(client)`, a task<>, for each of them, all at
/// once, until `stop` is requested (from any thread). Then it accepts no more, lets those that run
/// finish within the grace, cancels the rest, and resumes when the last has ended.
///
/// `handler` is called with an owning zc::fd of a non-blocking, close-on-exec socket, and closes
/// the connection by letting go of it. Where it ends a connection first, after its last answer, it
/// ends with `co_await zc::lingering_close(std::move(client))`: a plain close while the client
/// still sends resets the connection, and the answer's end is lost. One that idles may capture
/// `stop` and end by itself, with with_stop() for example: ECANCELED out of a handler is no error
/// once `stop` was requested. `watch(notice)` is called, on the context's thread, when the server
/// stops accepting and when it goes on: zc itself never logs.
///
/// Where descriptors or memory run out (EMFILE, ENFILE, ENOBUFS, ENOMEM; std::bad_alloc when
/// `handler` is called, which closes that connection) it stops accepting until a connection has
/// ended or some time has passed. A connection that was reset before it was accepted
/// is skipped. Whatever else accept(2) says is thrown as std::system_error, as is EINVAL for
/// `connections = 0`; an exception out of a handler cancels the other connections and is thrown:
/// handlers catch what they expect. Cancelling serve() cancels every connection at once.
///
/// `listener` stays the caller's, stays open until this resumes, and may be in blocking mode or
/// not. To serve with several threads, give each its context and its own listening socket at the
/// same address: see listen() and run_on(). Needs Linux 6.1. See accept(2).
template <class Handler, class Watch = detail::watch_nothing>
task<> serve(int listener, Handler handler, std::stop_token stop = {}, serve_options options = {},
             Watch watch = {}) {
  detail::service_of<Handler, Watch> by(handler, watch);
  co_await detail::serve(listener, by, std::move(stop), options);
}

}  // namespace zc
