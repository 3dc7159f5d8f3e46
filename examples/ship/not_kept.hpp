#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <set>
#include <string>
#include <utility>

namespace ship {

/// Counts what is sent without something that it has: no failure, but said.
class not_kept {
 public:
  /// Takes what fstatat(2) says of a directory, file or link.
  void look_at(const struct stat& about);
  /// Looks at an open file or directory; what makes a file system SELinux's own does not count.
  void look_at_attributes(int file);

  /// `2 hard links (sent as files of their own), ...`; empty where nothing is lost.
  std::string for_people() const;

  std::uint64_t hard_links = 0;           // names of a file but the first
  std::uint64_t owners = 0;               // what belongs to others than who sends
  std::uint64_t extended_attributes = 0;  // files and directories with some, or with an ACL
  std::uint64_t special_modes = 0;        // set-user-id, set-group-id or sticky files

 private:
  uid_t user_ = ::geteuid();
  std::set<std::pair<dev_t, ino_t>> linked_;  // files with several names
};

}  // namespace ship
