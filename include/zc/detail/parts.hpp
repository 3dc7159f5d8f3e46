#pragma once

#include <concepts>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "zc/detail/cpp20.hpp"

namespace zc::detail {

// each_part(value, visit): calls `visit` with the values inside of one that the standard library
// puts together. What zc puts together has a friend of this name.

template <class... Ts, class Visit>
void each_part(std::tuple<Ts...>& of, const Visit& visit) {
  std::apply([&visit](auto&... each) { (visit(each), ...); }, of);
}

template <class First, class Second, class Visit>
void each_part(std::pair<First, Second>& of, const Visit& visit) {
  visit(of.first);
  visit(of.second);
}

template <class T, class Visit>
void each_part(std::optional<T>& of, const Visit& visit) {
  if (of) visit(*of);
}

template <class... Ts, class Visit>
void each_part(std::variant<Ts...>& of, const Visit& visit) {
  if (!of.valueless_by_exception()) std::visit(visit, of);
}

/// A vector, array, deque, map, ...: not a string, and nothing else of numbers.
template <class T>
concept container = requires(T& all) {
  { *all.begin() } -> std::same_as<typename T::value_type&>;
  { all.begin() != all.end() } -> std::convertible_to<bool>;
} && !std::is_scalar_v<typename T::value_type>;

template <container All, class Visit>
void each_part(All& of, const Visit& visit) {
  for (auto& each : of) visit(each);
}

/// Calls `visit` with the parts of `value`, if it is known to have any.
template <class T, class Visit>
void visit_parts(T& value, const Visit& visit) {
  if constexpr (requires { each_part(value, visit); }) each_part(value, visit);
}

}  // namespace zc::detail
