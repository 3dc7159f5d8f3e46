#include "upstream.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
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

// As zc::connect() has it, where there is time for that.
constexpr std::chrono::milliseconds longest_head_start(250);

bool is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

upstream::upstream(zc::host_port name, std::vector<zc::address> known,
                   std::chrono::milliseconds connect_timeout, notices& say)
    : name_(std::move(name)),
      connect_timeout_(connect_timeout),
      say_(say),
      known_(std::make_shared<addresses>(std::move(known))) {}

zc::fd upstream::spare() const {
  for (const zc::address& each : *known_) {
    constexpr int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    zc::fd made(::socket(each.family(), type, IPPROTO_TCP));
    if (made) return made;
    if (is_shortage(errno)) throw std::system_error(errno, std::system_category(), "socket");
  }
  return {};
}

zc::task<zc::fd> upstream::connect(zc::fd spare) {
  if (steady_clock::now() - looked_up_ >= lookup_interval) co_await look_up();
  const std::shared_ptr<const addresses> candidates = known_;
  const auto share = connect_timeout_ / candidates->size();
  const zc::connect_options options{
      .head_start = std::min<std::chrono::nanoseconds>(share, longest_head_start)};
  zc::result<zc::fd> made = co_await zc::timeout(
      connect_timeout_, zc::try_connect(*candidates, options, std::move(spare)));
  if (!made) {
    const bool late = made.error() == std::errc::timed_out;
    throw std::system_error(made.error(),
                            late ? "connect: " + text_of(*candidates)
                                 : "zc::connect: " + zc::to_string(candidates->back()));
  }
  co_return std::move(*made);
}

std::string upstream::text_of(const addresses& candidates) const {
  return candidates.size() == 1 ? zc::to_string(candidates.front()) : zc::to_string(name_);
}

/// Only who comes when the addresses are old waits for new ones; the others meanwhile use the old.
zc::task<> upstream::look_up() {
  looked_up_ = steady_clock::now();
  zc::result<addresses> found = co_await zc::timeout(connect_timeout_, zc::try_resolve(name_));
  if (found) {
    known_ = std::make_shared<addresses>(std::move(*found));
  } else if (found.error() == std::errc::operation_canceled) {
    throw std::system_error(found.error());
  } else {
    say_.say("still the last addresses of " + zc::to_string(name_) +
             ": zc::resolve: " + zc::to_string(name_) + ": " + found.error().message());
  }
}

}  // namespace tcp_relay
