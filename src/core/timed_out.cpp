#include "zc/detail/timed_out.hpp"

#include <string>
#include <string_view>
#include <system_error>

#include "core/beside.hpp"
#include "zc/mark_timed_out.hpp"
#include "zc/transfer.hpp"

namespace zc::detail {

namespace {

const std::error_code expired(ETIMEDOUT, std::system_category());

std::system_error recoded(const std::system_error& error) {
  std::string_view text = error.what();
  const std::string message = error.code().message();
  if (text == message) return {expired, "zc::timeout"};
  if (text.ends_with(": " + message)) text.remove_suffix(message.size() + 2);
  return {expired, std::string(text)};
}

transfer_error recoded(const transfer_error& error) { return error.with_code(expired); }

/// Throws `error`, which is being handled, under the other code.
template <class Error>
[[noreturn]] void throw_recoded(const Error& error) {
  if (const auto* more = dynamic_cast<const left_behind*>(&error)) {
    throw beside<Error>(recoded(error), *more);
  }
  std::throw_with_nested(recoded(error));
}

}  // namespace

std::exception_ptr timed_out(const std::exception_ptr& error) {
  try {
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& any) {
      if (const auto* more = dynamic_cast<const left_behind*>(&any)) {
        mark_timed_out(more->transfers());
      }
      throw;
    }
  } catch (const std::system_error& failed) {
    if (failed.code() != std::errc::operation_canceled) return error;
    try {
      if (const auto* transferred = dynamic_cast<const transfer_error*>(&failed)) {
        throw_recoded(*transferred);
      }
      throw_recoded(failed);
    } catch (...) {
      return std::current_exception();
    }
  } catch (...) {
    return error;
  }
}

}  // namespace zc::detail
