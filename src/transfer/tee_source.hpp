#pragma once

#include <cstddef>
#include <cstdint>
#include <system_error>

#include "engine/uring/ring.hpp"
#include "sys/pipe.hpp"
#include "zc/detail/endpoint.hpp"
#include "zc/result.hpp"
#include "zc/splice.hpp"
#include "zc/task.hpp"
#include "zc/transfer.hpp"

namespace zc::detail {

/// Where a tee takes its bytes: from `in`, one piece at a time, and never waiting for more of it.
///
/// Each attempt gives bytes, none at the end of `in`, or an error, EAGAIN for "not now".
class tee_source {
 public:
  explicit tee_source(ring& kernel) noexcept : kernel_(kernel) {}

  /// Looks at `in`, which splice() would accept. EOVERFLOW where a range passes the end of a file.
  std::error_code open(int in, std::int64_t offset, std::uint64_t nbytes) noexcept;

  /// Bytes still to take; to_end where only the end of `in` will tell.
  std::uint64_t left() const noexcept { return left_; }
  /// `most`, or the next less that `in` allows to be taken.
  std::size_t whole_blocks(std::size_t most) const noexcept;

  /// Whether what is still to take, written to `out` from `at` on, would go over some of itself.
  bool overlaps(const endpoint& out, std::int64_t at) const noexcept;

  /// Waits until there is something to take, or asks once, where `at_once`.
  task<std::error_code> ready(bool at_once);

  /// Whether splicing from `in` makes sense: then fill() before read().
  bool splices() const noexcept { return splices_; }

  /// Splices into an empty pipe, once.
  task<result<std::size_t>> fill(int write_end, std::size_t most);

  /// Whether read() is to be asked as well after fill() gave this: `in` cannot be spliced, or only
  /// reading tells what it means.
  bool must_read_after(const result<std::size_t>& filled) noexcept;

  /// Whether it keeps saying "not now" although it is ready: then time must pass.
  bool spins() const noexcept { return fruitless_ > fruitless_limit; }

  /// Reads once. Throws std::bad_alloc before anything is taken.
  task<result<remainder>> read(std::size_t most);

 private:
  // "Would block" this many times in a row although there is something: a TCP urgent mark, or a
  // descriptor that does not mean it.
  static constexpr unsigned fruitless_limit = 3;

  /// How much to read: what there may be at once, or a message whole.
  result<std::size_t> read_size(std::size_t most) const noexcept;
  void took(std::size_t nbytes) noexcept;

  ring& kernel_;
  endpoint in_;
  std::int64_t at_ = 0;  // next offset, or file_position
  std::uint64_t left_ = 0;
  bool splices_ = true;
  bool began_ = false;      // something was taken
  unsigned fruitless_ = 0;  // splices in a row that would have blocked
};

}  // namespace zc::detail
