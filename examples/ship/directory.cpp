#include "directory.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

namespace ship {

zc::fd open_directory(int root, const char* path) {
  zc::fd opened(::openat(root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!opened) throw std::system_error(errno, std::system_category());
  return opened;
}

std::vector<std::string> names_in(zc::fd directory) {
  DIR* const opened = ::fdopendir(directory.get());
  if (opened == nullptr) throw std::system_error(errno, std::system_category());
  directory.release();
  const std::unique_ptr<DIR, int (*)(DIR*)> reading(opened, &::closedir);
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* const each = ::readdir(reading.get());
    if (each == nullptr) break;
    const std::string_view name = each->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) throw std::system_error(errno, std::system_category());
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> names_in(int root, const char* path) {
  return names_in(open_directory(root, path));
}

}  // namespace ship
