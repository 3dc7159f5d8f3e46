#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "examples/http_client.hpp"
#include "examples/program.hpp"
#include "support/descriptors.hpp"

/// What the tests of `file_server` share.
namespace support {

/// A file_server that runs, and its root: an empty directory, with another beside it.
class file_server {
 public:
  explicit file_server(const std::vector<std::string>& more = {}) : file_server(more, {}) {}
  file_server(const std::vector<std::string>& more, program::options given);
  file_server(const file_server&) = delete;
  file_server& operator=(const file_server&) = delete;
  /// Stops it, unless it was. CHECKs that it was alive and content.
  ~file_server();

  const std::filesystem::path& root() const { return root_; }
  /// A new file below the root, of support::bytes_at() or what is given. Its time is in the past,
  /// as a file's usually is: what was changed just now is no base for a range by date.
  std::filesystem::path add(const std::string& name, std::size_t nbytes);
  std::filesystem::path add(const std::string& name, std::string_view bytes);

  const std::string& address() const { return address_; }
  std::string url(const std::string& target) const { return "http://" + address_ + target; }
  program& process() { return process_; }
  pid_t id() const { return process_.id(); }

  /// The answer to a GET on a connection of its own. `fields` are whole lines.
  http_answer get(std::string_view target, std::string_view fields = "") const;
  /// The sockets that it has for clients.
  std::size_t clients() const;
  /// Waits until there are so many; false where that does not come to be.
  bool comes_to_clients(std::size_t count) const;

  /// Waits for its end, after it was asked to.
  program::result finish();
  /// Has it end, and waits for that.
  program::result stop(int signal);

 private:
  temporary_directory at_;
  std::filesystem::path root_;
  program process_;
  std::string address_;
  std::size_t own_sockets_ = 0;
  bool stopped_ = false;
};

/// What it said on standard error, but for what is usual when it is asked to stop.
std::string complaints_in(const program::result& of);

/// A request of HTTP/1.1. `fields` are whole lines.
std::string request(std::string_view method, std::string_view target, std::string_view fields = "");

/// Runs curl to its end, for a minute at most.
program::result curl(std::vector<std::string> arguments);

}  // namespace support
