#include "relay_site.hpp"

#include <chrono>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "handshake.hpp"
#include "sockets.hpp"
#include "zc/lingering_close.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"

namespace tcp_relay {

namespace {

using proxy_protocol::endpoints;
using std::chrono::nanoseconds;

/// Why there is nothing to relay.
class turned_away : public std::runtime_error {
 public:
  turned_away(outcome of, const endpoints& ends, const std::string& why)
      : std::runtime_error(zc::to_string(ends.source) + ": " + why), what_became(of) {}

  outcome what_became;
};

nanoseconds limit_of(std::chrono::milliseconds idle_timeout) {
  return idle_timeout.count() == 0 ? nanoseconds::max() : nanoseconds(idle_timeout);
}

bool is_cancelled(const std::system_error& failed) {
  return failed.code() == std::errc::operation_canceled;
}

/// Of a connection that could not be made.
outcome outcome_of(std::error_code failed) {
  switch (static_cast<std::errc>(failed.value())) {
    case std::errc::timed_out:
      return outcome::connect_timed_out;
    case std::errc::too_many_files_open:
    case std::errc::too_many_files_open_in_system:
    case std::errc::no_buffer_space:
    case std::errc::not_enough_memory:
    case std::errc::address_not_available:  // no port is free
      return outcome::failed;
    default:
      return outcome::refused;
  }
}

/// Not known of who comes by way of a UNIX socket.
endpoints ends_of(int client) {
  try {
    return {zc::peer_address(client).unmapped(), zc::local_address(client).unmapped()};
  } catch (const std::system_error& failed) {
    if (failed.code() != std::errc::address_family_not_supported) throw;
    return {};
  }
}

/// Ends what has not ended by itself: each may still be sending, and is to have all that was sent
/// to it none the less. Where both have said their last there is nothing that a close(2) could cut.
zc::task<> part(zc::fd client, zc::fd upstream) {
  constexpr zc::lingering_close_options bounds{.idle_timeout = std::chrono::seconds(2),
                                               .total_timeout = std::chrono::seconds(10)};
  co_await zc::when_all(zc::lingering_close(std::move(client), bounds),
                        zc::lingering_close(std::move(upstream), bounds));
}

/// Who cannot have all of a stream hears of it by a reset, after what there was of it.
zc::task<> break_off(int client, int upstream) {
  reset_on_close(client);
  reset_on_close(upstream);
  co_await drained(client);
  co_await drained(upstream);
}

}  // namespace

relay_site::relay_site(const arguments& given, std::vector<zc::address> known, statistics& count,
                       notices& say)
    : given_(given),
      upstream_(given.to, std::move(known), given.connect_timeout, say),
      statistics_(count),
      say_(say) {}

// While a relay is idle this frame is nearly all there is of a connection: what comes before has
// its own, and what needs none is in functions.
zc::task<> relay_site::handle(zc::fd client, zc::fd spare) {
  statistics::visit here(statistics_);
  try {
    zc::fd upstream = co_await open_upstream(client.get(), std::move(spare));
    here.what = judge(co_await relay(client.get(), upstream.get(), here));
    if (here.what == outcome::idle) {
      co_await part(std::move(client), std::move(upstream));
    } else if (here.what != outcome::ended) {
      co_await break_off(client.get(), upstream.get());
    }
  } catch (...) {
    here.what = judge_exception();
    if (client) reset_on_close(client.get());
  }
}

zc::task<zc::relay_result> relay_site::relay(int client, int upstream, statistics::visit& here) {
  return zc::relay(client, upstream,
                   {.idle_timeout = limit_of(given_.idle_timeout),
                    .progress_a_to_b = &here.to_upstream,
                    .progress_b_to_a = &here.to_client});
}

zc::task<zc::fd> relay_site::open_upstream(int client, zc::fd spare) {
  tune(client);
  endpoints ends;
  co_await hear_of_ends(client, ends);
  zc::fd upstream = co_await connect(ends, std::move(spare));
  tune(upstream.get());
  co_await tell_ends(upstream.get(), ends);
  co_return upstream;
}

zc::task<> relay_site::hear_of_ends(int client, endpoints& ends) {
  try {
    ends = ends_of(client);
    if (!given_.accept_proxy) co_return;
    const std::optional<endpoints> told =
        co_await zc::timeout(given_.header_timeout, receive_header(client));
    if (told) ends = *told;
  } catch (const proxy_protocol::malformed& wrong) {
    throw turned_away(outcome::bad_header, ends, wrong.what());
  } catch (const std::system_error& failed) {
    if (is_cancelled(failed)) throw;
    if (failed.code() == std::errc::timed_out) {
      throw turned_away(outcome::bad_header, ends, "no PROXY header in time");
    }
    throw turned_away(outcome::client_reset, ends, failed.what());
  }
}

zc::task<zc::fd> relay_site::connect(const endpoints& ends, zc::fd spare) {
  try {
    co_return co_await upstream_.connect(std::move(spare));
  } catch (const std::system_error& failed) {
    if (is_cancelled(failed)) throw;
    throw turned_away(outcome_of(failed.code()), ends, failed.what());
  }
}

zc::task<> relay_site::tell_ends(int to, const endpoints& ends) {
  if (!given_.send_proxy) co_return;
  try {
    co_await send_header(to, proxy_protocol::encode(*given_.send_proxy, ends));
  } catch (const std::system_error& failed) {
    if (is_cancelled(failed)) throw;
    throw turned_away(outcome::upstream_reset, ends, failed.what());
  }
}

outcome relay_site::judge(const zc::relay_result& done) {
  const outcome what = tcp_relay::outcome_of(done);
  if (what == outcome::failed) {
    const zc::transfer& failed = done.a_to_b.error ? done.a_to_b : done.b_to_a;
    say_.say("relay: " + failed.error.message());
  }
  return what;
}

/// Of the exception that is being handled.
outcome relay_site::judge_exception() {
  try {
    throw;
  } catch (const turned_away& why) {
    say_.say(why.what());
    return why.what_became;
  } catch (const std::system_error& failed) {
    if (is_cancelled(failed)) return outcome::cancelled;
    say_.say(failed.what());
  } catch (const std::bad_alloc& none) {
    say_.say(none.what());
  }
  return outcome::failed;
}

}  // namespace tcp_relay
