#include "connection.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include "access_log.hpp"
#include "server/proxy_protocol.hpp"
#include "zc/address.hpp"
#include "zc/lingering_close.hpp"
#include "zc/sleep.hpp"
#include "zc/when_any.hpp"
#include "zc/with_stop.hpp"

namespace file_server {

namespace {

constexpr std::size_t head_limit_bytes = 16 * 1024;
constexpr std::size_t line_limit_bytes = 8 * 1024;
constexpr std::uint64_t body_limit_bytes = 64 * 1024;
// For how long a client that has had its last answer, and does not hang up, may do nothing.
constexpr std::chrono::milliseconds linger_idle{2000};
constexpr std::chrono::milliseconds linger_idle_when_stopping{500};
// For a first request that was under way when the server was asked to stop; and for any other that
// has come, and was not seen yet.
constexpr std::chrono::milliseconds first_request_when_stopping{1000};
constexpr std::chrono::milliseconds request_when_stopping{10};

std::string name_of_peer(int socket) {
  try {
    return zc::peer_address(socket).unmapped().host();
  } catch (const std::system_error& unknown) {
    if (unknown.code() == std::errc::address_family_not_supported) return "unix:";
    return "-";  // it has gone
  }
}

}  // namespace

connection::connection(zc::fd client, commons& with)
    : client_(std::move(client)),
      with_(with),
      peer_(with.given.log != nullptr ? name_of_peer(client_.get()) : std::string()),
      input_(client_.get()),
      outlet_(client_.get()),
      patience_(with.given.limits, outlet_) {
  with.counted.add(with.counted.begun);
}

connection::~connection() { with_.counted.add(with_.counted.ended); }

zc::task<> connection::run() {
  const auto first = co_await zc::when_any(serve(), watch());
  const bool cut_short = first.index() == 1 && std::get<1>(first);
  if (cut_short) time_out();
  if (closes_at_once_) co_return;
  co_await zc::lingering_close(
      std::move(client_), {.idle_timeout = stopping() ? linger_idle_when_stopping : linger_idle});
}

/// Whether what is waited for has taken too long; false where that is no longer of interest.
zc::task<bool> connection::watch() {
  const bool too_long = co_await zc::with_stop(with_.stop, patience_.run_out());
  if (too_long || !stopping()) co_return too_long;
  if (!patience_.is_on_a_request()) {
    const zc::result<void> slept = co_await zc::try_sleep_for(
        has_answered_ ? request_when_stopping : first_request_when_stopping);
    if (!slept) co_return false;
  }
  if (!patience_.is_on_a_request()) co_return true;
  co_return co_await patience_.run_out();  // it is answered
}

void connection::time_out() {
  if (patience_.awaited() == patience::wait::reader) reset();
  if (patience_.awaited() != patience::wait::head) return;
  const request unknown;
  const log_entry logged(unknown);
  answer reply(with_);
  reply.refuse_at_once(status::request_timeout, unknown);
  reply.send_at_once(outlet_);
  with_.counted.answered(reply.code(), 0);
  if (with_.given.log != nullptr) log(logged, reply.code(), 0);
}

void connection::log(const log_entry& asked, status code, std::uint64_t bytes) const {
  with_.given.log->write(
      asked,
      {.client = peer_, .when = with_.clock.now(), .code = code, .bytes = bytes, .took = {}});
}

void connection::reset() noexcept {
  const linger at_once{1, 0};
  ::setsockopt(client_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  closes_at_once_ = true;
}

zc::task<> connection::serve() {
  if (with_.given.accept_proxy) {
    const bool known = co_await hear_who_it_is();
    if (!known) co_return;
  }
  for (;;) {
    patience_.await(patience::wait::request);
    const bool there = co_await receive_head();
    if (!there) co_return;
    const bool goes_on = co_await answer_next();
    if (!goes_on || stopping()) co_return;
  }
}

zc::task<bool> connection::hear_who_it_is() {
  namespace proxy = server::proxy_protocol;
  patience_.await(patience::wait::rest);
  std::optional<proxy::header> told;
  for (;;) {
    try {
      told = proxy::parse(input_.bytes());
    } catch (const proxy::malformed&) {
      reset();
      co_return false;
    }
    if (told) break;
    const bool more = co_await receive_more();
    if (!more) co_return false;
  }
  if (told->about && with_.given.log != nullptr) peer_ = told->about->source.unmapped().host();
  // Not all of it may have come.
  for (std::size_t left = told->size_bytes;;) {
    const std::size_t here = std::min(left, input_.bytes().size());
    input_.drop(here);
    left -= here;
    if (left == 0) co_return true;
    const bool more = co_await receive_more();
    if (!more) co_return false;
  }
}

bool connection::has_head() {
  const head_scan::verdict found = scan_.look(input_.bytes());
  const bool complete = found == head_scan::verdict::complete;
  const std::size_t size = complete ? scan_.size() : input_.bytes().size();
  if (scan_.first_line_size() > line_limit_bytes) {
    refused_ = status::uri_too_long;
  } else if (size > head_limit_bytes) {
    refused_ = status::request_header_fields_too_large;
  } else if (found == head_scan::verdict::malformed) {
    refused_ = status::bad_request;
  } else if (!complete && input_.bytes() != "\r") {  // the half of an empty line
    refused_ = refuse_beginning(input_.bytes());
  }
  return complete || refused_;
}

zc::task<bool> connection::receive_head() {
  scan_ = {};
  for (;;) {
    // An empty line in front of a request is none: RFC 9112, section 2.2.
    while (input_.bytes().starts_with("\r\n")) {
      input_.drop(2);
      scan_ = {};
    }
    if (has_head()) co_return true;
    const bool more = co_await receive_more();
    if (!more) co_return false;
  }
}

zc::task<bool> connection::receive_more() {
  const bool begun = !input_.empty();
  if (begun && patience_.awaited() == patience::wait::request) {
    patience_.await(patience::wait::head);
  }
  zc::result<zc::received> got = co_await input_.receive();
  if (!got || got->empty()) {
    closes_at_once_ = true;  // nothing comes any more
    co_return false;
  }
  input_.add(std::move(*got));
  co_return true;
}

zc::task<bool> connection::answer_next() {
  request asked;
  const std::string_view head = input_.bytes().substr(0, scan_.size());
  if (!refused_) refused_ = parse_request(head, asked);
  request_body body(asked, body_limit_bytes);
  // The size of a body is not what is wrong with a request that may have none.
  if (!refused_ && body.refused()) {
    refused_ = asked.method == request::verb::other ? status::method_not_allowed : body.refused();
  }
  std::optional<log_entry> logged;
  if (with_.given.log != nullptr) logged.emplace(asked);

  // Who waits to be told to send a body is told what there is to say without it.
  const bool withholds = asked.has_body() && asked.expects_continue;
  const bool keep_alive = !refused_ && !withholds && asked.keep_alive && !stopping();
  answer reply(with_);
  patience_.await(patience::wait::answer);
  if (refused_) {
    co_await reply.refuse(*refused_, asked, false);
  } else {
    co_await reply.prepare(asked, keep_alive);
  }
  input_.drop(head.size());
  patience_.await(patience::wait::reader);
  const bool sent = co_await reply.send(outlet_);
  with_.counted.answered(reply.code(), reply.body_bytes_sent(outlet_));
  if (logged) log(*logged, reply.code(), reply.body_bytes_sent(outlet_));
  if (!sent) {
    reset();
    co_return false;
  }
  has_answered_ = true;
  if (!keep_alive) co_return false;
  if (body.ended()) co_return true;
  co_return co_await drop_body(body);
}

zc::task<bool> connection::drop_body(request_body left) {
  patience_.await(patience::wait::rest);
  for (;;) {
    input_.drop(left.take(input_.bytes()));
    if (left.refused()) co_return false;
    if (left.ended()) co_return true;
    const bool more = co_await receive_more();
    if (!more) co_return false;
  }
}

}  // namespace file_server
