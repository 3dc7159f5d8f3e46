// epoll(7), recv(2), and pwrite(2) or send(2), until nothing more is there.

#include <sys/socket.h>

#include <algorithm>

#include "until_empty.hpp"

namespace baseline {

namespace {

class copying {
 public:
  explicit copying(const receiving& what) : to_files_(what.to_files), kept_(what.from.size()) {}

  bool operator()(incoming& of) {
    if (of.in_between > 0 && !send_kept(of)) return false;
    for (;;) {
      const ssize_t got = ::recv(of.from, buffer_.data(), buffer_.size(), 0);
      if (got < 0 && errno == EAGAIN) return false;
      const auto bytes = static_cast<std::size_t>(bench::require(got, "recv"));
      if (bytes == 0) return true;
      if (to_files_) {
        write(of, bytes);
      } else if (!send(of, bytes)) {
        return false;
      }
    }
  }

 private:
  void write(incoming& of, std::size_t bytes) {
    for (std::size_t written = 0; written < bytes;) {
      const auto count = bench::require(
          ::pwrite(of.to, buffer_.data() + written, bytes - written, of.at), "pwrite");
      written += static_cast<std::size_t>(count);
      of.at += count;
    }
  }

  /// False where the socket takes no more: the rest is kept for later.
  bool send(incoming& of, std::size_t bytes) {
    for (std::size_t sent = 0; sent < bytes;) {
      const ssize_t count = ::send(of.to, buffer_.data() + sent, bytes - sent, 0);
      if (count < 0 && errno == EAGAIN) {
        kept_[of.index].assign(buffer_.begin() + static_cast<std::ptrdiff_t>(sent),
                               buffer_.begin() + static_cast<std::ptrdiff_t>(bytes));
        of.in_between = bytes - sent;
        return false;
      }
      sent += static_cast<std::size_t>(bench::require(count, "send"));
    }
    return true;
  }

  bool send_kept(incoming& of) {
    std::vector<std::byte>& kept = kept_[of.index];
    while (of.in_between > 0) {
      const ssize_t count =
          ::send(of.to, kept.data() + (kept.size() - of.in_between), of.in_between, 0);
      if (count < 0 && errno == EAGAIN) return false;
      of.in_between -= static_cast<std::size_t>(bench::require(count, "send"));
    }
    return true;
  }

  bool to_files_;
  std::vector<std::vector<std::byte>> kept_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(256 * 1024);
};

}  // namespace

void receive_by_copy(const receiving& what) {
  copying move(what);
  receive_until_empty(what, [&](incoming& of) { return move(of); });
}

}  // namespace baseline
