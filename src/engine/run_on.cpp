#include "zc/run_on.hpp"

#include <atomic>
#include <cstddef>
#include <exception>
#include <latch>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <vector>

#include "core/here.hpp"
#include "sys/thread_cancel.hpp"
#include "zc/detail/keep_first.hpp"
#include "zc/with_stop.hpp"

namespace zc {

namespace {

/// The first exception of several threads, which stops them all, with the bytes of the others.
class failure {
 public:
  std::stop_token token() const noexcept { return stop_.get_token(); }

  void keep(const std::exception_ptr& error) noexcept {
    {
      const std::lock_guard lock(mutex_);
      detail::keep_first(first_, error);
    }
    stop_.request_stop();
  }

  /// When no other thread is left.
  void rethrow() const {
    if (first_) std::rethrow_exception(first_);
  }

 private:
  std::stop_source stop_;
  std::mutex mutex_;
  std::exception_ptr first_;
};

}  // namespace

void detail::run_on(std::size_t threads, const std::function<task<>(std::size_t)>& make,
                    const context_options& options) {
  if (threads == 0) throw std::invalid_argument("zc::run_on: no threads");
  if (current_scheduler != nullptr) throw std::logic_error("zc::run_on: called inside of a task");
  const thread_cancel_postponed whole;  // it joins the others
  failure failed;
  // Each takes what it needs before any begins to take what it can get.
  std::latch all_made(static_cast<std::ptrdiff_t>(threads));
  std::atomic<bool> one_lacks{false};
  const auto lacks = [&]() noexcept {
    failed.keep(std::current_exception());
    one_lacks = true;
  };
  const auto run_one = [&](std::size_t index) noexcept {
    std::optional<context> here;
    try {
      here.emplace(options);
    } catch (...) {
      lacks();
    }
    all_made.arrive_and_wait();
    if (one_lacks) return;
    try {
      here->run(with_stop(failed.token(), make(index)));
    } catch (...) {
      failed.keep(std::current_exception());
    }
  };
  {
    std::vector<std::jthread> others;  // joined where this block ends
    try {
      others.reserve(threads - 1);
      for (std::size_t index = 1; index < threads; ++index) others.emplace_back(run_one, index);
    } catch (...) {
      lacks();
      all_made.count_down(static_cast<std::ptrdiff_t>(threads - 1 - others.size()));
    }
    run_one(0);
  }
  failed.rethrow();
}

}  // namespace zc
