#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>

#include "coarse_clock.hpp"
#include "file.hpp"
#include "zc/scope.hpp"
#include "zc/task.hpp"

namespace file_server {

/// Regular files that were opened lately, by path: for a second each, and then no more descriptor
/// is held for them. What takes a file's place, or changes its length, is served a second later.
///
/// One thread, inside of its context.
class file_cache {
 public:
  /// `limit`: how many, each with its descriptor.
  explicit file_cache(std::size_t limit) noexcept : limit_(limit) {}

  /// Null where it has not been opened lately.
  std::shared_ptr<const file> find(const std::string& path) const noexcept;
  /// Whether it has lately been found not to be there.
  bool knows_missing(const std::string& path) const noexcept;
  /// Remembers it, if there is room; null for one that is not there.
  void keep(const std::string& path, std::shared_ptr<const file> opened);
  void clear() noexcept { entries_.clear(); }

 private:
  struct entry {
    std::shared_ptr<const file> opened;
    coarse_clock::time_point until;
  };

  /// Null where nothing is known.
  const entry* find_entry(const std::string& path) const noexcept;

  /// Forgets those whose time is over, for as long as there are any.
  zc::task<> expire();

  std::size_t limit_;
  std::unordered_map<std::string, entry> entries_;
  zc::scope expiring_;  // last: what it runs uses the rest
};

}  // namespace file_server
