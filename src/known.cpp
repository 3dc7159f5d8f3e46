#include "zc/known.hpp"

namespace zc {

known_source::known_source(int fd) noexcept
    : fd_(fd), about_(detail::look_at(fd, detail::direction::reading)) {}

known_target::known_target(int fd) noexcept
    : fd_(fd), about_(detail::look_at(fd, detail::direction::writing)) {}

}  // namespace zc
