#include "engine/loop.hpp"

#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "sys/own_descriptor.hpp"
#include "sys/signal_mask.hpp"
#include "sys/thread_cancel.hpp"
#include "zc/detail/precondition.hpp"

namespace zc::detail {

/// Knows when the task given to run() has ended, and owns its cancellation.
class loop::root final : public joiner {
 public:
  cancel_scope scope;
  bool done = false;

 private:
  std::coroutine_handle<> child_done(promise_base&) noexcept override {
    done = true;
    return std::noop_coroutine();
  }
};

/// Makes a scope the one that stop() cancels.
class loop::current_run {
 public:
  current_run(loop& here, cancel_scope& scope) noexcept : here_(here), scope_(scope) {
    here_.run_ = this;
    look_for_stop();
  }
  current_run(const current_run&) = delete;
  current_run& operator=(const current_run&) = delete;
  ~current_run() {
    here_.run_ = nullptr;
    // One that nothing in this run has met is for the next; one more of them, here, is not.
    if (stopped_) here_.stop_wanted_.store(!scope_.observed(), std::memory_order_relaxed);
  }

  void look_for_stop() noexcept {
    if (!here_.stop_wanted_.load(std::memory_order_relaxed)) return;
    // What was done before stop() is seen by whatever it cancels.
    here_.stop_wanted_.exchange(false, std::memory_order_acquire);
    stopped_ = true;
    scope_.request();
  }

 private:
  loop& here_;
  cancel_scope& scope_;
  bool stopped_ = false;
};

/// Where a task of another context has called run(): that context has its limit again at the end.
class loop::outer_run {
 public:
  outer_run() noexcept : outer_(scheduler::current()) {}
  outer_run(const outer_run&) = delete;
  outer_run& operator=(const outer_run&) = delete;
  ~outer_run() {
    if (outer_ != nullptr) of(*outer_).limit_workers();
  }

 private:
  scheduler* outer_;
};

loop::loop(const context_options& options)
    : scheduler(&timers_),
      options_(options),
      ring_(options),
      ops_(ring_),
      wake_(own_descriptor(fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)))) {
  if (!wake_) throw std::system_error(errno, std::system_category(), "zc: eventfd");
}

// Without a way to run them, on another thread or with a broken ring, the tasks cannot be awaited,
// and their memory is the kernel's: it must not be freed. Then this ends the program.
// NOLINTNEXTLINE(bugprone-exception-escape)
loop::~loop() {
  if (running()) precondition_broken("zc::context: destroyed while it runs");
  if (background_ && background_->running() > 0 && !on_own_thread()) {
    precondition_broken(
        "zc::context: destroyed on another thread than ran it, with tasks that have not ended");
  }
  while (background_) background_.reset();  // its tasks may spawn in their last moments
  if (spawned() > 0) {
    precondition_broken("zc::context: destroyed before a zc::scope whose tasks have not ended");
  }
  if (armed_ > 0) {
    precondition_broken("zc::context: destroyed before an acceptor or recv_stream that it fills");
  }
}

scope& loop::background() {
  if (!on_own_thread()) {
    throw std::logic_error(
        "zc::context::spawn: this context belongs to the thread that ran it first");
  }
  if (!background_) background_.reset(new scope(*this));
  return *background_;
}

counters loop::counted() const {
  if (!on_own_thread() && running()) {
    throw std::logic_error("zc::context::counters: this context is running on another thread");
  }
  counters now = counters_;
  for (const auto& each : services_) {
    if (each) each->report(now);
  }
  return now;
}

recv_pool* loop::recv_buffers() noexcept {
  if (!recv_buffers_) {
    recv_buffers_.reset(
        recv_pool::make(*this, ring_, options_.recv_buffers, options_.recv_buffer_bytes));
  }
  return recv_buffers_.get();
}

bool loop::on_own_thread() const noexcept {
  if (current() == this) return true;
  const pid_t owner = owner_.load(std::memory_order_relaxed);
  return owner == 0 || owner == ::gettid();
}

void loop::bind_to_this_thread() {
  if (!on_own_thread()) {
    throw std::logic_error(
        "zc::context::run: this context belongs to the thread that ran it first");
  }
  if (owner_.load(std::memory_order_relaxed) != 0) return;
  ring_.enable();
  owner_.store(::gettid(), std::memory_order_relaxed);
}

void loop::drain(const cancel_scope& members, const std::size_t& running) {
  if (current() == this) {
    scheduler::drain(members, running);
    return;
  }
  bind_to_this_thread();  // it may never have run
  const thread_cancel_postponed whole;
  const signal_mask quiet;
  scheduler::drain(members, running);
}

// The limit is the safety net behind polling before each splice.
void loop::limit_workers() noexcept {
  const worker_limits now = ring_.limit_workers(owner_);
  counters_.worker_limit = now.bounded;
  counters_.unbounded_worker_limit = now.unbounded;
}

void loop::run(promise_base& work) {
  bind_to_this_thread();
  if (running()) {
    throw std::logic_error("zc::context::run: this context is running already");
  }
  const thread_cancel_postponed whole;
  const signal_mask quiet;
  const outer_run outer;
  const running_here here(*this);
  root main;
  current_run one(*this, main.scope);
  const ring::at_hand quick(ring_);
  limit_workers();
  run_remote();  // what other threads have posted before
  work.post_in({this, &main.scope}, main);
  while (!main.done) {
    run_ready();
    if (main.done) break;
    if (background_ && background_->error_) main.scope.request();
    turn(!has_ready());
  }
  // A kernel worker can let go of an op's files after its completion, and then it takes this thread
  // to do so: nobody may enter the ring again for long, and a peer would wait for its end of file.
  ring_.enter(ring::do_not_wait);
  all_suspended();
  if (background_ && background_->error_) {
    // A cancelled scope stays so. Its tasks end here; what they make of it is not for a later run.
    const std::unique_ptr<scope> ended = std::move(background_);
    ended->cancel_.request();
    drain(ended->cancel_, ended->running_);
    std::rethrow_exception(std::exchange(ended->error_, nullptr));  // with the bytes of the last
  }
}

void loop::stop() noexcept {
  const int before = errno;  // of what a signal handler has interrupted
  stop_wanted_.store(true, std::memory_order_release);
  wake();
  errno = before;
}

void loop::post(task<> work) { posted_.add(std::move(work)); }

void loop::posted_tasks::add(task<> work) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(work));
  }
  to_.post_remote(*this);
}

// On the loop's own thread, nothing but memory can be wanting.
// NOLINTNEXTLINE(bugprone-exception-escape)
void loop::posted_tasks::run() noexcept {
  try {
    scope& background = to_.background();
    std::vector<task<>> now;
    {
      const std::lock_guard lock(mutex_);
      now.swap(tasks_);
    }
    for (task<>& each : now) background.spawn(std::move(each));
  } catch (const std::bad_alloc&) {
    to_.post_remote(*this);  // again, when the loop has come round
  }
}

void loop::wake() noexcept {
  const std::uint64_t one = 1;
  // Not write(2), where pthread_cancel(3) would act, and unwind out of here. Fails only where the
  // counter is at its end: then the loop is about to wake up anyway.
  ::syscall(__NR_write, wake_.get(), &one, sizeof one);
}

void loop::turn(bool wait) {
  if (!ops_.awaiting_wake()) {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t taken = ::read(wake_.get(), &count, sizeof count);
    ops_.await_wake(wake_.get());
    run_remote();
    if (run_ != nullptr) run_->look_for_stop();
    wait = false;  // what was just run may have made a coroutine ready
  }
  const bool may_sleep = ops_.flush() && ops_.awaiting_wake();
  ring_.enter(wait && may_sleep ? timers_.until_next() : ring::do_not_wait);
  ops_.reap();
  timers_.expire();
}

}  // namespace zc::detail
