#pragma once

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <thread>

#include "support/descriptors.hpp"
#include "zc/context.hpp"
#include "zc/splice.hpp"

/// What tests of whole transfers share.
namespace zc {

inline doctest::String toString(route value) {
  constexpr std::array<const char*, 4> names{"automatic", "direct", "ring", "copy"};
  return names[static_cast<std::size_t>(value)];
}
inline doctest::String toString(stop_reason value) {
  constexpr std::array<const char*, 6> names{"complete",  "end_of_file", "cancelled",
                                             "timed_out", "would_block", "failed"};
  return names[static_cast<std::size_t>(value)];
}
inline doctest::String toString(side value) {
  constexpr std::array<const char*, 4> names{"none", "in", "out", "zc"};
  return names[static_cast<std::size_t>(value)];
}

}  // namespace zc

namespace support {

/// Every route: what holds for one holds for all.
inline constexpr std::array<zc::route, 4> routes{zc::route::automatic, zc::route::direct,
                                                 zc::route::ring, zc::route::copy};

/// One transfer on a context of its own.
inline zc::transfer transfer(int in, int out, zc::splice_options options = {}) {
  return zc::run(zc::try_splice(in, out, options));
}

/// Reads a stream to its end on a thread of its own: the peer that a transfer writes to.
class reader {
 public:
  explicit reader(int fd) : thread_([this, fd] { bytes_ = read_all(fd); }) {}
  reader(const reader&) = delete;
  reader& operator=(const reader&) = delete;
  ~reader() {
    if (thread_.joinable()) thread_.join();
  }

  /// What was read, once the stream has ended.
  const std::string& bytes() {
    if (thread_.joinable()) thread_.join();
    return bytes_;
  }

 private:
  std::string bytes_;
  std::thread thread_;
};

/// Whether counts and remainder agree.
inline bool conserved(const zc::transfer& done) {
  return done.taken == done.moved + done.remainder.size();
}

}  // namespace support
