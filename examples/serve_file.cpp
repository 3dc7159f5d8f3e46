// Sends a file to everyone who connects: serve_file FILE [IPV4-ADDRESS:]PORT. Port 0 picks one.

#include <arpa/inet.h>
#include <fcntl.h>

#include <cstdio>
#include <string>

#include "zc/zc.hpp"

namespace {

zc::fd listen_on(const std::string& host, std::uint16_t port) {
  sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr{}, .sin_zero{}};
  socklen_t length = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  zc::fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1 ||
      ::bind(listener.get(), generic, length) < 0 || ::listen(listener.get(), 128) < 0 ||
      ::getsockname(listener.get(), generic, &length) < 0) {
    throw std::system_error(errno, std::system_category(), host);
  }
  std::printf("listening on %s:%u\n", host.c_str(), unsigned{ntohs(address.sin_port)});
  std::fflush(stdout);
  return listener;
}

// try_splice: a client that leaves early is no reason to end.
zc::task<> send(int file, zc::fd client) {
  const zc::transfer done = co_await zc::try_splice(file, client.get());
  if (done.error) std::fprintf(stderr, "serve_file: %s\n", done.error.message().c_str());
}

zc::task<> serve(const char* path, const std::string& host, std::uint16_t port) {
  const zc::result<zc::fd> file = co_await zc::op::openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  const zc::fd listener = listen_on(host, port);
  zc::scope clients;
  for (;;) {
    // Non-blocking: then bytes go into the socket by plain splice(2), on this thread.
    auto client =
        co_await zc::op::accept(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    clients.spawn(send(file.value().get(), std::move(client).value()));
  }
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) throw std::invalid_argument("usage: serve_file FILE [IPV4-ADDRESS:]PORT");
  const std::string where = argv[2];
  const std::size_t colon = where.find(':');
  const std::string host = colon == std::string::npos ? "127.0.0.1" : where.substr(0, colon);
  const int port = std::stoi(colon == std::string::npos ? where : where.substr(colon + 1));
  zc::run(serve(argv[1], host, static_cast<std::uint16_t>(port)));
} catch (const std::exception& error) {
  std::fprintf(stderr, "serve_file: %s\n", error.what());
  return 1;
}
