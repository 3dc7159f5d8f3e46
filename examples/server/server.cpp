#include "server/server.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <string>
#include <system_error>
#include <vector>

#include "zc/zc.hpp"

namespace server {

namespace {

using steady = std::chrono::steady_clock;

/// Says what happens to one thread's server, each kind of thing once a second at most: at the limit
/// every connection that ends lets one in, and is news twice.
class operator_log {
 public:
  explicit operator_log(const char* name) noexcept : name_(name) {}

  void operator()(const zc::serve_notice& what) {
    steady::time_point& last = last_[static_cast<std::size_t>(what.event)];
    const steady::time_point now = steady::now();
    if (now - last < std::chrono::seconds(1)) return;
    last = now;
    const std::string why = what.error ? ": " + what.error.message() : "";
    std::fprintf(stderr, "%s: %s, %zu connections%s\n", name_, zc::to_string(what.event),
                 what.connections, why.c_str());
  }

 private:
  const char* name_;
  std::array<steady::time_point, 6> last_{};  // by event
};

/// What it accepts is to send at once what it is given, and inherits that.
void do_not_delay(const zc::fd& listener) {
  const int on = 1;
  if (::setsockopt(listener.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) {
    throw std::system_error(errno, std::system_category(), "TCP_NODELAY");
  }
}

/// One listening socket for each thread, at one address.
std::vector<zc::fd> listen(const options& given) {
  const zc::listen_options shared{.reuse_port = true};
  const auto candidates = zc::run(zc::resolve(given.listen, {.passive = true}));
  std::vector<zc::fd> all;
  all.push_back(zc::listen(candidates, shared));
  const zc::address where = zc::local_address(all.front().get());
  while (all.size() < given.threads) all.push_back(zc::listen(where, shared));
  for (const zc::fd& each : all) do_not_delay(each);
  std::printf("listening on %s\n", zc::to_string(where).c_str());
  std::fflush(stdout);
  return all;
}

/// Connections are descriptors, and the usual soft limit is for programs that use select(2).
void lift_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// A server while it runs: what its threads share.
class running {
 public:
  running(const char* name, program& what, const options& given)
      : name_(name),
        what_(what),
        given_(given),
        listeners_(listen(given)),
        serving_(given.threads) {}

  void run() {
    zc::run_on(given_.threads, [this](std::size_t index) { return run_one(index); });
    what_.report();
  }

 private:
  zc::task<> run_one(std::size_t index) {
    if (index > 0) {
      co_await serve(index);
    } else {
      co_await zc::when_all(serve(index), zc::with_stop(ended_.get_token(), heed_signals()));
    }
  }

  zc::task<> serve(std::size_t index) {
    const std::unique_ptr<site> here = what_.make_site(stop_.get_token());
    // Callables have a name: GCC 12 destroys one written inside of the co_await expression twice.
    const auto handler = [&here](zc::fd client) { return here->handle(std::move(client)); };
    const std::size_t share = (given_.connections + given_.threads - 1) / given_.threads;
    const zc::serve_options options{.connections = share, .grace = given_.grace};
    operator_log log(name_);
    const auto watch = [this, index, &log](const zc::serve_notice& what) {
      if (what.event == zc::serve_event::draining) listen_no_more(index);
      log(what);
    };
    try {
      co_await zc::with_stop(at_once_.get_token(), zc::serve(listeners_[index].get(), handler,
                                                             stop_.get_token(), options, watch));
    } catch (const std::system_error& ended) {
      if (!at_once_.stop_requested() || ended.code() != std::errc::operation_canceled) throw;
    }
    if (--serving_ == 0) ended_.request_stop();
  }

  /// Who comes now is refused, or served by another process that listens at the same address,
  /// instead of waiting for what runs here to end.
  void listen_no_more(std::size_t index) {
    if (::shutdown(listeners_[index].get(), SHUT_RDWR) < 0) {
      throw std::system_error(errno, std::system_category(), "shutdown");
    }
  }

  /// Until all threads have served.
  zc::task<> heed_signals() {
    try {
      for (;;) heed(co_await signals_.next());
    } catch (const std::system_error& ended) {
      if (ended.code() != std::errc::operation_canceled) throw;
    }
  }

  void heed(int signal) {
    if (signal == SIGUSR1) {
      what_.report();
    } else if (!stop_.request_stop()) {
      at_once_.request_stop();
    }
  }

  // Before all threads: they begin with these blocked.
  zc::signals signals_{SIGINT, SIGTERM, SIGUSR1};
  const char* name_;
  program& what_;
  const options& given_;
  std::vector<zc::fd> listeners_;
  std::atomic<std::size_t> serving_;
  std::stop_source stop_;     // asked to end
  std::stop_source at_once_;  // and again
  std::stop_source ended_;
};

}  // namespace

void run(const char* name, program& what, const options& given) {
  lift_descriptor_limit();
  running(name, what, given).run();
}

}  // namespace server
