#include "transfer/file_to_file.hpp"

#include <liburing.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>

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
std::optional<int> answered(const mover& m, std::uint64_t& nbytes) noexcept {
  interposer* const by = m.kernel().interposed_by();
  if (by == nullptr) [[likely]]
    return {};
  io_uring_sqe shown{};
  const splice_arguments all{m.in.fd, m.in_at, m.out.fd, m.out_at, static_cast<std::size_t>(m.left),
                             0};
  all.prepare(shown);
  const std::optional<int> answer = by->call(shown);
  nbytes = shown.len;
  return answer;
}

/// Moves the next `nbytes`, which are data, by way of a pipe. outcome::copy_some when that is done.
task<outcome> data_through_pipe(mover& m, std::uint64_t nbytes) {
  const std::uint64_t behind = m.left - nbytes;
  m.left = nbytes;
  outcome left_off = outcome::heavy;
  while (left_off == outcome::heavy) {
    left_off = co_await through_pipe(m);
    if (left_off == outcome::copy_some) left_off = co_await copy(m, false);
  }
  const bool done = left_off == outcome::over && m.left == 0 && m.staged.empty() &&
                    m.done.reason == stop_reason::complete;
  m.left += behind;
  co_return done ? outcome::copy_some : left_off;
}

}  // namespace

bool suits_file_to_file(const mover& m) noexcept {
  return !m.forced() && m.left > 0 && m.staged.empty() && is_plain_file(m.in) &&
         is_plain_file(m.out) && (m.left >= worth_a_thread_bytes || has_holes(m.in));
}

// splice_flags::nonblock changes nothing here, as on the other routes: a file is always ready.
task<outcome> file_to_file(mover& m) {
  m.done.route = route::direct;
  const bool sparse = has_holes(m.in);
  bool takes_data = true;
  file_slice slice(m.in.fd, m.out.fd, sparse);
  const auto run_slice = [&slice](const off_thread_signals& signals) noexcept {
    slice.run(signals);
  };
  while (!m.over()) {
    std::uint64_t nbytes = m.left;
    if (answered(m, nbytes)) co_return outcome::heavy;
    slice.set(m.in_at, m.out_at, nbytes);
    const std::error_code error =
        co_await off_thread(loop::of(*m.env.where).file_threads(), run_slice);
    if (error == std::errc::operation_canceled) continue;
    if (error) co_return outcome::heavy;
    if (slice.moved() > 0) {
      m.took(static_cast<std::size_t>(slice.moved()));
      m.gave(static_cast<std::size_t>(slice.moved()), route::direct);
    }
    if (slice.refused() == 0) continue;
    if (!sparse) co_return outcome::heavy;
    // To another file system, say: then the holes at least are made, not moved.
    if (takes_data) {
      takes_data = false;
      slice.refuse_data();
    } else if (!m.cancelled()) {
      const outcome left_off = co_await data_through_pipe(m, slice.refused());
      if (left_off != outcome::copy_some) co_return left_off;
    }
  }
  co_return outcome::over;
}

}  // namespace zc::detail
