#include "lane.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "stream.hpp"
#include "zc/op/openat.hpp"
#include "zc/op/statx.hpp"
#include "zc/splice.hpp"
#include "zc/when_all.hpp"

namespace ship {

namespace {

constexpr std::size_t outbox_limit_bytes = 64 * 1024;

wire::timestamp modified_at(const struct ::statx& about) {
  return {about.stx_mtime.tv_sec, about.stx_mtime.tv_nsec};
}

bool same_version(const struct ::statx& a, const struct ::statx& b) {
  return a.stx_size == b.stx_size && a.stx_mtime.tv_sec == b.stx_mtime.tv_sec &&
         a.stx_mtime.tv_nsec == b.stx_mtime.tv_nsec;
}

wire::item item_of(const entry& what) {
  wire::item about;
  about.mode = what.mode;
  about.modified = what.modified;
  about.path = what.path;
  return about;
}

}  // namespace

zc::task<> lane::greet(const wire::hello& what) {
  std::string hello;
  wire::append(hello, what);
  co_await send_all(socket_.get(), hello, then::push);
  std::array<char, wire::welcome_size_bytes> answer{};
  const bool any = co_await receive_all(socket_.get(), answer);
  if (!any) throw wire::protocol_error("the receiver hung up");
  switch (wire::parse_welcome(answer)) {
    case wire::verdict::welcome:
      co_return;
    case wire::verdict::other_version:
      throw wire::protocol_error("the receiver speaks another version");
    case wire::verdict::busy:
      throw wire::protocol_error("the receiver is busy with another sender");
  }
}

zc::task<> lane::flush(bool more) {
  const std::string bytes = std::exchange(outbox_, {});
  co_await send_all(socket_.get(), bytes, more ? then::more : then::push);
}

zc::task<> lane::send_directory(const entry& what) {
  wire::append(outbox_, wire::kind::directory, item_of(what));
  awaited_.push_back({&what, wire::kind::directory});
  if (outbox_.size() > outbox_limit_bytes) co_await flush(false);
}

zc::task<> lane::send_attributes(const entry& what) {
  wire::append(outbox_, wire::kind::attributes, item_of(what));
  awaited_.push_back({&what, wire::kind::attributes});
  if (outbox_.size() > outbox_limit_bytes) co_await flush(false);
}

zc::task<> lane::send_link(const entry& what) {
  std::array<char, PATH_MAX> target{};
  const ssize_t size = ::readlinkat(what.root, what.path.c_str(), target.data(), target.size());
  if (size < 0) {
    summary_.fail(what.path, std::system_category().message(errno));
    co_return;
  }
  wire::item about = item_of(what);
  about.target.assign(target.data(), static_cast<std::size_t>(size));
  wire::append(outbox_, wire::kind::link, about);
  awaited_.push_back({&what, wire::kind::link});
  if (outbox_.size() > outbox_limit_bytes) co_await flush(false);
}

zc::task<> lane::send_file(const entry& what) {
  // O_NONBLOCK: what was a file when the tree was walked may be a FIFO without a writer now.
  zc::result<zc::fd> opened = co_await zc::op::openat(
      what.root, what.path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (!opened) {
    fail_before_sending(what, opened.error());
    co_return;
  }
  const zc::fd file = std::move(opened).value();
  const zc::result<struct ::statx> before = co_await zc::op::statx(file.get(), "", AT_EMPTY_PATH);
  if (!before) {
    fail_before_sending(what, before.error());
    co_return;
  }
  if (!S_ISREG(before->stx_mode)) {
    summary_.fail(what.path, "is no longer a regular file");
    co_return;
  }
  wire::item about;
  about.mode = before->stx_mode & 07777u;
  about.modified = modified_at(*before);
  about.size = before->stx_size;
  about.path = what.path;

  sent_item& sent = awaited_.emplace_back(sent_item{&what, wire::kind::file, false});
  sent.about = *before;
  wire::outcome end;
  end.reason = co_await send_bodies(file.get(), about);
  const zc::result<struct ::statx> after = co_await zc::op::statx(file.get(), "", AT_EMPTY_PATH);
  if (end.reason.empty() && (!after || !same_version(*before, *after))) {
    end.reason = "changed while it was being sent";
  }
  if (!end.reason.empty()) {
    end.status = EIO;
    summary_.fail(what.path, end.reason);
    sent.reported = true;
  }
  end.reason.clear();
  wire::append(outbox_, wire::kind::end, end);
  sent.complete = true;
}

void lane::fail_before_sending(const entry& what, std::error_code error) {
  if (error == std::errc::operation_canceled) throw std::system_error(error);
  summary_.fail(what.path, error.message());
}

/// Sends the file frame and all bodies. Resumes with what was wrong with the file, if anything.
zc::task<std::string> lane::send_bodies(int file, const wire::item& about) {
  std::uint64_t offset = 0;
  std::uint64_t nbytes = std::min(about.size, wire::body_limit_bytes);
  wire::append(outbox_, wire::kind::file, about, nbytes);
  while (nbytes > 0) {
    co_await flush(true);
    const bool whole = co_await send_body(file, offset, nbytes);
    if (!whole) co_return "shrank or could not be read while it was being sent";
    offset += nbytes;
    nbytes = std::min(about.size - offset, wire::body_limit_bytes);
    if (nbytes > 0) wire::append(outbox_, wire::kind::data, nbytes);
  }
  co_return std::string();
}

/// Sends one body, padded with zeros where the file does not have it any more: false then. Throws
/// for a failed connection.
zc::task<bool> lane::send_body(int file, std::uint64_t offset, std::uint64_t nbytes) {
  const zc::transfer done = co_await zc::try_splice(file, socket_.get(),
                                                    {.offset = static_cast<std::int64_t>(offset),
                                                     .nbytes = nbytes,
                                                     .flags = zc::splice_flags::more,
                                                     .progress = &body_});
  body_.moved = 0;
  bytes_sent_ += done.moved;
  if (done.reason == zc::stop_reason::cancelled) {
    throw std::system_error(std::make_error_code(std::errc::operation_canceled));
  }
  if (done.reason == zc::stop_reason::failed && done.side != zc::side::in) {
    throw std::system_error(done.error);
  }
  summary_.count(done.route);
  if (done.moved == nbytes) co_return true;
  const zc::fd zeros(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  co_await zc::splice(zeros.get(), socket_.get(),
                      {.nbytes = nbytes - done.moved, .flags = zc::splice_flags::more});
  co_return false;
}

zc::task<> lane::run_phase(zc::task<> items, wire::kind last) {
  if (lost()) co_return;
  zc::task<> sending = unless_lost(send_items(std::move(items), last));
  zc::task<> taking = unless_lost(take_results());
  co_await zc::when_all(std::move(sending), std::move(taking));
  if (!lost()) co_return;
  for (const sent_item& each : awaited_) {
    if (each.what != nullptr && !each.reported) summary_.fail(each.what->path, lost_because_);
  }
  awaited_.clear();
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
    const bool any = co_await receive_frame(socket_.get(), answer);
    if (!any) throw wire::protocol_error("the receiver hung up");
    if (answer.header.kind != wire::kind::result) {
      throw wire::protocol_error("the receiver sent something else than a result");
    }
    if (awaited_.empty() || !awaited_.front().complete) {
      throw wire::protocol_error("the receiver answered before it was asked");
    }
    take_result(wire::parse_outcome(answer.payload));
    const bool over = awaited_.front().what == nullptr;
    awaited_.pop_front();
    if (over) co_return;
  }
}

void lane::take_result(const wire::outcome& result) {
  const sent_item& item = awaited_.front();
  if (item.reported) return;
  if (result.status != 0) {
    const std::string reason = "receiver: " + result.reason;
    summary_.fail(item.what != nullptr ? item.what->path : "(session)", reason);
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
      count_file(item);
      break;
    default:
      break;
  }
}

/// Splicing shares the file's pages with the socket, so what was written to the file until they had
/// arrived may have arrived with them: look once more.
void lane::count_file(const sent_item& item) {
  struct ::statx now {};
  const int looked = ::statx(item.what->root, item.what->path.c_str(), AT_SYMLINK_NOFOLLOW,
                             STATX_BASIC_STATS, &now);
  // A file that was removed or replaced by now has been sent as it was.
  if (looked == 0 && now.stx_ino == item.about.stx_ino && !same_version(item.about, now)) {
    summary_.fail(item.what->path, "changed while it was being received");
    return;
  }
  ++summary_.files;
  summary_.bytes += item.about.stx_size;
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
  if (!lost()) lost_because_ = "connection lost: " + because;
  // Whoever still sends or receives on it is to find out.
  ::shutdown(socket_.get(), SHUT_RDWR);
}

}  // namespace ship
