#pragma once

#include <cstddef>
#include <functional>
#include <utility>

#include "zc/context.hpp"
#include "zc/detail/export.hpp"
#include "zc/task.hpp"

namespace zc {

namespace detail {
ZC_API void run_on(std::size_t threads, const std::function<task<>(std::size_t)>& make,
                   const context_options& options);
}

/// Runs `factory(index)`, a task<>, for each index below `threads`, each on a thread and in a
/// context of its own; returns when all have ended. The caller's thread runs index 0.
///
/// `factory` is called on the thread that the task then runs on, by several at once: what they
/// share is thread-safe. It lives until the last task has ended. The first exception, of a factory
/// or a task, cancels the other tasks, and is thrown when all have ended, with the bytes that
/// others have ended with (see left_behind). A context or a thread that is not to be had is thrown
/// before any task begins (std::system_error: see context, and EAGAIN of pthread_create(3)): none
/// takes the descriptors that another one's context needs. To stop them all, share a
/// std::stop_source and use with_stop() in each.
///
/// The threads begin with the signals blocked that the caller has blocked: make zc::signals first.
/// Throws std::invalid_argument for no threads, std::logic_error inside of a task.
template <class Factory>
void run_on(std::size_t threads, Factory factory, context_options options = {}) {
  detail::run_on(
      threads, [&factory](std::size_t index) -> task<> { return factory(index); }, options);
}

}  // namespace zc
