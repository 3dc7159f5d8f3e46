#pragma once

#include <string>

#include "examples/program.hpp"
#include "support/descriptors.hpp"

/// Servers that others have written, to stand in front of ours or behind them.
namespace support {

/// An address of loopback that is free now.
std::string free_address();

/// nginx, in one process. Throws where it is not installed, or does not begin.
class nginx {
 public:
  /// `server` is what stands in its block `server` (its port is `PORT` there), and `root` what it
  /// serves.
  nginx(const std::string& root, const std::string& server);

  const std::string& address() const { return address_; }

 private:
  temporary_directory at_;
  std::string address_;
  program process_;
};

/// HAProxy. Throws where it is not installed, or does not begin.
class haproxy {
 public:
  /// `sections` follow after `defaults`; one of them binds to `address`, which is free.
  haproxy(const std::string& address, const std::string& sections);

 private:
  temporary_directory at_;
  program process_;
};

}  // namespace support
