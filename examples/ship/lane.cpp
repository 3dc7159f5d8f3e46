#include "lane.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <system_error>
#include <utility>

#include "stream.hpp"
#include "zc/address.hpp"
#include "zc/when_all.hpp"

namespace ship {

lane::lane(zc::fd socket, summary& into, unmade_directories& unmade)
    : socket_(std::move(socket)),
      answers_(socket_.get()),
      peer_(zc::to_string(zc::peer_address(socket_.get()))),
      summary_(into),
      unmade_(unmade) {}

zc::task<> lane::greet(const wire::hello& what) {
  std::string hello;
  wire::append(hello, what);
  co_await send_all(socket_.get(), hello, then::push);
  std::array<char, wire::welcome_size_bytes> answer{};
  const bool any = co_await receive_all(socket_.get(), answer);
  if (!any) throw wire::protocol_error("the receiver hung up");
  const wire::welcome said = wire::parse_welcome(answer);
  switch (said.verdict) {
    case wire::verdict::welcome:
      co_return;
    case wire::verdict::other_version:
      throw wire::protocol_error("the receiver speaks version " + std::to_string(said.version) +
                                 " of the protocol, and this program version " +
                                 std::to_string(wire::version));
    case wire::verdict::busy:
      throw wire::protocol_error("the receiver is busy with another sender");
  }
}

zc::task<> lane::run_phase(zc::task<> items, wire::kind last) {
  if (lost()) co_return;
  zc::task<> sending = unless_lost(send_items(std::move(items), last));
  zc::task<> taking = unless_lost(take_results());
  co_await zc::when_all(std::move(sending), std::move(taking));
  if (!lost()) co_return;
  bool told = false;
  const auto tell = [&](const entry& what) {
    summary_.fail({.path = what.path, .reason = lost_because_, .alike = true, .untold = 1});
    told = true;
  };
  for (const sent_item& each : awaited_) {
    if (each.what != nullptr && !each.reported) tell(*each.what);
  }
  for (const auto* list : {&apart_, &unread_}) {
    for (const entry* each : *list) tell(*each);
  }
  if (!told) summary_.fail({.path = "(session)", .reason = lost_because_, .alike = true});
  awaited_.clear();
  apart_.clear();
  unread_.clear();
}

zc::task<> lane::send_items(zc::task<> items, wire::kind last) {
  co_await std::move(items);
  wire::append(outbox_, last);
  awaited_.push_back({nullptr, last});
  co_await flush(false);
}

zc::task<> lane::take_results() {
  frame answer;
  for (;;) {
    const bool any = co_await answers_.receive(answer);
    if (!any) throw wire::protocol_error("the receiver hung up");
    if (answer.header.kind != wire::kind::result) {
      throw wire::protocol_error("the receiver sent something else than a result");
    }
    if (awaited_.empty() || !awaited_.front().complete) {
      throw wire::protocol_error("the receiver answered before it was asked");
    }
    take_result(wire::parse_outcome(answer.payload));
    const wire::kind kind = awaited_.front().kind;
    const bool over = kind == wire::kind::checkpoint || kind == wire::kind::bye;
    awaited_.pop_front();
    if (over) co_return;
  }
}

void lane::take_result(const wire::outcome& result) {
  const sent_item& item = awaited_.front();
  if (item.reported) return;
  if (result.status != 0) {
    fail(item, result);
    return;
  }
  switch (item.kind) {
    case wire::kind::directory:
      ++summary_.directories;
      break;
    case wire::kind::link:
      ++summary_.links;
      break;
    case wire::kind::file:
    case wire::kind::small_files:
      count_file(item);
      break;
    default:
      break;
  }
}

/// What the receiver could not do, and knows of.
void lane::fail(const sent_item& item, const wire::outcome& result) {
  const std::string path = item.what != nullptr ? item.what->path : "(session)";
  if (unmade_.hold(path)) {
    summary_.fail({.path = path, .reason = unmade_directories::consequence, .alike = true});
    return;
  }
  if (item.kind == wire::kind::directory) unmade_.add(path);
  summary_.fail({.path = path,
                 .reason = "receiver: " + result.reason,
                 .alike = concerns_all(static_cast<int>(result.status))});
}

/// Splicing shares the file's pages with the socket, so what was written to the file until they had
/// arrived may have arrived with them: look once more.
void lane::count_file(const sent_item& item) {
  struct ::statx now {};
  const int looked = item.is_copy ? -1
                                  : ::statx(item.what->root, item.what->path.c_str(),
                                            AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &now);
  // A file that was removed or replaced by now has been sent as it was.
  if (looked == 0 && now.stx_ino == item.version.inode && version(now) != item.version) {
    summary_.fail(
        {.path = item.what->path, .reason = "changed while it was being received", .untold = 1});
  }
  // It has arrived, whatever it is worth.
  ++summary_.files;
  if (item.is_copy) ++summary_.whole;
  summary_.bytes += item.bytes;
}

/// The one place where a connection's failure is caught: it costs this lane, not the session.
zc::task<> lane::unless_lost(zc::task<> work) {
  try {
    co_await std::move(work);
  } catch (const wire::protocol_error& error) {
    lose(error.what());
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::operation_canceled) throw;
    lose(error.code().message());
  }
}

void lane::lose(const std::string& because) {
  if (!lost()) lost_because_ = "the connection to " + peer_ + " was lost: " + because;
  // Whoever still sends or receives on it is to find out.
  ::shutdown(socket_.get(), SHUT_RDWR);
}

}  // namespace ship
