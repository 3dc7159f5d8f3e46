#include "conserve/check.hpp"

#include <algorithm>
#include <sstream>

#include "conserve/ends.hpp"
#include "conserve/expect.hpp"

namespace conserve {

namespace {

ending_rule as_rule(const zc::transfer& done) {
  return {done.reason, done.error.value(), done.side, done.moved, done.moved, done.taken};
}

/// Whether a value of the throwing call, which has no reason, may stand for this one.
bool may_mean(zc::stop_reason said, zc::stop_reason meant, const lane& of) {
  return of.throwing && said == zc::stop_reason::end_of_file &&
         meant == zc::stop_reason::would_block;
}

bool fits(const ending_rule& rule, const zc::transfer& done, const lane& of) {
  return (rule.reason == done.reason || may_mean(done.reason, rule.reason, of)) &&
         rule.error == done.error.value() &&
         (rule.reason != zc::stop_reason::failed || rule.side == done.side) &&
         done.moved >= rule.least_moved && done.moved <= rule.most_moved &&
         done.taken <= rule.most_taken;
}

class checker {
 public:
  checker(const schedule& all, std::size_t index, const observation& seen)
      : all_(all),
        of_(all.lanes[index]),
        seen_(seen.lanes[index]),
        done_(seen_.done),
        proc_(seen.proc_text),
        salt_(source_salt(all, index)),
        index_(index) {}

  std::string check() {
    if (seen_.completions != 1) fail("completions: " + std::to_string(seen_.completions));
    if (!seen_.counted) {
      fail("ended without counts: " + seen_.exception);
      return text_.str();
    }
    check_ending();
    check_counts();
    check_source();
    check_target();
    check_descriptors();
    return text_.str();
  }

 private:
  void fail(const std::string& what) { text_ << "lane " << index_ << ": " << what << '\n'; }

  void check_ending() {
    const std::vector<ending_rule> allowed = allowed_endings(all_, of_, proc_.size());
    const bool fit = std::any_of(allowed.begin(), allowed.end(), [this](const ending_rule& each) {
      return fits(each, done_, of_);
    });
    if (!fit) {
      std::string what = "ended as " + to_text(as_rule(done_)) + " (taken " +
                         std::to_string(done_.taken) + "); allowed:";
      for (const ending_rule& each : allowed) what += " [" + to_text(each) + "]";
      fail(what);
    }
    const bool cut =
        done_.reason == zc::stop_reason::cancelled || done_.reason == zc::stop_reason::timed_out;
    if (cut && of_.nbytes != zc::to_end && of_.nbytes > 0 && done_.moved == of_.nbytes) {
      fail("everything was moved, and yet it was cut short");
    }
    if (done_.reason == zc::stop_reason::timed_out &&
        seen_.took < std::chrono::microseconds(of_.deadline_us)) {
      fail("timed out before its time");
    }
    if (of_.route == zc::route::copy && !of_.throwing && done_.route != zc::route::copy) {
      fail("did not go by the route that was asked for");
    }
  }

  void check_counts() {
    if (done_.taken != done_.moved + remainder().size()) {
      fail("taken " + std::to_string(done_.taken) + " != moved " + std::to_string(done_.moved) +
           " + remainder " + std::to_string(remainder().size()));
    }
    if (seen_.progress_moved != done_.moved) {
      fail("progress says " + std::to_string(seen_.progress_moved));
    }
    if (!are_source_bytes(of_, salt_, proc_, remainder(), start_of(of_) + done_.moved)) {
      fail("the remainder's bytes are not those after what was moved");
    }
    if (!seen_.delivery_problem.empty()) fail(seen_.delivery_problem);
  }

  /// Bytes that were taken but not moved: run_step() has delivered them.
  const std::string& remainder() const { return seen_.delivered; }

  void check_source() {
    if (is_file(of_.from)) {
      if (!seen_.source_intact) fail("the source file has changed");
      const bool advances = of_.offset == zc::file_position;
      check_position("in", seen_.in_position, of_.in_position, advances ? done_.taken : 0);
    }
    if (!has_peer(of_.from)) return;
    if (done_.taken > seen_.fed) {
      fail("taken " + std::to_string(done_.taken) + " of " + std::to_string(seen_.fed) + " fed");
    }
    if (!are_source_bytes(of_, salt_, proc_, seen_.left_in_source, done_.taken)) {
      fail("what is left in the source does not begin where the transfer left off");
    }
    const std::uint64_t accounted = done_.taken + seen_.left_in_source.size();
    if (accounted > seen_.fed) fail("more is left in the source than was fed");
    if (accounted < seen_.fed && !source_may_lose()) {
      fail("of " + std::to_string(seen_.fed) + " bytes fed, " + std::to_string(done_.taken) +
           " were taken and " + std::to_string(seen_.left_in_source.size()) + " are left");
    }
  }

  /// A reset drops what is on its way, and so does a tty's hang-up. What reaches a socket that is
  /// shut for reading need not be readable.
  bool source_may_lose() const {
    if (of_.event == event::shut_in) return true;
    if (of_.from == kind::tcp) return of_.ending == ending::reset;
    return is_tty(of_.from) && of_.ending != ending::stay;
  }

  void check_target() {
    if (is_file(of_.to)) {
      if (!seen_.target_problem.empty()) fail("target: " + seen_.target_problem);
      const bool advances = of_.out_offset == zc::file_position && done_.moved > 0;
      const std::uint64_t begin = of_.to == kind::append ? of_.out_size : of_.out_position;
      check_position("out", seen_.out_position, advances ? begin : of_.out_position,
                     advances ? done_.moved : 0);
    }
    if (!has_peer(of_.to)) return;
    if (!are_source_bytes(of_, salt_, proc_, seen_.received, start_of(of_))) {
      fail("what arrived is not what was sent (" + std::to_string(seen_.received.size()) +
           " bytes)");
    }
    const bool all = seen_.received.size() == done_.moved;
    const bool prefix = seen_.received.size() < done_.moved && seen_.reader_closed;
    if (!all && !prefix) {
      fail("moved " + std::to_string(done_.moved) + ", but " +
           std::to_string(seen_.received.size()) + " arrived" +
           (seen_.reader_starved ? " and nothing more came" : ""));
    }
  }

  void check_position(const char* which, std::int64_t at, std::uint64_t began,
                      std::uint64_t advanced) {
    if (at == static_cast<std::int64_t>(began + advanced)) return;
    fail(std::string("file position of ") + which + " is " + std::to_string(at) + ", not " +
         std::to_string(began + advanced));
  }

  void check_descriptors() {
    if (!seen_.in_flags_kept) fail("the flags of in have changed");
    if (!seen_.out_flags_kept) fail("the flags of out have changed");
    if (seen_.bystanders_touched) fail("a descriptor was used after completion");
  }

  const schedule& all_;
  const lane& of_;
  const observed& seen_;
  const zc::transfer& done_;
  const std::string& proc_;
  unsigned salt_;
  std::size_t index_;
  std::ostringstream text_;
};

}  // namespace

std::string problems_of(const schedule& all, const observation& seen) {
  std::string text;
  for (std::size_t i = 0; i < all.lanes.size(); ++i) text += checker(all, i, seen).check();
  if (seen.pipes_lent != 0)
    text += "pipes not given back: " + std::to_string(seen.pipes_lent) + '\n';
  if (!seen.left_over.empty()) text += "left over:" + seen.left_over + '\n';
  return text;
}

}  // namespace conserve
