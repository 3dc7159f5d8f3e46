#include "zc/run_blocking.hpp"

#include <system_error>

#include "engine/loop.hpp"
#include "engine/loop_service.hpp"
#include "engine/off_thread.hpp"

namespace zc::detail {

namespace {

constexpr std::size_t most_threads = 4;

/// The threads of one context for what its tasks do elsewhere.
class blocking_threads final : public loop_service {
 public:
  static constexpr std::size_t slot = 2;

  explicit blocking_threads(loop& owner) noexcept : threads(owner, "zc-blocking", most_threads) {}

  off_threads threads;
};

}  // namespace

task<> make_elsewhere(blocking_call& call) {
  const environment env = co_await this_environment{};
  const auto make = [&call](const off_thread_signals&) noexcept { call.make(); };
  off_threads& threads = loop::of(*env.where).use<blocking_threads>().threads;
  const std::error_code error = co_await off_thread(threads, make);
  if (error) throw std::system_error(error, "zc::run_blocking");
}

}  // namespace zc::detail
