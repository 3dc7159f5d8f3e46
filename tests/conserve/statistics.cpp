#include "conserve/statistics.hpp"

#include <system_error>

namespace conserve {

namespace {

template <class Names, class Value>
std::string name(const Names& names, Value value) {
  return names[static_cast<std::size_t>(value)];
}

constexpr std::array<const char*, 6> reason_names{"complete",  "end_of_file", "cancelled",
                                                  "timed_out", "would_block", "failed"};

void print_table(std::ostream& to, const char* title,
                 const std::map<std::string, std::uint64_t>& counts) {
  to << "  " << title << ':';
  for (const auto& [what, count] : counts) to << ' ' << what << ' ' << count << ',';
  to << '\n';
}

}  // namespace

void statistics::count(const schedule& all, const verdict& seen) {
  ++steps_;
  if (!seen.problems.empty()) ++failed_;
  ++limits_[name(limit_names, all.limit)];
  for (const lane& each : all.lanes) {
    ++transfers_;
    ++sources_[name(kind_names, each.from)];
    ++targets_[name(kind_names, each.to)];
    ++asked_[name(route_names, each.route)];
    if (each.cancel_us != 0) ++injected_["cancel"];
    if (each.deadline_us != 0) ++injected_["deadline"];
    if (each.event != event::none) ++injected_[name(event_names, each.event)];
    if (each.dup2) ++injected_["dup2"];
    if (has_peer(each.from) && each.ending == ending::reset) ++injected_["feeder_resets"];
    if (has_peer(each.from) && each.ending == ending::close) ++injected_["feeder_closes"];
    if (has_peer(each.from) && each.feed_bytes == 1) ++injected_["one_byte_segments"];
    if (each.feed_pause_us != 0) ++injected_["slow_feeder"];
    if (each.read_pause_us != 0) ++injected_["slow_reader"];
  }
  for (const lane_summary& each : seen.lanes) {
    bytes_ += each.moved;
    remainder_bytes_ += each.remainder;
    if (each.remainder > 0) ++remainders_;
    std::string how = name(reason_names, each.reason);
    if (each.error != 0) how += " (" + std::generic_category().message(each.error) + ")";
    ++outcomes_[how];
    ++routes_[name(route_names, each.route)];
  }
}

void statistics::print(std::ostream& to, double seconds) const {
  to << steps_ << " steps, " << failed_ << " failed, " << seconds << " s\n"
     << "  transfers: " << transfers_ << ", bytes moved: " << bytes_
     << ", remainders: " << remainders_ << " (" << remainder_bytes_ << " bytes)\n";
  print_table(to, "sources", sources_);
  print_table(to, "targets", targets_);
  print_table(to, "route asked", asked_);
  print_table(to, "route taken", routes_);
  print_table(to, "injected", injected_);
  print_table(to, "limits", limits_);
  print_table(to, "outcomes", outcomes_);
}

}  // namespace conserve
