#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "zc/transfer.hpp"

namespace ship {

/// What one side of a session did. Failures are printed to stderr as they happen,
/// the first thousand of them.
class summary {
 public:
  struct failure {
    std::string path;
    std::string reason;
  };

  /// The clocks of wall and CPU time start here.
  explicit summary(std::string verb);

  std::uint64_t files = 0;
  std::uint64_t directories = 0;
  std::uint64_t links = 0;
  std::uint64_t bytes = 0;  // in those files

  void count(zc::route how) noexcept { ++routes_[static_cast<std::size_t>(how)]; }
  void fail(std::string path, std::string reason);

  bool ok() const noexcept { return failures_ == 0; }
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
  std::uint64_t failures_ = 0;
  std::vector<failure> remembered_;  // the first of them
};

}  // namespace ship
