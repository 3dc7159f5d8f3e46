#include "receiver.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "connection.hpp"
#include "progress_line.hpp"
#include "refusals.hpp"
#include "session.hpp"
#include "stream.hpp"
#include "tuning.hpp"
#include "wire.hpp"
#include "zc/address.hpp"
#include "zc/lingering_close.hpp"
#include "zc/op/accept.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"

namespace ship {

namespace {

// Up to four descriptors each, and the usual limit of a process is 1024.
constexpr std::size_t connection_limit = wire::connection_limit;
constexpr std::chrono::seconds greeting_time{10};
constexpr std::chrono::milliseconds pause_when_full{100};
constexpr std::chrono::milliseconds watch_interval{250};
constexpr zc::lingering_close_options ending{.idle_timeout = std::chrono::seconds(2),
                                             .total_timeout = std::chrono::seconds(10)};

bool says_cancelled(std::error_code error) { return error == std::errc::operation_canceled; }

std::string seconds_text(std::chrono::milliseconds time) {
  return std::to_string(std::chrono::ceil<std::chrono::seconds>(time).count()) + " s";
}

/// False where it was cancelled.
zc::task<bool> pause(std::chrono::milliseconds time) {
  const zc::result<void> slept = co_await zc::try_sleep_for(time);
  co_return slept.has_value();
}

/// Who is at the other end, for people.
std::string peer_name(int socket) {
  sockaddr_storage raw{};
  socklen_t size = sizeof raw;
  auto* const any = reinterpret_cast<sockaddr*>(&raw);
  // Who has reset the connection by now has no name any more.
  if (::getpeername(socket, any, &size) < 0) return "somebody";
  return zc::to_string(zc::address(any, size).unmapped());
}

/// Somebody who has connected.
struct guest {
  explicit guest(int of) : socket(of), name(peer_name(of)) {}

  bool may_be_anybody() const { return !part_of || !part_of->begun; }
  /// Whoever serves it finds that out.
  void hang_up(const std::string& reason) {
    if (!ended_because.empty()) return;
    ended_because = reason;
    ::shutdown(socket, SHUT_RDWR);
  }

  int socket;
  std::string name;
  std::shared_ptr<session> part_of;  // null until it has greeted
  std::string ended_because;
};

class receiver {
 public:
  receiver(int listener, target& into, receive_options options)
      : listener_(listener), target_(into), options_(options) {}

  zc::task<bool> run() {
    all_.spawn(accept_all());
    all_.spawn(watch());
    co_await all_.join();
    co_return complete_&& ok_;
  }

 private:
  zc::task<> accept_all() {
    for (;;) {
      zc::result<zc::fd> accepted =
          co_await zc::op::accept(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (accepted) {
        admit(std::move(accepted).value());
        continue;
      }
      switch (accepted.error().value()) {
        case ECANCELED:
          co_return;
        case ECONNABORTED:
        case EPROTO:
          break;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
          co_await pause(pause_when_full);
          break;
        default:
          throw std::system_error(accepted.error(), "accept");
      }
    }
  }

  /// Where all places are taken, the oldest of those who may be anybody makes room: a sender greets
  /// at once, and begins when its connections are there.
  void admit(zc::fd socket) {
    if (guests_.size() >= connection_limit) {
      const auto oldest = std::find_if(guests_.begin(), guests_.end(), [](const guest& each) {
        return each.may_be_anybody() && each.ended_because.empty();
      });
      // One place more for each of those that leave, and no more.
      if (oldest == guests_.end() || all_.running() > 2 * connection_limit) return;
      oldest->hang_up("others came, and it had not begun");
    }
    all_.spawn(serve(std::move(socket)));
  }

  /// Serves one connection. The one place where its failures are caught: they cost this connection,
  /// not the others.
  zc::task<> serve(zc::fd socket) {
    const auto self = guests_.emplace(guests_.end(), socket.get());
    std::string failure;
    try {
      tune(socket.get());
      co_await zc::timeout(greeting_time, greet(*self));
      connection between(socket.get(), target_, *self->part_of, self->ended_because);
      co_await between.serve();
    } catch (const std::system_error& error) {
      failure = explain(*self, error.code());
    } catch (const std::exception& error) {
      failure = error.what();
    }
    const guest left = std::move(*self);
    guests_.erase(self);
    if (!left.ended_because.empty()) failure = left.ended_because;
    // The last words are to arrive, also where there were more to come than was read.
    co_await zc::lingering_close(std::move(socket), ending);
    if (left.part_of) {
      leave(*left.part_of, left.name, failure);
    } else if (!stopping_) {
      refusals_.say(left.name, failure);
    }
  }

  static std::string explain(const guest& from, std::error_code error) {
    if (says_cancelled(error)) return "interrupted";
    if (error == std::errc::timed_out && !from.part_of) {
      return "it did not greet within " + seconds_text(greeting_time);
    }
    return error.message();
  }

  /// Throws where the guest is turned away.
  zc::task<> greet(guest& from) {
    std::array<char, wire::hello_size_bytes> bytes{};
    const bool any = co_await receive_all(from.socket, bytes);
    if (!any) throw wire::protocol_error("it hung up");
    wire::welcome answer;
    std::string refused;
    try {
      from.part_of = join(wire::parse_hello(bytes));
      if (!from.part_of) {
        answer.verdict = wire::verdict::busy;
        refused = "busy with another sender";
      }
    } catch (const wire::version_error& error) {
      answer.verdict = wire::verdict::other_version;
      refused = error.what();
    }
    std::string text;
    wire::append(text, answer);
    co_await send_all(from.socket, text, then::push);
    if (!refused.empty()) throw wire::protocol_error(refused);
  }

  std::shared_ptr<session> join(const wire::hello& hello) {
    auto found = sessions_.find(hello.session);
    if (chosen_ && (found == sessions_.end() || found->second != chosen_)) return nullptr;
    if (found == sessions_.end()) {
      found = sessions_.emplace(hello.session, std::make_shared<session>(hello)).first;
      found->second->on_begin = [this, one = std::weak_ptr<session>(found->second)] {
        if (!options_.keep) choose(one.lock());
      };
    }
    session& joined = *found->second;
    if (joined.joined == joined.about.connections) return nullptr;
    ++joined.joined;
    ++joined.live;
    ++joined.frames;
    return found->second;
  }

  /// The session that this receiver is for: others came too late.
  void choose(std::shared_ptr<session> one) {
    chosen_ = std::move(one);
    for (guest& each : guests_) {
      if (each.part_of && each.part_of != chosen_) each.hang_up("busy with another sender");
    }
    if (!options_.progress) return;
    ask_ = [this] {
      const session& of = *chosen_;
      return standing{of.summary.files, of.about.files, of.bytes_arrived, of.about.bytes};
    };
    all_.spawn(show_progress(ask_));
  }

  void leave(session& one, const std::string& peer, const std::string& failure) {
    const std::string why = one.ended_because.empty() ? failure : one.ended_because;
    if (!one.begun) {
      if (!why.empty() && !stopping_) refusals_.say(peer, why);
    } else if (!why.empty()) {
      one.summary.fail({.path = "connection from " + peer, .reason = why, .alike = true});
    }
    if (--one.live > 0) return;
    const wire::session_id id = one.about.session;
    if (one.begun) finish(one);
    sessions_.erase(id);
    if (sessions_.empty()) target_.claim().settle();
  }

  void finish(const session& one) {
    clear_progress_line();
    one.summary.failures().print_counts();
    const std::string text = options_.json ? one.summary.for_programs() : one.summary.for_people();
    std::printf("%s\n", text.c_str());
    std::fflush(stdout);
    ok_ = ok_ && one.summary.ok();
    complete_ = true;
    if (options_.keep) return;
    stopping_ = true;
    all_.cancel();
  }

  /// Ends sessions of which nothing more comes.
  zc::task<> watch() {
    for (;;) {
      const bool goes_on = co_await pause(watch_interval);
      if (!goes_on) co_return;
      const auto now = std::chrono::steady_clock::now();
      for (const auto& [id, one] : sessions_) {
        const std::chrono::milliseconds limit = one->begun ? options_.idle_timeout : greeting_time;
        if (limit.count() == 0 || one->idle_for(now) <= limit) continue;
        one->ended_because = "nothing came for " + seconds_text(limit);
        for (guest& each : guests_) {
          if (each.part_of == one) each.hang_up(one->ended_because);
        }
      }
    }
  }

  int listener_;
  target& target_;
  receive_options options_;
  std::list<guest> guests_;  // the oldest first
  std::map<wire::session_id, std::shared_ptr<session>> sessions_;
  std::shared_ptr<session> chosen_;
  refusals refusals_;
  std::function<standing()> ask_;
  bool stopping_ = false;
  bool complete_ = false;
  bool ok_ = true;
  zc::scope all_;
};

}  // namespace

zc::task<bool> receive_trees(int listener, target& into, receive_options options) {
  receiver here(listener, into, options);
  co_return co_await here.run();
}

}  // namespace ship
