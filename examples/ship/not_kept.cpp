#include "not_kept.hpp"

#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

namespace ship {

namespace {

void add(std::string& to, std::uint64_t count, const char* what) {
  if (count == 0) return;
  if (!to.empty()) to += ", ";
  to += std::to_string(count) + " " + what;
}

/// `names` is what flistxattr(2) gives: each ends with a zero byte.
bool has_a_name_of_its_own(std::string_view names) {
  while (!names.empty()) {
    const std::size_t end = std::min(names.find('\0'), names.size() - 1);
    if (names.substr(0, end) != "security.selinux") return true;
    names.remove_prefix(end + 1);
  }
  return false;
}

}  // namespace

void not_kept::look_at(const struct stat& about) {
  const bool is_directory = S_ISDIR(about.st_mode);
  if (!is_directory && about.st_nlink > 1 && !linked_.emplace(about.st_dev, about.st_ino).second) {
    ++hard_links;
  }
  if (about.st_uid != user_) ++owners;
  // Of a directory's only set-user-id is lost, which means nothing there.
  if (S_ISREG(about.st_mode) && (about.st_mode & 07000) != 0) ++special_modes;
}

void not_kept::look_at_attributes(int file) {
  std::array<char, 1024> names{};
  const ssize_t size = ::flistxattr(file, names.data(), names.size());
  const bool more = size < 0 && errno == ERANGE;
  const std::string_view listed(names.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  if (more || has_a_name_of_its_own(listed)) ++extended_attributes;
}

std::string not_kept::for_people() const {
  std::string text;
  add(text, hard_links, "hard links (sent as files of their own)");
  add(text, owners, "owners");
  add(text, extended_attributes, "files with extended attributes or ACLs");
  add(text, special_modes, "set-user-id, set-group-id or sticky bits of files");
  return text;
}

}  // namespace ship
