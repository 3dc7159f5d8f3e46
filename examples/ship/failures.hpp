#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace ship {

/// Something that was to be done and was not.
struct failure {
  std::string path;  // or another name for it
  std::string reason;
  std::uint64_t count = 1;
  bool alike = false;  // follows from a cause that fails others too: they are one failure, counted
  std::uint64_t untold = 0;  // how many of them the peer cannot know of
};

/// What failed on one side of a session. Each is printed to stderr as it happens; of those with one
/// cause the first, and how many more they were at the end. A thousand are remembered, and printed:
/// a peer decides how many there are.
class failures {
 public:
  void add(failure what);

  std::uint64_t count() const noexcept { return count_; }
  const std::vector<failure>& remembered() const noexcept { return remembered_; }

  /// What the peer has still to be told: what is not remembered as one failure without a path.
  std::vector<failure> untold() const;

  /// Prints how many more there were of each cause.
  void print_counts() const;

 private:
  void remember(failure what);

  std::uint64_t count_ = 0;
  std::uint64_t forgotten_untold_ = 0;
  std::vector<failure> remembered_;
  std::unordered_map<std::string, std::size_t> alike_;  // by reason: where in remembered_
};

/// What errno says of a whole file system rather than of a name in it.
bool concerns_all(int error);

}  // namespace ship
