// libevent: bufferevents, and files by evbuffer_add_file_segment(), which is sendfile(2).

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <stdexcept>
#include <vector>

#include "peer.hpp"
#include "support/require.hpp"

namespace peers {

namespace {

struct server {
  event_base* base;
  const answering* what;
  evbuffer_file_segment* file;
};

void answer(bufferevent* client, void* context) {
  const server& of = *static_cast<const server*>(context);
  evbuffer* const in = bufferevent_get_input(client);
  evbuffer* const out = bufferevent_get_output(client);
  if (of.file == nullptr) {
    bench::require(evbuffer_add_buffer(out, in), "evbuffer_add_buffer");
    return;
  }
  bench::require(evbuffer_drain(in, evbuffer_get_length(in)), "evbuffer_drain");
  bench::require(
      evbuffer_add_file_segment(out, of.file, 0, static_cast<ev_off_t>(of.what->file_bytes)),
      "evbuffer_add_file_segment");
}

/// The client has gone: the loop ends when all have.
void end(bufferevent* client, short, void*) { bufferevent_free(client); }

void answer_all(const answering& what) {
  server of{event_base_new(), &what, nullptr};
  if (what.file >= 0) {
    // One that is mapped would be sent by writev(2).
    of.file = evbuffer_file_segment_new(what.file, 0, static_cast<ev_off_t>(what.file_bytes),
                                        EVBUF_FS_DISABLE_MMAP);
  }
  for (const int socket : what.sockets) {
    bufferevent* const client = bufferevent_socket_new(
        of.base, bench::require(::dup(socket), "dup"), BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(client, answer, nullptr, end, &of);
    bench::require(bufferevent_enable(client, EV_READ | EV_WRITE), "bufferevent_enable");
  }
  bench::require(event_base_dispatch(of.base), "event_base_dispatch");
  if (of.file != nullptr) evbuffer_file_segment_free(of.file);
  event_base_free(of.base);
}

}  // namespace

std::vector<peer> libevent_peers() { return {{"libevent", answer_all, answer_all, {}}}; }

}  // namespace peers
