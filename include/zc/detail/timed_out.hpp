#pragma once

#include <exception>

#include "zc/detail/cpp20.hpp"
#include "zc/detail/export.hpp"

namespace zc::detail {

/// Makes an exception that says "cancelled" one that says "timed out": std::system_error ETIMEDOUT
/// with the same text (whose address it was, say), a transfer_error with its counts and remainder,
/// the original nested in it. Any other exception stays what it is. The transfers of a left_behind
/// are timed_out in either case.
ZC_API std::exception_ptr timed_out(const std::exception_ptr& error);

}  // namespace zc::detail
