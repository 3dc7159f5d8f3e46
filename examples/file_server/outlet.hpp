#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "zc/known.hpp"
#include "zc/task.hpp"
#include "zc/transfer.hpp"

namespace file_server {

/// The way of answers to the client, which may read them slowly, or be gone.
class outlet {
 public:
  explicit outlet(int socket) noexcept : socket_(socket), target_(socket) {}

  /// Sends all of `bytes`, which need to live only until it suspends; with `more_follows`, they may
  /// wait for what comes next. False when the client is gone, or when cancelled.
  zc::task<bool> send(std::string_view bytes, bool more_follows);

  /// The same for bytes of a file, which lives until it resumes. False also where it has fewer.
  zc::task<bool> send_file(const zc::known_source& file, std::uint64_t offset, std::uint64_t nbytes,
                           bool more_follows);

  /// How many bytes the socket has accepted so far.
  std::uint64_t accepted() const noexcept {
    return sent_ + progress_.moved.load(std::memory_order_relaxed);
  }

  /// Sends what of `bytes` is accepted without waiting.
  void send_at_once(std::string_view bytes) noexcept { send_now(bytes, 0); }

  /// How many of them have reached the client.
  std::uint64_t acknowledged() const noexcept;

  /// How long ago the last of them did, while more waits to be sent. Nothing where the kernel does
  /// not know: TCP alone says.
  std::optional<std::chrono::microseconds> since_acknowledged() const noexcept;

 private:
  bool send_now(std::string_view& bytes, int flags) noexcept;
  zc::task<bool> send_later(std::string_view bytes, int flags);

  int socket_;
  zc::known_target target_;
  std::uint64_t sent_ = 0;
  zc::progress progress_;  // of a file on its way
};

}  // namespace file_server
