#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "../examples/ship/wire.hpp"
#include "zc/fd.hpp"

namespace support {

/// A sender that says what it likes.
class peer {
 public:
  explicit peer(const std::string& address);

  void say(const std::string& bytes);
  /// `session` tells sessions apart.
  void greet(char session = 0);
  /// Fewer bytes when the receiver hangs up.
  std::string hear(std::size_t nbytes);
  ship::wire::outcome hear_result();
  bool is_hung_up() { return hear(1).empty(); }
  void say_no_more();
  void hang_up() { socket_ = zc::fd(); }

 private:
  zc::fd socket_;
};

ship::wire::item file_item(std::string path, std::uint64_t size = 0);
std::string frame(ship::wire::kind kind, const ship::wire::item& of, std::uint64_t body_bytes = 0);
/// Files of which each is an item, its contents behind it.
std::string small_files(const std::vector<std::pair<ship::wire::item, std::string>>& files);
std::string whole_file(const std::string& path, const std::string& contents);

}  // namespace support
