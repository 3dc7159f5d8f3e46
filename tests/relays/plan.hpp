#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "conserve/kind.hpp"
#include "zc/transfer.hpp"

/// Random relays, disturbed at random, of which every byte and every end is accounted for.
namespace relays {

using conserve::kind;

/// How a peer leaves, whatever it has still to say or to hear.
enum class death : std::uint8_t { none, close, reset };
inline constexpr std::array<const char*, 3> death_names{"none", "close", "reset"};

/// When it does.
enum class moment : std::uint8_t {
  after_us,     // microseconds after the relay's start
  after_said,   // right after its last byte
  after_heard,  // after so many bytes from the other one
};
inline constexpr std::array<const char*, 3> moment_names{"us", "said", "heard"};

inline constexpr std::uint64_t never = ~std::uint64_t{0};

/// One end of a relay, and who is behind it.
struct end_plan {
  kind is = kind::tcp;
  bool nonblock = false;     // O_NONBLOCK on the descriptors given to zc
  bool doubled = false;      // of a socket: one descriptor to read from, a duplicate to write to
  std::uint32_t buffer = 0;  // size of the pipes or the sockets' buffers; 0: as they come

  std::uint64_t says = 0;  // bytes
  std::uint32_t say_bytes = 65536;
  std::uint32_t say_pause_us = 0;
  bool half_closes = true;        // after its last byte
  std::uint64_t mute_at = never;  // bytes: says no more until the relay has ended
  std::uint32_t hear_bytes = 65536;
  std::uint32_t hear_pause_us = 0;
  std::uint64_t deaf_at = never;  // bytes: hears no more until the relay has ended

  death dies = death::none;
  moment when = moment::after_us;
  std::uint64_t dies_at = 0;
};

struct relay_plan {
  std::array<end_plan, 2> ends;
  zc::route route = zc::route::automatic;
  std::uint32_t start_us = 0;
  // Microseconds; 0: none.
  std::uint32_t idle_us = 0;
  std::uint32_t total_us = 0;
  std::uint32_t deadline_us = 0;  // zc::timeout() around it
  std::uint32_t cancel_us = 0;
};

/// One step: some relays at once, on one context. A plain value.
struct plan {
  std::uint32_t salt = 0;
  std::uint32_t entries = 256;
  std::uint32_t pipes = 64;
  std::uint32_t pipe_bytes = 256 * 1024;
  std::vector<relay_plan> relays;
};

/// Step `step` of a seed: the same for the same numbers.
plan draw(std::uint64_t seed, std::uint64_t step);

std::string to_text(const plan& of);

/// Whether it may rightly go on for ever, if nobody stops it.
bool may_last(const relay_plan& of);

}  // namespace relays
