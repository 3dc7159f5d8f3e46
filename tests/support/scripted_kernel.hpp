#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/interposer.hpp"
#include "zc/context.hpp"

namespace support {

/// Something that goes wrong at one step, or at several in a row.
struct fault {
  enum class kind : std::uint8_t {
    none,
    short_count,  // no more than one byte is asked for
    error,        // the kernel does nothing, and says so
    delayed,      // the completion is seen only after some turns of the loop
    reordered,    // the completion is seen only after the next one
    queue_full,   // there is no room in the submission queue
    enter_fails,  // io_uring_enter(2) fails
  };

  kind what = kind::none;
  int error = 0;  // for error and enter_fails: a positive errno, or one of the kernel's own
  int at = 0;     // the first step, submission or io_uring_enter(2) that meets it, from 0
  int times = 1;
  int opcode = -1;  // only such steps are counted and met, where it is not negative

  static constexpr int ever_after = 1 << 30;

  std::string describe() const;
};

/// How often each kind of fault (and each errno of one) was met so far, by all of them.
const std::map<std::string, long>& faults_met();

/// The kernel, following a script. A step is an op's submission, or a system call made directly:
/// not a cancel, nor what the loop submits for itself.
class scripted_kernel final : public zc::detail::interposer {
 public:
  explicit scripted_kernel(std::vector<fault> script);
  explicit scripted_kernel(fault only = {}) : scripted_kernel(std::vector<fault>{only}) {}
  scripted_kernel(const scripted_kernel&) = delete;
  scripted_kernel& operator=(const scripted_kernel&) = delete;
  ~scripted_kernel();

  /// Stands before `context`'s kernel from now on, until it goes or another one does.
  void stand_before(zc::context& context);

  /// Called before each step, with its number.
  void before_step(std::function<void(int)> call) { before_step_ = std::move(call); }

  /// Whether each of the faults was met.
  bool met() const;
  int steps() const { return steps_; }

 private:
  using completion = zc::detail::completion;
  struct held {
    completion one;
    int turns;  // of the loop, until it may be seen
    bool until_another;
  };

  bool has_room() noexcept override;
  void submit(io_uring_sqe& sqe) noexcept override;
  int enter(bool& wait) noexcept override;
  void complete(completion arrived) noexcept override;
  std::optional<completion> next() noexcept override;
  std::optional<int> call(io_uring_sqe& sqe) noexcept override;

  struct act {
    fault what;
    int seen = 0;
    bool met = false;

    bool meets();
  };

  /// Counts one step; the fault that is to happen in it, or null.
  const fault* step(const io_uring_sqe& sqe);
  /// The same for what is not a step of an op: room in the queue, or an io_uring_enter(2).
  const fault* meet(fault::kind what);

  std::vector<act> script_;
  std::function<void(int)> before_step_;
  zc::context* context_ = nullptr;
  int steps_ = 0;
  std::map<std::uint64_t, int> answers_;  // what to say of the no-ops that stand for ops
  std::map<std::uint64_t, fault::kind> held_back_;
  std::vector<held> held_;
  std::vector<completion> seen_;
  std::size_t next_seen_ = 0;
};

}  // namespace support
