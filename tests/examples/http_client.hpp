#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "zc/fd.hpp"

/// A client of HTTP/1 that sends whatever bytes it is told to, and takes nothing but correct
/// answers.
namespace support {

/// An answer, as it was on the wire.
struct http_answer {
  std::string version;  // "HTTP/1.1"
  int status = 0;
  std::vector<std::pair<std::string, std::string>> fields;  // names in lower case
  std::string body;

  bool has(std::string_view name) const;
  /// The value of a field; throws where there is none, or more than one.
  const std::string& field(std::string_view name) const;
  /// How long it says that its body is.
  std::size_t content_length() const;
  /// Whether it says that the connection ends with it.
  bool closes() const;
};

/// Throws std::runtime_error where that is not a correct head of an answer, up to its empty line.
http_answer parse_answer(std::string_view head);

/// A blocking connection to a server. Whatever waits throws where nothing comes for 10 s
/// (support::slowdown()).
class http_client {
 public:
  enum class to { get, head };
  enum class end { clean, reset };
  struct options {
    int receive_buffer_bytes = 0;  // of the socket; 0: as the kernel has it
  };

  explicit http_client(const std::string& address) : http_client(address, options()) {}
  http_client(const std::string& address, options given);

  /// Sends all of it; false where the server hung up before.
  bool send(std::string_view bytes);

  /// The next answer with its body, which one to HEAD, and 1xx, 204 and 304 have not. Throws
  /// std::runtime_error where something else comes, or the end.
  http_answer receive(to method = to::get);
  /// Only up to the empty line.
  http_answer receive_head();
  /// So many bytes; fewer only at the end of the connection.
  std::string receive_bytes(std::size_t nbytes);
  /// receive(), or nothing where the connection ends without a word more.
  std::optional<http_answer> receive_if_any();

  http_answer ask(std::string_view request, to method = to::get);

  /// Whatever comes until the connection ends. end_seen() says how it did.
  std::string rest();
  /// Whether it ends, and properly, without a word more.
  bool ends();
  end end_seen() const { return end_; }

  /// Whether anything comes, or the end, within `time`.
  bool hears_within(std::chrono::milliseconds time);
  void finish_sending();
  /// Hangs up, with a reset.
  void reset();
  int socket() const { return socket_.get(); }

 private:
  bool fill();
  bool until_empty_line(std::size_t& size);

  zc::fd socket_;
  std::string pending_;
  end end_ = end::clean;
};

}  // namespace support
