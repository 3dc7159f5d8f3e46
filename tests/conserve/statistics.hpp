#pragma once

#include <cstdint>
#include <map>
#include <ostream>
#include <string>

#include "conserve/guard.hpp"
#include "conserve/schedule.hpp"

namespace conserve {

/// What was run, injected and seen, how many times each.
class statistics {
 public:
  void count(const schedule& all, const verdict& seen);
  void print(std::ostream& to, double seconds) const;

 private:
  using table = std::map<std::string, std::uint64_t>;

  std::uint64_t steps_ = 0;
  std::uint64_t transfers_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t remainders_ = 0;
  std::uint64_t remainder_bytes_ = 0;
  table sources_;
  table targets_;
  table asked_;
  table injected_;
  table limits_;
  table outcomes_;
  table routes_;
};

}  // namespace conserve
