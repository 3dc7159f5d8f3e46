// Asio, once with epoll and once with io_uring: this file is compiled twice, and -Dasio=... keeps
// the two apart in one program. Of asio::awaitable<> and callbacks the former is what compares with
// zc.

#include <sys/sendfile.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio.hpp>
#include <vector>

#include "peer.hpp"
#include "support/require.hpp"

namespace peers {

namespace {

using asio::awaitable;
using asio::redirect_error;
using asio::use_awaitable;
using tcp_socket = asio::ip::tcp::socket;

awaitable<void> echo_to(tcp_socket client) {
  std::array<std::byte, 4096> data;
  asio::error_code ended;
  for (;;) {
    const std::size_t got =
        co_await client.async_read_some(asio::buffer(data), redirect_error(use_awaitable, ended));
    if (ended) co_return;
    co_await asio::async_write(client, asio::buffer(data.data(), got), use_awaitable);
  }
}

/// Asio sends no files: what is read is sent.
awaitable<void> copy_file_to(tcp_socket client, const answering& what) {
  std::vector<std::byte> piece(std::min<std::size_t>(what.file_bytes, 64 * 1024));
  std::byte request{};
  asio::error_code ended;
  for (;;) {
    co_await client.async_read_some(asio::buffer(&request, 1),
                                    redirect_error(use_awaitable, ended));
    if (ended) co_return;
    for (std::size_t at = 0; at < what.file_bytes;) {
      const ssize_t got = bench::require(
          ::pread(what.file, piece.data(), std::min(piece.size(), what.file_bytes - at),
                  static_cast<off_t>(at)),
          "pread");
      at += co_await asio::async_write(
          client, asio::buffer(piece.data(), static_cast<std::size_t>(got)), use_awaitable);
    }
  }
}

/// By the socket's own descriptor, with Asio to wait.
awaitable<void> sendfile_to(tcp_socket client, const answering& what) {
  std::byte request{};
  asio::error_code ended;
  for (;;) {
    co_await client.async_read_some(asio::buffer(&request, 1),
                                    redirect_error(use_awaitable, ended));
    if (ended) co_return;
    for (off_t at = 0; static_cast<std::size_t>(at) < what.file_bytes;) {
      const std::size_t left = what.file_bytes - static_cast<std::size_t>(at);
      const ssize_t sent = ::sendfile(client.native_handle(), what.file, &at, left);
      if (sent < 0 && errno == EAGAIN) {
        co_await client.async_wait(tcp_socket::wait_write, use_awaitable);
      } else {
        bench::require(sent, "sendfile");
      }
    }
  }
}

template <class Answer>
void answer_all(const answering& what, const Answer& answer) {
  asio::io_context context(1);
  for (const int socket : what.sockets) {
    // It closes what it is given.
    tcp_socket client(context, asio::ip::tcp::v4(), bench::require(::dup(socket), "dup"));
    client.native_non_blocking(true);
    asio::co_spawn(context, answer(std::move(client)), [](const std::exception_ptr& failure) {
      if (failure) std::rethrow_exception(failure);
    });
  }
  context.run();
}

awaitable<std::uint64_t> give(std::uint64_t value) { co_return value; }

awaitable<void> await_all(std::uint64_t count) {
  for (std::uint64_t at = 0; at < count; ++at) {
    const std::uint64_t value = co_await give(at);
    bench::require_equal(value, at, "value of a task");
  }
}

void await_tasks(std::uint64_t count) {
  asio::io_context context(1);
  asio::co_spawn(context, await_all(count), [](const std::exception_ptr& failure) {
    if (failure) std::rethrow_exception(failure);
  });
  context.run();
}

std::vector<peer> all(const std::string& name) {
  return {
      {name,
       [](const answering& what) {
         answer_all(what, [](tcp_socket client) { return echo_to(std::move(client)); });
       },
       [](const answering& what) {
         answer_all(what, [&](tcp_socket client) { return copy_file_to(std::move(client), what); });
       },
       await_tasks},
      {name + ", sendfile by hand",
       {},
       [](const answering& what) {
         answer_all(what, [&](tcp_socket client) { return sendfile_to(std::move(client), what); });
       },
       {}}};
}

}  // namespace

#ifdef ASIO_HAS_IO_URING_AS_DEFAULT
std::vector<peer> asio_io_uring_peers() { return all("Asio, io_uring"); }
#else
std::vector<peer> asio_epoll_peers() { return all("Asio, epoll"); }
#endif

}  // namespace peers
