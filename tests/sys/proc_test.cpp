#include "sys/proc.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <optional>
#include <string>

#include "support/descriptors.hpp"

TEST_SUITE_BEGIN("kernel");

TEST_CASE("number_in: the number at the start of a file, or nothing") {
  struct row {
    const char* content;
    std::optional<std::uint64_t> number;
  };
  for (const row& each :
       {row{"0\n", 0}, row{"16384", 16384}, row{"12 34\n", 12}, row{"7x", 7},
        row{"18446744073709551615\n", UINT64_MAX}, row{"18446744073709551616\n", {}}, row{"", {}},
        row{"-1\n", {}}, row{"yes\n", {}}, row{" 1\n", {}}}) {
    CAPTURE(each.content);
    const zc::fd file = support::empty_file();
    support::write_all(file.get(), each.content);
    const std::string path = "/proc/self/fd/" + std::to_string(file.get());
    const bool same = zc::detail::number_in(path.c_str()) == each.number;
    CHECK(same);
  }
  CHECK_FALSE(zc::detail::number_in("/proc/there is none").has_value());
  CHECK_FALSE(zc::detail::number_in("/proc").has_value());
}

TEST_SUITE_END();
