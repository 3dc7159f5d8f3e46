#include <algorithm>
#include <sstream>

#include "relays/step.hpp"
#include "support/descriptors.hpp"

namespace relays {

namespace {

using std::chrono::microseconds;
using zc::stop_reason;

const char* name_of(stop_reason reason) {
  static constexpr std::array<const char*, 6> names{"complete",  "end_of_file", "cancelled",
                                                    "timed_out", "would_block", "failed"};
  return names[static_cast<std::size_t>(reason)];
}

class checker {
 public:
  checker(const plan& all, std::size_t index, const seen_relay& seen)
      : all_(all), plan_(all.relays[index]), seen_(seen), index_(index) {}

  std::string check() {
    if (seen_.gave_up) fail("did not end by itself");
    if (!seen_.flags_kept) fail("a descriptor's flags have changed");
    for (std::size_t way = 0; way < 2; ++way) {
      check_bytes(way);
      check_reason(way);
    }
    check_both();
    check_time();
    std::string text = text_.str();
    if (!text.empty()) text += summary();
    return text;
  }

 private:
  const zc::transfer& done(std::size_t way) const { return seen_.ways[way].done; }

  void fail(const std::string& what) { text_ << "relay " << index_ << ": " << what << '\n'; }
  void fail(std::size_t way, const std::string& what) {
    fail("from " + std::to_string(way) + ": " + what);
  }

  std::string summary() const {
    std::ostringstream text;
    for (std::size_t way = 0; way < 2; ++way) {
      const seen_way& seen = seen_.ways[way];
      static constexpr std::array<const char*, 4> sides{"none", "in", "out", "zc"};
      text << "  from " << way << ": " << name_of(seen.done.reason) << ' '
           << seen.done.error.message() << " side "
           << sides[static_cast<std::size_t>(seen.done.side)] << " said " << seen.said << " taken "
           << seen.done.taken << " moved " << seen.done.moved << " remainder "
           << seen.done.remainder.size() << " received " << seen.received.size() << " left "
           << seen.left_in_source.size() << (seen_.died[way] ? " died" : "") << '\n';
    }
    text << "  took " << seen_.took.count() / 1000 << " us\n";
    return text.str();
  }

  void check_bytes(std::size_t way) {
    const seen_way& seen = seen_.ways[way];
    const unsigned salt = salt_of(all_, index_, way);
    const auto kept = seen.done.remainder.bytes();
    if (seen.done.taken != seen.done.moved + kept.size()) fail(way, "taken is not accounted for");
    if (!support::are_bytes_at({reinterpret_cast<const char*>(kept.data()), kept.size()},
                               seen.done.moved, salt)) {
      fail(way, "the remainder has foreign bytes");
    }
    if (!support::are_bytes_at(seen.received, 0, salt)) fail(way, "received foreign bytes");
    if (seen.received.size() > seen.done.moved) fail(way, "received more than moved");
    if (seen.starved) fail(way, "the peer waited in vain for bytes, or for the end");
    if (!seen_.died[1 - way] && seen.received.size() != seen.done.moved) {
      fail(way, "received is not moved");
    }
    if (seen.progress != seen.done.moved) fail(way, "progress is not moved");
    if (seen.done.taken > seen.said) fail(way, "taken more than said");
    if (!support::are_bytes_at(seen.left_in_source, seen.done.taken, salt)) {
      fail(way, "foreign bytes are left");
    }
    if (!seen_.died[way] && seen.done.taken + seen.left_in_source.size() != seen.said) {
      fail(way, "lost what was said");
    }
  }

  bool timed() const { return plan_.idle_us + plan_.total_us + plan_.deadline_us > 0; }
  bool stopped() const { return plan_.cancel_us > 0 || seen_.gave_up; }

  void check_reason(std::size_t way) {
    const zc::transfer& of = done(way);
    const zc::transfer& other = done(1 - way);
    if ((of.reason == stop_reason::failed) != static_cast<bool>(of.error)) {
      fail(way, "error and reason do not agree");
    }
    switch (of.reason) {
      case stop_reason::end_of_file: {
        const end_plan& source = plan_.ends[way];
        if (!source.half_closes && !seen_.died[way]) fail(way, "ended without an end");
        const bool lossy = conserve::is_tty(source.is);
        if (!lossy && of.moved != seen_.ways[way].said) fail(way, "ended before all was moved");
        return;
      }
      case stop_reason::cancelled:
        if (!stopped() && other.reason != stop_reason::failed) fail(way, "cancelled by nobody");
        return;
      case stop_reason::timed_out:
        if (!timed()) fail(way, "timed out, without a timeout");
        if (other.reason == stop_reason::failed) fail(way, "timed out after a failure");
        return;
      case stop_reason::failed: {
        const bool by_in = of.side == zc::side::in && seen_.died[way];
        const bool by_out = of.side == zc::side::out && seen_.died[1 - way];
        if (!by_in && !by_out) fail(way, "failed, and nobody has died");
        const bool known = of.error == std::errc::connection_reset ||
                           of.error == std::errc::broken_pipe || of.error == std::errc::io_error;
        if (!known) fail(way, "an unexpected error");
        return;
      }
      default:
        fail(way, "an unexpected reason");
    }
  }

  /// What a dead socket had sent before goes on to the other end, if that hears it.
  void check_both() {
    if (stopped() || timed()) return;
    for (std::size_t way = 0; way < 2; ++way) {
      const bool socket = conserve::is_socket(plan_.ends[way].is);
      if (!socket || !seen_.died[way] || seen_.died[1 - way]) continue;
      if (plan_.ends[1 - way].deaf_at != never) continue;
      if (!seen_.ways[way].left_in_source.empty()) fail(way, "a dead peer's last bytes are left");
      if (!done(way).remainder.empty()) fail(way, "a dead peer's last bytes are not delivered");
    }
  }

  void check_time() {
    std::uint32_t first = ~0u;
    for (const std::uint32_t each : {plan_.idle_us, plan_.total_us, plan_.deadline_us}) {
      if (each != 0) first = std::min(first, each);
    }
    for (std::size_t way = 0; way < 2; ++way) {
      if (done(way).reason == stop_reason::timed_out && seen_.took < microseconds(first)) {
        fail(way, "timed out too soon");
      }
    }
  }

  const plan& all_;
  const relay_plan& plan_;
  const seen_relay& seen_;
  std::size_t index_;
  std::ostringstream text_;
};

}  // namespace

std::string problems_of(const plan& all, const observation& seen) {
  std::string text;
  for (std::size_t i = 0; i < seen.relays.size(); ++i) {
    text += checker(all, i, seen.relays[i]).check();
  }
  if (!seen.left_over.empty()) text += "left over:" + seen.left_over + '\n';
  return text;
}

}  // namespace relays
