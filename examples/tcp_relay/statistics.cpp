#include "statistics.hpp"

#include <nlohmann/json.hpp>
#include <system_error>

namespace tcp_relay {

namespace {

struct name {
  outcome what;
  const char* key;
  const char* words;
};
constexpr std::array<name, outcomes> names{{
    {outcome::ended, "ended", "ended"},
    {outcome::refused, "refused", "refused by the upstream"},
    {outcome::connect_timed_out, "connect_timed_out", "not answered by it"},
    {outcome::bad_header, "bad_header", "without a PROXY header"},
    {outcome::idle, "idle", "idle for too long"},
    {outcome::client_reset, "client_reset", "reset by the client"},
    {outcome::upstream_reset, "upstream_reset", "reset by the upstream"},
    {outcome::cancelled, "cancelled", "cancelled"},
    {outcome::failed, "failed", "failed here"},
}};

std::uint64_t moved(const zc::progress& so_far) noexcept {
  return so_far.moved.load(std::memory_order_relaxed);
}

bool either(const zc::relay_result& done, zc::stop_reason reason) noexcept {
  return done.a_to_b.reason == reason || done.b_to_a.reason == reason;
}

/// Of the transfer that failed: `from` and `to` are what its ends' failing amounts to.
outcome blame(const zc::transfer& failed, outcome from, outcome to) noexcept {
  switch (failed.side) {
    case zc::side::in:
      return from;
    case zc::side::out:
      return to;
    default:
      return outcome::failed;
  }
}

}  // namespace

outcome outcome_of(const zc::relay_result& done) noexcept {
  if (done.a_to_b.reason == zc::stop_reason::failed) {
    return blame(done.a_to_b, outcome::client_reset, outcome::upstream_reset);
  }
  if (done.b_to_a.reason == zc::stop_reason::failed) {
    return blame(done.b_to_a, outcome::upstream_reset, outcome::client_reset);
  }
  if (either(done, zc::stop_reason::timed_out)) return outcome::idle;
  if (either(done, zc::stop_reason::cancelled)) return outcome::cancelled;
  return outcome::ended;
}

std::string for_people(const totals& all) {
  std::string text = std::to_string(all.accepted) + " accepted, " + std::to_string(all.active) +
                     " active, " + std::to_string(all.bytes_to_upstream) +
                     " bytes to the upstream, " + std::to_string(all.bytes_to_client) +
                     " to clients; ";
  for (const name& each : names) {
    if (each.what != names.front().what) text += ", ";
    text += std::to_string(all.of(each.what)) + " " + each.words;
  }
  return text;
}

std::string for_programs(const totals& all) {
  nlohmann::ordered_json text = {
      {"accepted", all.accepted},
      {"active", all.active},
      {"bytes_to_upstream", all.bytes_to_upstream},
      {"bytes_to_client", all.bytes_to_client},
  };
  for (const name& each : names) text[each.key] = all.of(each.what);
  return text.dump();
}

void add_metrics(server::metrics& to, const totals& all) {
  to.counter("connections_total", "Connections that were accepted.", all.accepted);
  to.gauge("connections", "Connections that are open.", all.active);
  to.counter("to_upstream_bytes_total", "Bytes that went to the upstream.", all.bytes_to_upstream);
  to.counter("to_client_bytes_total", "Bytes that went to clients.", all.bytes_to_client);
  to.counters("outcomes_total", "What became of connections.");
  for (const name& each : names) to.add("outcomes_total", "what", each.key, all.of(each.what));
}

statistics::visit::visit(statistics& in) : in_(in) {
  const std::lock_guard<std::mutex> locked(in.lock_);
  at_ = static_cast<std::uint32_t>(in.running_.size());
  in.running_.push_back(this);
  ++in.gone_.accepted;
}

statistics::visit::~visit() {
  const std::lock_guard<std::mutex> locked(in_.lock_);
  visit* const last = in_.running_.back();
  last->at_ = at_;
  in_.running_[at_] = last;
  in_.running_.pop_back();
  ++in_.gone_.by_outcome[static_cast<std::size_t>(what)];
  in_.gone_.bytes_to_upstream += moved(to_upstream);
  in_.gone_.bytes_to_client += moved(to_client);
}

void statistics::add_to(totals& all) const {
  const std::lock_guard<std::mutex> locked(lock_);
  all.accepted += gone_.accepted;
  for (std::size_t i = 0; i < outcomes; ++i) all.by_outcome[i] += gone_.by_outcome[i];
  all.bytes_to_upstream += gone_.bytes_to_upstream;
  all.bytes_to_client += gone_.bytes_to_client;
  all.active += running_.size();
  for (const visit* each : running_) {
    all.bytes_to_upstream += moved(each->to_upstream);
    all.bytes_to_client += moved(each->to_client);
  }
}

}  // namespace tcp_relay
