// A tree of files, one after the other, with openat(2) relative to the directories that are open
// anyway: no path is walked twice.

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>
#include <vector>

#include "copy_file.hpp"
#include "support/require.hpp"

namespace baseline {

namespace {

template <class Copy>
void copy_one(int from, int to, const char* name, const Copy& copy) {
  const int in = bench::require(::openat(from, name, O_RDONLY | O_CLOEXEC), name);
  const int out =
      bench::require(::openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644), name);
  copy(in, out);
  bench::require(::close(out), "close");
  ::close(in);
}

/// Takes over `from` and `to`, two directories.
template <class Copy>
void copy_directory(int from, int to, const Copy& copy) {
  DIR* const entries = ::fdopendir(from);
  while (const dirent* const each = ::readdir(entries)) {
    const std::string_view name = each->d_name;
    if (name == "." || name == "..") continue;
    if (each->d_type != DT_DIR) {
      copy_one(from, to, each->d_name, copy);
      continue;
    }
    constexpr int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    bench::require(::mkdirat(to, each->d_name, 0755), "mkdirat");
    copy_directory(bench::require(::openat(from, each->d_name, flags), each->d_name),
                   bench::require(::openat(to, each->d_name, flags), each->d_name), copy);
  }
  ::closedir(entries);
  ::close(to);
}

template <class Copy>
void copy_tree(const std::string& from, const std::string& to, const Copy& copy) {
  constexpr int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  bench::require(::mkdir(to.c_str(), 0755), to.c_str());
  copy_directory(bench::require(::open(from.c_str(), flags), from.c_str()),
                 bench::require(::open(to.c_str(), flags), to.c_str()), copy);
}

}  // namespace

void copy_tree_by_copy_file_range(const std::string& from, const std::string& to) {
  copy_tree(from, to, copy_by_copy_file_range);
}

void copy_tree_by_read_and_write(const std::string& from, const std::string& to) {
  std::vector<std::byte> buffer(64 * 1024);
  copy_tree(from, to, [&](int in, int out) { copy_by_read_and_write(in, out, buffer); });
}

}  // namespace baseline
