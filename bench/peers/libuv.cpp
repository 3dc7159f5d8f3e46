// libuv: streams with callbacks.

#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <vector>

#include "peer.hpp"
#include "support/require.hpp"

namespace peers {

namespace {

int require_uv(int result, const char* call) {
  if (result < 0) throw std::runtime_error(std::string(call) + ": " + uv_strerror(result));
  return result;
}

struct client {
  uv_tcp_t stream{};
  uv_write_t writing{};
  const answering* what = nullptr;
  std::vector<char> buffer;
  std::size_t sent = 0;  // of the file
};

client& client_of(uv_handle_t* handle) { return *static_cast<client*>(handle->data); }

void lend_buffer(uv_handle_t* handle, std::size_t, uv_buf_t* lent) {
  std::vector<char>& buffer = client_of(handle).buffer;
  *lent = uv_buf_init(buffer.data(), static_cast<unsigned>(buffer.size()));
}

void write(client& to, std::size_t bytes, uv_write_cb then) {
  const uv_buf_t piece = uv_buf_init(to.buffer.data(), static_cast<unsigned>(bytes));
  to.writing.data = &to;
  require_uv(uv_write(&to.writing, reinterpret_cast<uv_stream_t*>(&to.stream), &piece, 1, then),
             "uv_write");
}

void send_next(client& to);

void written(uv_write_t* writing, int status) {
  require_uv(status, "uv_write");
  client& to = *static_cast<client*>(writing->data);
  if (to.what->file >= 0 && to.sent < to.what->file_bytes) send_next(to);
}

/// libuv's own uv_fs_sendfile() is a thread's: what is read is sent.
void send_next(client& to) {
  const std::size_t left = to.what->file_bytes - to.sent;
  const ssize_t got =
      bench::require(::pread(to.what->file, to.buffer.data(), std::min(to.buffer.size(), left),
                             static_cast<off_t>(to.sent)),
                     "pread");
  to.sent += static_cast<std::size_t>(got);
  write(to, static_cast<std::size_t>(got), written);
}

void answer(uv_stream_t* stream, ssize_t got, const uv_buf_t*) {
  if (got == UV_EOF) {
    uv_close(reinterpret_cast<uv_handle_t*>(stream), nullptr);
    return;
  }
  require_uv(static_cast<int>(got), "uv_read");
  client& of = client_of(reinterpret_cast<uv_handle_t*>(stream));
  if (of.what->file < 0) {
    write(of, static_cast<std::size_t>(got), written);
  } else {
    of.sent = 0;
    send_next(of);
  }
}

void answer_all(const answering& what) {
  uv_loop_t loop;
  require_uv(uv_loop_init(&loop), "uv_loop_init");
  std::vector<std::unique_ptr<client>> clients;
  for (const int socket : what.sockets) {
    client& next = *clients.emplace_back(std::make_unique<client>());
    next.what = &what;
    next.buffer.resize(what.file < 0 ? 4096 : std::min<std::size_t>(what.file_bytes, 64 * 1024));
    next.stream.data = &next;
    require_uv(uv_tcp_init(&loop, &next.stream), "uv_tcp_init");
    next.stream.data = &next;
    require_uv(uv_tcp_open(&next.stream, bench::require(::dup(socket), "dup")), "uv_tcp_open");
    require_uv(uv_read_start(reinterpret_cast<uv_stream_t*>(&next.stream), lend_buffer, answer),
               "uv_read_start");
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  require_uv(uv_loop_close(&loop), "uv_loop_close");
}

}  // namespace

std::vector<peer> libuv_peers() { return {{"libuv", answer_all, answer_all, {}}}; }

}  // namespace peers
