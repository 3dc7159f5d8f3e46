#include "transfer/page_cache.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "support/descriptors.hpp"
#include "support/transfers.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

constexpr std::size_t size = (3 << 20) + 5000;

/// A file on the disk of the temporary directory, as a transfer sees it.
class disk_file {
 public:
  disk_file() : fd_(support::open_file(in_.path() / "file", O_RDWR | O_CREAT)) {
    support::write_all(fd_.get(), support::bytes_at(0, size));
    REQUIRE(::fsync(fd_.get()) == 0);
  }
  zc::detail::endpoint look() const {
    return zc::detail::look_at(fd_.get(), zc::detail::direction::reading).value();
  }
  void chill(std::size_t from, std::size_t nbytes) {
    ::posix_fadvise(fd_.get(), static_cast<off_t>(from), static_cast<off_t>(nbytes),
                    POSIX_FADV_DONTNEED);
  }

 private:
  support::temporary_directory in_;
  zc::fd fd_;
};

}  // namespace

TEST_CASE("page_cache: says how many bytes are in memory, from the first one that is asked for") {
  disk_file in;
  zc::detail::page_cache before;
  const zc::detail::endpoint file = in.look();
  if (before.ready_bytes(file, 0, size) != size || file.in_memory) {
    MESSAGE("skipped: no cachestat here, or files live in memory");
    return;
  }
  CHECK(before.ready_bytes(file, 10, 20) == 20);
  CHECK(before.ready_bytes(file, 10, size) == size - 10);
  CHECK(before.ready_bytes(file, size - 1, 100) == 1);
  CHECK(before.ready_bytes(file, size, 1) == 0);
  CHECK(before.ready_bytes(file, size + (1 << 20), 1) == 0);
  // Only whole folios go, so the gap is a large one.
  in.chill(1 << 20, 1 << 20);
  zc::detail::page_cache after;
  CHECK(after.ready_bytes(file, 0, size) == 1 << 20);
  CHECK(after.ready_bytes(file, 1 << 20, 4096) == 0);
  CHECK(after.ready_bytes(file, (1 << 20) - 4096, 8192) == 4096);
  CHECK(after.ready_bytes(file, 2 << 20, size) == size - (2 << 20));
}

TEST_CASE("page_cache: a file that is nothing but memory is not asked about") {
  const zc::fd in = support::file_of(1000);
  zc::detail::endpoint file = zc::detail::look_at(in.get(), zc::detail::direction::reading).value();
  CHECK(file.in_memory);
  file.fd = -1;
  zc::detail::page_cache cache;
  CHECK(cache.ready_bytes(file, 0, 1000) == 1000);
}

TEST_CASE("page_cache: no bytes are told of through an O_DIRECT descriptor") {
  disk_file in;
  const std::string path = "/proc/self/fd/" + std::to_string(in.look().fd);
  const zc::fd direct(::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  if (!direct) {
    MESSAGE("skipped: no O_DIRECT here");
    return;
  }
  const support::ends pair = support::unix_pair(SOCK_NONBLOCK);
  zc::context context;
  const zc::transfer done =
      context.run(zc::try_splice(direct.get(), pair.first.get(), {.nbytes = 4096}));
  CHECK(done.moved == 4096);
  // The disk is not waited for on the context's thread.
  CHECK(context.counters().direct.count == 0);
}

TEST_SUITE_END();
