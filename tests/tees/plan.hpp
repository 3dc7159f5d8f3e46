#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "conserve/schedule.hpp"

/// Random tees, disturbed at random, of which every byte is accounted for at every target.
namespace tees {

using conserve::kind;

/// One call. Of a target's lane only what is about the target counts, and of the source's only what
/// is about the source.
struct tee_plan {
  conserve::lane source;
  std::vector<conserve::lane> targets;
  std::int64_t offset = 0;
  std::uint64_t nbytes = zc::to_end;
  std::int64_t out_offset = 0;
  unsigned flags = 0;
  std::uint32_t start_us = 0;
  std::uint32_t deadline_us = 0;  // 0: none
  std::uint32_t cancel_us = 0;    // 0: never
};

/// One step: some tees at once, on one context. A plain value.
struct plan {
  std::uint32_t salt = 0;
  std::uint32_t entries = 256;
  std::uint32_t pipes = 64;
  std::uint32_t pipe_bytes = 256 * 1024;
  std::vector<tee_plan> tees;
};

/// Step `step` of a seed: the same for the same numbers.
plan draw(std::uint64_t seed, std::uint64_t step);

std::string to_text(const plan& of);

/// Bytes from where the call begins to the end of its source.
std::uint64_t available(const tee_plan& of);

/// Whether one of its targets fails by itself: it takes nothing, or no offset, or stops reading.
bool may_fail(const tee_plan& of, const conserve::lane& target);

/// Whether it may rightly go on for ever, if nobody stops it.
bool may_last(const tee_plan& of);

}  // namespace tees
