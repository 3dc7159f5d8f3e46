#include "zc/splice_paths.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "engine/loop.hpp"
#include "engine/off_thread.hpp"
#include "transfer/small_copies.hpp"
#include "zc/fd.hpp"
#include "zc/op/close.hpp"
#include "zc/op/openat.hpp"

namespace zc {

namespace {

using detail::opened_end;

bool no_descriptors(const path_transfer& done) noexcept {
  const bool opening = done.call == path_call::open_in || done.call == path_call::open_out;
  return opening && (done.error == std::errc::too_many_files_open ||
                     done.error == std::errc::too_many_files_open_in_system);
}

void fail(path_transfer& done, path_call call, std::error_code error, side where) noexcept {
  if (error == std::errc::operation_canceled) {
    done.reason = stop_reason::cancelled;
    return;
  }
  done.reason = stop_reason::failed;
  done.error = error;
  done.side = where;
  done.call = call;
}

/// A job opens its target only when its source is there.
task<std::error_code> open_in(const path_job& job, opened_end& in) {
  in.raw = job.in_at;
  if (!job.in.empty()) {
    result<fd> file = co_await op::openat(job.in_at, job.in.c_str(), job.in_flags | O_CLOEXEC);
    if (!file) co_return file.error();
    in.own(std::move(*file));
  }
  if (::fstat(in.raw, &in.about) < 0) co_return detail::errno_code(errno);
  if (S_ISDIR(in.about.st_mode)) co_return detail::errno_code(EISDIR);
  co_return std::error_code();
}

/// Empties an open file without /proc and without another descriptor, at several times the cost.
/// The ring has no op for it before Linux 6.9.
task<std::error_code> truncate_off_thread(int file) {
  const detail::environment env = co_await detail::this_environment{};
  std::error_code failure;
  const auto call = [&](const detail::off_thread_signals&) noexcept {
    if (::ftruncate(file, 0) < 0) failure = detail::errno_code(errno);
  };
  const std::error_code not_called =
      co_await detail::off_thread(detail::loop::of(*env.where).file_threads(), call);
  co_return not_called ? not_called : failure;
}

/// Empties a file that is open already, whatever its path leads to by now.
task<std::error_code> truncate(int file, int flags) {
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  const int how = (flags & O_ACCMODE) | O_TRUNC | O_CLOEXEC;
  const result<fd> again = co_await op::openat(AT_FDCWD, path.c_str(), how);
  if (again) co_return std::error_code();
  // In a cancelled task it is not even begun.
  co_return co_await truncate_off_thread(file);
}

task<std::error_code> open_out(const path_job& job, const opened_end& in, opened_end& out) {
  out.raw = job.out_at;
  if (job.out.empty()) co_return std::error_code();
  const char* const path = job.out.c_str();
  const int flags = job.out_flags | O_CLOEXEC;
  // What is created has nothing to lose. What is there is truncated when it is not the source.
  const bool truncates = (flags & O_TRUNC) != 0;
  const bool may_create = (flags & O_CREAT) != 0;
  if (!truncates || may_create) {
    const int first = truncates ? flags | O_EXCL : flags;
    result<fd> file = co_await op::openat(job.out_at, path, first, job.mode);
    if (file) out.own(std::move(*file));
    const bool exists = file.error() == std::errc::file_exists;
    if (!exists || !truncates || (flags & O_EXCL) != 0) co_return file.error();
  }
  result<fd> file = co_await op::openat(job.out_at, path, flags & ~O_TRUNC, job.mode);
  if (!file) co_return file.error();
  out.own(std::move(*file));
  if (::fstat(out.raw, &out.about) < 0) co_return detail::errno_code(errno);
  if (out.about.st_dev == in.about.st_dev && out.about.st_ino == in.about.st_ino) {
    co_return detail::errno_code(EINVAL);
  }
  if (!S_ISREG(out.about.st_mode) || out.about.st_size == 0) co_return std::error_code();
  co_return co_await truncate(out.raw, flags);
}

task<std::error_code> close(fd file) {
  const result<void> closed = co_await op::close(file.release());
  co_return closed.error();
}

/// The chain of one job, whose source may be open. Whatever ends it early, what it opened is
/// closed.
task<path_transfer> open_and_splice(const path_job& job, opened_end in) {
  path_transfer done;
  done.route = job.options.route;
  opened_end out;
  if (!in.ours) {
    if (const std::error_code error = co_await open_in(job, in)) {
      fail(done, path_call::open_in, error, side::in);
      co_return done;
    }
  }
  if (const std::error_code error = co_await open_out(job, in, out)) {
    fail(done, path_call::open_out, error, side::out);
    co_return done;
  }
  static_cast<transfer&>(done) = co_await try_splice(in.raw, out.raw, job.options);
  if (done.reason == stop_reason::failed) done.call = path_call::splice;
  if (out.ours) {
    const std::error_code error = co_await close(std::move(out.ours));
    // What happened first is what is said.
    if (error && done.reason != stop_reason::failed) {
      fail(done, path_call::close_out, error, side::out);
    }
  }
  // Nothing was written to it, so its close has nothing to say.
  if (in.ours) co_await close(std::move(in.ours));
  co_return done;
}

/// A small file in one of many hand-overs, anything else as a chain of its own.
task<path_transfer> copy_or_splice(const path_job& job, detail::small_copies& small) {
  opened_end in;
  if (detail::small_copy::may_serve(job)) {
    detail::small_copy one(job);
    co_await small.run(one);
    if (one.ended) co_return std::move(one.result);
    in = std::move(one.in);
  }
  co_return co_await open_and_splice(job, std::move(in));
}

std::string name_of(const std::string& path, int at) {
  return path.empty() ? "descriptor " + std::to_string(at) : path;
}

/// A job of a vector, and where its result belongs.
struct numbered_job : path_job {
  std::size_t index = 0;
};

}  // namespace

namespace detail {

// So many jobs end well before one more is tried. It may cost an open in vain.
constexpr std::size_t widen_after = 256;

descriptor_budget::descriptor_budget(std::size_t in_flight)
    : most_(in_flight), jobs_(in_flight), small_(std::make_unique<small_copies>()) {}

descriptor_budget::~descriptor_budget() = default;

void descriptor_budget::narrow() noexcept {
  ended_in_a_row_ = 0;
  jobs_.set_limit(std::max<std::size_t>(jobs_.inside() - 1, 1));
}

void descriptor_budget::widen() noexcept {
  if (jobs_.limit() == most_ || ++ended_in_a_row_ < widen_after) return;
  ended_in_a_row_ = 0;
  jobs_.set_limit(jobs_.limit() + 1);
}

task<path_transfer> descriptor_budget::carry(const path_job& job) {
  limiter::pass inside = co_await jobs_.enter();
  for (;;) {
    const bool alone = jobs_.inside() == 1;
    const std::uint64_t entries = jobs_.entries();
    path_transfer done = co_await copy_or_splice(job, *small_);
    if (!no_descriptors(done)) {
      widen();
      co_return done;
    }
    if (alone && jobs_.entries() == entries) co_return done;
    narrow();
    // The others had what this one needs; where they have ended meanwhile, it is there by now.
    if (jobs_.inside() == 1) continue;
    inside.leave();
    inside = co_await jobs_.enter();
  }
}

}  // namespace detail

std::string describe(const path_job& job, const path_transfer& result) {
  if (result.reason != stop_reason::failed) return {};
  const bool of_in = result.side == side::in;
  const std::string path = of_in ? name_of(job.in, job.in_at) : name_of(job.out, job.out_at);
  const std::string both = name_of(job.in, job.in_at) + " to " + name_of(job.out, job.out_at);
  const bool of_one = of_in || result.side == side::out;
  const std::string where = (of_one ? path : both) + ": " + result.error.message();
  switch (result.call) {
    case path_call::open_in:
    case path_call::open_out:
      return "openat: " + where;
    case path_call::close_out:
      return "close: " + where;
    case path_call::none:
    case path_call::splice:
      break;
  }
  return "splice: " + where;
}

task<std::vector<path_transfer>> splice_paths(std::vector<path_job> jobs, batch_options options) {
  std::vector<path_transfer> results(jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    results[i].reason = stop_reason::cancelled;
    results[i].route = jobs[i].options.route;
  }
  std::size_t at = 0;
  const auto next = [&]() -> std::optional<numbered_job> {
    if (at == jobs.size()) return {};
    numbered_job one;
    static_cast<path_job&>(one) = std::move(jobs[at]);
    one.index = at++;
    return one;
  };
  const auto done = [&](const numbered_job& job, path_transfer&& result) {
    results[job.index] = std::move(result);
  };
  // Its counts are those of the results.
  static_cast<void>(co_await detail::run_paths(next, done, options));
  co_return results;
}

}  // namespace zc
