#include "transfer/descriptor_looks.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <ctime>

#include "sys/own_descriptor.hpp"
#include "zc/detail/errno_code.hpp"
#include "zc/fd.hpp"

namespace zc::detail {

namespace {

constexpr std::int64_t file_system_kept_ns = 1'000'000'000;

std::int64_t coarse_now() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

template <class Entry, std::size_t Size>
Entry& place_of(std::array<Entry, Size>& in, int fd) noexcept {
  return in[static_cast<unsigned>(fd) % Size];
}

/// Linux sets O_LARGEFILE, by the kernel's own number, on all that open(2) opens where a file may
/// be large, and not on what socket(2) or accept(2) gives.
int flag_of_opened() noexcept {
  const fd null = own_descriptor(fd(::openat(AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC)));
  const int flags = null ? ::fcntl(null.get(), F_GETFL) : 0;
  return flags > 0 ? flags & ~O_ACCMODE : 0;
}

}  // namespace

descriptor_looks::descriptor_looks() noexcept : opened_by_name_(flag_of_opened()) {}

bool descriptor_looks::is_memory(int fd, dev_t device) noexcept {
  file_system& kept = systems_[static_cast<std::size_t>(device) % systems_.size()];
  const std::int64_t now = coarse_now();
  if (kept.device != device || now >= kept.until) {
    kept = {device, now + file_system_kept_ns, is_in_memory(fd)};
  }
  return kept.memory;
}

result<endpoint> descriptor_looks::source(int fd) noexcept {
  struct stat about {};
  if (::fstat(fd, &about) < 0) return errno_code(errno);
  if (!S_ISREG(about.st_mode)) return look_at(fd, direction::reading, &about, this);
  known_file& kept = place_of(files_, fd);
  const std::int64_t now = coarse_now();
  const bool same = kept.fd == fd && kept.device == about.st_dev && kept.inode == about.st_ino;
  if (same && kept.seen_at == now && about.st_blocks != 0) {
    endpoint file;
    file.fd = fd;
    file.is = endpoint::kind::file;
    file.seekable = true;
    file.in_memory = is_memory(fd, about.st_dev);
    file.size = static_cast<std::uint64_t>(about.st_size);
    file.device = about.st_dev;
    file.inode = about.st_ino;
    return file;
  }
  const result<endpoint> found = look_at(fd, direction::reading, &about, this);
  if (found && !found->append && !found->direct_io && !found->nonblocking) {
    kept = {fd, about.st_dev, about.st_ino, now};
  }
  return found;
}

result<endpoint> descriptor_looks::target(int fd) noexcept {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return errno_code(errno);
  known_socket& kept = place_of(sockets_, fd);
  const std::int64_t now = coarse_now();
  if (kept.fd == fd && kept.seen_at == now && kept.flags == flags) {
    endpoint socket;
    socket.fd = fd;
    socket.is = endpoint::kind::socket;
    socket.nonblocking = true;
    return socket;
  }
  const result<endpoint> found = look_at(fd, direction::writing, nullptr, this);
  const bool opened = opened_by_name_ == 0 || (flags & opened_by_name_) != 0;
  if (found && found->is == endpoint::kind::socket && !found->messages && found->nonblocking &&
      !found->append && !opened) {
    kept = {fd, flags, now};
  }
  return found;
}

}  // namespace zc::detail
