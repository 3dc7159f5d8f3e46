#include "transfer/file_slice.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>

#include "engine/off_thread.hpp"
#include "sys/own_descriptor.hpp"

namespace zc::detail {

namespace {

using std::chrono::steady_clock;

// A cancel waits for one piece, some 0.2 ms from the page cache.
constexpr std::uint64_t piece_bytes = 512 * 1024;
// Sharing costs by the extent, not by the byte; but what is dirty in `in` is written to disk first.
constexpr std::uint64_t shared_piece_bytes = 16 * 1024 * 1024;
constexpr std::uint64_t punched_piece_bytes = 256 * 1024 * 1024;
// What file systems that share blocks want offsets to be multiples of, at the least.
constexpr std::uint64_t share_block_bytes = 4096;
// Of a thread's time: between two turns the loop hears how far it came, and others have theirs.
constexpr std::chrono::milliseconds whole_turn(20);
constexpr std::chrono::milliseconds shared_turn(2);

bool turn_is_over(const off_thread_signals& signals, steady_clock::time_point began) noexcept {
  if (signals.cancel_wanted()) return true;
  const auto passed = steady_clock::now() - began;
  return passed >= whole_turn || (passed >= shared_turn && signals.others_wait());
}

/// Whether opening and closing the file once more could take something from who holds it: closing
/// any of its descriptors drops all of this process's POSIX locks on it, and opening it breaks a
/// lease. Of locks this knows none from another's: both count.
bool is_claimed(int file) noexcept {
  struct flock any {};
  any.l_type = F_WRLCK;
  any.l_whence = SEEK_SET;
  if (::fcntl(file, F_OFD_GETLK, &any) < 0 || any.l_type != F_UNLCK) return true;
  return ::fcntl(file, F_GETLEASE) == F_WRLCK;
}

/// Another open file of the same: lseek(2) for holes moves the position of the one it is asked of,
/// and the caller's is not to be touched, not even for a moment. Owns nothing where there is no
/// /proc or no descriptor left, or where the file is claimed.
fd reopened(int file) noexcept {
  if (is_claimed(file)) return {};
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", file);
  return own_descriptor(fd(::open(path.data(), O_RDONLY | O_CLOEXEC | O_NOCTTY)));
}

off_t size_of(int file) noexcept {
  struct stat about {};
  return ::fstat(file, &about) == 0 ? about.st_size : 0;
}

}  // namespace

void file_slice::set(std::int64_t in_at, std::int64_t out_at, std::uint64_t nbytes) noexcept {
  in_at_ = in_at;
  out_at_ = out_at;
  nbytes_ = nbytes;
}

void file_slice::run(const off_thread_signals& signals) noexcept {
  moved_ = skipped_ = refused_ = 0;
  data_end_ = 0;
  in_began_ = in_at_ >= 0 ? in_at_ : ::lseek(in_, 0, SEEK_CUR);
  out_began_ = out_at_ >= 0 ? out_at_ : ::lseek(out_, 0, SEEK_CUR);
  if (in_began_ < 0 || out_began_ < 0) {
    refused_ = nbytes_;
    return;
  }
  const auto began = steady_clock::now();
  const fd map = sparse_ ? reopened(in_) : fd();
  while (ahead() > 0 && refused_ == 0) {
    // What was skipped is best made real by the data behind it.
    if (skipped_ == 0 ? turn_is_over(signals, began) : signals.cancel_wanted()) break;
    step(map);
  }
  if (skipped_ > 0) end_in_hole();
  advance(in_, in_at_, in_began_);
  advance(out_, out_at_, out_began_);
}

void file_slice::step(const fd& map) noexcept {
  if (takes_data_ && shares_ && skipped_ == 0 && share(std::min(ahead(), shared_piece_bytes))) {
    return;
  }
  const extent next = map ? next_known_extent(map.get(), ahead()) : extent{false, ahead()};
  if (next.hole && next.size > 0) {
    make_hole(next.size);
  } else if (takes_data_ && next.size > 0) {
    copy(std::min(next.size, piece_bytes));
  } else {
    // At its end too: whether that is an end or an error, the other route finds out.
    refused_ = next.size > 0 ? next.size : ahead();
  }
}

file_slice::extent file_slice::next_known_extent(int map, std::uint64_t most) noexcept {
  const off_t at = in_next();
  if (at < data_end_) return {false, std::min(most, static_cast<std::uint64_t>(data_end_ - at))};
  const extent next = next_extent(map, most);
  if (!next.hole) data_end_ = at + static_cast<off_t>(next.size);
  return next;
}

file_slice::extent file_slice::next_extent(int map, std::uint64_t most) const noexcept {
  const off_t at = in_next();
  off_t data = ::lseek(map, at, SEEK_DATA);
  const bool hole_to_the_end = data < 0 && errno == ENXIO;
  if (data < 0 && !hole_to_the_end) return {false, most};
  if (hole_to_the_end) data = size_of(map);
  // Truncated meanwhile, the file may end before `at`.
  if (data > at || hole_to_the_end) {
    const auto size = static_cast<std::uint64_t>(std::max<off_t>(data - at, 0));
    return {true, std::min(most, size)};
  }
  const off_t hole = ::lseek(map, at, SEEK_HOLE);
  return {false, hole > at ? std::min(most, static_cast<std::uint64_t>(hole - at)) : most};
}

bool file_slice::share(std::uint64_t most) noexcept {
  const auto from = static_cast<std::uint64_t>(in_next());
  const auto to = static_cast<std::uint64_t>(out_next());
  // Only the end of the file may be inside of a block.
  if (from + most < static_cast<std::uint64_t>(size_of(in_))) most -= most % share_block_bytes;
  if (most == 0) return false;
  shares_ = from % share_block_bytes == 0 && to % share_block_bytes == 0;
  const file_clone_range range{in_, from, most, to};
  shares_ = shares_ && ::ioctl(out_, FICLONERANGE, &range) == 0;
  if (shares_) moved_ += most;
  return shares_;
}

void file_slice::copy(std::uint64_t size) noexcept {
  off_t from = in_next();
  off_t to = out_next();
  const ssize_t copied =
      ::copy_file_range(in_, &from, out_, &to, static_cast<std::size_t>(size), 0);
  if (copied > 0) {
    moved_ += skipped_ + static_cast<std::uint64_t>(copied);
    skipped_ = 0;
  } else if (copied == 0 || errno != EINTR) {
    refused_ = ahead();
  }
}

void file_slice::make_hole(std::uint64_t size) noexcept {
  const off_t at = out_next();
  const off_t end = size_of(out_);
  if (at >= end) {
    skipped_ += size;
    return;
  }
  size = std::min({size, static_cast<std::uint64_t>(end - at), punched_piece_bytes});
  const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  if (::fallocate(out_, mode, at, static_cast<off_t>(size)) == 0) {
    moved_ += skipped_ + size;
    skipped_ = 0;
  } else {
    data_end_ = in_next() + static_cast<off_t>(size);  // to be copied: it reads as zeros
  }
}

// Not by ftruncate(2), which could cut off what somebody else has written behind it meanwhile,
// another transfer to the same file, say.
void file_slice::end_in_hole() noexcept {
  const char zero = 0;
  if (::pwrite(out_, &zero, 1, out_next() - 1) == 1) {
    moved_ += skipped_;
  } else {
    refused_ += skipped_;  // the other route meets the error where it belongs
  }
  skipped_ = 0;
}

void file_slice::advance(int fd, std::int64_t asked, off_t began) const noexcept {
  if (asked < 0 && moved_ > 0) ::lseek(fd, began + static_cast<off_t>(moved_), SEEK_SET);
}

}  // namespace zc::detail
