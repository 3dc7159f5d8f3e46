#include "transfer/page_cache.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <string>

#include "support/descriptors.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

zc::detail::page_cache::range first_bytes(int fd, std::size_t nbytes) {
  struct stat about {};
  REQUIRE(::fstat(fd, &about) == 0);
  return {about.st_dev, about.st_ino, 0, nbytes};
}

/// The same file again, opened with these flags; owns nothing where they cannot be had.
zc::fd again(const zc::fd& file, int flags) {
  return zc::fd(::open(("/proc/self/fd/" + std::to_string(file.get())).c_str(), flags | O_CLOEXEC));
}

}  // namespace

TEST_CASE("page_cache: what is in memory is not given through an O_DIRECT descriptor") {
  const zc::fd in = support::file_of(16'384);
  const zc::fd direct = again(in, O_RDONLY | O_DIRECT);
  zc::detail::page_cache cache;
  const auto all = first_bytes(in.get(), 16'384);
  if (!direct || !cache.holds(in.get(), all)) {
    MESSAGE("skipped: no O_DIRECT, or no cachestat, here");
    return;
  }
  CHECK(cache.gives(in.get(), all));
  CHECK(!cache.gives(direct.get(), all));
  CHECK(cache.gives(in.get(), all));
  CHECK(cache.gives(again(in, O_RDONLY).get(), all));
}

TEST_CASE("page_cache: many ranges at once are each answered for themselves") {
  const zc::fd in = support::file_of(16'384);
  zc::detail::page_cache cache;
  auto all = first_bytes(in.get(), 16'384);
  const bool can_tell = cache.holds(in.get(), all);
  for (std::size_t nbytes = 1; nbytes <= 1000; ++nbytes) {
    all.nbytes = nbytes;
    CHECK(cache.holds(in.get(), all) == can_tell);
    all.nbytes = 16'384 + 8192;  // beyond the end there is nothing
    CHECK(!cache.holds(in.get(), all));
  }
}
