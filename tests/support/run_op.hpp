#pragma once

#include <utility>

#include "zc/context.hpp"
#include "zc/task.hpp"

namespace support {

/// Runs one op in a context of its own; returns what it resumed with.
///
/// The constructor's defaults stand for the arguments that are left out.
template <class Op, class... Args>
auto run_op(Args... args) {
  using outcome = decltype(std::declval<Op&>().await_resume());
  const auto body = [&]() -> zc::task<outcome> { co_return co_await Op(args...); };
  return zc::run(body());
}

}  // namespace support
