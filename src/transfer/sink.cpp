#include "transfer/sink.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/direct_call.hpp"
#include "transfer/peer_death.hpp"

namespace zc::detail {

short sink::poll_events() const noexcept { return room ? POLLIN : POLLOUT; }

bool sink::has_hung_up(unsigned events) const noexcept {
  const bool hung_up = (events & (POLLOUT | POLLERR | POLLHUP)) == POLLHUP;
  return end.is == endpoint::kind::tty && hung_up;
}

bool sink::has_room_after(unsigned events) noexcept {
  // Errors and hang-ups count as room: the move that follows says what they are.
  if ((events & (POLLOUT | POLLERR | POLLHUP | POLLRDHUP)) != POLLRDHUP) return true;
  if (half_closed) return true;
  half_closed = true;
  room = set_of_events(end.fd, EPOLLOUT);
  return !room;
}

void sink::push() const noexcept {
  if (!corked) return;
  int corked_by_user = 0;
  socklen_t length = sizeof corked_by_user;
  // Not TCP, or corked by its owner: then it is not ours to push.
  if (::getsockopt(end.fd, IPPROTO_TCP, TCP_CORK, &corked_by_user, &length) < 0) return;
  if (corked_by_user != 0) return;
  // Uncorking what is not corked changes nothing but sends what is held back.
  const int off = 0;
  ::setsockopt(end.fd, IPPROTO_TCP, TCP_CORK, &off, sizeof off);
}

// A write that finds no room has the kernel send all there is. A poll that finds none does not: it
// would wait until what is held back for more goes by itself, 200 ms later.
void sink::push_if_full(ring& kernel) const noexcept {
  if (!corked || !end.may_block()) return;
  if (direct_poll(kernel, end.fd, POLLOUT) == 0) push();
}

std::int64_t sink::write_offset() const noexcept {
  if (end.is == endpoint::kind::file && at == file_position) return ::lseek(end.fd, 0, SEEK_CUR);
  return end.seekable ? at : -1;
}

void sink::write_ended(std::int64_t from, std::size_t nbytes) const noexcept {
  if (end.is != endpoint::kind::file || at != file_position || from < 0) return;
  if (end.append) {
    ::lseek(end.fd, 0, SEEK_END);
  } else {
    ::lseek(end.fd, from + static_cast<std::int64_t>(nbytes), SEEK_SET);
  }
}

}  // namespace zc::detail
