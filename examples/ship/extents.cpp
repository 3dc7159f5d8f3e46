#include "extents.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace ship {

extent extent_at(int file, std::uint64_t offset, std::uint64_t size) {
  const auto begin = static_cast<off_t>(offset);
  const off_t data = ::lseek(file, begin, SEEK_DATA);
  // No data behind a place in the file: a hole up to its end.
  if (data < 0 && errno == ENXIO) return {size - offset, true};
  if (data < 0) return {size - offset, false};
  if (data > begin) return {std::min(static_cast<std::uint64_t>(data), size) - offset, true};
  const off_t hole = ::lseek(file, begin, SEEK_HOLE);
  if (hole <= begin) return {size - offset, false};
  return {std::min(static_cast<std::uint64_t>(hole), size) - offset, false};
}

}  // namespace ship
