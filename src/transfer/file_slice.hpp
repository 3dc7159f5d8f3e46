#pragma once

#include <sys/types.h>

#include <cstdint>

#include "zc/fd.hpp"

namespace zc::detail {

class off_thread_signals;

/// From one regular file to another inside of the kernel, for some milliseconds at a time: shares
/// blocks where the file system can, else copy_file_range(2); holes stay holes.
///
/// Blocks, so run() is for another thread: see off_threads. Plain system calls, no io_uring. It
/// judges no error: where the kernel refuses, another route goes on from there and meets it.
class file_slice {
 public:
  /// `sparse`: look for holes.
  file_slice(int in, int out, bool sparse) noexcept : in_(in), out_(out), sparse_(sparse) {}

  /// What to move next: at most `nbytes`, at these offsets or at zc::file_position.
  void set(std::int64_t in_at, std::int64_t out_at, std::uint64_t nbytes) noexcept;

  /// Moves some of it, and advances the file positions that it was set to use.
  void run(const off_thread_signals& signals) noexcept;

  /// What the last run() did.
  std::uint64_t moved() const noexcept { return moved_; }
  /// How many bytes, from there on, are for another route: the kernel refused to move them. 0 where
  /// that was not so.
  std::uint64_t refused() const noexcept { return refused_; }

  /// From now on only holes are made, and data is refused.
  void refuse_data() noexcept { takes_data_ = false; }

 private:
  struct extent {
    bool hole;
    std::uint64_t size;  // 0: behind the end of the file
  };

  void step(const zc::fd& map) noexcept;
  extent next_extent(int map, std::uint64_t most) const noexcept;
  extent next_known_extent(int map, std::uint64_t most) noexcept;
  bool share(std::uint64_t most) noexcept;
  void copy(std::uint64_t size) noexcept;
  void make_hole(std::uint64_t size) noexcept;
  void end_in_hole() noexcept;
  void advance(int fd, std::int64_t asked, off_t began) const noexcept;

  std::uint64_t ahead() const noexcept { return nbytes_ - moved_ - skipped_; }
  off_t in_next() const noexcept { return in_began_ + static_cast<off_t>(moved_ + skipped_); }
  off_t out_next() const noexcept { return out_began_ + static_cast<off_t>(moved_ + skipped_); }

  int in_;
  int out_;
  bool sparse_;
  bool takes_data_ = true;
  bool shares_ = true;  // as far as is known
  std::int64_t in_at_ = 0;
  std::int64_t out_at_ = 0;
  std::uint64_t nbytes_ = 0;
  off_t in_began_ = 0;
  off_t out_began_ = 0;
  off_t data_end_ = 0;  // up to here there is data in `in`
  std::uint64_t moved_ = 0;
  std::uint64_t skipped_ = 0;  // behind those: a hole beyond the end of `out`, not there yet
  std::uint64_t refused_ = 0;
};

}  // namespace zc::detail
