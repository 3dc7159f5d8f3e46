#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "zc/detail/cpp20.hpp"
#include "zc/detail/export.hpp"

namespace zc {

/// Bytes that a transfer took from `in` and could not give to `out`. Owns them.
///
/// Deliver them elsewhere with `zc::try_splice(std::move(remainder), other_out)`. Move-only.
class remainder {
 public:
  remainder() noexcept = default;
  /// Takes over `size` bytes that begin `begin` bytes into `storage`.
  remainder(std::unique_ptr<std::byte[]> storage, std::size_t begin, std::size_t size) noexcept
      : storage_(std::move(storage)), begin_(begin), size_(size) {}
  remainder(remainder&& other) noexcept
      : storage_(std::move(other.storage_)),
        begin_(std::exchange(other.begin_, 0)),
        size_(std::exchange(other.size_, 0)) {}
  remainder& operator=(remainder&& other) noexcept {
    storage_ = std::move(other.storage_);
    begin_ = std::exchange(other.begin_, 0);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }

  /// The bytes, in the order in which `in` gave them; valid until this object changes.
  std::span<const std::byte> bytes() const noexcept { return {storage_.get() + begin_, size_}; }

  /// Drops the first `count` bytes, at most size().
  void drop(std::size_t count) noexcept {
    begin_ += count;
    size_ -= count;
  }

 private:
  std::unique_ptr<std::byte[]> storage_;
  std::size_t begin_ = 0;
  std::size_t size_ = 0;
};

/// Why a transfer ended.
enum class stop_reason : std::uint8_t {
  complete,     // every byte asked for was moved
  end_of_file,  // `in` ended first: a closed stream, or a file truncated meanwhile
  cancelled,    // by when_any, with_stop, scope, context::stop
  timed_out,    // by timeout
  would_block,  // splice_flags::nonblock, and nothing more can move now
  failed,       // see transfer::error and transfer::side
};

/// Where a transfer failed. `zc` is for what belongs to neither descriptor: memory, the ring, a
/// system call that this process may not make.
enum class side : std::uint8_t { none, in, out, zc };

/// How bytes go from one descriptor to the other; see splice_options::route.
enum class route : std::uint8_t { automatic, direct, ring, copy };

/// What a transfer did: taken == moved + remainder.size().
///
/// The one exception is side::zc: without memory for the remainder (ENOMEM), or where a pipe of
/// zc's cannot be read back, the bytes that taken has beyond moved and remainder are lost.
struct [[nodiscard]] transfer {
  std::uint64_t moved = 0;  // bytes that `out` accepted
  std::uint64_t taken = 0;  // bytes consumed from `in`
  stop_reason reason = stop_reason::complete;
  std::error_code error;                   // set when reason is failed
  zc::side side = zc::side::none;          // where it failed
  zc::route route = zc::route::automatic;  // how the last bytes went: direct (also from file to
                                           // file by system calls on a thread of the context's),
                                           // ring (at least one of the two halves) or copy; as
                                           // asked if none could go
  zc::remainder remainder;                 // bytes taken but not moved

  /// For timeout().
  friend void time_out(transfer& what) noexcept {
    if (what.reason == stop_reason::cancelled) what.reason = stop_reason::timed_out;
  }
  /// For left_behind: moves it to `to` if it has a remainder.
  friend void give_bytes(transfer& from, std::vector<transfer>& to);
};
ZC_API void give_bytes(transfer& from, std::vector<transfer>& to);

/// An nbytes: everything up to the end of `in`.
inline constexpr std::uint64_t to_end = std::numeric_limits<std::uint64_t>::max();

/// Thrown by splice() when a transfer stops early. Keeps what the transfer did.
///
/// Its text names the side and the numbers:
/// `zc::splice: out: Broken pipe (moved 65536 of 1048576 bytes)`.
class ZC_API transfer_error : public std::system_error {
 public:
  /// `wanted` is the number of bytes asked for, or to_end where that is not known.
  transfer_error(transfer done, std::error_code code, std::uint64_t wanted);

  /// The same failure under another code, sharing this one's remainder.
  transfer_error with_code(std::error_code code) const;

  const char* what() const noexcept override { return failure_->text.c_str(); }

  std::uint64_t moved() const noexcept { return failure_->moved; }
  std::uint64_t taken() const noexcept { return failure_->taken; }
  zc::side side() const noexcept { return failure_->side; }

  /// Bytes taken but not moved. Shared by copies of this exception: move it out once.
  zc::remainder& remainder() const noexcept { return *failure_->left; }

  /// The same as a transfer, with the remainder moved out.
  transfer take() const;

 private:
  struct failure {
    std::uint64_t moved;
    std::uint64_t taken;
    std::uint64_t wanted;
    zc::side side;
    std::shared_ptr<zc::remainder> left;
    std::string text;
  };
  transfer_error(failure what, std::error_code code);

  std::shared_ptr<const failure> failure_;
};

/// How far a transfer has come. The caller owns it; any thread may read it while the transfer runs.
struct progress {
  std::atomic<std::uint64_t> moved{0};  // bytes accepted by `out` so far
  std::atomic<std::uint64_t> total{0};  // bytes to move; to_end where that is not known
};

}  // namespace zc
