#include "zc/detail/precondition.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

namespace zc::detail {

void precondition_broken(const char* sentence) noexcept {
  char newline = '\n';
  // One call: a line of its own, whatever other threads write.
  const std::array<iovec, 2> line{iovec{const_cast<char*>(sentence), std::strlen(sentence)},
                                  iovec{&newline, 1}};
  [[maybe_unused]] const ssize_t written = ::writev(STDERR_FILENO, line.data(), line.size());
  std::abort();
}

}  // namespace zc::detail
