#include "zc/op/openat2.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "support/descriptors.hpp"
#include "support/run_op.hpp"

TEST_SUITE_BEGIN("kernel");

using support::run_op;

TEST_CASE("op::openat2: makes a file with flags and mode as asked for") {
  const support::temporary_directory place;
  const std::string path = place.path() / "new";
  open_how how{};
  how.flags = O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC;
  how.mode = 0600;
  const zc::result<zc::fd> file = run_op<zc::op::openat2>(AT_FDCWD, path.c_str(), how);
  REQUIRE(file);
  CHECK((::fcntl(file->get(), F_GETFD) & FD_CLOEXEC) != 0);
  struct stat about {};
  REQUIRE(::fstat(file->get(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0600);
}

TEST_CASE("op::openat2: RESOLVE_BENEATH lets no path out of the directory") {
  const support::temporary_directory place;
  const std::filesystem::path& at = place.path();
  std::filesystem::create_directories(at / "inside" / "deep");
  CHECK(support::open_file(at / "outside", O_CREAT | O_WRONLY));
  CHECK(support::open_file(at / "inside" / "file", O_CREAT | O_WRONLY));
  std::filesystem::create_symlink("../outside", at / "inside" / "leads-out");
  std::filesystem::create_symlink("../file", at / "inside" / "deep" / "stays");
  const zc::fd inside = support::open_file(at / "inside", O_RDONLY | O_DIRECTORY);
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH;
  CHECK(run_op<zc::op::openat2>(inside.get(), "deep/../file", how));
  CHECK(run_op<zc::op::openat2>(inside.get(), "deep/stays", how));
  const std::string absolute = at / "inside" / "file";
  for (const char* const out :
       {"../outside", "leads-out", "deep/../../outside", absolute.c_str()}) {
    CAPTURE(out);
    const zc::result<zc::fd> refused = run_op<zc::op::openat2>(inside.get(), out, how);
    CHECK(refused.error() == std::errc::cross_device_link);
  }
  how.resolve = 0;
  CHECK(run_op<zc::op::openat2>(inside.get(), "leads-out", how));
}

TEST_SUITE_END();
