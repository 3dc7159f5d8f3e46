#include "zc/context.hpp"

#include "loop.hpp"

namespace zc {

context::context(context_options options) : loop_(std::make_unique<detail::loop>(options)) {}

context::~context() = default;

void context::run_to_end(detail::promise_base& work) { loop_->run(work); }

scope& context::background_scope() { return loop_->background(); }

void context::stop() noexcept { loop_->stop(); }

counters context::counters() const noexcept { return loop_->counted(); }

}  // namespace zc
