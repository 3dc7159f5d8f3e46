#include "server/server.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "server/listeners.hpp"
#include "server/places.hpp"
#include "zc/zc.hpp"

namespace server {

namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

// Handshakes that are under way when the server is asked to stop have this long to end.
constexpr auto settling = 100ms;
constexpr auto look_interval = 20ms;
constexpr std::chrono::milliseconds most_settling = 1s;

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

/// What is taken for a connection before it is accepted.
struct reserved {
  places::place where;
  zc::fd spare;
};

/// Standard error goes to that file from now on.
void log_to(const std::string& path) {
  const zc::fd file(
      ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644));
  if (!file || ::dup2(file.get(), STDERR_FILENO) < 0) {
    throw std::system_error(errno, std::system_category(), path);
  }
}

void say_where(const char* what, const std::vector<listener>& all) {
  for (const listener& each : all) std::printf("%s on %s\n", what, each.name().c_str());
  std::fflush(stdout);
}

/// A server while it runs: what its threads share.
class running final : private teller {
 public:
  running(const char* name, program& what, const options& given, const room& with)
      : name_(name),
        what_(what),
        given_(given),
        with_(with),
        listeners_(listen_at(given.listen)),
        telling_(listen_at(given.metrics)),
        serving_(given.threads),
        accepting_(listeners_.size()) {
    if (with.connections < listeners_.size()) {
      throw std::runtime_error(
          "fewer connections are allowed than there are sockets to listen at: " +
          std::to_string(with.connections));
    }
    threads_ = std::min(given.threads, with.connections / listeners_.size());
    for (std::atomic<std::size_t>& each : accepting_) each = threads_;
    refuse_shared();
    say_where("listening", listeners_);
    say_where("metrics", telling_);
  }

  void run() {
    zc::run_on(given_.threads, [this](std::size_t index) { return run_one(index); },
               {.pipes = static_cast<std::uint32_t>(with_.pipes)});
    what_.report();
  }

 private:
  /// Who comes to one address would come to either: several copies may listen at it.
  void refuse_shared() const {
    for (const listener& served : listeners_) {
      for (const listener& told : telling_) {
        if (!share_an_address(served, told)) continue;
        throw std::runtime_error("--metrics " + told.name() +
                                 " is where --listen is: " + served.name());
      }
    }
  }

  zc::task<> run_one(std::size_t index) {
    if (index > 0) {
      co_await serve(index);
    } else {
      co_await zc::when_all(serve(index), zc::with_stop(ended_.get_token(), heed_signals()),
                            zc::with_stop(ended_.get_token(), tell_metrics()));
    }
  }

  /// Threads share the sockets that listen, and the limit: who waits at a socket waits for any of
  /// them. Each thread that accepts has room for one connection at each socket at least.
  zc::task<> serve(std::size_t index) {
    const std::size_t share =
        with_.connections / threads_ + (index < with_.connections % threads_ ? 1 : 0);
    if (index < threads_) {
      const std::unique_ptr<site> here = what_.make_site(stop_sites_.get_token());
      places room(share, listeners_.size());
      zc::scope all;
      for (std::size_t i = 0; i < listeners_.size(); ++i) {
        all.spawn(serve_at(i, *here, room, share - listeners_.size() + 1));
      }
      co_await all.join();
    }
    if (--serving_ == 0) ended_.request_stop();
  }

  zc::task<> serve_at(std::size_t which, site& here, places& room, std::size_t most) {
    // Before it is accepted: who waits for others to end holds no descriptor meanwhile.
    const auto prepare = [which, &here, &room] {
      std::optional<places::place> place = room.take(which);
      if (!place) throw std::system_error(no_place());
      return reserved{std::move(*place), here.prepare()};
    };
    const auto handler = [this, &here](zc::fd client, reserved all) {
      // With one socket, zc::serve() counts.
      return listeners_.size() > 1 ? handle_in_place(here, std::move(client), std::move(all))
                                   : here.handle(std::move(client), std::move(all.spare));
    };
    operator_log log(name_);
    const auto watch = [this, which, &log](zc::serve_notice what) {
      if (what.event == zc::serve_event::exhausted && what.error == no_place()) {
        what = {zc::serve_event::full, what.connections, {}};
      }
      // Who comes now is refused, or served by another process that listens at the same address,
      // instead of waiting for what runs here to end.
      if (what.event == zc::serve_event::draining) {
        if (--accepting_[which] > 0) return;
        listeners_[which].close_door();
      }
      log(what);
    };
    const zc::serve_options options{.connections = most, .grace = given_.grace};
    try {
      co_await zc::with_stop(at_once_.get_token(),
                             zc::serve(listeners_[which].socket(), prepare, handler,
                                       stop_.get_token(), options, watch));
    } catch (const std::system_error& ended) {
      if (!at_once_.stop_requested() || ended.code() != std::errc::operation_canceled) throw;
    }
  }

  static zc::task<> handle_in_place(site& here, zc::fd client, reserved all) {
    co_await here.handle(std::move(client), std::move(all.spare));
  }

  /// Of a thread whose other sockets have its part of the limit: what zc::serve() tries again.
  static std::error_code no_place() noexcept { return {ENOBUFS, std::system_category()}; }

  /// Until all threads have served.
  zc::task<> heed_signals() {
    zc::scope ending;
    try {
      for (;;) heed(co_await signals_.next(), ending);
    } catch (const std::system_error& ended) {
      if (ended.code() != std::errc::operation_canceled) throw;
    }
  }

  void heed(int signal, zc::scope& ending) {
    switch (signal) {
      case SIGUSR1:
        what_.report();
        break;
      case SIGUSR2:
        break;
      case SIGHUP:
        reload();
        break;
      default:
        if (stop_sites_.request_stop()) {
          for (listener& each : listeners_) each.let_nobody_in();
          ending.spawn(stop_when_all_are_in());
        } else {
          at_once_.request_stop();
        }
        break;
    }
  }

  /// Each by itself: where one fails it goes on with what it has.
  void reload() {
    try_to([this] {
      if (!given_.log.empty()) log_to(given_.log);
    });
    try_to([this] { what_.reload(); });
  }

  template <class Action>
  void try_to(Action action) {
    try {
      action();
    } catch (const std::exception& failed) {
      std::fprintf(stderr, "%s: %s\n", name_, failed.what());
    }
  }

  /// Who waits to be accepted when nobody can come any more is still served.
  zc::task<> stop_when_all_are_in() {
    const auto most = std::min(most_settling, given_.grace);
    const steady::time_point end = steady::now() + most;
    const auto waits = [](const listener& each) { return each.has_waiting(); };
    bool goes_on = co_await wait(std::min<std::chrono::milliseconds>(settling, most));
    while (goes_on && steady::now() < end &&
           std::any_of(listeners_.begin(), listeners_.end(), waits)) {
      goes_on = co_await wait(look_interval);
    }
    stop_.request_stop();
  }

  /// False when all has ended meanwhile.
  static zc::task<bool> wait(std::chrono::milliseconds time) {
    const zc::result<void> slept = co_await zc::try_sleep_for(time);
    co_return slept.has_value();
  }

  zc::task<> tell_metrics() {
    if (telling_.empty()) co_return;
    const auto handler = [this](zc::fd client) {
      return answer_scrape(std::move(client), name_, *this);
    };
    const zc::serve_options few{.connections = 4, .grace = 0s};
    try {
      co_await zc::serve(telling_.front().socket(), handler, ended_.get_token(), few);
    } catch (const std::system_error& ended) {
      if (ended.code() != std::errc::operation_canceled) throw;
    }
  }

  void tell(metrics& to) override {
    to.gauge("connections_limit", "Most connections at once.", with_.connections);
    what_.add_metrics(to);
  }

  // Before all threads: they begin with these blocked.
  zc::signals signals_{SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};
  const char* name_;
  program& what_;
  const options& given_;
  const room& with_;
  std::vector<listener> listeners_;
  std::vector<listener> telling_;
  std::size_t threads_ = 0;  // that accept
  std::atomic<std::size_t> serving_;
  std::vector<std::atomic<std::size_t>> accepting_;  // threads, by listener
  std::stop_source stop_sites_;                      // asked to end
  std::stop_source stop_;                            // and nobody waits to be accepted
  std::stop_source at_once_;                         // asked again
  std::stop_source ended_;
};

}  // namespace

void run(const char* name, program& what, const options& given, const room& with) {
  if (!given.log.empty()) log_to(given.log);
  if (given.connections.value_or(0) > with.connections) {
    std::fprintf(stderr, "%s: at most %zu connections: no more open files are allowed\n", name,
                 with.connections);
  }
  running(name, what, given, with).run();
}

}  // namespace server
