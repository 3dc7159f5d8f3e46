#include "zc/detail/keep_first.hpp"

#include "zc/detail/cancel.hpp"
#include "zc/left_behind.hpp"

namespace zc::detail {

namespace {

bool has_bytes(const std::exception_ptr& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& thrown) {
    const auto* failed = dynamic_cast<const transfer_error*>(&thrown);
    const auto* more = dynamic_cast<const left_behind*>(&thrown);
    return (failed != nullptr && !failed->remainder().empty()) ||
           (more != nullptr && !more->transfers().empty());
  } catch (...) {
    return false;
  }
}

}  // namespace

void keep_first(std::exception_ptr& first, const std::exception_ptr& error,
                bool cancelled) noexcept {
  const bool no_news = cancelled && is_cancellation(error);
  if (error == first || (no_news && !has_bytes(error))) return;
  if (!first) {
    first = error;
  } else if (cancelled && !no_news && is_cancellation(first)) {
    first = with_bytes_of(first, error);
  } else {
    first = with_bytes_of(error, first);
  }
}

}  // namespace zc::detail
