#include "zc/resolve.hpp"

#include <netdb.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "engine/loop.hpp"
#include "net/name_threads.hpp"
#include "net/numeric_address.hpp"
#include "zc/detail/join.hpp"

namespace zc {

namespace {

class getaddrinfo_category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "getaddrinfo"; }
  std::string message(int code) const override { return ::gai_strerror(code); }
};

/// The IPv6 one first: who listens there hears IPv4 too.
std::vector<address> every_interface(std::uint16_t port, int family) {
  std::vector<address> all;
  for (const char* const host : {"::", "0.0.0.0"}) {
    const address each = *detail::numeric_address(host, port);
    if (family == AF_UNSPEC || family == each.family()) all.push_back(each);
  }
  return all;
}

}  // namespace

const std::error_category& resolve_category() noexcept {
  static const getaddrinfo_category one;
  return one;
}

task<result<std::vector<address>>> try_resolve(host_port name, resolve_options options) {
  const std::optional<address> number = detail::numeric_address(name.host, name.port);
  if (number && (options.family == AF_UNSPEC || options.family == number->family())) {
    std::vector<address> one{*number};
    co_return one;
  }
  if (options.passive && name.host.empty()) {
    std::vector<address> all = every_interface(name.port, options.family);
    if (!all.empty()) co_return all;
  }
  const detail::environment env = co_await detail::this_environment{};
  auto lookup = std::make_shared<detail::name_lookup>();
  lookup->name = std::move(name);
  lookup->options = options;
  detail::name_call call(detail::loop::of(*env.where).use<detail::name_threads>(), lookup);
  std::error_code error = co_await call;
  if (!error) error = lookup->error;
  if (error) co_return error;
  co_return std::move(lookup->found);
}

task<std::vector<address>> resolve(host_port name, resolve_options options) {
  const host_port asked = name;
  result<std::vector<address>> found = co_await try_resolve(std::move(name), options);
  if (!found) throw std::system_error(found.error(), "zc::resolve: " + to_string(asked));
  co_return std::move(*found);
}

}  // namespace zc
