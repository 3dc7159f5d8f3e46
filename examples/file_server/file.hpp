#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "date.hpp"
#include "text.hpp"
#include "zc/fd.hpp"
#include "zc/known.hpp"
#include "zc/result.hpp"
#include "zc/task.hpp"

namespace file_server {

/// A file below the root, open for reading.
struct file {
  enum class kind { regular, directory, other };

  zc::fd fd;
  zc::known_source source;  // fd, as it was when it was opened
  file::kind is;
  std::uint64_t size;
  seconds modified;
  std::uint32_t modified_nanoseconds;
};

/// Opens what `path` names below `root`, wherever symbolic links lead to there: also those that are
/// absolute, or go through what is above the root. Errors are those of openat2(2): EXDEV for a path
/// that leads out of the root. `path` lives until it resumes.
zc::task<zc::result<file>> open_below(int root, const std::string& path);

/// Adds a strong entity tag, of the modification time and the length: the same on every machine
/// that has the same files, as after `rsync -t`. Who changes a file and puts both back changes no
/// tag. Variants of one file have tags of their own, as `variant` tells.
void add_etag(text& to, const file& of, std::string_view variant = {});

}  // namespace file_server
