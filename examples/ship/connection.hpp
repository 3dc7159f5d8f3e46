#pragma once

#include <cstdint>
#include <string>
#include <system_error>

#include "session.hpp"
#include "stream.hpp"
#include "target.hpp"
#include "wire.hpp"
#include "zc/fd.hpp"
#include "zc/task.hpp"
#include "zc/transfer.hpp"

namespace ship {

/// The receiver's half of one connection, after the greeting.
class connection {
 public:
  /// The socket stays the caller's. `ended_because` is the reason for which the receiver ends it,
  /// empty until it does: nothing is done for the sender from then on.
  connection(int socket, target& into, session& of, const std::string& ended_because)
      : socket_(socket), place_(into), of_(of), ended_because_(ended_because) {}
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  /// Serves it to its end; throws what ends it early.
  zc::task<> serve();

 private:
  template <typename T>
  zc::task<T> at_work(zc::task<T> work);

  void refuse_ended() const;
  void begin_session();
  zc::task<> take_item(const frame& what);
  zc::task<> take_file(frame& next);
  zc::task<> take_small_files(const frame& what);
  zc::task<std::error_code> take_first(const wire::small_file& file);
  void count_small_file(const wire::small_file& file, std::error_code failed, std::string& results);
  zc::task<> take_failures(const frame& next);
  zc::task<std::error_code> take_body(part_file& part, std::uint64_t offset, std::uint64_t nbytes);
  zc::task<> skip(std::uint64_t nbytes);
  wire::outcome result_of(std::string path, std::error_code failed);
  zc::task<> answer(std::string path, std::error_code failed);
  zc::task<> send_result(const wire::outcome& result);

  int socket_;
  placer place_;
  session& of_;
  const std::string& ended_because_;
  zc::fd nowhere_;
};

}  // namespace ship
