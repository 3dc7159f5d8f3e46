#include "receiver.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "progress_line.hpp"
#include "stream.hpp"
#include "summary.hpp"
#include "terminal/printable.hpp"
#include "tuning.hpp"
#include "unmade.hpp"
#include "wire.hpp"
#include "zc/address.hpp"
#include "zc/op/accept.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/splice.hpp"
#include "zc/timeout.hpp"

namespace ship {

namespace {

// Three descriptors each, and the usual limit of a process is 1024.
constexpr std::size_t connection_limit = wire::connection_limit;
constexpr std::chrono::seconds greeting_time{10};
constexpr std::chrono::milliseconds pause_when_full{100};

/// One run of `ship send`, over all its connections.
struct session {
  explicit session(const wire::hello& hello) : about(hello), summary("received") {}

  wire::hello about;
  ship::summary summary;
  unmade_directories unmade;
  std::uint64_t bytes_arrived = 0;
  unsigned joined = 0;
  unsigned live = 0;
};

std::string explain(std::error_code error) {
  if (error == std::errc::too_many_symbolic_link_levels) {
    return "its path goes through a symbolic link";
  }
  if (error == std::errc::cross_device_link) return "its path leaves the directory";
  return error.message();
}

bool continues_file(wire::kind what) {
  return what == wire::kind::data || what == wire::kind::hole || what == wire::kind::end;
}

bool says_cancelled(std::error_code error) { return error == std::errc::operation_canceled; }

/// Who is at the other end, for people.
std::string peer_name(int socket) {
  sockaddr_storage raw{};
  socklen_t size = sizeof raw;
  auto* const any = reinterpret_cast<sockaddr*>(&raw);
  // Who has reset the connection by now has no name any more.
  if (::getpeername(socket, any, &size) < 0) return "somebody";
  return zc::to_string(zc::address(any, size).unmapped());
}

/// The receiver's half of one connection, after the greeting.
class connection {
 public:
  connection(int socket, target& into, session& of) : socket_(socket), place_(into), of_(of) {}

  /// Serves it to its end; throws what ends it early.
  zc::task<> serve() {
    frame next;
    for (;;) {
      const bool any = co_await receive_frame(socket_, next);
      if (!any) throw wire::protocol_error("the sender hung up");
      switch (next.header.kind) {
        case wire::kind::directory:
        case wire::kind::attributes:
        case wire::kind::link:
          co_await take_item(next);
          break;
        case wire::kind::file:
          co_await take_file(next);
          break;
        case wire::kind::failures:
          co_await take_failures(next);
          break;
        case wire::kind::checkpoint:
          co_await answer(std::string(), std::error_code());
          break;
        case wire::kind::bye: {
          const std::error_code failed = co_await place_.finish();
          co_await answer("(session)", failed);
          co_return;
        }
        default:
          throw wire::protocol_error("a frame out of place");
      }
    }
  }

 private:
  zc::task<> take_item(const frame& what) {
    const wire::item about = wire::parse_item(what.payload);
    std::error_code failed;
    if (what.header.kind == wire::kind::directory) {
      failed = co_await place_.make_directory(about);
      if (!failed) {
        ++of_.summary.directories;
      } else if (!says_cancelled(failed)) {
        of_.unmade.add(about.path);
      }
    } else if (what.header.kind == wire::kind::attributes) {
      failed = co_await place_.set_attributes(about);
    } else {
      failed = co_await place_.make_link(about);
      if (!failed) ++of_.summary.links;
    }
    co_await answer(about.path, failed);
  }

  zc::task<> take_file(frame& next) {
    const wire::item about = wire::parse_item(next.payload);
    zc::result<part_file> begun = co_await place_.begin_file(about);
    std::error_code failed = begun.error();
    part_file part = std::move(begun).value_or(part_file());
    std::uint64_t got = 0;
    bool ends_in_hole = false;
    while (next.header.kind != wire::kind::end) {
      const bool is_hole = next.header.kind == wire::kind::hole;
      const std::uint64_t nbytes =
          is_hole ? wire::parse_hole(next.payload) : next.header.body_bytes;
      if (nbytes > std::min(about.size, wire::size_limit_bytes) - got) {
        throw wire::protocol_error("a file is longer than it said");
      }
      if (!is_hole && !failed) {
        failed = co_await take_body(part, got, nbytes);
      } else if (!is_hole) {
        co_await skip(nbytes);
      }
      ends_in_hole = nbytes > 0 ? is_hole : ends_in_hole;
      got += nbytes;
      of_.bytes_arrived += nbytes;
      const bool any = co_await receive_frame(socket_, next);
      if (!any || !continues_file(next.header.kind)) {
        throw wire::protocol_error("a file without its end");
      }
    }
    const wire::outcome end = wire::parse_outcome(next.payload);
    if (end.status != 0) {
      part.remove();
      of_.summary.fail({.path = about.path, .reason = "sender: " + end.reason});
      co_await send_result(end);
      co_return;
    }
    if (about.size != wire::unknown_size && got != about.size) {
      throw wire::protocol_error("a file is shorter than it said");
    }
    if (!failed && ends_in_hole) failed = part.grow_to(got);
    if (!failed) failed = co_await place_.publish(part, about);
    if (!failed) {
      ++of_.summary.files;
      of_.summary.bytes += got;
    }
    co_await answer(about.path, failed);
  }

  /// What the sender did not send, and why.
  zc::task<> take_failures(const frame& next) {
    wire::failures what = wire::parse_failures(next.payload);
    const bool follows = of_.unmade.hold(what.path);
    of_.summary.fail(
        {.path = std::move(what.path),
         .reason = follows ? unmade_directories::consequence : "sender: " + what.reason,
         .count = what.count,
         .alike = what.alike});
    const wire::outcome heard;
    co_await send_result(heard);
  }

  /// Body to file. What the disk does not take is skipped, so that the next frame is found.
  zc::task<std::error_code> take_body(part_file& part, std::uint64_t offset, std::uint64_t nbytes) {
    if (nbytes == 0) co_return std::error_code();
    const zc::transfer done = co_await zc::try_splice(
        socket_, part.file.get(),
        {.nbytes = nbytes, .out_offset = static_cast<std::int64_t>(offset)});
    of_.summary.count(done.route);
    if (done.reason == zc::stop_reason::complete) co_return std::error_code();
    if (done.reason == zc::stop_reason::cancelled) {
      throw std::system_error(std::make_error_code(std::errc::operation_canceled));
    }
    if (done.reason == zc::stop_reason::end_of_file) {
      throw wire::protocol_error("the sender hung up in the middle of a file");
    }
    if (done.side == zc::side::in) throw std::system_error(done.error);
    // Room for those that come after it.
    part.remove();
    co_await skip(nbytes - done.taken);
    co_return done.error;
  }

  zc::task<> skip(std::uint64_t nbytes) {
    if (nbytes == 0) co_return;
    if (!nowhere_) nowhere_ = zc::fd(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    const std::uint64_t skipped = co_await zc::splice(socket_, nowhere_.get(), {.nbytes = nbytes});
    if (skipped < nbytes) throw wire::protocol_error("the sender hung up in the middle of a file");
  }

  /// One result for one item. Waits for the peer to take it: a peer that does not listen costs no
  /// memory.
  zc::task<> answer(std::string path, std::error_code failed) {
    if (says_cancelled(failed)) throw std::system_error(failed);
    wire::outcome result;
    if (failed) {
      result.status = static_cast<std::uint32_t>(failed.value());
      const bool follows = of_.unmade.hold(path);
      result.reason = follows ? unmade_directories::consequence : explain(failed);
      of_.summary.fail({.path = std::move(path),
                        .reason = result.reason,
                        .alike = follows || concerns_all(failed.value())});
    }
    co_await send_result(result);
  }

  zc::task<> send_result(const wire::outcome& result) {
    std::string bytes;
    wire::append(bytes, wire::kind::result, result);
    co_await send_all(socket_, bytes, then::push);
  }

  int socket_;
  placer place_;
  session& of_;
  zc::fd nowhere_;
};

class receiver {
 public:
  receiver(int listener, target& into, receive_options options)
      : listener_(listener), target_(into), options_(options) {}

  zc::task<bool> run() {
    all_.spawn(accept_all());
    co_await all_.join();
    co_return complete_&& ok_;
  }

 private:
  zc::task<> accept_all() {
    for (;;) {
      zc::result<zc::fd> accepted =
          co_await zc::op::accept(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (accepted) {
        // One of them is this coroutine.
        if (all_.running() <= connection_limit) all_.spawn(serve(std::move(accepted).value()));
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
          co_await pause();
          break;
        default:
          throw std::system_error(accepted.error(), "accept");
      }
    }
  }

  /// Cancelled, it only ends sooner: the accept that follows says so.
  static zc::task<> pause() {
    try {
      co_await zc::sleep_for(pause_when_full);
    } catch (const std::system_error& error) {
      if (!says_cancelled(error.code())) throw;
    }
  }

  /// Serves one connection. The one place where its failures are caught: they cost this connection,
  /// not the others.
  zc::task<> serve(zc::fd socket) {
    std::shared_ptr<session> joined;
    std::string failure;
    try {
      tune(socket.get());
      joined = co_await zc::timeout(greeting_time, greet(socket.get()));
      if (!joined) co_return;
      connection between(socket.get(), target_, *joined);
      co_await between.serve();
    } catch (const std::system_error& error) {
      failure = says_cancelled(error.code()) ? "interrupted" : error.code().message();
    } catch (const std::exception& error) {
      failure = error.what();
    }
    const std::string peer = peer_name(socket.get());
    socket = zc::fd();
    if (joined) {
      if (!failure.empty())
        joined->summary.fail({.path = "connection", .reason = failure, .alike = true});
      leave(*joined);
    } else if (!stopping_) {
      clear_progress_line();
      std::fprintf(stderr, "ship: refused %s: %s\n", peer.c_str(),
                   terminal::printable(failure).c_str());
    }
  }

  /// Resumes with the session that the connection belongs to, or null where it was turned away.
  zc::task<std::shared_ptr<session>> greet(int socket) {
    std::array<char, wire::hello_size_bytes> bytes{};
    const bool any = co_await receive_all(socket, bytes);
    if (!any) throw wire::protocol_error("it hung up");
    std::optional<wire::hello> hello;
    std::string failure;
    try {
      hello = wire::parse_hello(bytes);
    } catch (const wire::version_error& error) {
      failure = error.what();
    }
    std::shared_ptr<session> joined = hello ? join(*hello) : nullptr;
    // Who has joined and never learns of it has still to leave again.
    std::error_code unwelcome;
    try {
      std::string answer;
      wire::append(answer, wire::welcome{.verdict = !hello   ? wire::verdict::other_version
                                                    : joined ? wire::verdict::welcome
                                                             : wire::verdict::busy});
      co_await send_all(socket, answer, then::push);
    } catch (const std::system_error& error) {
      unwelcome = error.code();
    }
    if (unwelcome && joined) {
      joined->summary.fail({.path = "connection", .reason = unwelcome.message(), .alike = true});
      leave(*joined);
    }
    if (unwelcome) throw std::system_error(unwelcome);
    if (!failure.empty()) throw wire::protocol_error(failure);
    if (!joined) throw wire::protocol_error("busy with another sender");
    co_return joined;
  }

  std::shared_ptr<session> join(const wire::hello& hello) {
    auto found = sessions_.find(hello.session);
    if (found == sessions_.end()) {
      if (!options_.keep && !sessions_.empty()) return nullptr;
      found = sessions_.emplace(hello.session, std::make_shared<session>(hello)).first;
      show_progress_of(found->second);
    }
    session& joined = *found->second;
    if (joined.joined == joined.about.connections) return nullptr;
    ++joined.joined;
    ++joined.live;
    return found->second;
  }

  void leave(session& one) {
    if (--one.live > 0) return;
    clear_progress_line();
    one.summary.failures().print_counts();
    const std::string text = options_.json ? one.summary.for_programs() : one.summary.for_people();
    std::printf("%s\n", text.c_str());
    std::fflush(stdout);
    ok_ = ok_ && one.summary.ok();
    complete_ = true;
    const wire::session_id id = one.about.session;
    sessions_.erase(id);
    if (options_.keep) return;
    stopping_ = true;
    all_.cancel();
  }

  void show_progress_of(std::shared_ptr<session> one) {
    if (options_.keep || !options_.progress) return;
    ask_ = [one = std::move(one)] {
      const session& of = *one;
      return standing{of.summary.files, of.about.files, of.bytes_arrived, of.about.bytes};
    };
    all_.spawn(show_until_cancelled());
  }

  zc::task<> show_until_cancelled() {
    try {
      co_await show_progress(ask_);
    } catch (const std::system_error& error) {
      if (!says_cancelled(error.code())) throw;
    }
  }

  int listener_;
  target& target_;
  receive_options options_;
  std::map<wire::session_id, std::shared_ptr<session>> sessions_;
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
