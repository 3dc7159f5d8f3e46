#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "file.hpp"
#include "file_cache.hpp"
#include "root.hpp"
#include "zc/result.hpp"
#include "zc/task.hpp"

namespace file_server {

/// The files below the root, wherever that is now, as the connections of one thread share them.
///
/// One thread, inside of its context.
class tree {
 public:
  /// `cached_files`: how many are kept open at most.
  tree(const root_path& at, std::size_t cached_files) : root_(at), cache_(cached_files) {}

  /// Opens what `path` names, as open_below() does, or has it from before. `path` lives until it
  /// resumes.
  zc::task<zc::result<std::shared_ptr<const file>>> open(const std::string& path) {
    return open(path, true);
  }

  /// The same for a file that may well not be there: null where it is not, or is not regular. That
  /// is remembered, too. Null also where there is no descriptor for it now: it is not waited for.
  zc::task<std::shared_ptr<const file>> open_if_there(const std::string& path);

 private:
  /// `insists`: on what is not there, looks whether the root has moved; and waits for a descriptor.
  zc::task<zc::result<std::shared_ptr<const file>>> open(const std::string& path, bool insists);
  zc::task<> look_at_root();
  bool is_root(const root::directory& one) const noexcept;

  root root_;
  file_cache cache_;
};

}  // namespace file_server
