#pragma once

#include <chrono>
#include <cstdint>

#include "coarse_clock.hpp"
#include "outlet.hpp"
#include "settings.hpp"
#include "zc/task.hpp"

namespace file_server {

/// How long a connection's client may keep it waiting, now.
///
/// To say what it waits for takes no timer: one coroutine per connection sleeps until the first
/// moment at which time may have run out, and then looks again. When the client took a byte, the
/// kernel knows.
class patience {
 public:
  enum class wait {
    request,  // for the next one's first byte
    head,     // for the rest of it
    answer,   // for nothing that the client does: its answer is being found
    reader,   // for the client to take the answer
    rest,     // for what follows an answer and nobody wants: its request's body, or the end
  };

  patience(const time_limits& limits, const outlet& answers) noexcept;

  /// What is waited for from now on.
  void await(wait what) noexcept;
  wait awaited() const noexcept { return what_; }
  bool is_on_a_request() const noexcept {
    return what_ == wait::head || what_ == wait::answer || what_ == wait::reader;
  }

  /// Resumes when the time for something has run out: true; or cancelled, with false.
  zc::task<bool> run_out();

 private:
  std::chrono::milliseconds limit_of(wait what) const noexcept;
  /// When to look again, at the latest: anything that begins later has more time than that.
  std::chrono::milliseconds shortest() const noexcept;

  /// Begins the time for the client to take a byte anew when it took the last one.
  void note_progress(coarse_clock::time_point now) noexcept;

  const time_limits& limits_;
  const outlet& answers_;
  wait what_ = wait::request;
  coarse_clock::time_point deadline_;
  std::uint64_t taken_ = 0;  // when last looked at
};

}  // namespace file_server
