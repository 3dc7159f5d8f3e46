#include "relays/plan.hpp"

#include <algorithm>
#include <sstream>

#include "support/drawer.hpp"

namespace relays {

namespace {

using support::drawer;

end_plan draw_end(drawer& random, std::uint64_t says, std::uint64_t hears) {
  static constexpr std::array<kind, 12> kinds{
      kind::tcp,         kind::tcp,         kind::tcp,       kind::tcp,
      kind::tcp,         kind::tcp,         kind::pipe,      kind::unix_stream,
      kind::unix_stream, kind::unix_stream, kind::tty_slave, kind::tty_master};
  end_plan made;
  made.is = random.pick(kinds);
  made.nonblock = random.one_in(2);
  made.doubled = conserve::is_socket(made.is) && random.one_in(6);
  made.buffer = random.buffer(std::max(says, hears));
  made.says = says;
  if (random.one_in(3)) made.say_bytes = random.piece(says);
  if (random.one_in(6)) made.say_pause_us = random.pause(says, made.say_bytes);
  if (random.one_in(3)) made.hear_bytes = random.piece(hears);
  if (random.one_in(6)) made.hear_pause_us = random.pause(hears, made.hear_bytes);
  return made;
}

void disturb_end(drawer& random, end_plan& of, std::uint64_t hears) {
  if (random.one_in(5)) of.half_closes = false;
  if (random.one_in(8)) of.mute_at = random.below(of.says + 1);
  if (random.one_in(6)) of.deaf_at = random.below(hears + 1);
  if (!random.one_in(2)) return;
  of.dies = of.is == kind::tcp && !random.one_in(3) ? death::reset : death::close;
  of.when = static_cast<moment>(random.below(moment_names.size()));
  switch (of.when) {
    case moment::after_us:
      of.dies_at = random.microseconds();
      break;
    case moment::after_said:
      if (random.one_in(2)) of.half_closes = false;
      break;
    case moment::after_heard:
      of.dies_at = random.below(hears + 1);
      break;
  }
}

relay_plan draw_relay(drawer& random) {
  relay_plan made;
  const std::array<std::uint64_t, 2> says{random.size(), random.size()};
  made.ends = {draw_end(random, says[0], says[1]), draw_end(random, says[1], says[0])};
  static constexpr std::array<zc::route, 6> routes{zc::route::automatic, zc::route::automatic,
                                                   zc::route::automatic, zc::route::direct,
                                                   zc::route::ring,      zc::route::copy};
  made.route = random.pick(routes);
  if (random.one_in(3)) made.start_us = random.microseconds() / 4;
  // A third of the relays have nothing to excuse them.
  if (!random.one_in(3)) {
    if (!random.one_in(4)) disturb_end(random, made.ends[0], says[1]);
    if (!random.one_in(4)) disturb_end(random, made.ends[1], says[0]);
    if (random.one_in(6)) made.cancel_us = random.microseconds();
    if (random.one_in(8)) made.deadline_us = random.microseconds();
    if (random.one_in(8)) made.total_us = random.microseconds();
    if (random.one_in(8)) made.idle_us = random.microseconds();
  }
  for (end_plan& each : made.ends) {
    if (conserve::is_tty(each.is) && made.route != zc::route::copy) {
      made.route = zc::route::automatic;
    }
    if (conserve::is_tty(each.is)) each.half_closes = false;
  }
  if (made.route == zc::route::direct) made.ends[0].nonblock = made.ends[1].nonblock = true;
  const bool bounded =
      made.cancel_us + made.deadline_us + made.total_us + made.idle_us > 0 || !may_last(made);
  if (bounded) return made;
  // Long enough for everything else to happen, mostly.
  const auto late = static_cast<std::uint32_t>(random.one_in(4) ? random.microseconds()
                                                                : 20'000 + random.below(60'000));
  switch (random.below(4)) {
    case 0:
      made.cancel_us = late;
      break;
    case 1:
      made.deadline_us = late;
      break;
    case 2:
      made.total_us = late;
      break;
    default:
      made.idle_us = late;
      break;
  }
  return made;
}

/// Whether it is certain that its peer leaves.
bool ends_surely(const end_plan& of) {
  return of.dies != death::none && of.when == moment::after_us;
}

}  // namespace

bool may_last(const relay_plan& of) {
  for (const end_plan& each : of.ends) {
    if (each.is == kind::tcp && each.dies == death::reset && ends_surely(each)) return false;
  }
  for (const end_plan& each : of.ends) {
    if (ends_surely(each)) continue;
    if (!each.half_closes || each.mute_at < each.says || each.deaf_at != never) return true;
  }
  return false;
}

plan draw(std::uint64_t seed, std::uint64_t step) {
  drawer random(seed, step);
  plan made;
  made.salt = static_cast<std::uint32_t>(random.below(1'000'000));
  static constexpr std::array<std::uint32_t, 4> few{1, 2, 3, 8};
  static constexpr std::array<std::uint32_t, 4> pipe_sizes{4096, 8192, 65'536, 1 << 20};
  if (random.one_in(4)) made.entries = random.pick(few);
  if (random.one_in(4)) made.pipes = random.pick(few) - 1;
  if (random.one_in(4)) made.pipe_bytes = random.pick(pipe_sizes);
  const std::uint64_t count = random.one_in(2) ? 1 : 1 + random.below(5);
  for (std::uint64_t i = 0; i < count; ++i) made.relays.push_back(draw_relay(random));
  return made;
}

namespace {

void print(std::ostream& to, const end_plan& of) {
  to << " {" << conserve::kind_names[static_cast<std::size_t>(of.is)];
  const auto field = [&](const char* name, std::uint64_t value, std::uint64_t usual) {
    if (value != usual) to << ' ' << name << '=' << value;
  };
  const end_plan usual;
  field("nonblock", of.nonblock ? 1 : 0, 0);
  field("doubled", of.doubled ? 1 : 0, 0);
  field("buffer", of.buffer, 0);
  field("says", of.says, never);
  field("say_bytes", of.say_bytes, usual.say_bytes);
  field("say_pause_us", of.say_pause_us, 0);
  field("half_closes", of.half_closes ? 1 : 0, 1);
  field("mute_at", of.mute_at, never);
  field("hear_bytes", of.hear_bytes, usual.hear_bytes);
  field("hear_pause_us", of.hear_pause_us, 0);
  field("deaf_at", of.deaf_at, never);
  if (of.dies != death::none) {
    to << ' ' << death_names[static_cast<std::size_t>(of.dies)] << '='
       << moment_names[static_cast<std::size_t>(of.when)] << ':' << of.dies_at;
  }
  to << '}';
}

}  // namespace

std::string to_text(const plan& of) {
  std::ostringstream text;
  text << "salt=" << of.salt << " entries=" << of.entries << " pipes=" << of.pipes
       << " pipe_bytes=" << of.pipe_bytes;
  for (const relay_plan& each : of.relays) {
    static constexpr std::array<const char*, 4> routes{"automatic", "direct", "ring", "copy"};
    text << "\n  relay route=" << routes[static_cast<std::size_t>(each.route)];
    const auto field = [&](const char* name, std::uint64_t value) {
      if (value != 0) text << ' ' << name << '=' << value;
    };
    field("start_us", each.start_us);
    field("idle_us", each.idle_us);
    field("total_us", each.total_us);
    field("deadline_us", each.deadline_us);
    field("cancel_us", each.cancel_us);
    for (const end_plan& end : each.ends) print(text, end);
  }
  return text.str();
}

}  // namespace relays
