#include "zc/acceptor.hpp"

#include <liburing.h>

#include <cerrno>
#include <new>
#include <utility>

namespace zc {

namespace {

// An error that stays would otherwise be asked for again for ever.
constexpr int skipped_limit = 16;

/// Whether accept(2) tells of one connection only, which has gone.
bool is_of_one_connection(int error) noexcept {
  switch (error) {
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
      return true;
    default:
      return false;
  }
}

/// Whether it tells of nothing.
bool is_passing(int error) noexcept {
  switch (error) {
    case EINTR:
    case EAGAIN:
    case ECANCELED:  // disarmed, or no room for completions: it begins again when awaited
      return true;
    default:
      return false;
  }
}

}  // namespace

acceptor::~acceptor() {
  stop();
  for (; kept() > 0; ++taken_) const fd untaken(accepted_[taken_]);
}

void acceptor::pause() noexcept {
  if (!awaited()) disarm();
}

void acceptor::prepare(io_uring_sqe& sqe) noexcept {
  if (one_by_one_) {
    io_uring_prep_accept(&sqe, listener_, nullptr, nullptr, flags_);
  } else {
    io_uring_prep_multishot_accept(&sqe, listener_, nullptr, nullptr, flags_);
  }
}

void acceptor::arrived(int result, unsigned /*flags*/) noexcept {
  if (result >= 0) {
    began_well_ = true;
    skipped_ = 0;
    keep(result);
  } else if (result == -EINVAL && !one_by_one_ && !began_well_) {
    one_by_one_ = true;  // where that was not why, the plain op says so
  } else if (is_of_one_connection(-result) && ++skipped_ < skipped_limit) {
    // The next one is another.
  } else if (!is_passing(-result)) {
    skipped_ = 0;
    error_ = -result;
  }
  if (has_some()) wake();
  if (kept() >= kept_limit) disarm();
}

void acceptor::keep(int connection) noexcept {
  if (accepted_.size() == accepted_.capacity() && taken_ > 0) {
    accepted_.erase(accepted_.begin(), accepted_.begin() + static_cast<std::ptrdiff_t>(taken_));
    taken_ = 0;
  }
  try {
    accepted_.push_back(connection);
  } catch (const std::bad_alloc&) {
    const fd lost(connection);
    error_ = ENOMEM;
  }
}

result<fd> acceptor::take() noexcept {
  if (kept() == 0) return detail::errno_code(std::exchange(error_, 0));
  fd connection(accepted_[taken_++]);
  if (kept() == 0) {
    accepted_.clear();
    taken_ = 0;
  }
  return connection;
}

result<fd> acceptor::next_connection::await_resume() noexcept {
  if (!end()) return detail::errno_code(ECANCELED);
  return on_.take();
}

}  // namespace zc
