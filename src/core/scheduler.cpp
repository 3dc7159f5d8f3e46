#include "zc/detail/scheduler.hpp"

#include "core/here.hpp"
#include "zc/detail/cancel.hpp"
#include "zc/detail/precondition.hpp"

namespace zc::detail {

namespace {

// Each bounds how many coroutines may stand on the thread's stack at once.
constexpr unsigned max_depth = 100;
constexpr unsigned max_hops = 50;

constexpr unsigned turn_limit_late = 16;

}  // namespace

constinit thread_local scheduler* current_scheduler = nullptr;

void resumed_elsewhere() noexcept {
  precondition_broken(
      "zc::task: one was resumed outside of its context's run: an awaitable that is not zc's is to "
      "resume it on the thread of its context, while that runs");
}

scheduler* scheduler::current() noexcept { return current_scheduler; }

void scheduler::require_here() const noexcept { detail::require_here(this); }

bool scheduler::has_on_stack(const cancel_scope& members) noexcept {
  if (current_scheduler == nullptr) return false;
  const running_here* at = current_scheduler->level_.load(std::memory_order_relaxed);
  while (at != nullptr && !members.contains(at->scope_)) at = at->outer_level_;
  return at != nullptr;
}

void scheduler::leave_scope(const cancel_scope& ending) noexcept {
  if (current_scheduler == nullptr) return;
  running_here* at = current_scheduler->level_.load(std::memory_order_relaxed);
  for (; at != nullptr; at = at->outer_level_) {
    if (at->scope_ == &ending) at->scope_ = ending.scope();
  }
}

void* scheduler::new_frame(std::size_t size) {
  return current_scheduler != nullptr ? current_scheduler->frames_.take(size)
                                      : frame_pool::allocate(size);
}

void scheduler::delete_frame(void* frame, std::size_t size) noexcept {
  if (current_scheduler != nullptr) {
    current_scheduler->frames_.give(frame, size);
  } else {
    frame_pool::release(frame);
  }
}

scheduler::running_here::running_here(scheduler& self) noexcept
    : self_(self),
      outer_(current_scheduler),
      outer_level_(outer_ != nullptr ? outer_->level_.load(std::memory_order_relaxed) : nullptr),
      before_(self.level_.load(std::memory_order_relaxed)) {
  self.level_.store(this, std::memory_order_relaxed);
  current_scheduler = &self;
}

scheduler::running_here::~running_here() {
  self_.level_.store(before_, std::memory_order_relaxed);
  current_scheduler = outer_;
}

std::coroutine_handle<> scheduler::hop_to(resumable& who) noexcept {
  if (++hops_ < max_hops) return who.handle;
  post(who);
  return std::noop_coroutine();
}

bool scheduler::start_nested(std::coroutine_handle<> who) {
  if (depth_ == max_depth) return false;
  ++depth_;
  who.resume();
  --depth_;
  return true;
}

void scheduler::forget(resumable& who) noexcept {
  if (!ready_.remove(who) && !batch_.remove(who)) behind_.remove(who);
  who.posted = false;
}

inline void scheduler::resume(resumable& who) {
  hops_ = 0;
  who.posted = false;
  level_.load(std::memory_order_relaxed)->scope_ = who.env.cancel;
  who.handle.resume();
  while (resumable* finished = retired_.pop()) {
    all_suspended();
    finished->handle.destroy();
  }
}

void scheduler::run_ready() {
  batch_.append(ready_);
  ready_ = {};
  turn_bytes_ = 0;
  turn_attempts_ = 0;
  // Of those that the last turn had no room for some come first: however much the others have to
  // move, nobody waits for ever.
  for (unsigned i = 0; i < turn_limit_late && turn_bytes_ < turn_limit_bytes / 2; ++i) {
    resumable* const late = behind_.pop();
    if (late == nullptr) break;
    resume(*late);
  }
  while (resumable* who = batch_.pop()) resume(*who);
  // One that goes on as soon as the turn is spent comes back at the end of this queue.
  while (resumable* who = turn_spent() ? nullptr : behind_.pop()) resume(*who);
}

void scheduler::drain(const cancel_scope& members, const std::size_t& running) {
  const running_here level(*this);
  while (running > 0) {
    // Everything stays in the two queues while a member runs, so that forget() finds it there.
    batch_.append(ready_);
    batch_.append(behind_);
    ready_ = batch_;
    batch_ = {};
    behind_ = {};
    turn_bytes_ = 0;
    turn_attempts_ = 0;
    fifo<resumable> others;
    fifo<resumable> chosen;
    while (resumable* who = ready_.pop()) {
      (members.contains(who->env.cancel) ? chosen : others).push(*who);
    }
    ready_ = others;
    batch_ = chosen;
    const bool idle = chosen.empty();
    while (resumable* who = batch_.pop()) resume(*who);
    if (running > 0) turn(idle);
  }
}

void scheduler::post_remote(remote_call& call) {
  {
    const std::lock_guard lock(remote_mutex_);
    if (call.queued_) return;
    call.queued_ = true;
    remote_.push(call);
  }
  wake();
}

void scheduler::forget_remote(remote_call& call) noexcept {
  const std::lock_guard lock(remote_mutex_);
  if (call.queued_) remote_.remove(call);
  call.queued_ = false;
}

void scheduler::run_remote() {
  all_suspended();
  for (;;) {
    remote_call* call = nullptr;
    {
      const std::lock_guard lock(remote_mutex_);
      call = remote_.pop();
      if (call == nullptr) return;
      call->queued_ = false;
    }
    call->run();
  }
}

}  // namespace zc::detail
