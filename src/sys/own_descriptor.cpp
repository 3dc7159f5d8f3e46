#include "sys/own_descriptor.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace zc::detail {

fd own_descriptor(fd opened) noexcept {
  if (opened.get() < 0 || opened.get() > STDERR_FILENO) return opened;
  return fd(::fcntl(opened.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

}  // namespace zc::detail
