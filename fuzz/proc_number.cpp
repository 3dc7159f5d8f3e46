// What /proc says, should it ever say something odd.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "require.hpp"
#include "sys/proc.hpp"

namespace {

/// Digit by digit, as far as the reader looks.
std::optional<std::uint64_t> number_at_start(std::string_view text) {
  std::optional<std::uint64_t> number;
  for (const char each : text.substr(0, 32)) {
    if (each < '0' || each > '9') break;
    const auto digit = static_cast<std::uint64_t>(each - '0');
    const std::uint64_t before = number.value_or(0);
    if (before > (UINT64_MAX - digit) / 10) return {};
    number = before * 10 + digit;
  }
  return number;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const int file = ::memfd_create("proc", MFD_CLOEXEC);
  static const std::string path = "/proc/self/fd/" + std::to_string(file);
  require(::ftruncate(file, 0) == 0 && ::pwrite(file, data, size, 0) == static_cast<ssize_t>(size),
          "the file is written");
  require(zc::detail::number_in(path.c_str()) ==
              number_at_start({reinterpret_cast<const char*>(data), size}),
          "the number is the one at the start");
  return 0;
}
