#include "zc/known.hpp"

#include <cerrno>

#include "zc/detail/errno_code.hpp"

namespace zc {

known_source::known_source() noexcept : about_(detail::errno_code(EBADF)) {}

known_source::known_source(int fd) noexcept
    : fd_(fd), about_(detail::look_at(fd, detail::direction::reading)) {}

known_source::known_source(int fd, const struct stat& about) noexcept
    : fd_(fd), about_(detail::look_at(fd, detail::direction::reading, &about)) {}

known_target::known_target() noexcept : about_(detail::errno_code(EBADF)) {}

known_target::known_target(int fd) noexcept
    : fd_(fd), about_(detail::look_at(fd, detail::direction::writing)) {}

}  // namespace zc
