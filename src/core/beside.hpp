#pragma once

#include <exception>

#include "zc/left_behind.hpp"

namespace zc::detail {

/// An exception, with the one that it stands for nested in it, and what else was left behind.
/// Made where that one is handled.
template <class Error>
class beside final : public Error, public left_behind, public std::nested_exception {
 public:
  beside(const Error& own, const left_behind& left) : Error(own), left_behind(left) {}
};

}  // namespace zc::detail
