#include "sender.hpp"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "lane.hpp"
#include "progress_line.hpp"
#include "small_files.hpp"
#include "tuning.hpp"
#include "zc/connect.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"
#include "zc/when_any.hpp"

namespace ship {

namespace {

using std::chrono::milliseconds;

bool is(const std::system_error& error, std::errc what) { return error.code() == what; }

std::string within(milliseconds time) {
  return " within " + std::to_string(std::chrono::ceil<std::chrono::seconds>(time).count()) + " s";
}

zc::task<zc::fd> connect(const std::vector<zc::address>& receivers, milliseconds time) {
  try {
    co_return co_await zc::timeout(time, zc::connect(receivers));
  } catch (const std::system_error& error) {
    if (!is(error, std::errc::timed_out)) throw;
  }
  std::string tried;
  for (const zc::address& each : receivers) {
    tried += (tried.empty() ? "" : ", ") + zc::to_string(each);
  }
  throw std::runtime_error("cannot connect to " + tried + ": no answer" + within(time));
}

/// Says who it was that did not answer as it should.
zc::task<> greet(lane& by, const wire::hello& hello, milliseconds time) {
  try {
    co_await zc::timeout(time, by.greet(hello));
  } catch (const wire::protocol_error& error) {
    throw std::runtime_error("cannot send to " + by.peer() + ": " + error.what());
  } catch (const std::system_error& error) {
    if (is(error, std::errc::operation_canceled)) throw;
    throw std::runtime_error(
        "cannot send to " + by.peer() + ": " +
        (is(error, std::errc::timed_out)
             ? "no greeting" + within(time) + "; is it ship that listens there?"
             : error.code().message()));
  }
}

/// A session: several lanes that take what is to be sent from one list.
class sender {
 public:
  sender(const tree& what, summary& into) : what_(what), summary_(into) {}

  zc::task<> connect_lanes(const std::vector<zc::address>& receivers, unsigned count,
                           milliseconds time) {
    wire::hello hello;
    hello.connections = count;
    hello.files = what_.files;
    hello.bytes = what_.bytes;
    if (::getrandom(hello.session.data(), hello.session.size(), 0) !=
        static_cast<ssize_t>(hello.session.size())) {
      throw std::system_error(errno, std::system_category(), "getrandom");
    }
    // None sends before all are welcome: the receiver takes the session to be over when its last
    // connection has ended.
    std::vector<zc::task<>> connecting;
    connecting.reserve(count);
    for (unsigned i = 0; i < count; ++i) connecting.push_back(connect_lane(receivers, hello, time));
    co_await zc::when_all(std::move(connecting));
  }

  zc::task<> send_everything() {
    lane& first = *lanes_.front();
    co_await first.run_phase(send_directories(first), wire::kind::checkpoint);

    std::vector<zc::task<>> sending;
    sending.reserve(lanes_.size());
    for (const auto& each : lanes_) {
      sending.push_back(each->run_phase(send_others(*each), wire::kind::checkpoint));
    }
    co_await zc::when_all(std::move(sending));
    for (; next_ < what_.others.size(); ++next_) {
      summary_.fail({.path = what_.others[next_].path,
                     .reason = "not sent: no connection is left",
                     .alike = true});
    }

    lane& last = lane_that_is_left();
    if (last.lost()) {
      summary_.fail(
          {.path = "(session)", .reason = "directories are without their modes and times"});
      co_return;
    }
    co_await last.run_phase(send_attributes(last), wire::kind::checkpoint);
    co_await last.run_phase(last.send_failures(summary_.failures().untold()),
                            wire::kind::checkpoint);
    std::vector<zc::task<>> leaving;
    leaving.reserve(lanes_.size());
    for (const auto& each : lanes_) leaving.push_back(each->run_phase(nothing(), wire::kind::bye));
    co_await zc::when_all(std::move(leaving));
  }

  standing now() const {
    standing so_far;
    so_far.files = summary_.files;
    so_far.files_total = what_.files;
    for (const auto& each : lanes_) so_far.bytes += each->bytes_sent();
    so_far.bytes_total = what_.bytes;
    return so_far;
  }

 private:
  /// Greets at once: the receiver does not wait for long, and the path to it may be.
  zc::task<> connect_lane(const std::vector<zc::address>& receivers, const wire::hello& hello,
                          milliseconds time) {
    zc::fd socket = co_await connect(receivers, time);
    tune(socket.get());
    auto connected = std::make_unique<lane>(std::move(socket), summary_, unmade_);
    co_await greet(*connected, hello, time);
    lanes_.push_back(std::move(connected));
  }

  zc::task<> send_directories(lane& by) {
    for (const entry& each : what_.directories) co_await by.send_directory(each);
  }

  zc::task<> send_others(lane& by) {
    while (next_ < what_.others.size() && !by.lost()) {
      const std::span<const entry> rest = std::span(what_.others).subspan(next_);
      const std::size_t small = count_that_fit(rest);
      next_ += std::max<std::size_t>(small, 1);
      const entry& each = rest.front();
      if (small > 0) {
        co_await by.send_small_files(rest.first(small));
      } else if (each.is == entry::type::link) {
        co_await by.send_link(each);
      } else {
        co_await by.send_file(each);
      }
    }
  }

  zc::task<> send_attributes(lane& by) {
    // The innermost first: setting one's time must not be undone by work inside it, and a mode may
    // shut the door.
    for (auto each = what_.directories.rbegin(); each != what_.directories.rend(); ++each) {
      co_await by.send_attributes(*each);
    }
  }

  static zc::task<> nothing() { co_return; }

  lane& lane_that_is_left() {
    for (const auto& each : lanes_) {
      if (!each->lost()) return *each;
    }
    return *lanes_.front();
  }

  const tree& what_;
  summary& summary_;
  unmade_directories unmade_;
  std::vector<std::unique_ptr<lane>> lanes_;
  std::size_t next_ = 0;  // of what_.others
};

}  // namespace

zc::task<> send_tree(const tree& what, const std::vector<zc::address>& receivers,
                     send_options options, summary& into) {
  sender all(what, into);
  co_await all.connect_lanes(receivers, options.connections, options.connect_timeout);
  if (!options.progress) {
    co_await all.send_everything();
    co_return;
  }
  const std::function<standing()> ask = [&all] { return all.now(); };
  const auto first = co_await zc::when_any(all.send_everything(), show_progress(ask));
  clear_progress_line();
  // It ends when it is cancelled, and so was the other then.
  if (first.index() == 1) throw std::system_error(ECANCELED, std::system_category());
}

}  // namespace ship
