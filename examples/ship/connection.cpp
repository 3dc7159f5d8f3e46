#include "connection.hpp"

#include <fcntl.h>

#include <algorithm>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "run_elsewhere.hpp"
#include "zc/op/write.hpp"
#include "zc/splice.hpp"

namespace ship {

namespace {

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

constexpr std::errc cancelled = std::errc::operation_canceled;

}  // namespace

/// Does what the sender waits for, rather than we for the sender.
template <typename T>
zc::task<T> connection::at_work(zc::task<T> work) {
  struct guard {
    explicit guard(unsigned& count) : working(count) { ++working; }
    guard(const guard&) = delete;
    guard& operator=(const guard&) = delete;
    ~guard() { --working; }
    unsigned& working;
  };
  const guard busy(of_.working);
  co_return co_await std::move(work);
}

zc::task<> connection::serve() {
  frame next;
  for (;;) {
    const bool any = co_await receive_frame(socket_, next, &of_.frames);
    if (!any) throw wire::protocol_error("the sender hung up");
    // More may have come before it was hung up on.
    refuse_ended();
    ++of_.frames;
    switch (next.header.kind) {
      case wire::kind::directory:
      case wire::kind::attributes:
      case wire::kind::link:
        co_await take_item(next);
        break;
      case wire::kind::file:
        co_await take_file(next);
        break;
      case wire::kind::small_files:
        co_await take_small_files(next);
        break;
      case wire::kind::failures:
        co_await take_failures(next);
        break;
      case wire::kind::checkpoint:
        co_await answer(std::string(), std::error_code());
        break;
      case wire::kind::bye: {
        begin_session();
        const std::error_code failed = co_await at_work(place_.finish());
        co_await answer("(session)", failed);
        co_return;
      }
      default:
        throw wire::protocol_error("a frame out of place");
    }
  }
}

void connection::refuse_ended() const {
  if (!ended_because_.empty()) throw wire::protocol_error(ended_because_);
}

/// Not where the receiver has taken another sender while the first item was put in its place.
void connection::begin_session() {
  refuse_ended();
  of_.begin();
}

zc::task<> connection::take_item(const frame& what) {
  const wire::item about = wire::parse_item(what.payload);
  std::error_code failed;
  if (what.header.kind == wire::kind::directory) {
    failed = co_await at_work(place_.make_directory(about));
    if (!failed) {
      begin_session();
      ++of_.summary.directories;
    } else if (failed != cancelled) {
      of_.unmade.add(about.path);
    }
  } else if (what.header.kind == wire::kind::attributes) {
    failed = co_await at_work(place_.set_attributes(about));
  } else {
    failed = co_await at_work(place_.make_link(about));
    if (!failed) {
      begin_session();
      ++of_.summary.links;
    }
  }
  co_await answer(about.path, failed);
}

zc::task<> connection::take_file(frame& next) {
  const wire::item about = wire::parse_item(next.payload);
  zc::result<part_file> begun = co_await at_work(place_.begin_file(about));
  std::error_code failed = begun.error();
  part_file part = std::move(begun).value_or(part_file());
  if (!failed) begin_session();
  std::uint64_t got = 0;
  bool ends_in_hole = false;
  while (next.header.kind != wire::kind::end) {
    const bool is_hole = next.header.kind == wire::kind::hole;
    const std::uint64_t nbytes = is_hole ? wire::parse_hole(next.payload) : next.header.body_bytes;
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
    const bool any = co_await receive_frame(socket_, next, &of_.frames);
    ++of_.frames;
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
  if (!failed) failed = co_await at_work(place_.publish(part, about));
  if (!failed) {
    ++of_.summary.files;
    of_.summary.bytes += got;
  }
  co_await answer(about.path, failed);
}

/// All that are in one frame, on another thread; and their results in one piece.
zc::task<> connection::take_small_files(const frame& what) {
  const std::vector<wire::small_file> files = wire::parse_small_files(what.payload);
  std::string results;
  std::span<const wire::small_file> left = files;
  if (!of_.begun) {
    const std::error_code failed = co_await take_first(left.front());
    count_small_file(left.front(), failed, results);
    left = left.subspan(1);
  }
  while (!left.empty()) {
    refuse_ended();
    const auto place = [this, left] { return place_.place(left); };
    const std::vector<std::error_code> placed = co_await at_work(run_elsewhere(place));
    for (const std::error_code failed : placed) {
      count_small_file(left.front(), failed, results);
      left = left.subspan(1);
    }
  }
  co_await send_all(socket_, results, then::push);
}

/// One that may have to go again, as another sender may be taken until it is there.
zc::task<std::error_code> connection::take_first(const wire::small_file& file) {
  zc::result<part_file> begun = co_await at_work(place_.begin_file(file.about));
  if (begun.error() == cancelled) throw std::system_error(begun.error());
  if (!begun) co_return begun.error();
  part_file part = std::move(begun).value();
  begin_session();
  std::string_view left = file.contents;
  while (!left.empty()) {
    const zc::result<std::size_t> written =
        co_await zc::op::write(part.file.get(), left.data(), left.size());
    if (written.error() == cancelled) throw std::system_error(written.error());
    if (!written) co_return written.error();
    left.remove_prefix(*written);
  }
  const std::error_code failed = co_await at_work(place_.publish(part, file.about));
  if (failed == cancelled) throw std::system_error(failed);
  co_return failed;
}

void connection::count_small_file(const wire::small_file& file, std::error_code failed,
                                  std::string& results) {
  of_.bytes_arrived += file.contents.size();
  if (!failed) {
    ++of_.summary.files;
    ++of_.summary.whole;
    of_.summary.bytes += file.contents.size();
  }
  wire::append(results, wire::kind::result, result_of(file.about.path, failed));
}

/// What the sender did not send, and why.
zc::task<> connection::take_failures(const frame& next) {
  wire::failures what = wire::parse_failures(next.payload);
  const bool follows = of_.unmade.hold(what.path);
  of_.summary.fail({.path = std::move(what.path),
                    .reason = follows ? unmade_directories::consequence : "sender: " + what.reason,
                    .count = what.count,
                    .alike = what.alike});
  const wire::outcome heard;
  co_await send_result(heard);
}

/// Body to file. What the disk does not take is skipped, so that the next frame is found.
zc::task<std::error_code> connection::take_body(part_file& part, std::uint64_t offset,
                                                std::uint64_t nbytes) {
  if (nbytes == 0) co_return std::error_code();
  struct guard {
    guard(std::set<int>& in, int socket) : all(in), one(socket) { all.insert(one); }
    guard(const guard&) = delete;
    guard& operator=(const guard&) = delete;
    ~guard() { all.erase(one); }
    std::set<int>& all;
    int one;
  };
  const guard taking(of_.taken_from, socket_);
  const zc::transfer done = co_await zc::try_splice(
      socket_, part.file.get(),
      {.nbytes = nbytes, .out_offset = static_cast<std::int64_t>(offset), .progress = &of_.body});
  of_.summary.count(done.route);
  if (done.reason == zc::stop_reason::complete) co_return std::error_code();
  if (done.reason == zc::stop_reason::cancelled) {
    throw std::system_error(std::make_error_code(cancelled));
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

zc::task<> connection::skip(std::uint64_t nbytes) {
  if (nbytes == 0) co_return;
  if (!nowhere_) nowhere_ = zc::fd(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  const std::uint64_t skipped =
      co_await zc::splice(socket_, nowhere_.get(), {.nbytes = nbytes, .progress = &of_.body});
  if (skipped < nbytes) throw wire::protocol_error("the sender hung up in the middle of a file");
}

/// One result for one item, whose failure is counted.
wire::outcome connection::result_of(std::string path, std::error_code failed) {
  wire::outcome result;
  if (failed) {
    result.status = static_cast<std::uint32_t>(failed.value());
    const bool follows = of_.unmade.hold(path);
    result.reason = follows ? unmade_directories::consequence : explain(failed);
    of_.summary.fail({.path = std::move(path),
                      .reason = result.reason,
                      .alike = follows || concerns_all(failed.value())});
  }
  return result;
}

/// Waits for the peer to take it: a peer that does not listen costs no memory.
zc::task<> connection::answer(std::string path, std::error_code failed) {
  if (failed == cancelled) throw std::system_error(failed);
  co_await send_result(result_of(std::move(path), failed));
}

zc::task<> connection::send_result(const wire::outcome& result) {
  std::string bytes;
  wire::append(bytes, wire::kind::result, result);
  co_await send_all(socket_, bytes, then::push);
}

}  // namespace ship
