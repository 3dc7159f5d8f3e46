#include "zc/splice_batch.hpp"

#include <optional>
#include <stdexcept>

#include "transfer/ends.hpp"

namespace zc {

namespace detail {

void check(const batch_options& options) {
  if (options.in_flight == 0) throw std::invalid_argument("zc: a batch with in_flight 0");
}

batch_totals::batch_totals(const batch_options& options, std::uint64_t total_bytes) noexcept
    : seen_(options.progress), stop_on_error_(options.stop_on_error) {
  if (seen_ == nullptr) return;
  seen_->moved.store(0, std::memory_order_relaxed);
  seen_->total.store(total_bytes, std::memory_order_relaxed);
}

bool batch_totals::count(const transfer& ended) noexcept {
  ++result_.jobs;
  result_.moved += ended.moved;
  if (seen_ != nullptr) seen_->moved.store(result_.moved, std::memory_order_relaxed);
  if (ended.reason == stop_reason::cancelled) count_cancelled();
  if (ended.reason != stop_reason::failed) return true;
  ++result_.failed;
  if (!stop_on_error_) return true;
  // A failure beside a cancellation did not stop the batch.
  if (result_.reason == stop_reason::complete) result_.reason = stop_reason::failed;
  return false;
}

void batch_totals::count_cancelled() noexcept {
  if (result_.reason == stop_reason::complete) result_.reason = stop_reason::cancelled;
}

std::uint64_t add_nbytes(std::uint64_t sum, std::uint64_t nbytes) noexcept {
  return nbytes > to_end - sum ? to_end : sum + nbytes;
}

}  // namespace detail

namespace {

/// A job of a vector, and where its result belongs.
struct numbered_job : splice_job {
  std::size_t index = 0;
};

}  // namespace

task<std::vector<transfer>> splice_batch(std::vector<splice_job> jobs, batch_options options) {
  std::vector<transfer> results(jobs.size());
  std::uint64_t total_bytes = 0;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    results[i].reason = stop_reason::cancelled;
    results[i].route = jobs[i].options.route;
    total_bytes = detail::add_nbytes(total_bytes, jobs[i].options.nbytes);
  }
  std::size_t at = 0;
  const auto next = [&]() -> std::optional<numbered_job> {
    if (at == jobs.size()) return {};
    const std::size_t index = at++;
    return numbered_job{jobs[index], index};
  };
  const auto done = [&](const numbered_job& job, transfer&& result) {
    results[job.index] = std::move(result);
  };
  detail::batch_looks seen;
  const auto carry = [&seen](const splice_job& job) {
    return detail::try_splice_between(seen.between(job.in, job.out), job.options);
  };
  const detail::batch_work work(next, done, carry);
  // Its counts are those of the results.
  static_cast<void>(co_await detail::run_batch(work, options, total_bytes));
  co_return results;
}

}  // namespace zc
