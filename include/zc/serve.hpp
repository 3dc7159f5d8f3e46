#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <system_error>
#include <type_traits>
#include <utility>

#include "zc/detail/export.hpp"
#include "zc/detail/named.hpp"
#include "zc/fd.hpp"
#include "zc/task.hpp"

namespace zc {

/// What a server's operator may want to hear of.
enum class serve_event {
  full,        ///< as many connections as allowed: new ones wait in the kernel's queue
  exhausted,   ///< the system has no more to give (`error`): it accepts again when it can
  accepting,   ///< again, after one of those, or after `failing`
  draining,    ///< asked to stop: no connection is accepted any more
  cancelling,  ///< the grace is over: what still runs is cancelled
  failing,  ///< accept(2) says the same again and again (`error`): it is tried ten times a second
};

ZC_API const char* to_string(serve_event what) noexcept;

struct serve_notice {
  serve_event event;
  std::size_t connections;  ///< that are open now
  std::error_code error;    ///< EMFILE, ENFILE, ENOBUFS or ENOMEM for `exhausted`; of `failing`
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
  /// Before each connection that is accepted; and where none is to be accepted for now after all.
  virtual void prepare() = 0;
  virtual void give_up() noexcept = 0;
  virtual task<> handle(fd client) = 0;
  virtual void notice(const serve_notice& what) = 0;

 protected:
  ~service() = default;
};

template <class Handler, class Watch>
class service_of final : public service {
 public:
  service_of(Handler& handler, Watch& watch) noexcept : handler_(handler), watch_(watch) {}
  void prepare() override {}
  void give_up() noexcept override {}
  task<> handle(fd client) override { return handler_(std::move(client)); }
  void notice(const serve_notice& what) override { watch_(what); }

 private:
  Handler& handler_;
  Watch& watch_;
};

template <class Prepare, class Handler, class Watch>
class prepared_service_of final : public service {
 public:
  prepared_service_of(Prepare& prepare, Handler& handler, Watch& watch) noexcept
      : prepare_(prepare), handler_(handler), watch_(watch) {}
  void prepare() override {
    if (!prepared_) prepared_.emplace(prepare_());
  }
  void give_up() noexcept override { prepared_.reset(); }
  task<> handle(fd client) override {
    std::invoke_result_t<Prepare&> its = std::move(*prepared_);
    prepared_.reset();
    return handler_(std::move(client), std::move(its));
  }
  void notice(const serve_notice& what) override { watch_(what); }

 private:
  Prepare& prepare_;
  Handler& handler_;
  Watch& watch_;
  std::optional<std::invoke_result_t<Prepare&>> prepared_;
};

ZC_API task<> serve(int listener, service& by, std::stop_token stop, serve_options options);

struct watch_nothing {
  void operator()(const serve_notice&) const noexcept {}
};

template <class Handler, class Watch>
task<> serve_by(int listener, Handler handler, std::stop_token stop, serve_options options,
                Watch watch) {
  service_of<Handler, Watch> by(handler, watch);
  co_await detail::serve(listener, by, std::move(stop), options);
}

template <class Prepare, class Handler, class Watch>
task<> serve_prepared(int listener, Prepare prepare, Handler handler, std::stop_token stop,
                      serve_options options, Watch watch) {
  prepared_service_of<Prepare, Handler, Watch> by(prepare, handler, watch);
  co_await detail::serve(listener, by, std::move(stop), options);
}

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
/// is skipped, and so is one that a firewall forbids (EPERM); where that goes on without a
/// connection between, it is tried again after a pause, of a tenth of a second in the end. Whatever
/// else accept(2) says is thrown as std::system_error, as is EINVAL for `connections = 0`; an
/// exception out of a handler cancels the other connections and is thrown: handlers catch what they
/// expect. Cancelling serve() cancels every connection at once.
///
/// A handler that opens something else for its client, a connection to another server or a file,
/// may find that the client has taken the last descriptor. The other serve() takes both first.
///
/// `listener` stays the caller's, stays open until this resumes, and may be in blocking mode or
/// not. To serve with several threads, call it in a context on each (run_on()) with one listener:
/// their limits add up, and nobody waits at one thread while another has room. With a listener each
/// (listen_options::reuse_port) who comes is one thread's, and waits for that. To stop without a
/// reset for who has connected and waits to be accepted, stop when poll(2) of `listener` says that
/// nobody does: closing it resets them. Needs Linux 6.1. See accept(2).
///
///     const auto handler = [root](zc::fd client) -> zc::task<> { ... };  // a name, for GCC 12
///     co_await zc::serve(listener.get(), handler, stop.get_token());
///
/// The callables are copied or moved into the task (std::ref keeps one outside). Where they own
/// something, name them before the co_await expression: GCC 12 destroys a temporary there twice,
/// and so does not compile one.
template <class Handler, class Watch = detail::watch_nothing>
task<> serve(int listener, Handler&& handler, std::stop_token stop = {}, serve_options options = {},
             Watch&& watch = Watch()) {
  detail::refuse_temporaries<Handler, Watch>();
  return detail::serve_by<std::decay_t<Handler>, std::decay_t<Watch>>(
      listener, std::forward<Handler>(handler), std::move(stop), options,
      std::forward<Watch>(watch));
}

/// The same for connections that need more than their own socket, as a second descriptor: what
/// `prepare()` returns is taken before a connection is accepted, and then goes to
/// `handler(client, prepared)`. Without it no connection is accepted: clients wait in the backlog
/// until there is enough for one of them, and none is turned away for want of it.
///
/// `prepare()` is called on the context's thread, and returns an object that gives back what it
/// holds when it goes: the zc::fd that the handler will use, as a socket to connect with; or one
/// that only keeps a descriptor (of dup(2), say), which the handler closes right before it opens
/// another. The second is for programs of one thread: another one may be quicker. One is held while
/// serve() waits for a connection, none while it accepts none. EMFILE, ENFILE, ENOBUFS, ENOMEM and
/// std::bad_alloc out of it are as those of accept(2); anything else it throws is thrown.
template <class Prepare, class Handler, class Watch = detail::watch_nothing>
  requires std::invocable<std::decay_t<Handler>&, fd, std::invoke_result_t<std::decay_t<Prepare>&>>
task<> serve(int listener, Prepare&& prepare, Handler&& handler, std::stop_token stop = {},
             serve_options options = {}, Watch&& watch = Watch()) {
  detail::refuse_temporaries<Prepare, Handler, Watch>();
  return detail::serve_prepared<std::decay_t<Prepare>, std::decay_t<Handler>, std::decay_t<Watch>>(
      listener, std::forward<Prepare>(prepare), std::forward<Handler>(handler), std::move(stop),
      options, std::forward<Watch>(watch));
}

}  // namespace zc
