#include "conserve/expect.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <optional>
#include <sstream>
#include <system_error>

namespace conserve {

namespace {

using zc::side;
using zc::stop_reason;

constexpr std::uint64_t page = 4096;
constexpr unsigned nonblock_flag = static_cast<unsigned>(zc::splice_flags::nonblock);
constexpr unsigned known_flags = 15;

bool is_forced_splice(const lane& of) {
  return of.route == zc::route::direct || of.route == zc::route::ring;
}
bool is_nonblock(const lane& of) { return (of.flags & nonblock_flag) != 0; }

/// Where a file ends that nothing disturbs.
std::uint64_t end_of(const lane& of) { return base_of(of.from) + of.size; }

ending_rule refused(int error, side where) { return {stop_reason::failed, error, where, 0, 0, 0}; }

/// Section 1 of the contract: what is an error before a byte moves, in the order of the options.
std::optional<ending_rule> refusal(const lane& of, bool ttys_hung_up) {
  if ((of.flags & ~known_flags) != 0) return refused(EINVAL, side::none);
  if (of.offset < zc::file_position) return refused(EINVAL, side::in);
  if (!has_offset(of.from) && of.offset > 0) return refused(ESPIPE, side::in);
  if (is_file(of.from)) {
    if (start_of(of) > end_of(of)) return refused(EOVERFLOW, side::in);
    if (of.nbytes != zc::to_end && of.nbytes > end_of(of) - start_of(of)) {
      return refused(EOVERFLOW, side::in);
    }
  }
  if (of.out_offset < zc::file_position) return refused(EINVAL, side::out);
  if (!has_offset(of.to) && of.out_offset > 0) return refused(ESPIPE, side::out);
  if (of.to == kind::append && of.out_offset > 0) return refused(EINVAL, side::out);
  if (is_forced_splice(of) && of.to == kind::append) return refused(EINVAL, side::out);
  if (of.route == zc::route::direct) {
    const auto may_block = [ttys_hung_up](kind is, bool nonblock) {
      return (is_socket(is) || (is_tty(is) && !ttys_hung_up)) && !nonblock;
    };
    if (may_block(of.from, of.in_nonblock)) return refused(EINVAL, side::in);
    if (may_block(of.to, of.out_nonblock)) return refused(EINVAL, side::out);
  }
  return {};
}

/// How much the target accepts, and what it says then.
struct room {
  std::uint64_t bytes = 0;
  int error = 0;
  std::uint64_t for_holes = 0;  // and so much more, where holes stay holes
};

/// What of a transfer to a disk may need no room there. Not to the byte: a page may be part hole,
/// part data.
std::uint64_t holes_of(const lane& of) {
  const std::uint64_t start = start_of(of);
  if (of.from != kind::sparse || is_forced_splice(of) || start >= sparse_base) return 0;
  return sparse_base - start + page;
}

/// What limits this target; more than one limit may be met at the same byte.
std::vector<room> rooms_of(const schedule& all, const lane& of) {
  std::vector<room> rooms;
  if (of.to == kind::sealed) rooms.push_back({0, EPERM});
  if (of.to == kind::full) rooms.push_back({0, ENOSPC});
  const std::uint64_t start = out_start_of(of);
  if (of.to == kind::full_disk) {
    rooms.push_back({of.out_room - std::min(of.out_room, start % page), ENOSPC, holes_of(of)});
  }
  if (all.limit == limit::file_size && is_file(of.to)) {
    rooms.push_back({all.limit_at - std::min(all.limit_at, start), EFBIG});
  }
  return rooms;
}

/// Whether blocks of O_DIRECT are met by every move, whatever its size.
bool is_aligned(const lane& of) {
  const bool source_in_pages =
      (is_file(of.from) || of.from == kind::zero) && of.event != event::truncate;
  if (of.from == kind::direct && start_of(of) % page != 0) return false;
  const bool whole = wanted(of, 0) % page == 0;
  // Where zc reads, it reads a whole block at the end of the file.
  const bool reads_past_end = start_of(of) + wanted(of, 0) == end_of(of) && !is_forced_splice(of);
  if (of.from == kind::direct && !whole && !reads_past_end) return false;
  if (of.to == kind::direct) {
    return source_in_pages && start_of(of) % page == 0 && out_start_of(of) % page == 0 && whole;
  }
  return true;
}

/// Whether the feeder stops short of what is asked for, with nothing to tell that it did.
bool source_waits(const lane& of) {
  if (of.from == kind::eventfd) return of.nbytes > of.size;
  if (!has_peer(of.from)) return false;
  const bool stalls = of.event == event::feeder_stalls && of.event_at < of.size;
  if (stalls) return of.nbytes > of.event_at;
  const bool tells = of.ending != ending::stay && (can_end(of.from) || is_tty(of.from));
  return of.nbytes > of.size && !tells;
}

class rules {
 public:
  rules(const schedule& all, const lane& of, std::uint64_t proc_size)
      : all_(all), of_(of), want_(wanted(of, proc_size)) {}

  std::vector<ending_rule> collect() {
    if (const auto why = refusal(of_, false)) {
      add(*why);
      if (!may_hang_up()) return all_of_them_;
      if (const auto other = refusal(of_, true)) {
        add(*other);
        return all_of_them_;
      }
    }
    if (of_.nbytes == 0 || (is_file(of_.from) && want_ == 0)) {
      // Nothing to take: complete, unless it is cancelled before it looks.
      add({stop_reason::complete, 0, side::none, 0, 0, 0});
      return all_of_them_;
    }
    if (add_vain_splice()) return all_of_them_;
    add_usual();
    add_peers();
    add_disturbances();
    return all_of_them_;
  }

 private:
  void add(const ending_rule& rule) { all_of_them_.push_back(rule); }
  void may_fail(int error, side where, std::uint64_t most = zc::to_end) {
    const std::uint64_t bytes = std::min(most, want_);
    add({stop_reason::failed, error, where, 0, bytes, bytes});
  }
  void may_stop(stop_reason reason) { add({reason, 0, side::none, 0, want_, want_}); }

  /// A forced splice of what cannot be spliced: true if nothing else can happen.
  bool add_vain_splice() {
    if (!is_forced_splice(of_)) return false;
    const bool no_source = of_.from == kind::null || of_.from == kind::eventfd;
    const bool no_target = of_.to == kind::full;
    if (no_target) add(refused(EINVAL, side::out));
    if (no_source) add(refused(EINVAL, side::in));
    if (!no_source && !no_target) return false;
    // Without a pipe to be had even a forced route copies, until there is one.
    if (may_lack_pipe() && of_.from != kind::pipe && of_.to != kind::pipe) {
      if (no_source) may_fail(EINVAL, side::in);
      if (no_target) may_fail(EINVAL, side::out);
      return false;
    }
    // It may have to wait before it can try.
    add_cut();
    if (has_peer(of_.from) || has_peer(of_.to)) {
      add_nonblock();
      if (want_ == 0) add({stop_reason::end_of_file, 0, side::none, 0, 0, 0});
    }
    add_peers();
    add_disturbances();
    return true;
  }

  /// A tty that was hung up before the call is no tty to isatty(3), and not refused as one.
  bool may_hang_up() const {
    return (is_tty(of_.from) && of_.ending != ending::stay) ||
           (is_tty(of_.to) && of_.event == event::reader_closes);
  }

  bool may_lack_pipe() const {
    return all_.pipes < all_.lanes.size() || all_.limit == limit::descriptors;
  }

  void add_usual() {
    if (of_.from == kind::eventfd && of_.nbytes < 8) {
      add(refused(EINVAL, side::in));
    } else {
      add_whole();
    }
    add_partial();
  }

  void add_whole() {
    const std::vector<room> rooms = rooms_of(all_, of_);
    std::uint64_t most = want_;
    for (const room& each : rooms) most = std::min(most, each.bytes + each.for_holes);
    for (const room& each : rooms) {
      if (each.bytes > most || each.bytes == want_) continue;
      const std::uint64_t last = std::min(each.bytes + each.for_holes, most);
      add({stop_reason::failed, each.error, side::out, each.bytes, last, want_});
    }
    if (most == want_ && !source_waits(of_)) {
      const bool whole = is_file(of_.from) || (of_.nbytes != zc::to_end && of_.nbytes <= want_);
      const bool tells_by_error = of_.ending == ending::reset && of_.from == kind::tcp;
      if (whole) {
        add({stop_reason::complete, 0, side::none, want_, want_, want_});
      } else if (!tells_by_error && !is_tty(of_.from)) {
        add({stop_reason::end_of_file, 0, side::none, want_, want_, want_});
      }
    }
  }

  void add_partial() {
    // A limit cuts a write where it likes.
    const bool cut = of_.to == kind::direct && all_.limit == limit::file_size;
    // A target with room for less than a block at a time, and nobody may wait for more.
    const bool small = of_.from == kind::direct && is_nonblock(of_) &&
                       (is_tty(of_.to) || (of_.out_buffer != 0 && of_.out_buffer < 16'384));
    if (!is_aligned(of_) || cut || small) {
      may_fail(EINVAL, side::in);
      may_fail(EINVAL, side::out);
    }
    add_nonblock();
    add_cut();
  }

  void add_nonblock() {
    const bool waits = has_peer(of_.from) || has_peer(of_.to) || of_.from == kind::eventfd;
    if (is_nonblock(of_) && waits) may_stop(stop_reason::would_block);
  }

  void add_cut() {
    if (of_.cancel_us != 0) may_stop(stop_reason::cancelled);
    if (of_.deadline_us != 0) may_stop(stop_reason::timed_out);
  }

  void add_peers() {
    if (has_messages(of_.from)) {
      // A message that is longer than what is left to take, than the pipe of a route that must
      // splice, or than what a nonblocking call may take at a time.
      const bool cut = of_.nbytes < of_.size && of_.nbytes % of_.feed_bytes != 0;
      const bool small_pipe =
          is_forced_splice(of_) && std::min(of_.size, std::uint64_t{of_.feed_bytes}) > page;
      if (cut || small_pipe || of_.to == kind::pipe || is_nonblock(of_)) {
        may_fail(EMSGSIZE, side::in);
      }
    }
    if (of_.ending == ending::reset && of_.from == kind::tcp) may_fail(ECONNRESET, side::in);
    if (is_tty(of_.from) && (of_.ending == ending::close || of_.ending == ending::reset ||
                             of_.ending == ending::half_close)) {
      // A hang-up; what was on its way is gone with it.
      may_fail(EIO, side::in);
      // A tty that was hung up has no splice any more.
      if (is_forced_splice(of_)) may_fail(EINVAL, side::in);
      may_stop(stop_reason::end_of_file);
    }
  }

  void add_disturbances() {
    switch (of_.event) {
      case event::reader_closes:
      case event::reader_resets:
        // From pipe to pipe the kernel looks for readers even when there is nothing to move.
        if (of_.event_at > want_ && !is_tty(of_.to)) break;
        may_fail(EPIPE, side::out);
        if (is_socket(of_.to)) may_fail(ECONNRESET, side::out);
        if (of_.to == kind::datagram) may_fail(ECONNREFUSED, side::out);
        if (of_.to == kind::datagram) may_fail(ENOTCONN, side::out);
        if (is_tty(of_.to)) {
          may_fail(EIO, side::out);
          // A tty that was hung up has no splice any more.
          if (is_forced_splice(of_)) may_fail(EINVAL, side::out);
        }
        break;
      case event::shut_in:
      case event::truncate:
        may_stop(stop_reason::end_of_file);
        break;
      case event::shut_out:
        may_fail(EPIPE, side::out);
        break;
      case event::none:
      case event::feeder_stalls:
      case event::reader_stalls:
      case event::grow:
        break;
    }
  }

  const schedule& all_;
  const lane& of_;
  std::uint64_t want_;
  std::vector<ending_rule> all_of_them_;
};

}  // namespace

std::uint64_t start_of(const lane& of) {
  if (!has_offset(of.from)) return 0;
  if (of.offset != zc::file_position) return static_cast<std::uint64_t>(of.offset);
  return is_file(of.from) ? of.in_position : 0;
}

std::uint64_t out_start_of(const lane& of) {
  if (!is_file(of.to)) return 0;
  if (of.to == kind::append) return of.out_size;
  return of.out_offset == zc::file_position ? of.out_position
                                            : static_cast<std::uint64_t>(of.out_offset);
}

std::uint64_t wanted(const lane& of, std::uint64_t proc_size) {
  if (is_file(of.from)) {
    const std::uint64_t start = start_of(of);
    return std::min(of.nbytes, end_of(of) - std::min(start, end_of(of)));
  }
  switch (of.from) {
    case kind::null:
      return 0;
    case kind::proc:
      return std::min(of.nbytes, proc_size - std::min(start_of(of), proc_size));
    case kind::eventfd:
      return of.nbytes < 8 ? 0 : 8;
    default:
      return std::min(of.nbytes, of.size);
  }
}

std::vector<ending_rule> allowed_endings(const schedule& all, const lane& of,
                                         std::uint64_t proc_size) {
  return rules(all, of, proc_size).collect();
}

bool may_wait_for_ever(const lane& of) {
  if (of.nbytes == 0) return false;
  if (source_waits(of)) return true;
  // Nobody takes what is written, or says that it was in vain.
  const bool reader_goes = of.event == event::reader_stalls || of.event == event::reader_closes;
  if (of.event == event::reader_stalls) return true;
  if (reader_goes && (is_tty(of.to) || of.to == kind::datagram)) return true;
  // Datagrams have no end, and a hang-up of a tty may lose what it is to be known by.
  if (of.event == event::shut_in) return of.from == kind::datagram;
  return is_tty(of.from) && of.ending != ending::stay;
}

std::string to_text(const ending_rule& rule) {
  static constexpr std::array<const char*, 6> reasons{"complete",  "end_of_file", "cancelled",
                                                      "timed_out", "would_block", "failed"};
  static constexpr std::array<const char*, 4> sides{"none", "in", "out", "zc"};
  std::ostringstream text;
  text << reasons[static_cast<std::size_t>(rule.reason)];
  if (rule.error != 0) {
    text << " (" << sides[static_cast<std::size_t>(rule.side)] << ": "
         << std::generic_category().message(rule.error) << ')';
  }
  text << " moved " << rule.least_moved;
  if (rule.most_moved != rule.least_moved) text << ".." << rule.most_moved;
  text << " taken <= " << rule.most_taken;
  return text.str();
}

}  // namespace conserve
