#pragma once

#include <cstddef>

namespace zc {
struct counters;
}

namespace zc::detail {

/// What a higher folder keeps for each context, as a service of Asio's execution_context: made when
/// it is first used, destroyed with the context, after its last task. Context's thread only.
///
/// A service is constructed from the context's loop, and has a `slot` of its own among all of them.
class loop_service {
 public:
  static constexpr std::size_t slots = 3;

  loop_service() noexcept = default;
  loop_service(const loop_service&) = delete;
  loop_service& operator=(const loop_service&) = delete;
  virtual ~loop_service() = default;

  /// Adds what it knows to a report of the context's counters.
  virtual void report(counters&) const noexcept {}
};

}  // namespace zc::detail
