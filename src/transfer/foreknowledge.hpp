#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "zc/detail/endpoint.hpp"
#include "zc/known.hpp"
#include "zc/result.hpp"

namespace zc::detail {

/// A regular file with a size and blocks of its own, as it was when it was looked at.
struct stored_file {
  dev_t device;
  ino_t inode;
  std::uint64_t size;
};

/// What the jobs of one batch have found out about the descriptors that they share.
///
/// Only for descriptors that stay open, and in the mode they are in, as long as this lives. Keeps a
/// bounded number of them.
class batch_memory {
 public:
  batch_memory() noexcept {
    targets_.fill(none);
    for (source& each : sources_) each.fd = none;
  }

  /// Whether sendfile(2) to it, of what is in memory, never waits.
  bool is_ready(int out) const noexcept { return out != none && targets_[slot_of(out)] == out; }
  void add_ready(int out) noexcept { targets_[slot_of(out)] = out; }

  /// Null where it is no such file, or not known.
  const stored_file* find(int in) const noexcept {
    const source& kept = sources_[slot_of(in)];
    return in != none && kept.fd == in ? &kept.file : nullptr;
  }
  void add(int in, const stored_file& file) noexcept { sources_[slot_of(in)] = {in, file}; }

 private:
  struct source {
    int fd;
    stored_file file;
  };

  static constexpr int none = -1;
  static constexpr std::size_t limit = 64;
  static std::size_t slot_of(int fd) noexcept { return static_cast<unsigned>(fd) % limit; }

  std::array<int, limit> targets_;
  std::array<source, limit> sources_;
};

/// What is known of the two ends before a transfer looks at them, where anything is.
struct foreknowledge {
  const result<endpoint>* in = nullptr;  // by the caller
  const result<endpoint>* out = nullptr;
  batch_memory* batch = nullptr;  // by the jobs before

  static foreknowledge of(const known_source& in, const known_target& out) noexcept {
    return {&in.about_, &out.about_};
  }
};

}  // namespace zc::detail
