#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

namespace bench {

/// The result of a system call that must not fail here; throws std::system_error with errno.
template <class Number>
Number require(Number result, const char* call) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), call);
  return result;
}

/// The result of a function of liburing, or of a completion: a negative one is an errno.
template <class Number>
Number require_ring(Number result, const char* what) {
  if (result < 0) {
    throw std::system_error(static_cast<int>(-result), std::generic_category(), what);
  }
  return result;
}

/// A measurement that moved the wrong bytes, or not all of them, is none.
inline void require_equal(unsigned long long found, unsigned long long wanted, const char* what) {
  if (found == wanted) return;
  throw std::runtime_error(std::string(what) + ": " + std::to_string(found) + " instead of " +
                           std::to_string(wanted));
}

}  // namespace bench
