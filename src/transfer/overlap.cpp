#include "transfer/overlap.hpp"

#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "zc/splice.hpp"

namespace zc::detail {

namespace {

bool are_one_file(const endpoint& a, const endpoint& b) noexcept {
  return a.is == endpoint::kind::file && b.is == endpoint::kind::file && a.device == b.device &&
         a.inode == b.inode;
}

/// Whether they are one open file, by dup(2), say. Where that cannot be asked, they may be.
bool may_share_position(int a, int b) noexcept {
  const pid_t self = ::getpid();
  return a == b || ::syscall(SYS_kcmp, self, self, KCMP_FILE, a, b) <= 0;
}

std::uint64_t begin_of(const file_part& part) noexcept {
  if (part.written && part.end.append) return part.end.size.value_or(0);
  const std::int64_t at =
      part.at == file_position ? ::lseek(part.end.fd, 0, SEEK_CUR) : std::int64_t{part.at};
  return static_cast<std::uint64_t>(at);
}

}  // namespace

bool overlap(const file_part& a, const file_part& b, std::uint64_t nbytes) noexcept {
  if (nbytes == 0 || !are_one_file(a.end, b.end)) return false;
  const bool by_position = a.at == file_position && b.at == file_position;
  if (by_position && may_share_position(a.end.fd, b.end.fd)) return true;
  const std::uint64_t first = begin_of(a);
  const std::uint64_t second = begin_of(b);
  return (first > second ? first - second : second - first) < nbytes;
}

}  // namespace zc::detail
