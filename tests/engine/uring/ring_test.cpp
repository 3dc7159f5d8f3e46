#include "engine/uring/ring.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cerrno>
#include <chrono>
#include <set>
#include <string>
#include <vector>

TEST_SUITE_BEGIN("unit");

using zc::detail::ring;
using zc::detail::set_up_with_fallback;
using zc::detail::wanted_setup_flags;

TEST_CASE(
    "set_up_with_fallback: finds the flags of a kernel that knows the oldest N, for every N") {
  for (std::size_t known = 0; known <= wanted_setup_flags.size(); ++known) {
    CAPTURE(known);
    std::uint32_t kernel = 0;
    for (std::size_t i = 0; i < known; ++i) {
      kernel |= wanted_setup_flags[wanted_setup_flags.size() - 1 - i].bit;
    }
    std::uint32_t found = 0;
    const int error = set_up_with_fallback(found, [&](std::uint32_t flags) {
      // As in the kernel: DEFER_TASKRUN is nothing without SINGLE_ISSUER.
      const bool deferred = (flags & IORING_SETUP_DEFER_TASKRUN) != 0;
      if (deferred && (flags & IORING_SETUP_SINGLE_ISSUER) == 0) return -EINVAL;
      return (flags & ~kernel) == 0 ? 0 : -EINVAL;
    });
    CHECK(error == 0);
    CHECK(found == kernel);
  }
}

TEST_CASE("set_up_with_fallback: gives up at once for another error, and after all for EINVAL") {
  std::uint32_t flags = 0;
  int tries = 0;
  CHECK(set_up_with_fallback(flags, [&](std::uint32_t) { return ++tries, -EPERM; }) == -EPERM);
  CHECK(tries == 1);
  tries = 0;
  CHECK(set_up_with_fallback(flags, [&](std::uint32_t) { return ++tries, -EINVAL; }) == -EINVAL);
  CHECK(tries == static_cast<int>(wanted_setup_flags.size()) + 1);
}

TEST_CASE("explain_setup_failure: says for each error what to do about it") {
  struct row {
    int error_number;
    const char* says;
  };
  for (const row& each :
       {row{ENOSYS, "CONFIG_IO_URING"}, row{ENOMEM, "memory"}, row{EMFILE, "RLIMIT_NOFILE"},
        row{ENFILE, "fs.file-max"}, row{EINVAL, "Linux 6.1"}, row{EPERM, "io_uring"},
        row{EACCES, "SELinux"}, row{EOPNOTSUPP, "allow io_uring_setup"}, row{EIO, "sandbox"}}) {
    CAPTURE(each.error_number);
    const std::string text = zc::detail::explain_setup_failure(each.error_number);
    CAPTURE(text);
    CHECK(text.rfind("zc: ", 0) == 0);
    CHECK(text.find(each.says) != std::string::npos);
  }
}

TEST_CASE("explain_setup_failure: no error there is goes without advice") {
  for (int error_number = 1; error_number <= EHWPOISON; ++error_number) {
    CAPTURE(error_number);
    const std::string text = zc::detail::explain_setup_failure(error_number);
    CHECK(text.rfind("zc: ", 0) == 0);
    bool advises = false;
    for (const char* const advice : {"raise ", "set it to ", "allow ", "zc needs ", "look for "}) {
      advises = advises || text.find(advice) != std::string::npos;
    }
    CHECK(advises);
  }
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("kernel");

TEST_CASE("ring: hands out more submissions than it has entries, and completes each once") {
  zc::context_options options;
  options.entries = 2;
  ring tiny(options);
  tiny.enable();
  std::set<std::uint64_t> seen;
  constexpr std::uint64_t count = 100;
  std::uint64_t next = 1;
  // Nothing is reaped meanwhile: the completion queue overflows, and the kernel keeps the rest.
  for (; next <= count; ++next) {
    io_uring_sqe* const sqe = tiny.next_sqe();
    if (sqe == nullptr) break;
    io_uring_prep_nop(sqe);
    sqe->user_data = next;
  }
  CHECK(next > 2 * std::bit_ceil(options.entries));
  for (int i = 0; i < 1000 && seen.size() < next - 1; ++i) {
    tiny.enter(ring::do_not_wait);
    tiny.reap([&](zc::detail::completion arrived) {
      CHECK(arrived.result == 0);
      CHECK(seen.insert(arrived.user_data).second);
    });
  }
  CHECK(seen.size() == next - 1);
}

TEST_CASE("ring: waits for a completion") {
  ring waiting{zc::context_options()};
  waiting.enable();
  __kernel_timespec soon{0, 2'000'000};
  io_uring_sqe* const sqe = waiting.next_sqe();
  REQUIRE(sqe != nullptr);
  io_uring_prep_timeout(sqe, &soon, 0, 0);
  sqe->user_data = 1;
  waiting.enter(ring::for_ever);
  std::vector<int> results;
  waiting.reap([&](zc::detail::completion arrived) { results.push_back(arrived.result); });
  CHECK(results == std::vector<int>{-ETIME});
}

TEST_CASE("ring: waits no longer than it may") {
  ring waiting{zc::context_options()};
  waiting.enable();
  const auto begun = std::chrono::steady_clock::now();
  waiting.enter(std::chrono::milliseconds(20));
  CHECK(std::chrono::steady_clock::now() - begun >= std::chrono::milliseconds(20));
  waiting.reap([](zc::detail::completion) { FAIL("nothing was asked for"); });
}

TEST_CASE("ring: a size beyond the kernel's limit becomes that limit") {
  zc::context_options options;
  options.entries = 1u << 31;
  ring large(options);
  large.enable();
  CHECK(large.next_sqe() != nullptr);
}

TEST_SUITE_END();
