#pragma once

#include <cstdint>

namespace ship {

/// A run of bytes of a file: what was written there, or a hole, which reads as zeros and takes no
/// room.
struct extent {
  std::uint64_t nbytes = 0;
  bool is_hole = false;
};

/// What begins at `offset`, below `size`, of an open file (lseek(2), SEEK_HOLE). Where the file
/// system does not tell, or the file is not so long any more, all of it is data. Moves the file's
/// position.
extent extent_at(int file, std::uint64_t offset, std::uint64_t size);

}  // namespace ship
