#include "zc/connect.hpp"

#include <netinet/in.h>

#include <cerrno>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "zc/op/connect.hpp"

namespace zc {

namespace {

task<result<fd>> try_connect(const address& where) {
  const int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  fd made(::socket(where.family(), type, IPPROTO_TCP));
  if (!made) co_return std::error_code(errno, std::system_category());
  const result<void> connected = co_await op::connect(made.get(), where.data(), where.size());
  if (!connected) co_return connected.error();
  co_return std::move(made);
}

[[noreturn]] void fail(const address& where, std::error_code why) {
  throw std::system_error(why, "zc::connect: " + to_string(where));
}

}  // namespace

task<fd> connect(address where) {
  result<fd> made = co_await try_connect(where);
  if (!made) fail(where, made.error());
  co_return std::move(*made);
}

task<fd> connect(std::vector<address> candidates) {
  if (candidates.empty()) throw std::invalid_argument("zc::connect: no address");
  for (std::size_t i = 0; i + 1 < candidates.size(); ++i) {
    result<fd> made = co_await try_connect(candidates[i]);
    if (made) co_return std::move(*made);
    if (made.error() == std::errc::operation_canceled) fail(candidates[i], made.error());
  }
  co_return co_await connect(candidates.back());
}

}  // namespace zc
