#pragma once

#include <vector>

#include "arguments.hpp"
#include "notices.hpp"
#include "server/proxy_protocol.hpp"
#include "server/server.hpp"
#include "statistics.hpp"
#include "upstream.hpp"
#include "zc/address.hpp"
#include "zc/fd.hpp"
#include "zc/relay.hpp"
#include "zc/task.hpp"

namespace tcp_relay {

/// The connections of one thread.
class relay_site final : public server::site {
 public:
  /// `known` are the addresses that `given.to` has now.
  relay_site(const arguments& given, std::vector<zc::address> known, statistics& count,
             notices& say);

  zc::fd prepare() override { return upstream_.spare(); }
  zc::task<> handle(zc::fd client, zc::fd spare) override;

 private:
  zc::task<zc::fd> open_upstream(int client, zc::fd spare);
  zc::task<> hear_of_ends(int client, proxy_protocol::endpoints& ends);
  zc::task<zc::fd> connect(const proxy_protocol::endpoints& ends, zc::fd spare);
  zc::task<> tell_ends(int to, const proxy_protocol::endpoints& ends);
  zc::task<zc::relay_result> relay(int client, int upstream, statistics::visit& here);
  outcome judge(const zc::relay_result& done);
  outcome judge_exception();

  const arguments& given_;
  upstream upstream_;
  statistics& statistics_;
  notices& say_;
};

}  // namespace tcp_relay
