#pragma once

#include <cstddef>
#include <span>

/// Many transfers in a loop by hand, without zc.
namespace baseline {

/// Transfer number `i` is all of `files[i % files.size()]` to `targets[i % targets.size()]`.
struct batch {
  std::span<const int> files;    // in the page cache
  std::size_t file_bytes;        // no more than a default pipe holds
  std::span<const int> targets;  // in blocking mode
  std::size_t transfers;
};

void batch_by_sendfile(const batch& what);
void batch_by_splice(const batch& what);

}  // namespace baseline
