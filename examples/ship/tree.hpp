#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "summary.hpp"
#include "wire.hpp"
#include "zc/fd.hpp"

namespace ship {

/// Something to send.
struct entry {
  enum class type : std::uint8_t { directory, link, file };
  type is = type::file;
  std::uint32_t mode = 0;
  wire::timestamp modified;
  std::uint64_t size = 0;  // of a file, when it was looked at
  int root = -1;           // the directory that `path` is relative to
  std::string path;        // also the name under the receiver's directory
};

/// All that the user named, looked at before anything is sent.
struct tree {
  std::vector<zc::fd> roots;
  std::vector<entry> directories;  // each before what is in it
  std::vector<entry> others;       // links and files, huge files first
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

/// `dir` is sent as `dir`, `dir/.` as what is in it. What cannot be looked at is a failure of
/// `into`; two paths that would get one name are std::invalid_argument. Blocks.
tree look_at(const std::vector<std::string>& paths, summary& into);

}  // namespace ship
