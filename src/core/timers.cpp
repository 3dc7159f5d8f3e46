#include "core/timers.hpp"

#include <algorithm>
#include <utility>

#include "zc/detail/errno_code.hpp"
#include "zc/detail/scheduler.hpp"

namespace zc::detail {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

timer::~timer() {
  if (waiter_ != nullptr) env_.where->clock().remove(*this);
}

bool timer::start(resumable& waiter) noexcept {
  env_ = waiter.env;
  if (env_.cancel->requested()) {
    error_ = errno_code(ECANCELED);
    return false;
  }
  const auto now = steady_clock::now();
  const nanoseconds whole = std::max(duration_, nanoseconds::zero());
  at_ = now + std::min<steady_clock::duration>(whole, steady_clock::time_point::max() - now);
  waiter_ = &waiter;
  enter(*env_.cancel);
  env_.where->clock().add(*this);
  return true;
}

void timer::cancel() noexcept {
  env_.where->clock().remove(*this);
  end(errno_code(ECANCELED));
}

void timer::end(std::error_code why) noexcept {
  error_ = why;
  leave();
  env_.where->post(*std::exchange(waiter_, nullptr));
}

std::error_code timer::await_resume() const noexcept {
  // Only now: what ends beside it may make it no news.
  if (error_) env_.cancel->observe();
  return error_;
}

timer* timers::meld(timer* one, timer* other) noexcept {
  if (one == nullptr) return other;
  if (other == nullptr) return one;
  if (other->at_ < one->at_) std::swap(one, other);
  other->before_ = one;
  other->next_beside_ = one->first_below_;
  if (other->next_beside_ != nullptr) other->next_beside_->before_ = other;
  one->first_below_ = other;
  return one;
}

timer* timers::meld_all(timer* first) noexcept {
  // In pairs from the first on, then those into one from the last on.
  timer* pairs = nullptr;
  while (first != nullptr) {
    timer* const one = first;
    timer* const other = one->next_beside_;
    first = other != nullptr ? other->next_beside_ : nullptr;
    for (timer* each : {one, other}) {
      if (each != nullptr) each->before_ = each->next_beside_ = nullptr;
    }
    timer* const both = meld(one, other);
    both->next_beside_ = pairs;
    pairs = both;
  }
  timer* all = nullptr;
  while (pairs != nullptr) {
    timer* const one = std::exchange(pairs, pairs->next_beside_);
    one->next_beside_ = nullptr;
    all = meld(one, all);
  }
  return all;
}

void timers::remove(timer& one) noexcept {
  timer* const below = meld_all(std::exchange(one.first_below_, nullptr));
  if (&one == root_) {
    root_ = below;
    return;
  }
  timer& before = *one.before_;
  (before.first_below_ == &one ? before.first_below_ : before.next_beside_) = one.next_beside_;
  if (one.next_beside_ != nullptr) one.next_beside_->before_ = &before;
  one.before_ = one.next_beside_ = nullptr;
  root_ = meld(root_, below);
}

void timers::expire_due() noexcept {
  const auto now = steady_clock::now();
  while (root_ != nullptr && root_->at_ <= now) {
    timer& due = *root_;
    remove(due);
    due.end({});
  }
}

nanoseconds timers::until_first() const noexcept {
  return std::max<nanoseconds>(root_->at_ - steady_clock::now(), nanoseconds::zero());
}

}  // namespace zc::detail
