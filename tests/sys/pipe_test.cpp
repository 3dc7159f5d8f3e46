#include "sys/pipe.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support/descriptors.hpp"
#include "support/process.hpp"

TEST_SUITE_BEGIN("kernel");

TEST_CASE(
    "make_pipe: both ends are close-on-exec and non-blocking, the size is as asked, in whole "
    "pages") {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{4096}, std::size_t{65536}}) {
    CAPTURE(bytes);
    const zc::result<zc::detail::pipe> made = zc::detail::make_pipe(bytes);
    REQUIRE(made);
    for (const int end : {made->read_end.get(), made->write_end.get()}) {
      CHECK((::fcntl(end, F_GETFD) & FD_CLOEXEC) != 0);
      CHECK((::fcntl(end, F_GETFL) & O_NONBLOCK) != 0);
    }
    CHECK(made->capacity_bytes >= bytes);
    CHECK(made->capacity_bytes < bytes + static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
    CHECK(made->capacity_bytes ==
          static_cast<std::size_t>(::fcntl(made->read_end.get(), F_GETPIPE_SZ)));
    support::write_all(made->write_end.get(), "x");
    char byte = 0;
    CHECK(::read(made->read_end.get(), &byte, 1) == 1);
  }
}

TEST_CASE("make_pipe: a size that is not to be had gives a smaller pipe") {
  const zc::result<zc::detail::pipe> made = zc::detail::make_pipe(std::size_t{1} << 33);
  REQUIRE(made);
  CHECK(made->capacity_bytes >= 4096);
}

TEST_CASE("make_pipe: without descriptors left it is EMFILE") {
  const int status = support::in_child([] {
    const rlimit none{3, 3};
    ::setrlimit(RLIMIT_NOFILE, &none);
    return zc::detail::make_pipe(4096).error() == std::errc::too_many_files_open ? 0 : 1;
  });
  CHECK(support::exited_with(status, 0));
}

TEST_SUITE_END();
