#include "conserve/draw.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <random>

#include "conserve/ends.hpp"
#include "conserve/expect.hpp"
#include "support/drawer.hpp"
#include "support/sanitizers.hpp"

namespace conserve {

namespace {

// On, below or above each of these something changes: pages, a pipe of 16 slots, the buffer that is
// copied by, a tty's buffer, zc's pipes, what one hop moves, and what a turn of the loop does.
constexpr std::array<std::uint64_t, 14> boundaries{
    0,         1,          512,        4096,       8192,        16'384,      32'768,
    64 * 1024, 128 * 1024, 256 * 1024, 512 * 1024, 1024 * 1024, 2048 * 1024, 3 * 1024 * 1024};

class drawer : public support::drawer {
 public:
  using support::drawer::drawer;

  /// Mostly small, mostly near a boundary.
  std::uint64_t size() {
    // The larger, the rarer: they take their time.
    const std::size_t which = std::min(below(boundaries.size()), below(boundaries.size()));
    const std::uint64_t at = boundaries[which];
    switch (below(4)) {
      case 0:
        return at + 1;
      case 1:
        return at > 0 ? at - 1 : 0;
      case 2:
        return at;
      default:
        return below(std::max<std::uint64_t>(at, 300));
    }
  }
};

void draw_call(drawer& random, lane& of) {
  of.size = random.size();
  const std::uint64_t base = base_of(of.from);
  const bool blocks = of.from == kind::direct || of.to == kind::direct;
  if (blocks && !random.one_in(3)) of.size = of.size / 4096 * 4096;
  if (has_offset(of.from) && random.one_in(2)) {
    // 1 in 16 of these reaches past the end.
    std::uint64_t at = random.below(of.size + of.size / 16 + 1);
    if (blocks && !random.one_in(3)) at = at / 4096 * 4096;
    if (random.one_in(3)) {
      of.offset = zc::file_position;
      if (is_file(of.from)) of.in_position = base + at;
    } else {
      of.offset = static_cast<std::int64_t>(base + at);
      if (is_file(of.from)) of.in_position = random.below(of.size + 1);
    }
  } else if (of.from == kind::sparse) {
    of.offset = static_cast<std::int64_t>(sparse_base - random.below(200'000));
  }
  if (of.from == kind::sparse && swallows(of.to) && random.one_in(3)) {
    of.offset = 0;  // more than 32 bits can count, and yet soon over
  }
  if (!has_offset(of.from) && random.one_in(40)) of.offset = 1;
  if (!has_offset(of.from) && random.one_in(10)) of.offset = zc::file_position;
  if (random.one_in(300)) of.offset = -2;

  if (random.one_in(2)) {
    const std::uint64_t start = is_file(of.from) ? start_of(of) : 0;
    const std::uint64_t all = base + of.size - std::min(start, base + of.size);
    of.nbytes = random.one_in(2) ? all : random.below(all + all / 16 + 2);
    if (blocks && !random.one_in(3)) of.nbytes = of.nbytes / 4096 * 4096;
    if (random.one_in(20)) of.nbytes = 0;
  }
  if (is_file(of.to)) {
    if (random.one_in(3)) of.out_size = random.size() % 300'000;
    if (random.one_in(3)) of.out_position = random.below(100'000);
    if (random.one_in(2)) of.out_offset = static_cast<std::int64_t>(random.below(100'000));
    if (of.to == kind::direct && !random.one_in(3)) of.out_offset = of.out_offset / 4096 * 4096;
    if (of.to == kind::append && !random.one_in(8)) of.out_offset = 0;
    if (of.to == kind::sparse)
      of.out_offset = static_cast<std::int64_t>(sparse_base + random.below(100'000));
    if (random.one_in(4)) {
      of.out_offset = zc::file_position;
      if (of.to == kind::sparse) of.out_position = sparse_base + random.below(100'000);
    }
  } else if (random.one_in(40)) {
    of.out_offset = 1;
  }
  if (of.to == kind::full_disk) of.out_room = random.below(of.size + of.size / 2 + 8192);
  if (random.one_in(2)) of.flags = static_cast<unsigned>(random.below(16));
  if (random.one_in(300)) of.flags |= 16;
  static constexpr std::array<zc::route, 6> routes{zc::route::automatic, zc::route::automatic,
                                                   zc::route::automatic, zc::route::direct,
                                                   zc::route::ring,      zc::route::copy};
  of.route = random.pick(routes);
  of.throwing = random.one_in(4);
}

void draw_peers(drawer& random, lane& of) {
  of.in_nonblock = random.one_in(2);
  of.out_nonblock = random.one_in(2);
  static constexpr std::array<std::uint32_t, 4> buffers{4096, 8192, 16'384, 100'000};
  if (random.one_in(6)) of.in_buffer = random.pick(buffers);
  if (random.one_in(6)) of.out_buffer = random.pick(buffers);
  if (random.one_in(3)) of.feed_bytes = random.piece();
  if (random.one_in(3)) of.read_bytes = random.piece();
  if (random.one_in(6)) of.feed_pause_us = random.microseconds() / 4;
  if (random.one_in(6)) of.read_pause_us = random.microseconds() / 4;
  static constexpr std::array<ending, 8> endings{
      ending::half_close, ending::half_close, ending::half_close, ending::close,
      ending::close,      ending::close,      ending::reset,      ending::stay};
  of.ending = random.pick(endings);
  if (is_tty(of.from) && !random.one_in(8)) of.ending = ending::stay;
  if (of.ending == ending::stay && !random.one_in(6)) {
    of.nbytes = random.below(of.size + 1);
  }
  if (of.from == kind::datagram && of.nbytes == zc::to_end && !random.one_in(6)) {
    of.nbytes = of.size;
  }
  if (of.from == kind::eventfd) of.nbytes = random.one_in(4) ? random.below(20) : 8;
}

void draw_disturbance(drawer& random, lane& of) {
  if (random.one_in(3)) of.cancel_us = random.microseconds();
  if (random.one_in(5)) of.deadline_us = random.microseconds();
  if (random.one_in(3)) of.start_us = random.microseconds() / 4;
  of.dup2 = random.one_in(4);
  if (random.one_in(2)) return;
  for (int i = 0; i < 8 && of.event == event::none; ++i) {
    const auto drawn = static_cast<event>(1 + random.below(event_names.size() - 1));
    if (applies(drawn, of)) of.event = drawn;
  }
  switch (of.event) {
    case event::shut_in:
    case event::shut_out:
    case event::truncate:
    case event::grow:
      of.event_at = random.microseconds();
      of.event_bytes = random.below(of.size + 1);
      break;
    default:
      of.event_at = random.below(of.size + 1);
      break;
  }
}

lane draw_lane(drawer& random, const choices& from) {
  lane made;
  made.from = random.pick(from.sources);
  made.to = random.pick(from.targets);
  draw_call(random, made);
  draw_peers(random, made);
  // Half of the transfers have nothing to excuse them.
  if (random.one_in(2)) draw_disturbance(random, made);
  return made;
}

std::uint64_t draw_lanes(drawer& random) {
  switch (random.below(8)) {
    case 0:
      return 5 + random.below(12);
    case 1:
    case 2:
      return 2 + random.below(4);
    default:
      return 1;
  }
}

}  // namespace

choices choices_here(const std::filesystem::path& workspace) {
  choices here;
  for (std::size_t i = 0; i < kind_names.size(); ++i) {
    const auto each = static_cast<kind>(i);
    if (!can_make(each, workspace)) continue;
    if (is_source(each)) here.sources.push_back(each);
    if (is_target(each)) here.targets.push_back(each);
  }
  // Streams are where bytes can be lost for good: twice as often.
  for (const kind each : {kind::pipe, kind::tcp, kind::unix_stream}) {
    here.sources.push_back(each);
    here.targets.push_back(each);
  }
  here.limits = {limit::file_size};
#ifndef ZC_TEST_ASAN
  // Undefined behaviour's sanitizer asks a pipe of its own whether memory can be read.
  here.limits.push_back(limit::descriptors);
#endif
  if (::geteuid() == 0) here.limits.push_back(limit::plain_user);
  return here;
}

schedule draw(std::uint64_t seed, std::uint64_t step, const choices& from) {
  std::seed_seq mixed{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32),
                      static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(step >> 32)};
  std::array<std::uint32_t, 2> words{};
  mixed.generate(words.begin(), words.end());
  drawer random(words[0] | std::uint64_t{words[1]} << 32);

  schedule made;
  made.salt = static_cast<std::uint32_t>(random.below(1'000'000));
  static constexpr std::array<std::uint32_t, 4> few{1, 2, 3, 8};
  static constexpr std::array<std::uint32_t, 5> pipe_sizes{1, 4096, 8192, 65'536, 1 << 20};
  if (random.one_in(4)) made.entries = random.pick(few);
  if (random.one_in(4)) made.pipes = random.pick(few) - 1;
  if (random.one_in(4)) made.pipe_bytes = random.pick(pipe_sizes);
  if (random.one_in(4)) made.workers = random.pick(few);
  const std::uint64_t lanes = draw_lanes(random);
  for (std::uint64_t i = 0; i < lanes; ++i) {
    made.lanes.push_back(draw_lane(random, from));
    made.lanes.back().known = (made.salt + i) % 3 == 0;
  }
  if (random.one_in(8)) {
    made.limit = random.pick(from.limits);
    made.limit_at = made.limit == limit::file_size     ? random.size()
                    : made.limit == limit::descriptors ? random.below(8)
                                                       : (random.one_in(2) ? 0 : 70);
  }
  normalise(made);
  return made;
}

}  // namespace conserve
