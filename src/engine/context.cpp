#include "zc/context.hpp"

#include <utility>

#include "engine/loop.hpp"
#include "sys/thread_cancel.hpp"

namespace zc {

context::context(context_options options) : loop_(std::make_unique<detail::loop>(options)) {}

context::~context() {
  const detail::thread_cancel_postponed whole;
  // Not reset(): its last tasks still find it here.
  delete loop_.get();
  static_cast<void>(loop_.release());
}

void context::run_to_end(detail::promise_base& work) { loop_->run(work); }

scope& context::background_scope() { return loop_->background(); }

void context::post_task(task<> work) { loop_->post(std::move(work)); }

void context::stop() noexcept { loop_->stop(); }

counters context::counters() const { return loop_->counted(); }

}  // namespace zc
