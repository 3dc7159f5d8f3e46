#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "examples/program.hpp"
#include "support/descriptors.hpp"
#include "zc/fd.hpp"

/// What the tests of `tcp_relay` share.
namespace support {

/// A blocking connection to `ADDRESS:PORT`, IPv4 or IPv6, that does not wait for ever.
zc::fd reach(const std::string& address);

/// How a stream ended, as far as somebody waited.
enum class ending { end, reset, silence };
struct heard {
  std::string bytes;
  ending how;
};
/// Reads until the stream ends, or for a while there is nothing.
heard hear_out(int fd);

/// Whether `size` bytes are next, and those of support::bytes_at(). Waits for them for a while.
bool hears(int fd, std::size_t size, unsigned salt);
bool hears(int fd, const std::string& expected);

/// A server for a relay to go on to.
class backend {
 public:
  explicit backend(const std::string& address = "127.0.0.1:0");

  const std::string& address() const { return address_; }
  /// The next connection. Throws where none comes in a while.
  zc::fd accept() const;
  bool is_asked_for() const;
  /// Nobody listens any more.
  void close() { listener_ = {}; }

 private:
  zc::fd listener_;
  std::string address_;
};

/// A listener whose queue is full: a connect(2) to it neither succeeds nor fails for minutes.
class deaf_backend {
 public:
  deaf_backend();
  const std::string& address() const { return address_; }

 private:
  zc::fd listener_;
  std::vector<zc::fd> callers_;
  std::string address_;
};

/// A tcp_relay that runs, with --json.
class running_relay {
 public:
  explicit running_relay(const std::string& to, std::vector<std::string> more = {},
                         program::options given = {});

  const std::string& address() const { return address_; }
  pid_t id() const { return process_.id(); }
  program& process() { return process_; }

  /// Asks for statistics. What it has said since.
  std::string ask();
  /// Asks until one of them is `count`; false where that does not come to be.
  bool comes_to(const std::string& key, std::uint64_t count);
  /// Asks it to end, and waits until it does not listen any more.
  void drain();
  /// Has it end by SIGTERM. CHECKs that nothing was wrong. What it said on standard error.
  std::string stop();

 private:
  program process_;
  std::string address_;
};

/// How often `part` is in `text`.
std::size_t times(const std::string& text, const std::string& part);

/// A number in the last line of statistics among these; -1 where there is none.
std::int64_t statistic(const std::string& said, const std::string& key);

/// A connection through a relay: one end, and the other.
struct through {
  zc::fd client;
  zc::fd server;
};
through connect_through(const running_relay& relay, const backend& behind);

}  // namespace support
