#include <algorithm>
#include <array>
#include <sstream>

#include "support/descriptors.hpp"
#include "tees/step.hpp"
#include "zc/splice.hpp"

namespace tees {

namespace {

using conserve::lane;
using zc::stop_reason;

const char* name_of(stop_reason reason) {
  static constexpr std::array<const char*, 6> names{"complete",  "end_of_file", "cancelled",
                                                    "timed_out", "would_block", "failed"};
  return names[static_cast<std::size_t>(reason)];
}

bool failed_alone(const zc::transfer& done) {
  return done.reason == stop_reason::failed && done.side == zc::side::out;
}

class checker {
 public:
  checker(const plan& all, std::size_t index, const seen_tee& seen)
      : plan_(all.tees[index]), seen_(seen), index_(index), salt_(salt_of(all, index)) {
    for (const seen_target& each : seen_.targets) taken_ = std::max(taken_, each.done.taken);
  }

  std::string check() {
    if (seen_.gave_up) fail("did not end by itself");
    if (!seen_.flags_kept) fail("a descriptor's flags have changed");
    for (std::size_t i = 0; i < seen_.targets.size(); ++i) {
      check_bytes(i);
      check_reason(i);
      check_pace(i);
    }
    check_source();
    check_progress();
    std::string text = text_.str();
    if (!text.empty()) text += summary();
    return text;
  }

 private:
  void fail(const std::string& what) { text_ << "tee " << index_ << ": " << what << '\n'; }
  void fail(std::size_t target, const std::string& what) {
    fail("target " + std::to_string(target) + ": " + what);
  }

  std::string summary() const {
    std::ostringstream text;
    for (const seen_target& each : seen_.targets) {
      static constexpr std::array<const char*, 4> sides{"none", "in", "out", "zc"};
      text << "  " << name_of(each.done.reason) << ' ' << each.done.error.message() << " side "
           << sides[static_cast<std::size_t>(each.done.side)] << " taken " << each.done.taken
           << " moved " << each.done.moved << " remainder " << each.done.remainder.size()
           << " received " << each.received.size() << (each.closed ? " closed" : "") << '\n';
    }
    text << "  fed " << seen_.fed << " left " << seen_.left_in_source.size() << " progress "
         << seen_.progress << " took " << seen_.took.count() / 1000 << " us\n";
    return text.str();
  }

  bool are_right(std::string_view bytes, std::uint64_t at) const {
    return support::are_bytes_at(bytes, static_cast<std::uint64_t>(plan_.offset) + at, salt_);
  }
  bool has(zc::splice_flags flag) const { return (plan_.flags & static_cast<unsigned>(flag)) != 0; }

  void check_bytes(std::size_t target) {
    const seen_target& seen = seen_.targets[target];
    const lane& plan = plan_.targets[target];
    const auto kept = seen.done.remainder.bytes();
    if (seen.done.taken != seen.done.moved + kept.size()) {
      fail(target, "taken is not accounted for");
    }
    if (!are_right({reinterpret_cast<const char*>(kept.data()), kept.size()}, seen.done.moved)) {
      fail(target, "the remainder has foreign bytes");
    }
    if (plan.to == kind::null || plan.to == kind::full || plan.to == kind::sealed) return;
    if (!are_right(seen.received, 0)) fail(target, "received foreign bytes");
    if (seen.starved) fail(target, "the peer waited in vain for bytes");
    const bool all = seen.received.size() == seen.done.moved;
    const bool fewer = seen.received.size() < seen.done.moved;
    if (!all && !(seen.closed && fewer)) fail(target, "received is not moved");
  }

  void check_reason(std::size_t target) {
    const zc::transfer& done = seen_.targets[target].done;
    if ((done.reason == stop_reason::failed) != static_cast<bool>(done.error)) {
      fail(target, "error and reason do not agree");
    }
    switch (done.reason) {
      case stop_reason::complete:
        if (plan_.nbytes == zc::to_end && conserve::has_peer(plan_.source.from)) {
          fail(target, "complete, of what has no size");
        }
        if (done.moved != std::min(plan_.nbytes, available(plan_))) fail(target, "not complete");
        return;
      case stop_reason::end_of_file: {
        const bool ends =
            plan_.source.ending != conserve::ending::stay && conserve::can_end(plan_.source.from);
        if (!ends) fail(target, "ended without an end");
        if (done.moved != seen_.fed) fail(target, "ended before all was moved");
        return;
      }
      case stop_reason::cancelled:
        if (plan_.cancel_us == 0 && !seen_.gave_up) fail(target, "cancelled by nobody");
        return;
      case stop_reason::timed_out:
        if (plan_.deadline_us == 0) fail(target, "timed out, without a timeout");
        if (seen_.took < std::chrono::microseconds(plan_.deadline_us)) {
          fail(target, "timed out too soon");
        }
        return;
      case stop_reason::would_block:
        if (!has(zc::splice_flags::nonblock)) fail(target, "would block, unasked");
        return;
      case stop_reason::failed:
        // A message that is longer than the room of a target stays, where nobody may wait.
        if (done.error == std::errc::message_size && done.side == zc::side::in &&
            conserve::has_messages(plan_.source.from) && has(zc::splice_flags::nonblock)) {
          return;
        }
        if (done.side != zc::side::out || !may_fail(plan_, plan_.targets[target])) {
          fail(target, "failed for no reason");
        }
    }
  }

  /// Whoever has not failed got all that was taken; who has failed no more than that. But of a
  /// file, which each target reads for itself.
  void check_pace(std::size_t target) {
    if (!conserve::has_peer(plan_.source.from)) return;
    const zc::transfer& done = seen_.targets[target].done;
    if (failed_alone(done)) return;
    if (done.taken != taken_) fail(target, "others took another number of bytes");
  }

  void check_source() {
    if (!conserve::has_peer(plan_.source.from)) return;
    if (taken_ > seen_.fed) return fail("taken more than fed");
    if (!are_right(seen_.left_in_source, taken_)) fail("foreign bytes are left");
    if (taken_ + seen_.left_in_source.size() != seen_.fed) fail("lost what was fed");
  }

  void check_progress() {
    std::uint64_t least = zc::to_end;
    bool whole = true;
    for (const seen_target& each : seen_.targets) {
      if (failed_alone(each.done)) continue;
      least = std::min(least, each.done.moved);
      whole = whole && each.done.reason <= stop_reason::end_of_file;
    }
    if (least == zc::to_end) return;
    if (seen_.progress > least) fail("progress is more than moved");
    if (whole && seen_.progress != least) fail("progress is not moved");
  }

  const tee_plan& plan_;
  const seen_tee& seen_;
  std::size_t index_;
  unsigned salt_;
  std::uint64_t taken_ = 0;
  std::ostringstream text_;
};

}  // namespace

std::string problems_of(const plan& all, const observation& seen) {
  std::string text;
  for (std::size_t i = 0; i < seen.tees.size(); ++i) text += checker(all, i, seen.tees[i]).check();
  if (!seen.left_over.empty()) text += "left over:" + seen.left_over + '\n';
  return text;
}

}  // namespace tees
