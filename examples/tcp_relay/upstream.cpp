#include "upstream.hpp"

#include <cstddef>
#include <string>
#include <system_error>
#include <utility>

#include "zc/connect.hpp"
#include "zc/resolve.hpp"
#include "zc/timeout.hpp"

namespace tcp_relay {

namespace {

using std::chrono::steady_clock;

// Most records in use live for longer; who moves a service waits for this.
constexpr std::chrono::seconds lookup_interval(5);

zc::task<zc::fd> connect_within(std::chrono::milliseconds limit, zc::address where) {
  try {
    co_return co_await zc::timeout(limit, zc::connect(where));
  } catch (const std::system_error& failed) {
    if (failed.code() != std::errc::timed_out) throw;
    throw std::system_error(failed.code(), "connect: " + zc::to_string(where));
  }
}

bool is_cancelled(const std::system_error& failed) {
  return failed.code() == std::errc::operation_canceled;
}

}  // namespace

upstream::upstream(zc::host_port name, std::vector<zc::address> known,
                   std::chrono::milliseconds connect_timeout, notices& say)
    : name_(std::move(name)),
      connect_timeout_(connect_timeout),
      say_(say),
      known_(std::make_shared<addresses>(std::move(known))) {}

zc::task<zc::fd> upstream::connect() {
  if (steady_clock::now() - looked_up_ >= lookup_interval) co_await look_up();
  const std::shared_ptr<const addresses> candidates = known_;
  for (std::size_t i = 0; i + 1 < candidates->size(); ++i) {
    try {
      co_return co_await connect_within(connect_timeout_, (*candidates)[i]);
    } catch (const std::system_error& failed) {
      if (is_cancelled(failed)) throw;
    }
  }
  co_return co_await connect_within(connect_timeout_, candidates->back());
}

/// Only who comes when the addresses are old waits for new ones; the others meanwhile use the old.
zc::task<> upstream::look_up() {
  looked_up_ = steady_clock::now();
  try {
    addresses found = co_await zc::timeout(connect_timeout_, zc::resolve(name_));
    known_ = std::make_shared<addresses>(std::move(found));
  } catch (const std::system_error& failed) {
    if (is_cancelled(failed)) throw;
    say_.say("still the last addresses of " + zc::to_string(name_) + ": " + failed.what());
  }
}

}  // namespace tcp_relay
