// What a server's receive costs: 64 connections over loopback that send 100 bytes and wait for the
// same bytes back, served by a loop on one thread.
//
// The client is a thread of its own. CPU is that of the server's thread: per message, in ns.

#include <benchmark/benchmark.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "zc/zc.hpp"

namespace {

constexpr std::size_t connections = 64;
constexpr std::size_t message_bytes = 100;
constexpr int rounds = 400;

struct line {
  zc::fd client;
  zc::fd server;
};

line connect() {
  zc::fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  auto* const generic = reinterpret_cast<sockaddr*>(&at);
  zc::fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::bind(listener.get(), generic, size) != 0 || ::listen(listener.get(), 1) != 0 ||
      ::getsockname(listener.get(), generic, &size) != 0 ||
      ::connect(client.get(), generic, size) != 0) {
    std::abort();
  }
  zc::fd server(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!server) std::abort();
  return {std::move(client), std::move(server)};
}

void ask(const std::vector<line>& lines) {
  std::array<char, message_bytes> message{};
  for (int i = 0; i < rounds; ++i) {
    for (const line& each : lines) {
      if (::send(each.client.get(), message.data(), message.size(), 0) != message_bytes) {
        std::abort();
      }
    }
    for (const line& each : lines) {
      if (::recv(each.client.get(), message.data(), message.size(), MSG_WAITALL) != message_bytes) {
        std::abort();
      }
    }
  }
  for (const line& each : lines) ::shutdown(each.client.get(), SHUT_WR);
}

zc::task<> by_op_recv(int socket) {
  std::array<std::byte, 4096> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (;;) {
    const zc::result<std::size_t> got = co_await zc::op::recv(socket, buffer);
    if (got.value() == 0) co_return;
    (co_await zc::op::send(socket, buffer.data(), *got)).value();
  }
}

zc::task<> by_stream(int socket, bool multishot) {
  zc::recv_stream stream(socket, {.multishot = multishot});
  for (;;) {
    zc::result<zc::received> piece = co_await stream.next();
    const zc::received got = std::move(piece).value();
    if (got.empty()) co_return;
    (co_await zc::op::send(socket, got.bytes().data(), got.bytes().size())).value();
  }
}

enum class way { op_recv, one_each, multishot, no_buffers };

void serve(benchmark::State& state, way by) {
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<line> lines;
    for (std::size_t i = 0; i < connections; ++i) lines.push_back(connect());
    zc::context context({.recv_buffers = by == way::no_buffers ? 0u : 256u});
    std::thread client([&] { ask(lines); });
    state.ResumeTiming();
    const auto all = [&]() -> zc::task<> {
      zc::scope tasks;
      for (const line& each : lines) {
        tasks.spawn(by == way::op_recv ? by_op_recv(each.server.get())
                                       : by_stream(each.server.get(), by == way::multishot));
      }
      co_await tasks.join();
    };
    context.run(all());
    state.PauseTiming();
    client.join();
    lines.clear();
    state.ResumeTiming();
  }
  state.counters["cpu_per_message"] = benchmark::Counter(
      static_cast<double>(connections * rounds),
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

}  // namespace

BENCHMARK_CAPTURE(serve, op_recv, way::op_recv)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(serve, recv_stream, way::one_each)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(serve, recv_stream_multishot, way::multishot)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(serve, recv_stream_without_buffers, way::no_buffers)
    ->Unit(benchmark::kMillisecond);

BENCHMARK_MAIN();
