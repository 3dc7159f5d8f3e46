#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "transfer/pump.hpp"
#include "zc/result.hpp"
#include "zc/tee.hpp"
#include "zc/transfer.hpp"

namespace zc::detail {

/// One target of a tee: a transfer, of which `call.done` says how it has ended.
struct tee_target {
  tee_target(int descriptor, const splice_options& options, environment where)
      : fd(descriptor), call(options, where) {}

  int fd;
  pump call;
  bool live = true;

  /// With what it has not given yet as its remainder.
  void end(std::error_code error, side where) noexcept {
    live = false;
    call.stop(error, where);
    call.finish();
  }
};

/// The targets of one tee, and what splice() would ask for each of them.
class tee_targets {
 public:
  tee_targets(const std::vector<int>& outs, const tee_options& options, environment where);

  /// Checks each as splice() would, and that no two of them would write over one another: those
  /// that are refused have failed.
  void check(const result<endpoint>& in);

  std::uint64_t wanted() const noexcept;
  bool any_live() const noexcept;
  template <class Function>
  void for_live(Function act) {
    for (tee_target& each : all_) {
      if (each.live) act(each);
    }
  }
  std::deque<tee_target>& all() noexcept { return all_; }

  /// What the slowest has accepted, of those that have not failed; while there are any.
  void show_progress(progress* seen) const noexcept;

 private:
  void refuse_repeated();
  void refuse_overlapping();

  splice_options options_;      // of each
  std::deque<tee_target> all_;  // they stay where they are
};

/// Gives every target what comes from a source that can be read only once: each piece goes to all
/// of them before the next is taken, so the slowest sets the pace.
task<> tee_stream(tee_targets& targets, source from, const tee_options& options, environment env);

}  // namespace zc::detail
