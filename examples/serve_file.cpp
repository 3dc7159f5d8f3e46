// Sends a file to everyone who connects: serve_file FILE [IPV4-ADDRESS:]PORT. Port 0 picks one.

#include <arpa/inet.h>
#include <fcntl.h>

#include <array>
#include <cstdio>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "command_line/command_line.hpp"
#include "serve_file_arguments.hpp"
#include "zc/zc.hpp"

namespace {

zc::fd listen_on(sockaddr_in address) {
  socklen_t length = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  zc::fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::bind(listener.get(), generic, length) < 0 || ::listen(listener.get(), 128) < 0 ||
      ::getsockname(listener.get(), generic, &length) < 0) {
    throw std::system_error(errno, std::system_category(), "listen");
  }
  std::array<char, INET_ADDRSTRLEN> host{};
  ::inet_ntop(AF_INET, &address.sin_addr, host.data(), host.size());
  std::printf("listening on %s:%u\n", host.data(), unsigned{ntohs(address.sin_port)});
  std::fflush(stdout);
  return listener;
}

// try_splice: a client that leaves early is no reason to end.
zc::task<> send(int file, zc::fd client) {
  const zc::transfer done = co_await zc::try_splice(file, client.get());
  if (done.error) std::fprintf(stderr, "serve_file: %s\n", done.error.message().c_str());
}

zc::task<> serve(const char* path, sockaddr_in where) {
  const zc::result<zc::fd> file = co_await zc::op::openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  const zc::fd listener = listen_on(where);
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
  const serve_file_arguments given = parse_serve_file_arguments(argc, argv);
  zc::run(serve(given.path, given.where));
} catch (const std::invalid_argument& wrong) {
  std::fprintf(stderr, "serve_file: %s\n", wrong.what());
  return command_line::exit_wrong_usage;
} catch (const std::exception& error) {
  std::fprintf(stderr, "serve_file: %s\n", error.what());
  return command_line::exit_failed;
}
