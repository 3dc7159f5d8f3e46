#pragma once

#include <cstdint>
#include <type_traits>

#include "zc/detail/export.hpp"
#include "zc/known.hpp"
#include "zc/task.hpp"
#include "zc/transfer.hpp"

namespace zc {

/// An offset: use the descriptor's file position and advance it, as splice(2) does with NULL. It
/// serves one transfer at a time: nobody locks it between two of the same open file.
inline constexpr std::int64_t file_position = -1;

/// The flags of splice(2), combined with `|`.
enum class splice_flags : unsigned {
  none = 0,
  move = 1,      // SPLICE_F_MOVE: accepted, no effect in today's kernels
  nonblock = 2,  // move what can move now; EAGAIN where nothing can
  more = 4,      // SPLICE_F_MORE: the caller will send more after this call
  gift = 8,      // SPLICE_F_GIFT: accepted, no effect in today's kernels
};

constexpr splice_flags operator|(splice_flags a, splice_flags b) noexcept {
  return static_cast<splice_flags>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr splice_flags operator&(splice_flags a, splice_flags b) noexcept {
  return static_cast<splice_flags>(static_cast<unsigned>(a) & static_cast<unsigned>(b));
}
constexpr splice_flags& operator|=(splice_flags& a, splice_flags b) noexcept { return a = a | b; }

/// What to move, and how. Designated initialisers: `{.offset = 10, .nbytes = 20}`.
struct splice_options {
  /// First byte of a seekable `in` to move, absolute; the file position is neither used nor moved.
  /// Or file_position. On a pipe, socket or tty only 0 and file_position are allowed (ESPIPE).
  std::int64_t offset = 0;
  /// How many bytes. For a regular file to_end means up to its size when the call begins; for
  /// anything else, until it ends. 0 moves nothing, but still checks the descriptors.
  std::uint64_t nbytes = to_end;
  splice_flags flags = splice_flags::none;
  /// Where to write in a seekable `out`; as `offset`. An O_APPEND `out` appends: only 0 and
  /// file_position are allowed (EINVAL).
  std::int64_t out_offset = 0;
  /// automatic: the cheapest way that is safe; from one regular file to another, holes stay holes
  /// and blocks are shared where the file system can (copy_file_range(2)). direct: splice(2) on the
  /// calling thread, the ring only to wait; a socket or tty in blocking mode is refused. ring:
  /// every move is an IORING_OP_SPLICE. copy: read and write (recv and send) through the ring. A
  /// forced route that cannot serve the pair is EINVAL.
  zc::route route = zc::route::automatic;
  /// Kept up to date while the transfer runs, if not null. Must outlive the transfer.
  zc::progress* progress = nullptr;
};
// GCC 12 destroys a non-trivial aggregate twice when it is written inside a co_await expression.
static_assert(std::is_trivially_destructible_v<splice_options>);

/// Moves bytes from `in` to `out`, any two descriptors; resumes with how many `out` accepted.
///
/// Both descriptors stay the caller's, unchanged, and must stay open until the call resumes.
/// Neither needs to be a pipe, or non-blocking. Fewer bytes than asked without an error means that
/// `in` ended early. Resumed means accepted by `out`: not received by its peer, not durable on
/// disk, not a snapshot: pages of a file are shared until the peer of a socket has acknowledged
/// them, or the reader of a pipe has read them, and what is written to the file meanwhile shows.
/// route::copy makes a snapshot, to a pipe and to a socket. Cancelling is safe at any moment.
///
/// Throws transfer_error, with exact counts and the bytes taken but not moved. Before a byte moves:
/// EBADF (closed, or wrong access mode), EISDIR, EOVERFLOW (`offset`, or `nbytes` from there,
/// reaches past the end of a regular file), ESPIPE, EINVAL (unknown flag, same pipe at both ends,
/// two ranges of one file that overlap, by whatever descriptors, as for copy_file_range(2),
/// O_APPEND with an offset, a forced route that cannot serve the pair). Later: what splice(2),
/// read(2), write(2), recv(2) and send(2) give, EAGAIN for splice_flags::nonblock where nothing
/// could move, ECANCELED when cancelled.
///
/// A datagram or seqpacket socket works at either end, without its boundaries; a message longer
/// than what is left to take is EMSGSIZE, and stays (but for a forced route::ring, or where another
/// thread takes from the same socket meanwhile). A TCP urgent byte is skipped, as by recv(2). Once
/// it had to wait for room at a peer that has half-closed, it holds one descriptor of its own (an
/// epoll set); where none is to be had, it asks again every millisecond.
///
/// What a socket with SO_RCVLOWAT has is taken, however little; more is waited for as poll(2)
/// tells: for as many bytes as that says, or the end. A terminal is at its end when it has hung up,
/// and the master of a pty when nobody has the slave open any more, where read(2) says EIO.
///
/// What seccomp(2) forbids of splice(2), sendfile(2), tee(2) and copy_file_range(2) is done another
/// way. A forced route::direct fails with the filter's error, on side::zc.
///
/// Needs Linux 6.1. See splice(2).
ZC_API task<std::uint64_t> splice(int in, int out, splice_options options = {});

/// The same, but resumes with what happened instead of throwing.
ZC_API task<transfer> try_splice(int in, int out, splice_options options = {});

/// The same for descriptors that were looked at before, and have not changed since: without the
/// system calls that this takes. Both must outlive the call.
ZC_API task<std::uint64_t> splice(const known_source& in, const known_target& out,
                                  splice_options options = {});
ZC_API task<transfer> try_splice(const known_source& in, const known_target& out,
                                 splice_options options = {});

/// Delivers bytes that another transfer could not: `try_splice(std::move(t.remainder), other_out)`.
///
/// What cannot be delivered is the new transfer's remainder. Of the options, `offset` must be 0,
/// `nbytes` to_end, and `route` automatic or copy (EINVAL).
ZC_API task<transfer> try_splice(remainder from, int out, splice_options options = {});

/// The same, throwing transfer_error; resumes with the number of bytes delivered.
ZC_API task<std::uint64_t> splice(remainder from, int out, splice_options options = {});

}  // namespace zc
