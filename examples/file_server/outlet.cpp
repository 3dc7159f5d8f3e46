#include "outlet.hpp"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "zc/op/send.hpp"
#include "zc/splice.hpp"

namespace file_server {

std::uint64_t outlet::acknowledged() const noexcept {
  int under_way = 0;
  if (::ioctl(socket_, SIOCOUTQ, &under_way) < 0) return accepted();
  return accepted() - static_cast<std::uint64_t>(under_way);
}

std::optional<std::chrono::microseconds> outlet::since_acknowledged() const noexcept {
  using std::chrono::microseconds;
  using std::chrono::milliseconds;
  tcp_info about{};
  socklen_t size = sizeof about;
  if (::getsockopt(socket_, IPPROTO_TCP, TCP_INFO, &about, &size) < 0) return {};
  // A client with a full buffer acknowledges the kernel's questions, and is sent nothing more; one
  // that has vanished is sent things again, and acknowledges nothing.
  const microseconds acknowledged = milliseconds(about.tcpi_last_ack_recv);
  const microseconds sent = milliseconds(about.tcpi_last_data_sent);
  return std::max(acknowledged, sent - microseconds(about.tcpi_rtt));
}

bool outlet::send_now(std::string_view& bytes, int flags) noexcept {
  const ssize_t sent =
      ::send(socket_, bytes.data(), bytes.size(), flags | MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN || errno == EINTR;
  bytes.remove_prefix(static_cast<std::size_t>(sent));
  sent_ += static_cast<std::uint64_t>(sent);
  return true;
}

zc::task<bool> outlet::send_later(std::string_view bytes, int flags) {
  const std::string kept(bytes);
  std::string_view left = kept;
  while (!left.empty()) {
    const zc::result<std::size_t> sent =
        co_await zc::op::send(socket_, left.data(), left.size(), flags);
    if (!sent) co_return false;
    left.remove_prefix(*sent);
    sent_ += *sent;
  }
  co_return true;
}

zc::task<bool> outlet::send(std::string_view bytes, bool more_follows) {
  const int flags = more_follows ? MSG_MORE : 0;
  if (!send_now(bytes, flags)) co_return false;
  if (bytes.empty()) co_return true;
  co_return co_await send_later(bytes, flags);
}

zc::task<bool> outlet::send_file(const zc::known_source& file, std::uint64_t offset,
                                 std::uint64_t nbytes, bool more_follows) {
  const zc::splice_options how{
      .offset = static_cast<std::int64_t>(offset),
      .nbytes = nbytes,
      .flags = more_follows ? zc::splice_flags::more : zc::splice_flags::none,
      .progress = &progress_};
  const zc::transfer done = co_await zc::try_splice(file, target_, how);
  progress_.moved.store(0, std::memory_order_relaxed);
  sent_ += done.moved;
  co_return done.reason == zc::stop_reason::complete;
}

}  // namespace file_server
