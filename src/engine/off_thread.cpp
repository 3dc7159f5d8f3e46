#include "engine/off_thread.hpp"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <exception>

#include "sys/signal_mask.hpp"
#include "zc/detail/errno_code.hpp"

namespace zc::detail {

namespace {

// As long as the kernel keeps an idle worker of a ring.
constexpr std::chrono::seconds idle_limit(5);

}  // namespace

off_thread_call::off_thread_call(off_threads& by) noexcept : by_(by), signals_(by.waiting_) {}

bool off_thread_call::start(resumable& waiter) noexcept {
  env_ = waiter.env;
  if (env_.cancel->requested()) {
    error_ = errno_code(ECANCELED);
    return false;
  }
  if (!by_.push(*this)) {
    error_ = errno_code(EAGAIN);
    return false;
  }
  // Its end cannot come before this: it takes this thread.
  waiter_ = &waiter;
  enter(*env_.cancel);
  return true;
}

void off_thread_call::run() noexcept { end({}); }

void off_thread_call::end(std::error_code why) noexcept {
  error_ = why;
  leave();
  env_.where->post(*std::exchange(waiter_, nullptr));
}

void off_thread_call::cancel() noexcept {
  signals_.cancel_wanted_.store(true, std::memory_order_relaxed);
  if (by_.take_back(*this)) end(errno_code(ECANCELED));
}

std::error_code off_thread_call::await_resume() const noexcept {
  if (error_ == std::errc::operation_canceled) env_.cancel->observe();
  return error_;
}

void off_thread_call::abandon() noexcept {
  if (waiter_ == nullptr) return;
  signals_.cancel_wanted_.store(true, std::memory_order_relaxed);
  if (!by_.take_back(*this)) {
    by_.await_made(*this);
    by_.home_.forget_remote(*this);
  }
  waiter_ = nullptr;
}

off_threads::~off_threads() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  called_.notify_all();
  for (worker& each : workers_) {
    if (each.thread.joinable()) each.thread.join();
  }
}

bool off_threads::push(off_thread_call& call) noexcept {
  const std::lock_guard lock(mutex_);
  queue_.push(call);
  ++waiting_;
  if (waiting_ <= idle_) {
    called_.notify_one();
    return true;
  }
  if (start_worker()) return true;
  const bool somebody_comes =
      std::any_of(workers_.begin(), workers_.end(), [](const worker& each) { return !each.ended; });
  if (!somebody_comes) {
    queue_.remove(call);
    --waiting_;
  }
  return somebody_comes;
}

bool off_threads::take_back(off_thread_call& call) noexcept {
  const std::lock_guard lock(mutex_);
  if (call.stage_ != off_thread_call::stage::queued) return false;
  queue_.remove(call);
  --waiting_;
  return true;
}

void off_threads::await_made(const off_thread_call& call) noexcept {
  std::unique_lock lock(mutex_);
  made_.wait(lock, [&] { return call.stage_ == off_thread_call::stage::made; });
}

bool off_threads::start_worker() noexcept {
  const auto end = workers_.begin() + static_cast<std::ptrdiff_t>(limit_);
  const auto place =
      std::find_if(workers_.begin(), end, [](const worker& each) { return each.ended; });
  if (place == end) return false;
  if (place->thread.joinable()) place->thread.join();  // it has let go of the mutex for good
  try {
    const all_signals_blocked quiet;
    place->thread = std::thread([this, place] { serve(*place); });
  } catch (const std::exception&) {
    return false;  // no memory, or no more threads for this user
  }
  place->ended = false;
  return true;
}

off_thread_call* off_threads::next_call(std::unique_lock<std::mutex>& lock) noexcept {
  ++idle_;
  called_.wait_for(lock, idle_limit, [this] { return stopping_ || !queue_.empty(); });
  --idle_;
  off_thread_call* const call = queue_.pop();
  if (call != nullptr) --waiting_;
  return call;
}

void off_threads::serve(worker& self) noexcept {
  pthread_setname_np(pthread_self(), name_);
  std::unique_lock lock(mutex_);
  while (off_thread_call* const call = next_call(lock)) {
    call->stage_ = off_thread_call::stage::running;
    lock.unlock();
    call->make(call->signals_);
    lock.lock();
    call->stage_ = off_thread_call::stage::made;
    // Still under the mutex: whoever awaits the call may let it go as soon as this is done.
    home_.post_remote(*call);
    made_.notify_all();
  }
  self.ended = true;
}

}  // namespace zc::detail
