// Source and target in one file.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "support/block_device.hpp"
#include "support/transfers.hpp"
#include "zc/known.hpp"
#include "zc/splice_batch.hpp"
#include "zc/splice_paths.hpp"
#include "zc/tee.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

using support::transfer;

/// A file by two paths, on the disk of TMPDIR.
class linked_file {
 public:
  explicit linked_file(std::size_t size) {
    const zc::fd file = open(O_WRONLY | O_CREAT);
    support::write_all(file.get(), support::bytes_at(0, size));
    REQUIRE(::link(path().c_str(), other_path().c_str()) == 0);
  }

  std::string path() const { return directory_.path() / "file"; }
  std::string other_path() const { return directory_.path() / "link"; }
  zc::fd open(int flags = O_RDWR) const { return support::open_file(path(), flags); }
  zc::fd open_other(int flags = O_RDWR) const { return support::open_file(other_path(), flags); }
  std::string contents() const { return support::contents(open(O_RDONLY).get()); }

 private:
  support::temporary_directory directory_;
};

/// Whether it was refused before a byte moved, as copy_file_range(2) refuses it.
bool is_refused(const zc::transfer& done) {
  return done.reason == zc::stop_reason::failed && done.error == std::errc::invalid_argument &&
         done.side == zc::side::none && done.taken == 0 && done.moved == 0 &&
         done.remainder.empty();
}

/// How the second descriptor of the file came about.
enum class second : std::uint8_t { the_same, duplicate, open_file, hard_link };
constexpr std::array seconds{second::the_same, second::duplicate, second::open_file,
                             second::hard_link};

zc::fd another(const linked_file& file, const zc::fd& first, second how) {
  switch (how) {
    case second::open_file:
      return file.open();
    case second::hard_link:
      return file.open_other();
    default:
      return zc::fd(::fcntl(first.get(), F_DUPFD_CLOEXEC, 0));
  }
}

struct part {
  std::int64_t from;
  std::int64_t to;
  std::uint64_t nbytes;
};

}  // namespace

TEST_CASE("overlap: a range of a file that overlaps its own target is refused, on every route") {
  for (const std::size_t size : {std::size_t{12}, std::size_t{64 * 1024}, std::size_t{700'000}}) {
    const auto all = static_cast<std::int64_t>(size);
    const std::array<part, 7> parts{{{0, all / 3, size * 2 / 3},
                                     {0, all - 1, size},
                                     {all / 3, 0, size - size / 3},
                                     {1, 0, size - 1},
                                     {0, 0, size},
                                     {0, 0, zc::to_end},
                                     {0, all - 1, zc::to_end}}};
    for (const second how : seconds) {
      const linked_file file(size);
      const zc::fd first = file.open();
      const zc::fd other = another(file, first, how);
      const int out = how == second::the_same ? first.get() : other.get();
      for (const zc::route route : support::routes) {
        for (const part& each : parts) {
          CAPTURE(size);
          CAPTURE(static_cast<int>(how));
          CAPTURE(route);
          CAPTURE(each.from);
          CAPTURE(each.to);
          CHECK(is_refused(transfer(first.get(), out,
                                    {.offset = each.from,
                                     .nbytes = each.nbytes,
                                     .out_offset = each.to,
                                     .route = route})));
        }
      }
      const std::string after = file.contents();
      CHECK(after.size() == size);
      CHECK(support::are_bytes_at(after, 0));
    }
  }
}

TEST_CASE("overlap: file positions count, each open file's own, and a shared one at both ends") {
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    const linked_file file(1000);
    const zc::fd in = file.open();
    const zc::fd out = file.open();
    const zc::fd shared(::fcntl(in.get(), F_DUPFD_CLOEXEC, 0));
    const auto move = [&](int from, int to, std::int64_t in_at, std::int64_t out_at) {
      REQUIRE(::lseek(in.get(), in_at, SEEK_SET) == in_at);
      REQUIRE(::lseek(out.get(), out_at, SEEK_SET) == out_at);
      return transfer(from, to,
                      {.offset = zc::file_position,
                       .nbytes = 100,
                       .out_offset = zc::file_position,
                       .route = route});
    };
    CHECK(is_refused(move(in.get(), out.get(), 0, 99)));
    CHECK(is_refused(move(in.get(), out.get(), 99, 0)));
    CHECK(is_refused(move(in.get(), in.get(), 0, 0)));
    CHECK(is_refused(move(in.get(), shared.get(), 0, 0)));
    CHECK(::lseek(in.get(), 0, SEEK_CUR) == 0);
    CHECK(support::are_bytes_at(file.contents(), 0));
    // Beside each other they are two parts like any.
    CHECK(move(in.get(), out.get(), 0, 100).moved == 100);
    CHECK(::lseek(in.get(), 0, SEEK_CUR) == 100);
    CHECK(::lseek(out.get(), 0, SEEK_CUR) == 200);
    CHECK(file.contents() ==
          support::bytes_at(0, 100) + support::bytes_at(0, 100) + support::bytes_at(200, 800));
    // A position at one end only is moved by that end only.
    const zc::transfer ahead =
        transfer(in.get(), shared.get(),
                 {.offset = 500, .nbytes = 100, .out_offset = zc::file_position, .route = route});
    CHECK(ahead.moved == 100);
    CHECK(::lseek(in.get(), 0, SEEK_CUR) == 200);
    CHECK(support::are_bytes_at(file.contents().substr(100, 100), 500));
  }
}

TEST_CASE("overlap: parts beside each other, and nothing at all, are moved, on every route") {
  for (const std::size_t size : {std::size_t{12}, std::size_t{70'000}, std::size_t{5'000'000}}) {
    for (const zc::route route : support::routes) {
      CAPTURE(size);
      CAPTURE(route);
      // What is large goes another way, but only if that is not chosen.
      if (size == 5'000'000 && route != zc::route::automatic) continue;
      const linked_file file(size);
      const zc::fd in = file.open();
      const zc::fd out = file.open_other();
      const auto half = static_cast<std::int64_t>(size / 2);
      const zc::transfer up =
          transfer(in.get(), out.get(), {.nbytes = size / 2, .out_offset = half, .route = route});
      CHECK(up.reason == zc::stop_reason::complete);
      const std::string doubled = file.contents();
      CHECK(doubled.size() == size);
      CHECK(support::are_bytes_at(doubled.substr(0, size / 2), 0));
      CHECK(support::are_bytes_at(doubled.substr(size / 2), 0));
      // to_end is the size at the call: onto its own end, a file doubles once.
      const zc::transfer onto = transfer(
          in.get(), out.get(), {.out_offset = static_cast<std::int64_t>(size), .route = route});
      CHECK(onto.moved == size);
      CHECK((file.contents() == doubled + doubled));
      const zc::transfer nothing = transfer(in.get(), in.get(), {.nbytes = 0, .route = route});
      CHECK(nothing.reason == zc::stop_reason::complete);
      CHECK_FALSE(nothing.error);
    }
  }
}

TEST_CASE("overlap: a file appended to itself doubles, and no more") {
  for (const zc::route route : {zc::route::automatic, zc::route::copy}) {
    CAPTURE(route);
    const linked_file file(150'000);
    const std::string once = support::bytes_at(0, 150'000);
    const zc::fd in = file.open(O_RDONLY);
    const zc::fd out = file.open_other(O_WRONLY | O_APPEND);
    CHECK(transfer(in.get(), out.get(), {.route = route}).moved == 150'000);
    CHECK((file.contents() == once + once));
    // The same descriptor at both ends, for as long as only one uses its position.
    const zc::fd both = file.open(O_RDWR | O_APPEND);
    REQUIRE(::lseek(both.get(), 299'000, SEEK_SET) == 299'000);
    const zc::transfer tail =
        transfer(both.get(), both.get(), {.offset = zc::file_position, .route = route});
    CHECK(tail.reason == zc::stop_reason::complete);
    CHECK(tail.moved == 1000);
    CHECK((file.contents() == once + once + once.substr(149'000)));
    // Each byte appended would move the place to read on from.
    REQUIRE(::lseek(both.get(), 0, SEEK_SET) == 0);
    const zc::fd shared(::fcntl(both.get(), F_DUPFD_CLOEXEC, 0));
    for (const int to : {both.get(), shared.get()}) {
      CHECK(is_refused(transfer(
          both.get(), to,
          {.offset = zc::file_position, .out_offset = zc::file_position, .route = route})));
    }
    const zc::transfer apart =
        transfer(in.get(), both.get(),
                 {.offset = 10, .nbytes = 20, .out_offset = zc::file_position, .route = route});
    CHECK(apart.moved == 20);
    CHECK(file.contents().size() == 301'020);
  }
}

TEST_CASE("overlap: holes and an anonymous file make no difference") {
  const zc::fd file = support::empty_file();
  constexpr std::int64_t size = 16 << 20;
  REQUIRE(::ftruncate(file.get(), size) == 0);
  support::write_all(file.get(), support::bytes_at(0, 5000));
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    CHECK(is_refused(transfer(file.get(), file.get(), {.out_offset = size - 1, .route = route})));
    CHECK(is_refused(transfer(file.get(), file.get(), {.offset = 4096, .route = route})));
  }
  struct stat about {};
  REQUIRE(::fstat(file.get(), &about) == 0);
  CHECK(about.st_size == size);
  CHECK(about.st_blocks * 512 <= 65'536);
}

TEST_CASE("overlap: of a block device too, by whatever node") {
  const support::block_device device;
  if (!device) {
    MESSAGE("skipped: no loop device can be had here");
    return;
  }
  const support::temporary_directory directory;
  const std::string node = directory.path() / "node";
  struct stat about {};
  REQUIRE(::fstat(device.get(), &about) == 0);
  REQUIRE(::mknod(node.c_str(), S_IFBLK | 0600, about.st_rdev) == 0);
  const zc::fd other = support::open_file(node, O_RDWR);
  for (const zc::route route : support::routes) {
    for (const int out : {device.get(), other.get()}) {
      CAPTURE(route);
      CHECK(is_refused(transfer(device.get(), out, {.out_offset = 4, .route = route})));
      CHECK(is_refused(
          transfer(device.get(), out, {.nbytes = 8192, .out_offset = 4096, .route = route})));
      CHECK(support::are_bytes_at(support::contents(device.get()), 0));
      const zc::transfer beside =
          transfer(device.get(), out, {.nbytes = 8192, .out_offset = 8192, .route = route});
      CHECK(beside.moved == 8192);
      CHECK(support::are_bytes_at(support::contents(out).substr(8192, 8192), 0));
      const zc::fd before = support::file_of(support::block_device::size);
      REQUIRE(transfer(before.get(), device.get()).moved == support::block_device::size);
    }
  }
}

TEST_CASE("overlap: known ends, batches and paths refuse it as well") {
  const linked_file file(100'000);
  const zc::fd in = file.open();
  const zc::fd out = file.open_other();
  const zc::known_source source(in.get());
  const zc::known_target target(out.get());
  CHECK(is_refused(zc::run(zc::try_splice(source, target, {.nbytes = 8, .out_offset = 4}))));

  const std::vector<zc::splice_job> jobs{{in.get(), out.get(), {.nbytes = 8, .out_offset = 4}},
                                         {in.get(), out.get(), {.nbytes = 4, .out_offset = 4}}};
  const std::vector<zc::transfer> done = zc::run(zc::splice_batch(jobs));
  CHECK(is_refused(done[0]));
  CHECK(done[1].moved == 4);

  std::vector<zc::path_job> paths(2);
  for (zc::path_job& each : paths) {
    each.in = file.path();
    each.out = file.other_path();
    each.options = {.offset = 8, .nbytes = 8, .out_offset = 12};
  }
  paths[0].out_flags = O_WRONLY;
  const std::vector<zc::path_transfer> copies = zc::run(zc::splice_paths(paths));
  CHECK(is_refused(copies[0]));
  CHECK(copies[0].call == zc::path_call::splice);
  // With O_TRUNC it is refused before it is opened for that.
  CHECK(copies[1].error == std::errc::invalid_argument);
  const std::string once = support::bytes_at(0, 100'000);
  CHECK((file.contents() == once.substr(0, 4) + once.substr(0, 4) + once.substr(8)));
}

TEST_CASE("overlap: a tee refuses a target that overlaps its source, or one before it") {
  const linked_file file(100'000);
  const zc::fd in = file.open(O_RDONLY);
  const zc::fd onto_itself = file.open_other();
  const zc::fd good = support::empty_file();
  const linked_file shared(10);
  const zc::fd one = shared.open();
  const zc::fd again = shared.open_other();
  const zc::fd appending = shared.open(O_WRONLY | O_APPEND);
  const zc::fd appending_too = shared.open(O_WRONLY | O_APPEND);
  const std::vector<int> outs{onto_itself.get(), good.get(),      one.get(),
                              again.get(),       appending.get(), appending_too.get()};
  const std::vector<zc::transfer> copies =
      zc::run(zc::tee(in.get(), outs, {.offset = 1, .nbytes = 99'999}));
  CHECK(is_refused(copies[0]));
  CHECK(copies[1].moved == 99'999);
  CHECK(copies[2].moved == 99'999);
  for (const std::size_t each : {3U, 4U, 5U}) {
    CAPTURE(each);
    CHECK(copies[each].error == std::errc::invalid_argument);
    CHECK(copies[each].side == zc::side::out);
    CHECK(copies[each].taken == 0);
  }
  CHECK(support::are_bytes_at(support::contents(good.get()), 1));
  CHECK((shared.contents() == support::bytes_at(1, 99'999)));
  CHECK((file.contents() == support::bytes_at(0, 100'000)));
}

TEST_CASE("overlap: a tee writes to parts beside each other, of its source too") {
  const linked_file file(1000);
  const zc::fd in = file.open(O_RDONLY);
  const zc::fd first = file.open();
  const zc::fd second = file.open_other();
  REQUIRE(::lseek(first.get(), 100, SEEK_SET) == 100);
  REQUIRE(::lseek(second.get(), 200, SEEK_SET) == 200);
  const std::vector<int> outs{first.get(), second.get()};
  const std::vector<zc::transfer> copies =
      zc::run(zc::tee(in.get(), outs, {.nbytes = 100, .out_offset = zc::file_position}));
  for (const zc::transfer& each : copies) CHECK(each.moved == 100);
  const std::string once = support::bytes_at(0, 100);
  CHECK((file.contents() == once + once + once + support::bytes_at(300, 700)));
}

TEST_SUITE_END();
