#pragma once

#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <string_view>

namespace ship {

/// Directories that could not be made, so that what is below them fails for no cause of its own.
class unmade_directories {
 public:
  static constexpr const char* consequence = "its directory could not be made";

  /// Remembers the first thousand.
  void add(std::string_view path);
  /// Whether `path` is below one of them.
  bool hold(std::string_view path) const;

 private:
  static constexpr std::size_t limit = 1000;
  std::set<std::string, std::less<>> paths_;
};

}  // namespace ship
