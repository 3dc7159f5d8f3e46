#pragma once

#include <sys/stat.h>

#include <array>
#include <atomic>
#include <coroutine>
#include <cstddef>
#include <utility>

#include "engine/off_thread.hpp"
#include "zc/detail/scheduler.hpp"
#include "zc/fd.hpp"
#include "zc/splice_paths.hpp"
#include "zc/task.hpp"

namespace zc::detail {

/// One end of a path_job while it runs.
struct opened_end {
  int raw = -1;
  fd ours;               // where zc opened it
  struct stat about {};  // once it was looked at

  void own(fd file) noexcept {
    raw = file.get();
    ours = std::move(file);
  }
};

class small_copy_flight;

/// A path_job that may be a small regular file to be copied into a new file: open, read, open,
/// write and close on a thread, many such jobs one after another in one hand-over.
class small_copy {
 public:
  explicit small_copy(const path_job& job) noexcept;
  small_copy(const small_copy&) = delete;
  small_copy& operator=(const small_copy&) = delete;
  /// A copy that is being made is awaited.
  ~small_copy();

  /// Whether the job asks for nothing that only a splice can do.
  static bool may_serve(const path_job& job) noexcept;

  /// True: `result` is what the job did. False: nothing was written, and no target opened; `in` may
  /// be open.
  bool ended = false;
  path_transfer result;
  opened_end in;

 private:
  friend class small_copies;
  friend class small_copy_flight;
  friend class fifo<small_copy>;

  void make(char* buffer) noexcept;
  void copy(const char* bytes, std::size_t nbytes) noexcept;
  void fail(path_call call, int error, side where) noexcept;

  const path_job& job_;
  small_copy* next = nullptr;  // in the queue
  class small_copies* queued_in_ = nullptr;
  small_copy_flight* flight_ = nullptr;  // while it is with a thread
  resumable* waiter_ = nullptr;
  bool leads_ = false;  // it hands over those in the queue
  bool tried_ = false;
};

/// The small_copies of one batch: those that are asked for in one turn of the loop go to a thread
/// together. One context's thread; must outlive every small_copy that runs.
class small_copies {
 public:
  small_copies() noexcept = default;
  small_copies(const small_copies&) = delete;
  small_copies& operator=(const small_copies&) = delete;

  /// Resumes when `one` was tried, or could not be as the task is cancelled or no thread is there.
  task<> run(small_copy& one);

 private:
  friend class small_copy;

  void end_lead(small_copy& one) noexcept;

  fifo<small_copy> queue_;
  std::size_t leaders_ = 0;
};

}  // namespace zc::detail
