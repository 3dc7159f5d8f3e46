#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "measure.hpp"
#include "zc/fd.hpp"

namespace bench {

/// A process on a core of its own that sends a file on each of some TCP connections over loopback,
/// and half-closes it then.
class uploader {
 public:
  /// On each connection the whole `file`, `times` times.
  uploader(unsigned core, std::size_t connections, int file, std::uint64_t times = 1);

  /// The receiving ends, O_NONBLOCK.
  std::vector<int> sockets() const;

  /// Lets it begin: nothing is sent before.
  void begin();

  /// Waits for its end; throws if it failed. Then closes the receiving ends.
  void finish();

 private:
  std::vector<zc::fd> sockets_;
  zc::fd begin_;
  std::optional<helper_process> process_;
};

}  // namespace bench
