#pragma once

#include <array>

#include "transfer/transfer_service.hpp"
#include "zc/detail/endpoint.hpp"
#include "zc/known.hpp"
#include "zc/result.hpp"
#include "zc/splice.hpp"
#include "zc/task.hpp"
#include "zc/transfer.hpp"

namespace zc::detail {

class observer;
class batch_looks;

/// The two descriptors of a transfer, and what is known of them before it looks.
///
/// What is known must stay where it is until the transfer has begun; it copies it then.
struct ends {
  ends(int from, int to) noexcept : in(from), out(to) {}
  ends(const known_source& from, const known_target& to) noexcept
      : in(from.get()), out(to.get()), known_in(&from.about_), known_out(&to.about_) {}

  int in;
  int out;
  const result<endpoint>* known_in = nullptr;
  const result<endpoint>* known_out = nullptr;

  result<endpoint> source(transfer_service& shared) const noexcept {
    return known_in != nullptr ? *known_in : shared.looks.source(in);
  }
  result<endpoint> target(transfer_service& shared) const noexcept {
    return known_out != nullptr ? *known_out : shared.looks.target(out);
  }
};

/// What the jobs of one batch have found out about the descriptors that they share. Only for
/// descriptors that stay open, and in the mode they are in, as long as this lives. Keeps the first
/// of them, up to a bound, and never gives up one that is kept: so `ends` may refer to it.
class batch_looks {
 public:
  ends between(int in, int out) noexcept;

 private:
  std::array<known_source, 64> sources_;
  std::array<known_target, 64> targets_;
};

/// try_splice() for the verbs that are built on it.
task<transfer> try_splice_between(ends between, splice_options options,
                                  observer* seen_by = nullptr);

}  // namespace zc::detail
