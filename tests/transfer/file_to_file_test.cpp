#include "transfer/file_to_file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "support/process.hpp"
#include "support/scripted_kernel.hpp"
#include "support/transfers.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"

using namespace std::chrono_literals;
using support::transfer;

TEST_SUITE_BEGIN("kernel");

namespace {

constexpr std::int64_t mebi = 1024 * 1024;

/// Where files are: on the disk of TMPDIR, or in memory.
enum class place { disk, memory };
constexpr std::array places{place::disk, place::memory};

class files {
 public:
  explicit files(place where) : where_(where) {}

  /// Its name is gone already.
  zc::fd make() const {
    if (where_ == place::memory) return support::empty_file();
    return support::open_file(directory_.path(), O_RDWR | O_TMPFILE);
  }

 private:
  place where_;
  support::temporary_directory directory_;
};

void put(int file, std::int64_t at, std::size_t size, unsigned salt = 0) {
  const std::string bytes = support::bytes_at(static_cast<std::uint64_t>(at), size, salt);
  REQUIRE(::pwrite(file, bytes.data(), size, at) == static_cast<ssize_t>(size));
}

std::int64_t size_of(int file) {
  struct stat about {};
  REQUIRE(::fstat(file, &about) == 0);
  return about.st_size;
}

std::int64_t allocated_bytes(int file) {
  struct stat about {};
  ::fsync(file);  // blocks of what is not on the disk yet are not all counted
  REQUIRE(::fstat(file, &about) == 0);
  return about.st_blocks * 512;
}

/// 8 MiB: data at 1 MiB and at 5 MiB + 100, the rest holes.
void make_sparse(int file) {
  REQUIRE(::ftruncate(file, 8 * mebi) == 0);
  put(file, mebi, 100'000);
  put(file, 5 * mebi + 100, 200'000);
}

/// What `file` has from `at` on is what `like` has from `like_at` on.
bool same(int file, std::size_t at, int like, std::size_t like_at, std::size_t size) {
  return support::contents(file).substr(at, size) == support::contents(like).substr(like_at, size);
}

bool is_whole(const zc::transfer& done, std::int64_t size) {
  return done.reason == zc::stop_reason::complete && !done.error &&
         done.moved == static_cast<std::uint64_t>(size) && done.taken == done.moved &&
         done.remainder.empty();
}

}  // namespace

TEST_CASE("file to file: a large file arrives whole, and no byte passes through this program") {
  for (const place where : places) {
    CAPTURE(where);
    const files made(where);
    const zc::fd in = made.make();
    const zc::fd out = made.make();
    put(in.get(), 0, 5'000'001);
    zc::progress seen;
    const zc::transfer done = transfer(in.get(), out.get(), {.progress = &seen});
    CHECK(is_whole(done, 5'000'001));
    CHECK(done.route == zc::route::direct);
    CHECK(seen.moved == 5'000'001);
    CHECK(support::contents(out.get()).size() == 5'000'001);
    CHECK(support::are_bytes_at(support::contents(out.get()), 0));
    CHECK(::lseek(in.get(), 0, SEEK_CUR) == 0);
    CHECK(::lseek(out.get(), 0, SEEK_CUR) == 0);
  }
}

TEST_CASE("file to file: holes stay holes") {
  for (const place where : places) {
    CAPTURE(where);
    const files made(where);
    const zc::fd in = made.make();
    const zc::fd out = made.make();
    make_sparse(in.get());
    const zc::transfer done = transfer(in.get(), out.get());
    CHECK(is_whole(done, 8 * mebi));
    CHECK(done.route == zc::route::direct);
    CHECK(size_of(out.get()) == 8 * mebi);
    CHECK(same(out.get(), 0, in.get(), 0, 8 * mebi));
    CHECK(allocated_bytes(out.get()) <= allocated_bytes(in.get()) + 4096);
    CHECK(::lseek(in.get(), 0, SEEK_CUR) == 0);
  }
}

TEST_CASE("file to file: a small file with a hole, and one that is a hole, keep it") {
  for (const place where : places) {
    CAPTURE(where);
    const files made(where);
    const zc::fd in = made.make();
    const zc::fd out = made.make();
    REQUIRE(::ftruncate(in.get(), 100'000) == 0);
    CHECK(is_whole(transfer(in.get(), out.get()), 100'000));
    CHECK(size_of(out.get()) == 100'000);
    CHECK(allocated_bytes(out.get()) <= 4096);
    CHECK(same(out.get(), 0, in.get(), 0, 100'000));
    put(in.get(), 50'000, 10);
    CHECK(is_whole(transfer(in.get(), out.get()), 100'000));
    CHECK(allocated_bytes(out.get()) <= 8192);
    CHECK(same(out.get(), 0, in.get(), 0, 100'000));
  }
}

TEST_CASE("file to file: where the target has data, a hole reads as zeros afterwards") {
  for (const place where : places) {
    // The target's old data ends before, inside of, and behind the range.
    for (const std::int64_t old : {mebi / 2, 3 * mebi, 7 * mebi, 12 * mebi}) {
      CAPTURE(where);
      CAPTURE(old);
      const files made(where);
      const zc::fd in = made.make();
      const zc::fd out = made.make();
      make_sparse(in.get());
      put(out.get(), 0, static_cast<std::size_t>(old), 1);
      // At offsets that no block begins at.
      const zc::transfer done =
          transfer(in.get(), out.get(), {.offset = 10, .nbytes = 7 * mebi, .out_offset = 999});
      CHECK(is_whole(done, 7 * mebi));
      const std::string got = support::contents(out.get());
      CHECK(got.size() == static_cast<std::size_t>(std::max(old, 7 * mebi + 999)));
      CHECK(same(out.get(), 999, in.get(), 10, 7 * mebi));
      CHECK(support::are_bytes_at(got.substr(0, 999), 0, 1));
      if (old > 7 * mebi + 999)
        CHECK(support::are_bytes_at(got.substr(7 * mebi + 999), 7 * mebi + 999, 1));
    }
  }
}

TEST_CASE("file to file: file positions are used and advanced, exactly, at either end") {
  for (const place where : places) {
    for (const bool sparse : {false, true}) {
      for (const bool in_too : {false, true}) {
        CAPTURE(where);
        CAPTURE(sparse);
        CAPTURE(in_too);
        const files made(where);
        const zc::fd in = made.make();
        const zc::fd out = made.make();
        make_sparse(in.get());
        if (!sparse) put(in.get(), 0, 8 * mebi);
        REQUIRE(::lseek(in.get(), 4321, SEEK_SET) == 4321);
        REQUIRE(::lseek(out.get(), 1234, SEEK_SET) == 1234);
        const zc::transfer done = transfer(in.get(), out.get(),
                                           {.offset = in_too ? zc::file_position : 4321,
                                            .nbytes = 6'000'000,
                                            .out_offset = in_too ? 1234 : zc::file_position});
        CHECK(is_whole(done, 6'000'000));
        CHECK(::lseek(in.get(), 0, SEEK_CUR) == 4321 + (in_too ? 6'000'000 : 0));
        CHECK(::lseek(out.get(), 0, SEEK_CUR) == 1234 + (in_too ? 0 : 6'000'000));
        CHECK(size_of(out.get()) == 6'001'234);
        CHECK(same(out.get(), 1234, in.get(), 4321, 6'000'000));
      }
    }
  }
}

TEST_CASE("file to file: a file of 2^50 bytes that is one hole takes a moment") {
  const zc::fd in = support::empty_file();
  const zc::fd out = support::empty_file();
  constexpr std::int64_t huge = std::int64_t{1} << 50;
  REQUIRE(::ftruncate(in.get(), huge) == 0);
  put(in.get(), huge - 5'000, 3'000);
  CHECK(is_whole(transfer(in.get(), out.get()), huge));
  CHECK(size_of(out.get()) == huge);
  std::string got(5'000, '?');
  REQUIRE(::pread(out.get(), got.data(), got.size(), huge - 5'000) == 5'000);
  CHECK(support::are_bytes_at(got.substr(0, 3'000), huge - 5'000));
  CHECK(got.substr(3'000) == std::string(2'000, '\0'));
}

TEST_CASE("file to file: two transfers of parts of one file do not cut each other's off") {
  // The first part ends in a hole, which is made when the second is there already, or not yet.
  for (int i = 0; i < 20; ++i) {
    const zc::fd in = support::empty_file();
    const zc::fd out = support::empty_file();
    REQUIRE(::ftruncate(in.get(), 4 * mebi) == 0);
    put(in.get(), 0, mebi / 2);
    put(in.get(), 3 * mebi, mebi);
    const auto both = [&]() -> zc::task<> {
      co_await zc::when_all(
          zc::splice(in.get(), out.get(), {.nbytes = 2 * mebi}),
          zc::splice(in.get(), out.get(), {.offset = 2 * mebi, .out_offset = 2 * mebi}));
    };
    zc::run(both());
    CHECK(size_of(out.get()) == 4 * mebi);
    CHECK(same(out.get(), 0, in.get(), 0, 4 * mebi));
  }
}

TEST_CASE("file to file: within one file, to a range beside, holes stay holes") {
  for (const place where : places) {
    CAPTURE(where);
    constexpr std::int64_t size = 8 * mebi;
    const files made(where);
    const zc::fd file = made.make();
    make_sparse(file.get());
    const std::int64_t before = allocated_bytes(file.get());
    const zc::transfer done = transfer(file.get(), file.get(), {.out_offset = size});
    CHECK(is_whole(done, size));
    CHECK(done.route == zc::route::direct);
    CHECK(size_of(file.get()) == 2 * size);
    CHECK(same(file.get(), size, file.get(), 0, size));
    CHECK(allocated_bytes(file.get()) <= 2 * before + 100'000);
  }
}

TEST_CASE("file to file: to another file system all arrives, and holes stay holes") {
  for (const bool to_disk : {false, true}) {
    CAPTURE(to_disk);
    const files on_disk(place::disk);
    const files in_memory(place::memory);
    const zc::fd in = to_disk ? in_memory.make() : on_disk.make();
    const zc::fd out = to_disk ? on_disk.make() : in_memory.make();
    make_sparse(in.get());
    const zc::transfer done = transfer(in.get(), out.get());
    CHECK(is_whole(done, 8 * mebi));
    CHECK(same(out.get(), 0, in.get(), 0, 8 * mebi));
    CHECK(allocated_bytes(out.get()) <= 400'000);

    const zc::fd full = to_disk ? in_memory.make() : on_disk.make();
    put(full.get(), 0, 1'000'000, 3);
    const zc::transfer next = transfer(full.get(), out.get(), {.out_offset = 5});
    CHECK(is_whole(next, 1'000'000));
    CHECK(support::are_bytes_at(support::contents(out.get()).substr(5, 1'000'000), 0, 3));
  }
}

TEST_CASE("file to file: to another file system holes stay holes without a pipe, too") {
  const files on_disk(place::disk);
  const zc::fd in = on_disk.make();
  const zc::fd out = support::empty_file();
  make_sparse(in.get());
  zc::context without({.pipes = 0});
  CHECK(is_whole(without.run(zc::try_splice(in.get(), out.get())), 8 * mebi));
  CHECK(same(out.get(), 0, in.get(), 0, 8 * mebi));
  CHECK(allocated_bytes(out.get()) <= 400'000);
}

TEST_CASE("file to file: the locks and the lease that this process has on the source stay") {
  const support::temporary_directory directory;
  const std::filesystem::path path = directory.path() / "in";
  const zc::fd in = support::open_file(path, O_RDWR | O_CREAT);
  make_sparse(in.get());

  struct flock all {};
  all.l_type = F_RDLCK;
  all.l_whence = SEEK_SET;
  REQUIRE(::fcntl(in.get(), F_SETLK, &all) == 0);
  const zc::fd out = support::empty_file();
  CHECK(is_whole(transfer(in.get(), out.get()), 8 * mebi));
  CHECK(same(out.get(), 0, in.get(), 0, 8 * mebi));
  const int status = support::in_child([&] {
    struct flock asked {};
    asked.l_type = F_WRLCK;
    asked.l_whence = SEEK_SET;
    const zc::fd other = support::open_file(path, O_RDWR);
    return ::fcntl(other.get(), F_GETLK, &asked) == 0 && asked.l_type == F_RDLCK ? 0 : 1;
  });
  CHECK(support::exited_with(status, 0));

  all.l_type = F_UNLCK;
  REQUIRE(::fcntl(in.get(), F_SETLK, &all) == 0);
  REQUIRE(::fcntl(in.get(), F_SETLEASE, F_WRLCK) == 0);
  const zc::fd next = support::empty_file();
  // One that is broken ends this program by SIGIO.
  CHECK(is_whole(transfer(in.get(), next.get()), 8 * mebi));
  CHECK(::fcntl(in.get(), F_GETLEASE) == F_WRLCK);
}

TEST_CASE("file to file: a file that makes its content up is no plain one, and arrives") {
  const zc::fd in = support::open_file("/proc/self/maps", O_RDONLY);
  const zc::fd out = support::empty_file();
  const zc::transfer done = transfer(in.get(), out.get());
  CHECK_FALSE(done.error);
  CHECK(done.moved > 100);
  CHECK(support::contents(out.get()).size() == done.moved);
}

TEST_CASE("file to file: a full disk and a size limit stop it with exact counts") {
  for (const bool disk : {false, true}) {
    for (const bool sparse : {false, true}) {
      for (const std::int64_t at : {std::int64_t{0}, zc::file_position}) {
        CAPTURE(disk);
        CAPTURE(sparse);
        CAPTURE(at);
        const support::small_filesystem small(disk ? 2 * mebi : 16 * mebi);
        const zc::fd in = support::open_file(small.path() / "in", O_RDWR | O_CREAT);
        const zc::fd out = support::open_file(small.path() / "out", O_RDWR | O_CREAT);
        if (sparse) REQUIRE(::ftruncate(in.get(), 4 * mebi) == 0);
        put(in.get(), sparse ? 2 * mebi : 0, 3 * mebi / 2);
        const std::int64_t size = size_of(in.get());
        zc::transfer done;
        {
          const support::limit most(RLIMIT_FSIZE, disk ? 64 * mebi : 900'000);
          done = transfer(in.get(), out.get(), {.out_offset = at});
        }
        CHECK(done.reason == zc::stop_reason::failed);
        CHECK(done.error == std::error_code(disk ? ENOSPC : EFBIG, std::system_category()));
        CHECK(done.side == zc::side::out);
        CHECK(support::conserved(done));
        const auto moved = static_cast<std::int64_t>(done.moved);
        CHECK(moved < size);
        CHECK(size_of(out.get()) == moved);
        if (!disk) CHECK(moved == 900'000);
        CHECK(same(out.get(), 0, in.get(), 0, static_cast<std::size_t>(moved)));
        CHECK(::lseek(out.get(), 0, SEEK_CUR) == (at == 0 ? 0 : moved));
      }
    }
  }
}

TEST_CASE("file to file: a sealed target refuses, and nothing has moved") {
  const zc::fd in = support::file_of(mebi);
  const zc::fd out(::memfd_create("zc-test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  REQUIRE(::fcntl(out.get(), F_ADD_SEALS, F_SEAL_WRITE) == 0);
  const zc::transfer done = transfer(in.get(), out.get());
  CHECK(done.error == std::errc::operation_not_permitted);
  CHECK(done.side == zc::side::out);
  CHECK(done.moved == 0);
  CHECK(support::conserved(done));
}

TEST_CASE("file to file: cancelled at any moment it stops soon, with exact counts") {
  for (const place where : places) {
    const files made(where);
    const zc::fd in = made.make();
    for (int i = 0; i < 16; ++i) put(in.get(), i * 2 * mebi, 2 * mebi);
    for (const int microseconds : {0, 50, 300, 1'000, 3'000, 8'000}) {
      CAPTURE(where);
      CAPTURE(microseconds);
      const zc::fd out = made.make();
      const zc::transfer done = zc::run(
          zc::timeout(std::chrono::microseconds(microseconds),
                      zc::try_splice(in.get(), out.get(), {.out_offset = zc::file_position})));
      if (done.reason != zc::stop_reason::timed_out) CHECK(is_whole(done, 32 * mebi));
      CHECK(support::conserved(done));
      CHECK(done.remainder.empty());
      const auto moved = static_cast<std::int64_t>(done.moved);
      CHECK(size_of(out.get()) == moved);
      CHECK(::lseek(out.get(), 0, SEEK_CUR) == moved);
      CHECK(support::are_bytes_at(support::contents(out.get()), 0));
    }
  }
}

TEST_CASE("file to file: many at once share the threads, and all arrive") {
  constexpr std::size_t size = 4 * mebi;
  zc::context context;
  const std::size_t before = support::user_threads();
  std::vector<zc::fd> in;
  std::vector<zc::fd> out;
  for (unsigned i = 0; i < 6; ++i) {
    in.push_back(support::file_of(size, i));
    out.push_back(support::empty_file());
  }
  const auto all = [&]() -> zc::task<> {
    std::vector<zc::task<std::uint64_t>> each;
    for (std::size_t i = 0; i < in.size(); ++i) {
      each.push_back(zc::splice(in[i].get(), out[i].get()));
    }
    const std::vector<std::uint64_t> moved = co_await zc::when_all(std::move(each));
    CHECK(moved == std::vector<std::uint64_t>(in.size(), size));
    CHECK(support::user_threads() <= before + 2);
  };
  context.run(all());
  for (unsigned i = 0; i < out.size(); ++i) {
    CHECK(support::are_bytes_at(support::contents(out[i].get()), 0, i));
  }
}

TEST_CASE("file to file: a source truncated meanwhile ends it with the right count") {
  for (const bool sparse : {false, true}) {
    CAPTURE(sparse);
    const zc::fd in = support::file_of(40 * mebi);
    if (sparse) REQUIRE(::ftruncate(in.get(), 400 * mebi) == 0);
    const zc::fd out = support::empty_file();
    const auto cut = [](int file) -> zc::task<> {
      co_await zc::sleep_for(1ms);
      CHECK(::ftruncate(file, 1000) == 0);
    };
    zc::transfer done;
    const auto move = [&]() -> zc::task<> { done = co_await zc::try_splice(in.get(), out.get()); };
    const auto both = [&]() -> zc::task<> { co_await zc::when_all(move(), cut(in.get())); };
    zc::run(both());
    CHECK_FALSE(done.error);
    if (done.reason != zc::stop_reason::complete)
      CHECK(done.reason == zc::stop_reason::end_of_file);
    CHECK(support::conserved(done));
    CHECK(size_of(out.get()) == static_cast<std::int64_t>(done.moved));
    CHECK(support::are_bytes_at(support::contents(out.get()).substr(0, 1000), 0));
  }
}

TEST_CASE("file to file: refused, cut short or cancelled at each of its steps, nothing is lost") {
  using kind = support::fault::kind;
  for (const bool sparse : {false, true}) {
    for (const int error : {0, EINVAL, EXDEV, EAGAIN, ENOSPC, EIO, ECANCELED}) {
      for (int at = 0; at < 4; ++at) {
        CAPTURE(sparse);
        CAPTURE(error);
        CAPTURE(at);
        const zc::fd in = support::file_of(sparse ? mebi : 4 * mebi);
        if (sparse) REQUIRE(::ftruncate(in.get(), 2 * mebi) == 0);
        const zc::fd out = support::empty_file();
        zc::context context;
        // Cut short three times, then refused or cancelled.
        const bool cancel = error == ECANCELED;
        support::scripted_kernel kernel(
            {{kind::short_count, 0, 0, at, IORING_OP_SPLICE},
             {error == 0 || cancel ? kind::none : kind::error, error, at, 1, IORING_OP_SPLICE}});
        kernel.stand_before(context);
        kernel.before_step([&](int step) {
          if (cancel && step == at) context.stop();
        });
        const zc::transfer done = context.run(zc::try_splice(in.get(), out.get()));
        CHECK(support::conserved(done));
        if (!cancel) CHECK(is_whole(done, size_of(in.get())));
        if (cancel && at > 0) CHECK(done.moved >= static_cast<std::uint64_t>(at));
        const std::string got = support::contents(out.get());
        CHECK(got.size() == done.moved);
        CHECK(got == support::contents(in.get()).substr(0, got.size()));
      }
    }
  }
}

TEST_CASE("file to file: without /proc or a descriptor to find holes with, all still arrives") {
  const zc::fd in = support::empty_file();
  const zc::fd out = support::empty_file();
  make_sparse(in.get());
  const auto starved = [](int from, int to) -> zc::task<zc::transfer> {
    const support::limit none(RLIMIT_NOFILE, 3);  // what is open stays open
    co_return co_await zc::try_splice(from, to);
  };
  CHECK(is_whole(zc::run(starved(in.get(), out.get())), 8 * mebi));
  CHECK(same(out.get(), 0, in.get(), 0, 8 * mebi));
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("slow");

namespace {

/// A file system of a kind that shares blocks, in a file, mounted for the object's life. Empty
/// where the tools, the kernel or the rights for that are missing.
class sharing_filesystem {
 public:
  explicit sharing_filesystem(const std::string& kind) {
    const std::string image = (directory_.path() / "image").string();
    at_ = directory_.path() / "at";
    std::filesystem::create_directory(at_);
    const std::string command = "truncate -s 400M " + image + " && mkfs." + kind + " -q " + image +
                                " && mount -o loop " + image + " " + at_.string();
    mounted_ = std::system(("(" + command + ") > /dev/null 2>&1").c_str()) == 0;
  }
  sharing_filesystem(const sharing_filesystem&) = delete;
  sharing_filesystem& operator=(const sharing_filesystem&) = delete;
  ~sharing_filesystem() {
    if (mounted_) ::umount2(at_.c_str(), MNT_DETACH);
  }

  explicit operator bool() const { return mounted_; }
  zc::fd make(const char* name) const {
    return support::open_file(at_ / name, O_RDWR | O_CREAT | O_TRUNC);
  }

 private:
  support::temporary_directory directory_;
  std::filesystem::path at_;
  bool mounted_ = false;
};

/// How many bytes of a file are on blocks that another file has too.
std::uint64_t shared_bytes(int file) {
  constexpr std::size_t most = 64;
  std::vector<std::uint64_t> memory((sizeof(fiemap) + most * sizeof(fiemap_extent)) / 8 + 1);
  auto* const map = reinterpret_cast<fiemap*>(memory.data());
  map->fm_length = FIEMAP_MAX_OFFSET;
  map->fm_flags = FIEMAP_FLAG_SYNC;
  map->fm_extent_count = most;
  REQUIRE(::ioctl(file, FS_IOC_FIEMAP, map) == 0);
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < map->fm_mapped_extents; ++i) {
    const fiemap_extent& each = map->fm_extents[i];
    if ((each.fe_flags & FIEMAP_EXTENT_SHARED) != 0) size += each.fe_length;
  }
  return size;
}

std::chrono::microseconds cpu_time_of_this_thread() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + std::chrono::microseconds(used.tv_nsec / 1000);
}

}  // namespace

TEST_CASE("file to file: where the file system can, the blocks are shared") {
  for (const std::string kind : {"xfs", "btrfs"}) {
    CAPTURE(kind);
    const sharing_filesystem system(kind);
    if (!system) {
      MESSAGE("no " << kind << " to be had: needs root, a loop device and mkfs." << kind);
      continue;
    }
    const zc::fd in = system.make("in");
    REQUIRE(::ftruncate(in.get(), 40 * mebi + 123) == 0);
    put(in.get(), 0, 20 * mebi + 77);
    put(in.get(), 30 * mebi, 10 * mebi + 123);

    const zc::fd whole = system.make("whole");
    CHECK(is_whole(transfer(in.get(), whole.get()), 40 * mebi + 123));
    CHECK(same(whole.get(), 0, in.get(), 0, 40 * mebi + 123));
    CHECK(shared_bytes(whole.get()) >= 30 * mebi);
    CHECK(allocated_bytes(whole.get()) <= allocated_bytes(in.get()) + 4096);

    // A range that begins and ends inside of the file, over what was there.
    const zc::fd part = system.make("part");
    put(part.get(), 0, 20 * mebi, 1);
    CHECK(is_whole(transfer(in.get(), part.get(),
                            {.offset = 4096, .nbytes = 9 * mebi + 5, .out_offset = mebi}),
                   9 * mebi + 5));
    CHECK(same(part.get(), mebi, in.get(), 4096, 9 * mebi + 5));
    CHECK(support::are_bytes_at(support::contents(part.get()).substr(10 * mebi + 5), 10 * mebi + 5,
                                1));
    CHECK(shared_bytes(part.get()) >= 9 * mebi);

    // At an offset where blocks cannot be shared, the bytes are right all the same.
    const zc::fd askew = system.make("askew");
    CHECK(is_whole(transfer(in.get(), askew.get(), {.out_offset = 1}), 40 * mebi + 123));
    CHECK(same(askew.get(), 1, in.get(), 0, 40 * mebi + 123));

    // A copy is a copy.
    put(in.get(), 0, mebi, 7);
    CHECK(support::are_bytes_at(support::contents(whole.get()).substr(0, mebi), 0));
  }
}

TEST_CASE("file to file: while a GiB goes, the loop comes round and its thread does not copy") {
  const zc::fd in = support::empty_file();
  const zc::fd out = support::empty_file();
  const std::string block = support::bytes_at(0, 16 * mebi);
  for (std::int64_t at = 0; at < 1024 * mebi; at += 16 * mebi) {
    REQUIRE(::pwrite(in.get(), block.data(), block.size(), at) == 16 * mebi);
  }
  bool over = false;
  long beats = 0;
  zc::progress seen;
  std::uint64_t seen_last = 0;
  long advances = 0;
  const auto beat = [&]() -> zc::task<> {
    while (!over) {
      co_await zc::sleep_for(1ms);
      ++beats;
      const std::uint64_t now = seen.moved;
      CHECK(now >= seen_last);
      if (now > seen_last) ++advances;
      seen_last = now;
    }
  };
  const auto move = [&]() -> zc::task<> {
    const zc::transfer done = co_await zc::try_splice(in.get(), out.get(), {.progress = &seen});
    CHECK(is_whole(done, 1024 * mebi));
    CHECK(done.route == zc::route::direct);
    over = true;
  };
  const auto both = [&]() -> zc::task<> { co_await zc::when_all(move(), beat()); };
  const auto all_before = support::cpu_time();
  const auto mine_before = cpu_time_of_this_thread();
  zc::run(both());
  const auto mine = cpu_time_of_this_thread() - mine_before;
  const auto all = support::cpu_time() - all_before;
  CAPTURE(mine.count());
  CAPTURE(all.count());
  CHECK(mine < all / 4);
  CHECK(beats >= 20);
  CHECK(advances >= 5);
  std::string tail(block.size(), '?');
  REQUIRE(::pread(out.get(), tail.data(), tail.size(), 1008 * mebi) == 16 * mebi);
  CHECK(tail == block);
}

TEST_SUITE_END();
