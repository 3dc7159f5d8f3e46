#include "sys/proc.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "zc/fd.hpp"

namespace zc::detail {

std::optional<std::uint64_t> number_in(const char* path) noexcept {
  const fd file(::open(path, O_RDONLY | O_CLOEXEC));
  std::array<char, 32> text{};
  const ssize_t size = file ? ::read(file.get(), text.data(), text.size()) : -1;
  std::uint64_t number = 0;
  if (size <= 0) return {};
  if (std::from_chars(text.data(), text.data() + size, number).ec != std::errc()) return {};
  return number;
}

}  // namespace zc::detail
