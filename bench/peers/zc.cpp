#include "zc/zc.hpp"

#include <array>
#include <cstddef>

#include "peer.hpp"
#include "support/require.hpp"

namespace peers {

namespace {

zc::task<> echo_to(int client) {
  std::array<std::byte, 4096> data;
  for (;;) {
    const std::size_t got = (co_await zc::op::recv(client, data)).value();
    if (got == 0) co_return;
    for (std::size_t sent = 0; sent < got;) {
      sent += (co_await zc::op::send(client, std::span(data).subspan(sent, got - sent))).value();
    }
  }
}

zc::task<> send_file_to(int client, const answering& what) {
  std::byte request{};
  while ((co_await zc::op::recv(client, std::span(&request, 1))).value() > 0) {
    co_await zc::splice(what.file, client, {.nbytes = what.file_bytes});
  }
}

zc::task<> send_known_file_to(int client, const zc::known_source& file, std::size_t bytes) {
  const zc::known_target target(client);
  std::byte request{};
  while ((co_await zc::op::recv(client, std::span(&request, 1))).value() > 0) {
    co_await zc::splice(file, target, {.nbytes = bytes});
  }
}

zc::task<> echo_all(const answering& what) {
  zc::scope clients;
  for (const int socket : what.sockets) clients.spawn(echo_to(socket));
  co_await clients.join();
}

zc::task<> send_file_to_all(const answering& what) {
  zc::scope clients;
  for (const int socket : what.sockets) clients.spawn(send_file_to(socket, what));
  co_await clients.join();
}

zc::task<> send_known_file_to_all(const answering& what) {
  const zc::known_source file(what.file);
  zc::scope clients;
  for (const int socket : what.sockets) {
    clients.spawn(send_known_file_to(socket, file, what.file_bytes));
  }
  co_await clients.join();
}

zc::task<std::uint64_t> give(std::uint64_t value) { co_return value; }

zc::task<> await_all(std::uint64_t count) {
  for (std::uint64_t at = 0; at < count; ++at) {
    const std::uint64_t value = co_await give(at);
    bench::require_equal(value, at, "value of a task");
  }
}

}  // namespace

std::vector<peer> zc_peers() {
  return {{"zc", [](const answering& what) { zc::run(echo_all(what)); },
           [](const answering& what) { zc::run(send_file_to_all(what)); },
           [](std::uint64_t count) { zc::run(await_all(count)); }},
          {"zc, known ends",
           {},
           [](const answering& what) { zc::run(send_known_file_to_all(what)); },
           {}}};
}

}  // namespace peers
