#pragma once

#include <functional>
#include <system_error>
#include <type_traits>

#include "zc/run_blocking.hpp"
#include "zc/task.hpp"

namespace ship {

/// Calls `work()` on another thread (zc::run_blocking), or where no thread is to be had on this
/// one: others wait then, but it is done. `work` is the caller's, and stays where it is.
template <class Callable>
zc::task<std::invoke_result_t<Callable&>> run_elsewhere(Callable& work) {
  try {
    co_return co_await zc::run_blocking(std::ref(work));
  } catch (const std::system_error& error) {
    if (error.code() != std::errc::resource_unavailable_try_again) throw;
  }
  co_return work();
}

}  // namespace ship
