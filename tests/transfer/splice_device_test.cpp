// Files that are not regular ones, or only in name.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "support/block_device.hpp"
#include "support/transfers.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

using support::block_device;
using support::transfer;

}  // namespace

TEST_CASE("splice: a block device is a file, of bytes that stay where they are") {
  const block_device device;
  if (!device) {
    MESSAGE("skipped: no loop device can be had here");
    return;
  }
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    const zc::fd out = support::empty_file();
    const zc::transfer all = transfer(device.get(), out.get(), {.route = route});
    CHECK(all.reason == zc::stop_reason::end_of_file);
    CHECK(all.moved == block_device::size);
    CHECK(support::are_bytes_at(support::contents(out.get()), 0));
    CHECK(::lseek(device.get(), 0, SEEK_CUR) == 0);

    const zc::fd part = support::empty_file();
    CHECK(transfer(device.get(), part.get(), {.offset = 4097, .nbytes = 9000, .route = route})
              .reason == zc::stop_reason::complete);
    CHECK(support::contents(part.get()).size() == 9000);
    CHECK(support::are_bytes_at(support::contents(part.get()), 4097));

    const zc::fd in = support::file_of(70'001, 7);
    const zc::transfer there =
        transfer(in.get(), device.get(), {.out_offset = 5000, .route = route});
    CHECK(there.reason == zc::stop_reason::complete);
    const std::string now = support::contents(device.get());
    CHECK(now.size() == block_device::size);
    CHECK(support::are_bytes_at(now.substr(5000, 70'001), 0, 7));
    CHECK(support::are_bytes_at(now.substr(75'001), 75'001));
    // As it was, for the next route.
    const zc::fd before = support::file_of(block_device::size);
    CHECK(transfer(before.get(), device.get()).moved == block_device::size);
  }
}

TEST_CASE("splice: past the end of a file that makes its content up is the end, on every route") {
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    const zc::fd in = support::open_file("/proc/cpuinfo", O_RDONLY);
    const zc::fd out = support::empty_file();
    const zc::transfer done =
        transfer(in.get(), out.get(), {.offset = std::int64_t{1} << 30, .route = route});
    CHECK(done.reason == zc::stop_reason::end_of_file);
    CHECK_FALSE(done.error);
    CHECK(done.moved == 0);
    CHECK(done.taken == 0);
  }
}

TEST_SUITE_END();
