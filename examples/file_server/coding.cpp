#include "coding.hpp"

#include <algorithm>
#include <boost/beast/http/rfc7230.hpp>
#include <charconv>
#include <optional>
#include <string>

#include "ascii.hpp"

namespace file_server {

namespace {

namespace http = boost::beast::http;

constexpr std::array known{coding{"br", "br", ".br"}, coding{"zstd", "zstd", ".zst"},
                           coding{"gzip", "x-gzip", ".gz"}};

std::string_view to_std(boost::beast::string_view text) noexcept {
  return {text.data(), text.size()};
}

/// From 0, which is never, to 1; what is no such number is never, too.
double weight_of(const http::param_list& parameters) {
  for (const auto& each : parameters) {
    if (!equal_but_for_case(to_std(each.first), "q")) continue;
    const std::string_view text = to_std(each.second);
    double weight = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), weight);
    const bool right = read.ec == std::errc() && read.ptr == text.data() + text.size();
    return right && weight <= 1 ? weight : 0;
  }
  return 1;
}

std::optional<double> weight_of(std::string_view name, const http::ext_list& field) {
  for (const auto& each : field) {
    if (equal_but_for_case(to_std(each.first), name)) return weight_of(each.second);
  }
  return {};
}

/// How much a client wants `one`: by its name, or else by `*`.
double weight_of(const coding& one, const http::ext_list& field) {
  std::optional<double> weight = weight_of(one.name, field);
  if (!weight) weight = weight_of(one.alias, field);
  if (!weight) weight = weight_of("*", field);
  return weight.value_or(0);
}

}  // namespace

accepted_codings::accepted_codings(std::string_view field) {
  // To Boost 1.74 the last one of a list, if it ends that, has the parameters of the one before.
  const std::string ended = std::string(field) + ',';
  const http::ext_list list(ended);
  // Who does not say how much the file as it is would be wanted is glad of anything less.
  const double plain = weight_of("identity", list).value_or(0);
  std::array<double, known.size()> weights{};
  for (std::size_t at = 0; at < known.size(); ++at) {
    weights[at] = weight_of(known[at], list);
    if (weights[at] > 0 && weights[at] >= plain) all_[count_++] = &known[at];
  }
  const auto weight = [&weights](const coding* of) {
    return weights[static_cast<std::size_t>(of - known.data())];
  };
  std::stable_sort(all_.begin(), all_.begin() + static_cast<std::ptrdiff_t>(count_),
                   [weight](const coding* a, const coding* b) { return weight(a) > weight(b); });
}

}  // namespace file_server
