#include "file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "links.hpp"
#include "zc/op/openat2.hpp"

namespace file_server {

namespace {

// Directories that are renamed meanwhile have it give up, and so may they the next time.
constexpr int open_attempts = 4;

file::kind kind_of(mode_t mode) noexcept {
  if (S_ISREG(mode)) return file::kind::regular;
  return S_ISDIR(mode) ? file::kind::directory : file::kind::other;
}

zc::result<file> described(zc::fd opened) {
  struct stat about {};
  if (::fstat(opened.get(), &about) < 0) return std::error_code(errno, std::system_category());
  const zc::known_source source(opened.get(), about);
  return file{.fd = std::move(opened),
              .source = source,
              .is = kind_of(about.st_mode),
              .size = static_cast<std::uint64_t>(about.st_size),
              .modified = about.st_mtim.tv_sec,
              .modified_nanoseconds = static_cast<std::uint32_t>(about.st_mtim.tv_nsec)};
}

}  // namespace

zc::task<zc::result<file>> open_below(int root, const std::string& path) {
  open_how how{};
  // Non-blocking: a FIFO would wait for its other end.
  how.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  std::string resolved;
  const char* name = path.empty() ? "." : path.c_str();
  zc::result<zc::fd> opened = co_await zc::op::openat2(root, name, how);
  for (int attempt = 1; !opened && attempt < open_attempts; ++attempt) {
    if (opened.error() == std::errc::cross_device_link && resolved.empty()) {
      zc::result<std::string> found = co_await resolve_links(root, path);
      if (!found) {
        opened = found.error();
        if (opened.error() != std::errc::resource_unavailable_try_again) break;
        continue;  // with the links again
      }
      if (found->empty()) break;
      resolved = std::move(*found);
      name = resolved.c_str();
    } else if (opened.error() != std::errc::resource_unavailable_try_again) {
      break;
    }
    opened = co_await zc::op::openat2(root, name, how);
  }
  if (!opened) co_return opened.error();
  co_return described(std::move(*opened));
}

void add_etag(text& to, const file& of, std::string_view variant) {
  const std::uint64_t nanoseconds =
      static_cast<std::uint64_t>(of.modified) * 1'000'000'000 + of.modified_nanoseconds;
  to.add('"', hex{nanoseconds}, '-', hex{of.size});
  if (!variant.empty()) to.add('-', variant);
  to.add('"');
}

}  // namespace file_server
