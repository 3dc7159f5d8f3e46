#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "conserve/schedule.hpp"
#include "zc/fd.hpp"

namespace conserve {

using steady = std::chrono::steady_clock;

/// Writes a stream's bytes, at its own pace, to the other end of a source.
struct feeder {
  zc::fd fd;
  lane plan;
  unsigned salt = 0;

  std::uint64_t fed = 0;  // accepted by the kernel
  bool done = false;
  steady::time_point next{};
};

/// Reads what arrives at the other end of a target, at its own pace.
struct reader {
  zc::fd fd;
  lane plan;

  std::string bytes;
  bool closed = false;   // by itself
  bool starved = false;  // gave up: less came than was moved
  bool done = false;
  steady::time_point next{};
  steady::time_point last{};  // when bytes came
};

/// Something to do a while after a lane's transfer has begun, on the peers' thread.
struct appointment {
  std::size_t lane = 0;
  std::chrono::microseconds after{};
  std::function<void()> what;
  // Not before this is true, if there is such a condition.
  std::function<bool()> when;
  bool done = false;
};

/// Everybody at the other ends, on one thread of their own.
class peers {
 public:
  struct pair {
    feeder in;
    reader out;
    // Set by the thread of the transfer when that begins, and when it has ended.
    std::atomic<steady::rep> began{0};
    std::atomic<bool> ended{false};
    std::atomic<std::uint64_t> moved{0};
  };

  explicit peers(std::size_t lanes);
  peers(const peers&) = delete;
  peers& operator=(const peers&) = delete;
  ~peers();

  pair& operator[](std::size_t lane) { return pairs_[lane]; }
  void arrange(appointment what) { appointments_.push_back(std::move(what)); }

  /// After everything above is in place.
  void start();
  /// The transfer of a lane begins now. From the transfer's thread.
  void lane_begins(std::size_t lane);
  /// The transfer of a lane has ended with so many bytes moved: its feeder stops where it is, and
  /// its reader reads what is there. From the transfer's thread.
  void lane_ended(std::size_t lane, std::uint64_t moved);
  /// Waits until all are done.
  void join();

 private:
  void live();
  void wake();
  steady::time_point keep_appointments(steady::time_point now);

  std::vector<pair> pairs_;
  std::vector<appointment> appointments_;
  zc::fd wake_;
  std::atomic<bool> leaving_{false};
  std::thread thread_;
};

}  // namespace conserve
