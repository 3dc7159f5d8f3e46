#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "zc/recv_stream.hpp"

namespace file_server {

/// What has come from the client and is not dealt with. Holds memory only while there is some.
class input {
 public:
  explicit input(int socket) noexcept : stream_(socket) {}

  /// `co_await receive()` resumes with more, for add(): see recv_stream::next().
  auto receive() noexcept { return stream_.next(); }

  /// Views into bytes() end here.
  void add(zc::received more) {
    if (empty()) {
      last_ = std::move(more);
      at_ = 0;
      return;
    }
    std::string all(bytes());
    all.append(view(more));
    several_ = std::move(all);
    last_ = {};
    at_ = 0;
  }

  std::string_view bytes() const noexcept {
    return (several_.empty() ? view(last_) : std::string_view(several_)).substr(at_);
  }
  bool empty() const noexcept { return bytes().empty(); }

  void drop(std::size_t count) noexcept {
    at_ += count;
    if (!empty()) return;
    last_ = {};
    several_ = {};
    at_ = 0;
  }

 private:
  static std::string_view view(const zc::received& from) noexcept {
    return {reinterpret_cast<const char*>(from.bytes().data()), from.bytes().size()};
  }

  zc::recv_stream stream_;
  zc::received last_;
  std::string several_;  // pieces, put together: what a request was split into
  std::size_t at_ = 0;
};

}  // namespace file_server
