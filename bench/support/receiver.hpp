#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "measure.hpp"
#include "zc/fd.hpp"

namespace bench {

/// What is to arrive on each of some connections: files, one after the other.
struct expected_files {
  std::size_t connections = 0;
  std::size_t file_bytes = 0;
  std::uint64_t each = 0;         // files on every connection
  bool asked = false;             // by a request for each, when the last one has arrived
  int check = -1;                 // a file: every byte must be as there, at its place
  std::size_t request_bytes = 1;  // of the pattern, from its beginning
  bool hang_up = false;           // when the last file has arrived
  /// Where in it the file begins that connection `index` gets after `received` others.
  std::function<std::uint64_t(std::size_t index, std::uint64_t received)> begin_of;
};

/// A process on a core of its own that receives files on many TCP connections over loopback, copies
/// every byte into a buffer, and counts: it fails where they are not as many as expected.
class receiver {
 public:
  receiver(unsigned core, const expected_files& what);

  /// The sending ends, O_NONBLOCK or not, in the order of the connections.
  std::vector<int> sockets() const;

  /// Closes them, and waits until the last byte has been read; throws if it was the wrong number.
  void finish();

 private:
  std::vector<zc::fd> sockets_;
  std::optional<helper_process> process_;
};

}  // namespace bench
