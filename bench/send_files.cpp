// P2: hot files of five sizes to 64 TCP connections, from one thread.
//
//   bench-small-files --rounds 7
//
// Each client asks with a small request, reads the whole file, and asks again. The server is a
// process on one core, the clients are one on another. Prints the server's CPU time per file: how
// many files a second there are depends on who is faster, CPU per file does not.

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "baseline/serve.hpp"
#include "support/arguments.hpp"
#include "support/data_file.hpp"
#include "support/measure.hpp"
#include "support/require.hpp"
#include "support/rounds.hpp"
#include "support/sink.hpp"
#include "support/table.hpp"
#include "zc/zc.hpp"

namespace {

using bench::kind;

constexpr unsigned connections = 64;
using request = std::array<std::byte, baseline::request_bytes>;

struct load {
  int file = -1;
  std::size_t file_bytes = 0;
  std::uint64_t files = 0;  // how many are asked for, all connections together
};

struct client {
  zc::fd socket;
  std::size_t got = 0;  // of the file it waits for
};

/// The clients: one thread that asks for `files` files, reads them, and hangs up.
class client_process {
 public:
  client_process(std::vector<client> all, const load& what, bool check)
      : all_(std::move(all)), what_(what), check_(check), buffer_(256 * 1024) {}

  void run() {
    const zc::fd epoll(bench::require(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
    for (std::size_t index = 0; index < all_.size(); ++index) {
      epoll_event wanted{.events = EPOLLIN, .data = {.u64 = index}};
      const int socket = all_[index].socket.get();
      bench::require(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, socket, &wanted), "epoll_ctl");
      ask(all_[index]);
    }
    std::array<epoll_event, connections> events;
    while (arrived_ < what_.files) {
      const int count =
          bench::require(::epoll_wait(epoll.get(), events.data(), events.size(), -1), "epoll_wait");
      for (int at = 0; at < count; ++at) take(all_[events[static_cast<std::size_t>(at)].data.u64]);
    }
  }

 private:
  void ask(client& who) {
    if (asked_ == what_.files) return;
    ++asked_;
    const request wanted{};
    bench::require(::send(who.socket.get(), wanted.data(), wanted.size(), 0), "send");
  }

  void take(client& who) {
    const auto got = static_cast<std::size_t>(
        bench::require(::recv(who.socket.get(), buffer_.data(), buffer_.size(), 0), "recv"));
    if (got == 0) throw std::runtime_error("the server hung up");
    if (check_ && !bench::is_pattern(std::span(buffer_).first(got), who.got)) {
      throw std::runtime_error("wrong bytes arrived");
    }
    who.got += got;
    if (who.got > what_.file_bytes) throw std::runtime_error("more bytes than asked for");
    if (who.got < what_.file_bytes) return;
    who.got = 0;
    ++arrived_;
    ask(who);
  }

  std::vector<client> all_;
  load what_;
  bool check_;
  std::vector<std::byte> buffer_;
  std::uint64_t asked_ = 0;
  std::uint64_t arrived_ = 0;
};

zc::task<> serve_client(int socket, load what, zc::route by) {
  request wanted{};
  while ((co_await zc::op::recv(socket, wanted)).value() > 0) {
    co_await zc::splice(what.file, socket, {.nbytes = what.file_bytes, .route = by});
  }
}

/// Knows its descriptors, as those by hand do.
zc::task<> serve_known_client(int socket, zc::known_source file, std::size_t file_bytes) {
  const zc::known_target client(socket);
  request wanted{};
  while ((co_await zc::op::recv(socket, wanted)).value() > 0) {
    co_await zc::splice(file, client, {.nbytes = file_bytes});
  }
}

zc::task<> serve_all_known(const baseline::serving& what) {
  const zc::known_source file(what.file);
  zc::scope clients;
  for (const int socket : what.sockets) {
    clients.spawn(serve_known_client(socket, file, what.file_bytes));
  }
  co_await clients.join();
}

zc::task<> serve_all(const baseline::serving& what, zc::route by) {
  zc::scope clients;
  for (const int socket : what.sockets) {
    clients.spawn(serve_client(socket, {what.file, what.file_bytes, 0}, by));
  }
  co_await clients.join();
}

using server = std::function<void(const baseline::serving&)>;

server zc_server(zc::route by) {
  return [by](const baseline::serving& what) { zc::run(serve_all(what, by)); };
}

void serve_known(const baseline::serving& what) { zc::run(serve_all_known(what)); }

struct measured {
  double cpu_microseconds = 0;  // the server's, per file
  double files_a_second = 0;
};

measured measure(const load& what, const server& serve, bool nonblocking, bool check) {
  return bench::in_child([&]() -> measured {
    bench::pin_to(0);
    const zc::fd listener = bench::listen_on_loopback(connections);
    std::vector<client> ends;
    std::vector<zc::fd> ours;
    std::vector<int> sockets;
    for (unsigned count = 0; count < connections; ++count) {
      ends.push_back({bench::connect_to(listener.get()), 0});
      const int accepted = ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
      ours.emplace_back(bench::require(accepted, "accept4"));
      bench::set_nonblocking(ours.back().get(), nonblocking);
      sockets.push_back(ours.back().get());
    }
    bench::helper_process clients(1, [&] { client_process(std::move(ends), what, check).run(); });
    ends.clear();
    const bench::stopwatch since;
    serve({what.file, what.file_bytes, sockets});
    const bench::cost spent = since.read();
    clients.join();
    const auto files = static_cast<double>(what.files);
    return {spent.cpu_seconds * 1e6 / files, files / spent.seconds};
  });
}

std::vector<bench::contender<measured>> contenders(const load& what) {
  std::vector<bench::contender<measured>> all;
  const auto add = [&](const char* name, kind is, const server& serve, bool nonblocking = true) {
    all.push_back({name, is, [=](bool check) { return measure(what, serve, nonblocking, check); }});
  };
  add("epoll, sendfile", kind::baseline, baseline::serve_epoll_sendfile);
  add("epoll, read and send", kind::baseline, baseline::serve_epoll_read_write);
  add("ring to wait, sendfile", kind::baseline, baseline::serve_ring_poll_sendfile);
  add("ring to wait, splice", kind::baseline, baseline::serve_ring_poll_splice);
  add("OP_SPLICE, linked pairs", kind::baseline, baseline::serve_ring_splice, false);
  add("READ_FIXED, SEND", kind::baseline, baseline::serve_ring_read_send);
  add("zc", kind::zc, zc_server(zc::route::automatic));
  add("zc, known ends", kind::zc, serve_known);
  add("zc, sockets in blocking mode", kind::zc, zc_server(zc::route::automatic), false);
  add("zc, direct", kind::zc_forced, zc_server(zc::route::direct));
  add("zc, ring", kind::zc_forced, zc_server(zc::route::ring));
  add("zc, copy", kind::zc_forced, zc_server(zc::route::copy));
  return all;
}

/// About as much work at every size.
std::uint64_t files_for(std::size_t file_bytes, bool quick) {
  const std::uint64_t files = std::clamp<std::uint64_t>((1U << 30) / file_bytes, 800, 30000);
  return quick ? std::max<std::uint64_t>(files / 20, 4 * connections) : files;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<unsigned> sizes{4, 16, 64, 256, 1024};
  return bench::run_program(
      argc, argv, "Hot files of several sizes to 64 TCP connections, by zc and by hand.",
      [&](CLI::App& app) { app.add_option("--kib", sizes, "sizes of the files in KiB"); },
      [&](const bench::arguments& given) {
        std::vector<bench::table::column> columns;
        for (const unsigned kib : sizes) columns.push_back({std::to_string(kib) + " KiB", true, 2});
        bench::table cpu("small-files",
                         "P2: hot files to 64 TCP connections, server's CPU \u00b5s per file",
                         columns);
        for (auto& each : columns) each.less_is_better = false, each.decimals = 0;
        bench::table rate("small-files-rate", "P2: the same, files a second", columns);
        for (std::size_t column = 0; column < sizes.size(); ++column) {
          const std::size_t bytes = sizes[column] * 1024;
          const zc::fd file = bench::make_file(given.directory, bytes);
          const load what{file.get(), bytes, files_for(bytes, given.quick)};
          bench::take_turns(given.rounds, contenders(what),
                            [&](const auto& who, const measured& found) {
                              cpu.add(who.name, who.what, column, found.cpu_microseconds);
                              rate.add(who.name, who.what, column, found.files_a_second);
                            });
        }
        bench::publish({cpu, rate}, given.rounds, given.json);
      });
}
