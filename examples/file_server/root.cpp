#include "root.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "zc/op/openat.hpp"

namespace file_server {

namespace {

constexpr int open_flags = O_PATH | O_DIRECTORY | O_CLOEXEC;

zc::result<root::directory> open_directory(const std::string& path) {
  zc::fd opened(::open(path.c_str(), open_flags));
  if (!opened) return std::error_code(errno, std::system_category());
  return std::make_shared<const zc::fd>(std::move(opened));
}

/// Whether the path is what is at fault, rather than the server or the disk.
bool names_none(std::error_code error) noexcept {
  switch (error.value()) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case EACCES:
      return true;
    default:
      return false;
  }
}

/// Of two that are open: no other file has the number of either.
bool is_same(const zc::fd& one, const zc::fd& other) noexcept {
  struct stat first {};
  struct stat second {};
  return ::fstat(one.get(), &first) == 0 && ::fstat(other.get(), &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

}  // namespace

root::root(const root_path& named)
    : named_(named), heard_(named.wanted()), now_(open_directory(named.path())) {}

zc::task<bool> root::look() {
  looked_at_ = coarse_clock::now();
  heard_ = named_.wanted();
  const unsigned turn = ++begun_;
  zc::result<zc::fd> found = co_await zc::op::openat(AT_FDCWD, named_.path().c_str(), open_flags);
  if (turn < last_) co_return false;  // somebody has looked later, and knows better
  last_ = turn;
  const bool had_one = now_.has_value();
  if (!found) {
    // Without one there is nothing to go on with.
    if (had_one && !names_none(found.error())) co_return false;
    now_ = found.error();
    co_return had_one;
  }
  if (had_one && is_same(**now_, *found)) co_return false;
  now_ = std::make_shared<const zc::fd>(std::move(*found));
  co_return true;
}

}  // namespace file_server
