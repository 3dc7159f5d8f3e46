#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <thread>

#include "support/descriptors.hpp"
#include "zc/fd.hpp"

/// What the tests of `ship` share.
namespace support {

void make_file(const std::filesystem::path& path, std::string_view bytes);

/// Every name below a directory, with type, mode, time and contents or target.
std::map<std::string, std::string> tree_at(const std::filesystem::path& top);

/// A blocking connection to `ADDRESS:PORT` on loopback. The socket's buffer is the kernel's choice
/// where none is given.
zc::fd connect_to(const std::string& address, int receive_buffer_bytes = 0);

/// Stands between a sender and a receiver, for one connection, and can be told to do something in
/// the middle.
class middleman {
 public:
  using hook = std::function<void(std::uint64_t forwarded_bytes)>;

  /// `on_bytes` is called before each piece that goes to the receiver, with what went before it.
  middleman(std::string receiver, hook on_bytes);
  ~middleman();

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  void serve();

  std::string receiver_;
  hook on_bytes_;
  std::uint16_t port_ = 0;
  zc::fd listener_;
  std::thread thread_;
};

}  // namespace support
