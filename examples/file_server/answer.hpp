#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "commons.hpp"
#include "file.hpp"
#include "head.hpp"
#include "lookup.hpp"
#include "outlet.hpp"
#include "reply.hpp"
#include "request.hpp"
#include "text.hpp"
#include "zc/task.hpp"

namespace file_server {

/// The answer to one request: put together, then sent.
///
/// Between the two its coroutine does not suspend: what is put together is in the memory that all
/// connections of the thread share.
class answer {
 public:
  explicit answer(commons& with) noexcept : with_(with), out_(with.blank_answer()) {}

  /// Finds the file and says what of it is sent. `asked` may go afterwards.
  zc::task<> prepare(const request& asked, bool keep_alive);
  /// Instead: nothing but that.
  zc::task<> refuse(status code, const request& asked, bool keep_alive);
  /// The same in the server's own words, and that the connection ends.
  void refuse_at_once(status code, const request& asked);

  /// False where the client has not been sent all of it: the connection cannot go on.
  zc::task<bool> send(outlet& to);

  /// One that was refused, without waiting for a client that does not take it.
  void send_at_once(outlet& to) noexcept { to.send_at_once(out_.view()); }

  status code() const noexcept { return reply_.code; }
  /// How many bytes of the answer's body `to` has accepted.
  std::uint64_t body_bytes_sent(const outlet& to) const noexcept {
    const std::uint64_t sent = to.accepted() - accepted_before_;
    return sent > head_bytes_ ? sent - head_bytes_ : 0;
  }

 private:
  manner manner_of(const request& asked, bool keep_alive);
  void say(status code, const request& asked, bool keep_alive);
  /// False where the request's conditions are not met: that is still to be said.
  bool describe(lookup& found, const request& asked, bool keep_alive);
  void show(status code, std::string_view type, std::uint64_t nbytes, const request& asked,
            bool keep_alive);
  bool read_small(const byte_range& part) noexcept;
  zc::task<bool> send_page(outlet& to);
  zc::task<bool> send_parts(outlet& to);

  commons& with_;
  text out_;
  std::uint64_t head_bytes_ = 0;
  std::uint64_t accepted_before_ = 0;
  reply reply_;
  std::shared_ptr<const file> file_;  // where some of it is sent
  std::string page_;                  // or this
  std::string_view type_;
};

}  // namespace file_server
