#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <system_error>
#include <utility>

#include "extents.hpp"
#include "lane.hpp"
#include "stream.hpp"
#include "zc/op/openat.hpp"
#include "zc/op/read.hpp"
#include "zc/op/statx.hpp"
#include "zc/splice.hpp"

// What a lane sends.

namespace ship {

namespace {

constexpr std::size_t outbox_limit_bytes = 64 * 1024;
constexpr std::size_t unsized_read_bytes = 64 * 1024;

/// The end of everything is no failure of one file.
void refuse_cancelled(std::error_code error) {
  if (error == std::errc::operation_canceled) throw std::system_error(error);
}

wire::timestamp modified_at(const struct ::statx& about) {
  return {about.stx_mtime.tv_sec, about.stx_mtime.tv_nsec};
}

wire::item item_of(const entry& what) {
  wire::item about;
  about.mode = what.mode;
  about.modified = what.modified;
  about.path = what.path;
  return about;
}

}  // namespace

lane::version::version(const struct ::statx& about) noexcept
    : inode(about.stx_ino),
      size(about.stx_size),
      seconds(about.stx_mtime.tv_sec),
      nanoseconds(about.stx_mtime.tv_nsec) {}

/// Counts what would only fail because of another failure.
bool lane::is_below_unmade(const entry& what) {
  const bool below = unmade_.hold(what.path);
  if (below) {
    summary_.fail(
        {.path = what.path, .reason = unmade_directories::consequence, .alike = true, .untold = 1});
  }
  return below;
}

zc::task<> lane::flush(bool more) {
  if (outbox_.empty()) co_return;
  const std::string bytes = std::exchange(outbox_, {});
  co_await send_all(socket_.get(), bytes, more ? then::more : then::push);
}

zc::task<> lane::flush_when_full() {
  if (outbox_.size() > outbox_limit_bytes) co_await flush(false);
}

zc::task<> lane::send_directory(const entry& what) {
  if (is_below_unmade(what)) co_return;
  wire::append(outbox_, wire::kind::directory, item_of(what));
  awaited_.push_back({&what, wire::kind::directory});
  co_await flush_when_full();
}

zc::task<> lane::send_attributes(const entry& what) {
  // Of itself or of one above it that is missing has been told.
  if (unmade_.hold(what.path + "/")) co_return;
  wire::append(outbox_, wire::kind::attributes, item_of(what));
  awaited_.push_back({&what, wire::kind::attributes});
  co_await flush_when_full();
}

zc::task<> lane::send_link(const entry& what) {
  if (is_below_unmade(what)) co_return;
  std::array<char, PATH_MAX> target{};
  const ssize_t size = ::readlinkat(what.root, what.path.c_str(), target.data(), target.size());
  if (size < 0) {
    fail_before_sending(what, std::system_category().message(errno));
    co_return;
  }
  wire::item about = item_of(what);
  about.target.assign(target.data(), static_cast<std::size_t>(size));
  wire::append(outbox_, wire::kind::link, about);
  awaited_.push_back({&what, wire::kind::link});
  co_await flush_when_full();
}

zc::task<> lane::send_failures(std::vector<failure> what) {
  for (failure& each : what) {
    wire::append(outbox_, wire::failures{each.count, each.alike, std::move(each.path),
                                         std::move(each.reason)});
    awaited_.push_back({nullptr, wire::kind::failures});
    co_await flush_when_full();
  }
}

zc::task<> lane::send_file(const entry& what) {
  if (is_below_unmade(what)) co_return;
  // O_NONBLOCK: what was a file when the tree was walked may be a FIFO without a writer now.
  zc::result<zc::fd> opened = co_await zc::op::openat(
      what.root, what.path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  refuse_cancelled(opened.error());
  if (!opened) {
    fail_before_sending(what, opened.error().message());
    co_return;
  }
  const zc::fd file = std::move(opened).value();
  const zc::result<struct ::statx> before = co_await zc::op::statx(file.get(), "", AT_EMPTY_PATH);
  refuse_cancelled(before.error());
  if (!before) {
    fail_before_sending(what, before.error().message());
    co_return;
  }
  if (!S_ISREG(before->stx_mode)) {
    fail_before_sending(what, "is no longer a regular file");
    co_return;
  }
  summary_.not_kept.look_at_attributes(file.get());
  wire::item about;
  about.mode = before->stx_mode & 07777u;
  about.modified = modified_at(*before);
  about.size = before->stx_size;
  about.path = what.path;

  sent_item& sent = awaited_.emplace_back(sent_item{&what, wire::kind::file, false});
  sent.version = version(*before);
  wire::outcome end;
  if (about.size == 0) {
    end.reason = co_await send_until_end(file.get(), std::move(about), sent.bytes);
  } else {
    const bool may_have_holes = before->stx_blocks * 512 < before->stx_size;
    end.reason = co_await send_contents(file.get(), std::move(about), may_have_holes, sent.bytes);
  }
  const zc::result<struct ::statx> after = co_await zc::op::statx(file.get(), "", AT_EMPTY_PATH);
  if (end.reason.empty() && (!after || version(*after) != sent.version)) {
    end.reason = "changed while it was being sent";
  }
  if (!end.reason.empty()) {
    end.status = EIO;
    summary_.fail({.path = what.path, .reason = end.reason});
    sent.reported = true;
  }
  wire::append(outbox_, wire::kind::end, end);
  sent.complete = true;
  co_await flush_when_full();
}

void lane::fail_before_sending(const entry& what, const std::string& reason) {
  summary_.fail({.path = what.path, .reason = reason, .untold = 1});
}

/// Sends the file frame and all that follows up to its end. Resumes with what was wrong with the
/// file, if anything.
zc::task<std::string> lane::send_contents(int file, wire::item about, bool may_have_holes,
                                          std::uint64_t& sent_bytes) {
  bool begun = false;
  while (sent_bytes < about.size) {
    const extent next = may_have_holes ? extent_at(file, sent_bytes, about.size)
                                       : extent{about.size - sent_bytes, false};
    const std::uint64_t nbytes =
        next.is_hole ? next.nbytes : std::min(next.nbytes, wire::body_limit_bytes);
    const std::uint64_t body_bytes = next.is_hole ? 0 : nbytes;
    if (!std::exchange(begun, true)) {
      wire::append(outbox_, wire::kind::file, about, body_bytes);
    } else if (!next.is_hole) {
      wire::append(outbox_, wire::kind::data, body_bytes);
    }
    if (next.is_hole) {
      wire::append_hole(outbox_, nbytes);
      bytes_sent_ += nbytes;
      co_await flush_when_full();
    } else {
      co_await flush(true);
      const bool whole = co_await send_body(file, sent_bytes, nbytes);
      if (!whole) co_return "shrank or could not be read while it was being sent";
    }
    sent_bytes += nbytes;
  }
  co_return std::string();
}

/// The same for a file that says it is empty, as those of /proc do: only reading it tells.
zc::task<std::string> lane::send_until_end(int file, wire::item about, std::uint64_t& sent_bytes) {
  unsized_.resize(unsized_read_bytes);
  for (;;) {
    const zc::result<std::size_t> got =
        co_await zc::op::read(file, unsized_.data(), unsized_.size());
    refuse_cancelled(got.error());
    const std::size_t nbytes = got ? *got : 0;
    if (sent_bytes > 0 && nbytes > 0) {
      wire::append(outbox_, wire::kind::data, nbytes);
    } else if (sent_bytes == 0) {
      about.size = nbytes > 0 ? wire::unknown_size : 0;
      wire::append(outbox_, wire::kind::file, about, nbytes);
    }
    outbox_.append(unsized_, 0, nbytes);
    sent_bytes += nbytes;
    bytes_sent_ += nbytes;
    if (!got) co_return got.error().message();
    if (nbytes == 0) co_return std::string();
    co_await flush_when_full();
  }
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

}  // namespace ship
