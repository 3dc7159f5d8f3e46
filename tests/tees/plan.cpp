#include "tees/plan.hpp"

#include <array>
#include <sstream>

#include "support/drawer.hpp"
#include "zc/splice.hpp"

namespace tees {

namespace {

using conserve::event;
using conserve::lane;
using support::drawer;

lane draw_source(drawer& random) {
  static constexpr std::array<kind, 12> kinds{kind::memfd,       kind::memfd,     kind::file,
                                              kind::pipe,        kind::pipe,      kind::tcp,
                                              kind::tcp,         kind::tcp,       kind::unix_stream,
                                              kind::unix_stream, kind::seqpacket, kind::datagram};
  lane made;
  made.from = random.pick(kinds);
  made.size = random.size();
  made.in_nonblock = random.one_in(2);
  if (!conserve::has_messages(made.from)) made.in_buffer = random.buffer(made.size);
  if (random.one_in(3)) made.feed_bytes = random.piece(made.size);
  if (random.one_in(6)) made.feed_pause_us = random.pause(made.size, made.feed_bytes);
  static constexpr std::array<conserve::ending, 3> endings{
      conserve::ending::half_close, conserve::ending::close, conserve::ending::stay};
  made.ending = random.pick(endings);
  return made;
}

lane draw_target(drawer& random, const lane& source) {
  static constexpr std::array<kind, 16> kinds{
      kind::memfd,     kind::file, kind::append,      kind::sealed,
      kind::pipe,      kind::pipe, kind::pipe,        kind::tcp,
      kind::tcp,       kind::tcp,  kind::unix_stream, kind::unix_stream,
      kind::tty_slave, kind::null, kind::full,        kind::seqpacket};
  lane made = source;
  made.to = random.pick(kinds);
  made.out_nonblock = random.one_in(2);
  if (!conserve::has_messages(made.to)) made.out_buffer = random.buffer(made.size);
  if (random.one_in(3)) made.read_bytes = random.piece(made.size);
  if (random.one_in(6)) made.read_pause_us = random.pause(made.size, made.read_bytes);
  return made;
}

void disturb_target(drawer& random, lane& of) {
  static constexpr std::array<event, 4> events{event::reader_closes, event::reader_resets,
                                               event::reader_stalls, event::shut_out};
  const event drawn = random.pick(events);
  if (!conserve::applies(drawn, of)) return;
  of.event = drawn;
  of.event_at = drawn == event::shut_out ? random.microseconds() : random.below(of.size + 1);
}

void draw_range(drawer& random, tee_plan& of) {
  const bool file = conserve::is_file(of.source.from);
  if (file && random.one_in(3)) {
    of.offset = static_cast<std::int64_t>(random.below(of.source.size + 1));
  }
  if (random.one_in(3)) of.nbytes = random.below(available(of) + 1);
  // A message that is longer than what is wanted is refused.
  if (conserve::has_messages(of.source.from)) of.nbytes = of.source.size;
  if (random.one_in(5)) of.out_offset = static_cast<std::int64_t>(random.below(100'000));
}

tee_plan draw_tee(drawer& random) {
  tee_plan made;
  made.source = draw_source(random);
  draw_range(random, made);
  const std::uint64_t count = 1 + random.below(5);
  for (std::uint64_t i = 0; i < count; ++i) {
    made.targets.push_back(draw_target(random, made.source));
  }
  if (random.one_in(4)) made.flags |= static_cast<unsigned>(zc::splice_flags::nonblock);
  if (random.one_in(4)) made.flags |= static_cast<unsigned>(zc::splice_flags::more);
  if (random.one_in(3)) made.start_us = random.microseconds() / 4;
  // A third of them have nothing to excuse them.
  if (!random.one_in(3)) {
    for (lane& each : made.targets) {
      if (random.one_in(4)) disturb_target(random, each);
    }
    if (random.one_in(8) && conserve::has_peer(made.source.from)) {
      made.source.event = event::feeder_stalls;
      made.source.event_at = random.below(made.source.size + 1);
    }
    if (random.one_in(4)) made.cancel_us = random.microseconds();
    if (random.one_in(4)) made.deadline_us = random.microseconds();
  }
  if (made.cancel_us + made.deadline_us > 0 || !may_last(made)) return made;
  const auto late = static_cast<std::uint32_t>(5'000 + random.below(40'000));
  (random.one_in(2) ? made.cancel_us : made.deadline_us) = late;
  return made;
}

}  // namespace

std::uint64_t available(const tee_plan& of) {
  return of.source.size - static_cast<std::uint64_t>(of.offset);
}

bool may_fail(const tee_plan& of, const lane& target) {
  if (target.to == kind::sealed || target.to == kind::full) return true;
  if (of.out_offset > 0 && (target.to == kind::append || !conserve::has_offset(target.to))) {
    return true;
  }
  return target.event == event::reader_closes || target.event == event::reader_resets ||
         target.event == event::shut_out;
}

bool may_last(const tee_plan& of) {
  if ((of.flags & static_cast<unsigned>(zc::splice_flags::nonblock)) != 0) return false;
  for (const lane& each : of.targets) {
    if (each.event == event::reader_stalls) return true;
    // To a pseudo-terminal whose slave was closed one can write no more, and hears nothing of it.
    if (conserve::is_tty(each.to) && each.event == event::reader_closes) return true;
  }
  if (conserve::is_file(of.source.from)) return false;
  if (of.source.event == event::feeder_stalls) return true;
  const bool ends = of.source.ending != conserve::ending::stay && conserve::can_end(of.source.from);
  return !ends && of.nbytes > of.source.size;
}

plan draw(std::uint64_t seed, std::uint64_t step) {
  drawer random(seed, step);
  plan made;
  made.salt = static_cast<std::uint32_t>(random.below(1'000'000));
  static constexpr std::array<std::uint32_t, 5> few{1, 2, 3, 5, 8};
  static constexpr std::array<std::uint32_t, 4> pipe_sizes{4096, 8192, 65'536, 1 << 20};
  if (random.one_in(4)) made.entries = random.pick(few);
  if (random.one_in(3)) made.pipes = random.pick(few) - 1;
  if (random.one_in(4)) made.pipe_bytes = random.pick(pipe_sizes);
  const std::uint64_t count = random.one_in(2) ? 1 : 1 + random.below(4);
  for (std::uint64_t i = 0; i < count; ++i) made.tees.push_back(draw_tee(random));
  return made;
}

std::string to_text(const plan& of) {
  std::ostringstream text;
  text << "salt=" << of.salt << " entries=" << of.entries << " pipes=" << of.pipes
       << " pipe_bytes=" << of.pipe_bytes;
  for (const tee_plan& each : of.tees) {
    text << "\n  tee";
    const auto field = [&](const char* name, auto value) {
      if (value != 0) text << ' ' << name << '=' << value;
    };
    field("offset", each.offset);
    if (each.nbytes != zc::to_end) text << " nbytes=" << each.nbytes;
    field("out_offset", each.out_offset);
    field("flags", each.flags);
    field("start_us", each.start_us);
    field("deadline_us", each.deadline_us);
    field("cancel_us", each.cancel_us);
    conserve::schedule lanes;
    lanes.lanes.push_back(each.source);
    lanes.lanes.insert(lanes.lanes.end(), each.targets.begin(), each.targets.end());
    text << "\n    " << conserve::to_line(lanes);
  }
  return text.str();
}

}  // namespace tees
