#pragma once

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "zc/detail/export.hpp"
#include "zc/detail/frame_pool.hpp"

namespace zc::detail {

class cancel_scope;
class scheduler;
class timers;

/// Where a coroutine runs and what cancels it; inherited from the coroutine that awaits it.
struct environment {
  scheduler* where = nullptr;
  cancel_scope* cancel = nullptr;
};

/// A suspended coroutine that can stand in a queue.
struct resumable {
  std::coroutine_handle<> handle;
  environment env;
  resumable* next = nullptr;
  bool posted = false;
};

/// First in, first out; links go through the entries, so that queueing allocates nothing.
template <class T>
class fifo {
 public:
  bool empty() const noexcept { return first_ == nullptr; }

  void push(T& entry) noexcept {
    entry.next = nullptr;
    (first_ == nullptr ? first_ : last_->next) = &entry;
    last_ = &entry;
  }

  T* front() const noexcept { return first_; }

  T* pop() noexcept {
    T* entry = first_;
    if (entry != nullptr) first_ = entry->next;
    return entry;
  }

  void append(fifo other) noexcept {
    if (other.empty()) return;
    (first_ == nullptr ? first_ : last_->next) = other.first_;
    last_ = other.last_;
  }

  /// As cheap as pop() for the first of them.
  bool remove(T& entry) noexcept {
    T* before = nullptr;
    for (T* at = first_; at != nullptr; before = at, at = at->next) {
      if (at != &entry) continue;
      (before == nullptr ? first_ : before->next) = entry.next;
      if (last_ == &entry) last_ = before;
      return true;
    }
    return false;
  }

 private:
  T* first_ = nullptr;
  T* last_ = nullptr;
};

/// A call that another thread asks the scheduler's thread to make.
class ZC_API remote_call {
 public:
  remote_call() noexcept = default;
  remote_call(const remote_call&) = delete;
  remote_call& operator=(const remote_call&) = delete;
  virtual void run() noexcept = 0;

 protected:
  ~remote_call() = default;

 private:
  friend class scheduler;
  friend class fifo<remote_call>;
  remote_call* next = nullptr;
  bool queued_ = false;
};

/// Decides which coroutine runs next. Knows nothing of io_uring: a context adds the ring.
///
/// One thread; only post_remote() may be called from others.
class ZC_API scheduler {
 public:
  /// `clock` keeps its timers; without one, nothing that sleeps can run.
  explicit scheduler(timers* clock = nullptr) noexcept : clock_(clock) {}
  scheduler(const scheduler&) = delete;
  scheduler& operator=(const scheduler&) = delete;

  timers& clock() noexcept { return *clock_; }

  /// The scheduler that is running on this thread, or null.
  static scheduler* current() noexcept;

  /// Ends the program, with a sentence, unless it is running on this thread. For whatever a
  /// coroutine of its own does.
  void require_here() const noexcept;

  /// Whether this thread may use it, also while it is not running.
  virtual bool on_own_thread() const noexcept { return current() == this; }

  /// Whether a coroutine of `members` is on this thread's stack, and so cannot be awaited here.
  static bool has_on_stack(const cancel_scope& members) noexcept;
  /// Where `ending` was the scope of a coroutine on this thread's stack, that above it now is.
  static void leave_scope(const cancel_scope& ending) noexcept;

  /// Memory for a coroutine's frame: from the scheduler that is running on this thread, where there
  /// is one.
  static void* new_frame(std::size_t size);
  static void delete_frame(void* frame, std::size_t size) noexcept;

  /// Puts a coroutine at the back of the ready queue.
  void post(resumable& who) noexcept {
    who.posted = true;
    ready_.push(who);
  }
  /// Puts a coroutine that has bytes to move where it runs after all that is ready, and only while
  /// the turn is not spent. So no transfer, and not all of them together, keep the rest waiting.
  void post_behind(resumable& who) noexcept {
    who.posted = true;
    behind_.push(who);
  }

  /// What has been done since the loop last came round. Attempts count too, for a flood of tiny
  /// segments.
  void count_moved(std::uint64_t nbytes) noexcept { turn_bytes_ += nbytes; }
  void count_attempt() noexcept { ++turn_attempts_; }
  bool turn_spent() const noexcept {
    return turn_bytes_ >= turn_limit_bytes || turn_attempts_ >= turn_limit_attempts;
  }

  /// How much the next move may be of, so that the turn does not become too long.
  std::uint64_t turn_left_bytes() const noexcept {
    return turn_bytes_ < turn_limit_bytes ? turn_limit_bytes - turn_bytes_ + least_move_bytes
                                          : least_move_bytes;
  }

  /// Takes a posted coroutine out again, because its frame goes.
  void forget(resumable& who) noexcept;

  /// Destroys a finished coroutine's frame as soon as no coroutine is running.
  void retire(resumable& who) noexcept { retired_.push(who); }

  /// The next link of a chain of awaiting coroutines: `who`'s handle to resume now, or, every so
  /// often, a posted `who` and the no-op handle. Keeps the stack bounded where the compiler does
  /// not turn symmetric transfer into a jump.
  std::coroutine_handle<> hop_to(resumable& who) noexcept;

  /// Resumes `who` inside its starter's await_suspend; false where the stack is already deep: then
  /// the caller posts it.
  bool start_nested(std::coroutine_handle<> who);

  /// Has `call` run on the scheduler's thread. Thread-safe. Queueing it twice is queueing it once.
  void post_remote(remote_call& call);
  /// After this returns, `call` will not run any more. Scheduler's thread only.
  void forget_remote(remote_call& call) noexcept;

  /// Runs only coroutines of `members` until `running` is zero: how a destructor awaits.
  virtual void drain(const cancel_scope& members, const std::size_t& running);

  /// How many tasks of scopes have not ended.
  std::size_t spawned() const noexcept { return spawned_; }
  void count_spawned() noexcept { ++spawned_; }
  void count_ended() noexcept { --spawned_; }

 protected:
  ~scheduler() = default;

  /// Marks the scheduler as running on this thread for its lifetime: one level of the stack.
  class running_here {
   public:
    explicit running_here(scheduler& self) noexcept;
    running_here(const running_here&) = delete;
    running_here& operator=(const running_here&) = delete;
    ~running_here();

   private:
    friend class scheduler;
    scheduler& self_;
    scheduler* outer_;           // what ran on this thread before
    running_here* outer_level_;  // and where
    running_here* before_;       // the same scheduler's, further out
    // That of the coroutine that was resumed at this level, or one above it.
    cancel_scope* scope_ = nullptr;
  };

  /// Also true where it runs on another thread.
  bool running() const noexcept { return level_.load(std::memory_order_relaxed) != nullptr; }
  /// From now on no coroutine is on the stack, at the innermost level.
  void all_suspended() noexcept { level_.load(std::memory_order_relaxed)->scope_ = nullptr; }

  bool has_ready() const noexcept { return !ready_.empty() || !behind_.empty(); }
  /// Resumes what is ready now, but not what becomes ready meanwhile.
  void run_ready();
  void run_remote();

  /// Goes round the ring once, waiting for a completion if `wait`; finished ops are posted.
  virtual void turn(bool wait) = 0;
  /// Ends a waiting turn(). Called from any thread.
  virtual void wake() noexcept = 0;

 private:
  // One more move, of at most so much, may follow: so no turn moves more than 2 MiB.
  static constexpr std::uint64_t least_move_bytes = 64 * 1024;
  static constexpr std::uint64_t turn_limit_bytes = 2 * 1024 * 1024 - least_move_bytes;
  static constexpr unsigned turn_limit_attempts = 512;

  void resume(resumable& who);

  timers* clock_;
  frame_pool frames_;
  fifo<resumable> ready_;   // run in the next batch
  fifo<resumable> batch_;   // being run
  fifo<resumable> behind_;  // run after the batch, while the turn is not spent
  fifo<resumable> retired_;
  std::uint64_t turn_bytes_ = 0;
  unsigned turn_attempts_ = 0;
  unsigned depth_ = 0;
  unsigned hops_ = 0;
  std::size_t spawned_ = 0;
  std::atomic<running_here*> level_{nullptr};  // the innermost
  std::mutex remote_mutex_;
  fifo<remote_call> remote_;
};

}  // namespace zc::detail
