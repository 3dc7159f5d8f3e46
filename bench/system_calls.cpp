// Which system calls one transfer makes: for strace(1), which scripts/bench-system-calls runs.
//
//   bench-system-calls receive --kib 4 --transfers 100        # prints its port
//   strace -c -f bench-system-calls send --port PORT --kib 4 --transfers 100 --ends known FILE
//
// Sends so many KiB of FILE to one TCP connection, each time the next ones, and waits after each
// time until the receiver has all of it: by readv(2) of another connection, which is not to be
// counted. The rest of what the program does it does once: two runs with different numbers of
// transfers differ by the transfers alone.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "baseline/sendfile_step.hpp"
#include "baseline/until_full.hpp"
#include "support/data_file.hpp"
#include "support/measure.hpp"
#include "support/require.hpp"
#include "support/sink.hpp"
#include "zc/zc.hpp"

namespace {

struct options {
  std::size_t kib = 4;
  unsigned transfers = 100;
  std::uint16_t port = 0;
  std::string ends = "known";
  std::string file;  // none: a memfd
};

void receive(const options& given) {
  const zc::fd listener = bench::listen_on_loopback(2);
  sockaddr_in address{};
  socklen_t size = sizeof address;
  bench::require(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size),
                 "getsockname");
  std::printf("%u\n", ntohs(address.sin_port));
  std::fflush(stdout);
  const std::vector<zc::fd> pair = bench::accept_all(listener.get(), 2);
  std::vector<std::byte> file(given.kib * 1024);
  for (unsigned count = 0; count < given.transfers; ++count) {
    bench::read_all(pair[0].get(), file);
    bench::write_value(pair[1].get(), '!');
  }
  bench::require_equal(
      static_cast<unsigned>(bench::require(::read(pair[0].get(), file.data(), 1), "read")), 0,
      "bytes too many");
}

zc::fd connect_to_port(std::uint16_t port) {
  zc::fd socket(bench::require(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  bench::require(
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
      "connect");
  return socket;
}

/// Blocks until the receiver has the file: nothing of the next transfer is to mix with this one.
void await_arrival(int signals) {
  char arrived = 0;
  const iovec into{&arrived, 1};
  bench::require_equal(static_cast<unsigned>(bench::require(::readv(signals, &into, 1), "readv")),
                       1, "bytes of a signal");
}

/// As many parts as a file has, up to 256: a file of procfs says that it is empty, and has one.
baseline::serving parts_of(const options& given, int file) {
  const std::size_t bytes = given.kib * 1024;
  return {.file = file,
          .file_bytes = bytes,
          .files = std::clamp<std::size_t>(bench::size_of(file) / bytes, 1, 256),
          .sockets = {},
          .each = given.transfers};
}

zc::task<> send_ints(const options& given, int file, int socket, int signals) {
  const baseline::serving what = parts_of(given, file);
  for (unsigned count = 0; count < given.transfers; ++count) {
    const auto begin = static_cast<std::int64_t>(what.begin_of(0, count));
    co_await zc::splice(file, socket, {.offset = begin, .nbytes = what.file_bytes});
    await_arrival(signals);
  }
}

zc::task<> send_known(const options& given, int file, int socket, int signals) {
  const zc::known_source from(file);
  const zc::known_target to(socket);
  const baseline::serving what = parts_of(given, file);
  for (unsigned count = 0; count < given.transfers; ++count) {
    const auto begin = static_cast<std::int64_t>(what.begin_of(0, count));
    co_await zc::splice(from, to, {.offset = begin, .nbytes = what.file_bytes});
    await_arrival(signals);
  }
}

/// One connection, as the loops by hand serve many.
void send_by_hand(const options& given, int file, int socket, int signals) {
  const std::array sockets{socket};
  const baseline::serving what{
      .file = file, .file_bytes = given.kib * 1024, .sockets = sockets, .each = given.transfers};
  baseline::serve_until_full(what, [&](baseline::connection& to) {
    const std::uint64_t before = to.answered;
    const baseline::outcome now = baseline::send_by_sendfile(to, what, what.file_bytes);
    if (to.answered > before) await_arrival(signals);
    return now;
  });
}

void send(const options& given) {
  const zc::fd socket = connect_to_port(given.port);
  const zc::fd signals = connect_to_port(given.port);
  bench::set_nonblocking(socket.get(), true);
  const zc::fd file =
      given.file.empty()
          ? bench::make_memory_file(std::size_t{64} << 20)
          : zc::fd(bench::require(::open(given.file.c_str(), O_RDONLY | O_CLOEXEC), "open"));
  if (given.ends == "hand") return send_by_hand(given, file.get(), socket.get(), signals.get());
  const auto send = given.ends == "known" ? send_known : send_ints;
  zc::run(send(given, file.get(), socket.get(), signals.get()));
}

}  // namespace

int main(int argc, char** argv) {
  options given;
  CLI::App app{"Transfers of which the system calls are counted."};
  app.require_subcommand(1);
  CLI::App* const receiver = app.add_subcommand("receive", "takes the files; prints its port");
  CLI::App* const sender = app.add_subcommand("send", "sends them");
  for (CLI::App* const each : {receiver, sender}) {
    each->add_option("--kib", given.kib, "size of each transfer")->check(CLI::PositiveNumber);
    each->add_option("--transfers", given.transfers, "how many")->check(CLI::PositiveNumber);
  }
  sender->add_option("--port", given.port, "the receiver's")->required();
  sender->add_option("--ends", given.ends, "known, ints, or hand: a loop without zc")
      ->check(CLI::IsMember({"known", "ints", "hand"}));
  sender->add_option("file", given.file, "what is sent; a memfd where there is none");
  CLI11_PARSE(app, argc, argv);
  try {
    if (receiver->parsed()) {
      receive(given);
    } else {
      send(given);
    }
    return 0;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s: %s\n", argv[0], failure.what());
    return 1;
  }
}
