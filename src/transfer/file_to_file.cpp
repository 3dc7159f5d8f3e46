#include "transfer/file_to_file.hpp"

#include <liburing.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>

#include "engine/direct_call.hpp"
#include "engine/off_thread.hpp"
#include "engine/uring/ring.hpp"
#include "transfer/file_slice.hpp"

namespace zc::detail {

namespace {

// Below, handing it to a thread and back costs more than it saves: the ring's workers were up to
// three times as fast at 512 KiB and 1 MiB, level at 2 MiB, and slower from 4 MiB on.
constexpr std::uint64_t worth_a_thread_bytes = 4 * 1024 * 1024;

bool is_plain_file(const endpoint& end) noexcept {
  return end.is == endpoint::kind::file && end.size.has_value() && !end.append && !end.direct_io;
}

bool has_holes(const endpoint& end) noexcept {
  constexpr std::uint64_t st_blocks_unit_bytes = 512;
  struct stat about {};
  return ::fstat(end.fd, &about) == 0 &&
         static_cast<std::uint64_t>(about.st_blocks) * st_blocks_unit_bytes < *end.size;
}

/// What tests have the kernel say to the next slice, of which they see the splice that it stands
/// for; it leaves `nbytes` of it.
std::optional<int> answered(const pump& call, std::uint64_t& nbytes) noexcept {
  interposer* const by = call.kernel().interposed_by();
  if (by == nullptr) [[likely]]
    return {};
  io_uring_sqe shown{};
  const splice_arguments all{call.in.end.fd,
                             call.in.at,
                             call.out.end.fd,
                             call.out.at,
                             static_cast<std::size_t>(call.in.left),
                             0};
  all.prepare(shown);
  const std::optional<int> answer = by->call(shown);
  nbytes = shown.len;
  return answer;
}

/// Moves the next `nbytes`, which are data, by way of a pipe. False when it has ended early.
task<bool> move_data(pump& call, std::uint64_t nbytes) {
  const std::uint64_t behind = call.in.left - nbytes;
  call.in.left = nbytes;
  call.start();
  co_await run(call, call.advance());
  const bool whole = call.in.left == 0 && call.done.reason == stop_reason::complete;
  call.in.left += behind;
  if (whole) call.go_on();
  co_return whole;
}

}  // namespace

bool suits_file_to_file(const pump& call) noexcept {
  return is_plain_file(call.out.end) && is_plain_file(call.in.end) && !call.forced() &&
         call.in.left > 0 && (call.in.left >= worth_a_thread_bytes || has_holes(call.in.end));
}

// splice_flags::nonblock changes nothing here, as on the other routes: a file is always ready.
task<> file_to_file(pump& call) {
  call.done.route = route::direct;
  const bool sparse = has_holes(call.in.end);
  bool takes_data = true;
  file_slice slice(call.in.end.fd, call.out.end.fd, sparse);
  const auto run_slice = [&slice](const off_thread_signals& signals) noexcept {
    slice.run(signals);
  };
  while (call.in.left > 0 && !call.cancelled()) {
    std::uint64_t nbytes = call.in.left;
    if (answered(call, nbytes)) co_return;
    slice.set(call.in.at, call.out.at, nbytes);
    const std::error_code error =
        co_await off_thread(loop::of(*call.env.where).file_threads(), run_slice);
    if (error == std::errc::operation_canceled) continue;
    if (error) co_return;
    if (slice.moved() > 0) {
      call.took(static_cast<std::size_t>(slice.moved()));
      call.gave(static_cast<std::size_t>(slice.moved()), route::direct);
    }
    if (slice.refused() == 0) continue;
    if (!sparse) co_return;
    // To another file system, say: then the holes at least are made, not moved.
    if (takes_data) {
      takes_data = false;
      slice.refuse_data();
    } else if (!call.cancelled()) {
      if (!co_await move_data(call, slice.refused())) co_return;
    }
  }
}

}  // namespace zc::detail
