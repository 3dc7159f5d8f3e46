#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conserve/kind.hpp"
#include "zc/splice.hpp"

/// The conservation model: random transfers, disturbed at random, of which every byte is accounted
/// for.
namespace conserve {

/// What the feeder does once it has fed all it has.
enum class ending : std::uint8_t { half_close, close, reset, stay };
inline constexpr std::array<const char*, 4> ending_names{"half_close", "close", "reset", "stay"};

/// What happens to a transfer from outside. `at` is in bytes, or in microseconds after the start.
enum class event : std::uint8_t {
  none,
  feeder_stalls,  // at bytes; goes on when the transfer has ended
  reader_stalls,  // at bytes; goes on when the transfer has ended
  reader_closes,  // at bytes
  reader_resets,  // at bytes
  shut_in,        // at us: shutdown(in, SHUT_RD)
  shut_out,       // at us: shutdown(out, SHUT_WR)
  truncate,       // at us: the source, to event_bytes
  grow,           // at us: the source, by event_bytes
};
inline constexpr std::array<const char*, 9> event_names{
    "none",    "feeder_stalls", "reader_stalls", "reader_closes", "reader_resets",
    "shut_in", "shut_out",      "truncate",      "grow"};

/// What the whole process has to live with.
enum class limit : std::uint8_t {
  none,
  plain_user,   // uid 65534, with `limit_at` large pipes already: beyond 63 new ones are tiny
  descriptors,  // RLIMIT_NOFILE: room for `limit_at` more
  file_size,    // RLIMIT_FSIZE: `limit_at` bytes
};
inline constexpr std::array<const char*, 4> limit_names{"none", "plain_user", "descriptors",
                                                        "file_size"};

/// A fault planted between zc and the kernel, to see the model find it. Never drawn.
enum class fault : std::uint8_t {
  none,
  too_few,    // a move claims one byte less than it moved
  too_many,   // a move claims one byte more than it moved
  swallowed,  // a byte vanishes from the pipe
  foreign,    // a byte slips into the stream
  stuck,      // a move never ends
};
inline constexpr std::array<const char*, 6> fault_names{"none",      "too_few", "too_many",
                                                        "swallowed", "foreign", "stuck"};
inline constexpr std::array<const char*, 4> route_names{"automatic", "direct", "ring", "copy"};

/// One transfer: both ends, the call, and what befalls it.
struct lane {
  kind from = kind::memfd;
  kind to = kind::memfd;
  bool in_nonblock = false;  // O_NONBLOCK on the descriptor given to zc
  bool out_nonblock = false;
  std::uint32_t in_buffer = 0;  // size of the pipe or the socket's buffers; 0: as they come
  std::uint32_t out_buffer = 0;

  std::uint64_t size = 0;         // bytes in the source, or fed to it
  std::uint64_t in_position = 0;  // of a file
  std::uint64_t out_size = 0;     // bytes in the target before
  std::uint64_t out_position = 0;
  std::uint64_t out_room = 0;  // of full_disk: bytes that fit

  std::int64_t offset = 0;
  std::uint64_t nbytes = zc::to_end;
  std::int64_t out_offset = 0;
  unsigned flags = 0;
  zc::route route = zc::route::automatic;
  bool throwing = false;  // zc::splice instead of zc::try_splice
  bool known = false;     // from a known_source to a known_target

  std::uint32_t start_us = 0;
  std::uint32_t feed_bytes = 65536;  // at a time
  std::uint32_t feed_pause_us = 0;
  conserve::ending ending = ending::half_close;
  std::uint32_t read_bytes = 65536;  // at a time
  std::uint32_t read_pause_us = 0;

  std::uint32_t cancel_us = 0;    // 0: never
  std::uint32_t deadline_us = 0;  // 0: none
  conserve::event event = event::none;
  std::uint64_t event_at = 0;
  std::uint64_t event_bytes = 0;
  bool dup2 = false;  // over both descriptors, right after completion

  bool operator==(const lane&) const = default;
};

/// One step of the model: some transfers at once, on one context. A plain value.
struct schedule {
  std::uint32_t salt = 0;  // of the contents
  std::uint32_t entries = 256;
  std::uint32_t pipes = 64;
  std::uint32_t pipe_bytes = 256 * 1024;
  std::uint32_t workers = 16;
  conserve::limit limit = limit::none;
  std::uint64_t limit_at = 0;
  conserve::fault fault = fault::none;
  std::uint32_t fault_at = 0;  // in moves

  std::vector<lane> lanes;

  bool operator==(const schedule&) const = default;
};

/// Calls visit(name, member) for each field.
template <class Lane, class Visit>
void each_lane_field(Lane& of, Visit visit) {
  visit("from", of.from);
  visit("to", of.to);
  visit("in_nonblock", of.in_nonblock);
  visit("out_nonblock", of.out_nonblock);
  visit("in_buffer", of.in_buffer);
  visit("out_buffer", of.out_buffer);
  visit("size", of.size);
  visit("in_position", of.in_position);
  visit("out_size", of.out_size);
  visit("out_position", of.out_position);
  visit("out_room", of.out_room);
  visit("offset", of.offset);
  visit("nbytes", of.nbytes);
  visit("out_offset", of.out_offset);
  visit("flags", of.flags);
  visit("route", of.route);
  visit("throwing", of.throwing);
  visit("known", of.known);
  visit("start_us", of.start_us);
  visit("feed_bytes", of.feed_bytes);
  visit("feed_pause_us", of.feed_pause_us);
  visit("ending", of.ending);
  visit("read_bytes", of.read_bytes);
  visit("read_pause_us", of.read_pause_us);
  visit("cancel_us", of.cancel_us);
  visit("deadline_us", of.deadline_us);
  visit("event", of.event);
  visit("event_at", of.event_at);
  visit("event_bytes", of.event_bytes);
  visit("dup2", of.dup2);
}

template <class Schedule, class Visit>
void each_schedule_field(Schedule& of, Visit visit) {
  visit("salt", of.salt);
  visit("entries", of.entries);
  visit("pipes", of.pipes);
  visit("pipe_bytes", of.pipe_bytes);
  visit("workers", of.workers);
  visit("limit", of.limit);
  visit("limit_at", of.limit_at);
  visit("fault", of.fault);
  visit("fault_at", of.fault_at);
}

/// One line: `salt=7 pipes=1 lane from=tcp to=pipe size=4097 ...`, without what is at its default.
std::string to_line(const schedule& of);

/// The schedule that a line describes. Throws std::invalid_argument, naming the word it did not
/// understand.
schedule from_line(std::string_view line);

/// Whether this can happen to such a transfer.
bool applies(event what, const lane& to);

/// Changes what contradicts itself, so that every schedule means something definite, and ends: what
/// would rightly wait for ever gets a deadline.
void normalise(schedule& what);

}  // namespace conserve
