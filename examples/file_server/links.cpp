#include "links.hpp"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <system_error>

#include "zc/op/openat2.hpp"

namespace file_server {

namespace {

constexpr int link_limit = 8;

/// Without touching what it names: it is not opened for reading.
zc::op::openat2 look_up(int root, const std::string& path, std::uint64_t resolve) noexcept {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = resolve | RESOLVE_NO_MAGICLINKS;
  return {root, path.c_str(), how};
}

/// Whether that says nothing of what the path leads to: the next time it may be another.
bool is_passing(std::error_code error) noexcept {
  switch (error.value()) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
      return true;
    default:
      return false;
  }
}

/// How long the shortest beginning of `path` is that leaves the root; npos where none does.
zc::task<zc::result<std::size_t>> find_exit(int root, const std::string& path) {
  for (std::size_t end = 0; end < path.size();) {
    end = std::min(path.find('/', end + 1), path.size());
    const std::string part = path.substr(0, end);
    const zc::result<zc::fd> found = co_await look_up(root, part, RESOLVE_BENEATH);
    if (found.error() == std::errc::cross_device_link) co_return end;
    if (is_passing(found.error())) co_return found.error();
    if (!found) break;
  }
  co_return std::string::npos;
}

/// Where a descriptor's file is now; empty where nobody knows.
std::string place_of(int fd) {
  std::array<char, PATH_MAX> place;
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = ::readlink(link.c_str(), place.data(), place.size());
  if (size <= 0 || static_cast<std::size_t>(size) == place.size()) return {};
  return {place.data(), static_cast<std::size_t>(size)};
}

/// `place` as a path below `root`; empty where it is not.
std::string below(std::string_view root, std::string_view place) {
  if (root.empty() || !place.starts_with(root)) return {};
  place.remove_prefix(root.size());
  if (place.empty()) return ".";
  if (!root.ends_with('/')) {
    if (!place.starts_with('/')) return {};
    place.remove_prefix(1);
  }
  return std::string(place);
}

}  // namespace

zc::task<zc::result<std::string>> resolve_links(int root, std::string path) {
  for (int followed = 0; followed < link_limit; ++followed) {
    const zc::result<std::size_t> exit = co_await find_exit(root, path);
    if (!exit) co_return exit.error();
    if (*exit == std::string::npos) co_return path;
    const std::string link = path.substr(0, *exit);
    const zc::result<zc::fd> target = co_await look_up(root, link, 0);
    if (is_passing(target.error())) co_return target.error();
    if (!target) break;
    const std::string place = below(place_of(root), place_of(target->get()));
    if (place.empty()) break;
    path.replace(0, *exit, place);
  }
  co_return std::string();
}

}  // namespace file_server
