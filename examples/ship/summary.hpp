#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "failures.hpp"
#include "not_kept.hpp"
#include "zc/transfer.hpp"

namespace ship {

/// What one side of a session did.
class summary {
 public:
  /// The clocks of wall and CPU time start here.
  explicit summary(std::string verb);

  std::uint64_t files = 0;
  std::uint64_t directories = 0;
  std::uint64_t links = 0;
  std::uint64_t bytes = 0;  // in those files
  std::uint64_t whole = 0;  // of the files: small ones, copied whole, many at once
  ship::not_kept not_kept;  // of the sender's

  void count(zc::route how) noexcept { ++routes_[static_cast<std::size_t>(how)]; }
  void fail(failure what) { failures_.add(std::move(what)); }

  bool ok() const noexcept { return failures_.count() == 0; }
  const ship::failures& failures() const noexcept { return failures_; }
  std::string for_people() const;
  /// On one line.
  std::string for_programs() const;

 private:
  struct usage {
    double seconds;
    double cpu_seconds;
    double cpu_seconds_per_gb;
  };
  usage used() const;

  std::string verb_;
  std::chrono::steady_clock::time_point began_;
  double cpu_seconds_before_;
  std::array<std::uint64_t, 4> routes_{};
  ship::failures failures_;
};

}  // namespace ship
