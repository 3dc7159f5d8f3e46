// P8: requests for a hot file, with and without others for cold ones beside them.
//
//   bench-cold-files --rounds 7
//
// The server is pinned to one core, the clients to another. Hot requests come every 500 us, cold
// ones, each for a part that nobody has read yet, every 4 ms, whether or not the last one is
// answered. Prints how long hot ones take from when they are due. The large file's pages are
// dropped before each measurement, and mincore(2) asked whether they are gone.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <string>
#include <vector>

#include "baseline/serve_parts.hpp"
#include "support/arguments.hpp"
#include "support/data_file.hpp"
#include "support/measure.hpp"
#include "support/require.hpp"
#include "support/rounds.hpp"
#include "support/sink.hpp"
#include "support/steady_load.hpp"
#include "support/table.hpp"
#include "zc/zc.hpp"

namespace {

using namespace std::chrono_literals;
using baseline::part_request;
using baseline::serving_parts;
using bench::kind;

constexpr unsigned hot_connections = 16;
constexpr unsigned cold_connections = 16;
constexpr std::uint32_t hot_bytes = 16 * 1024;
constexpr std::uint32_t cold_bytes = 256 * 1024;

struct setting {
  int hot = -1;
  int cold = -1;
  std::chrono::milliseconds duration{};
};

struct measured {
  double hot_p50 = 0;
  double hot_p99 = 0;
  double cold_p50 = 0;
};

struct both {
  measured alone;
  measured beside_cold;
};

zc::task<> serve_client(serving_parts what, int socket, zc::route by) {
  std::array<std::byte, sizeof(part_request)> request;
  while ((co_await zc::op::recv(socket, request)).value() > 0) {
    const auto wanted = std::bit_cast<part_request>(request);
    co_await zc::splice(
        what.files[wanted.file], socket,
        {.offset = static_cast<std::int64_t>(wanted.offset), .nbytes = wanted.bytes, .route = by});
  }
}

zc::task<> serve_all(serving_parts what, zc::route by) {
  zc::scope clients;
  for (const int socket : what.sockets) clients.spawn(serve_client(what, socket, by));
  co_await clients.join();
}

using server = std::function<void(const serving_parts&)>;

server zc_server(zc::route by) {
  return [by](const serving_parts& what) { zc::run(serve_all(what, by)); };
}

/// What `part` per cent of them do not exceed.
double percentile(std::vector<double> of, double part) {
  if (of.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(static_cast<double>(of.size() - 1) * part / 100);
  std::nth_element(of.begin(), of.begin() + at, of.end());
  return of[static_cast<std::size_t>(at)];
}

void ask(int socket, const part_request& wanted) {
  bench::require(::send(socket, &wanted, sizeof wanted, 0), "send");
}

/// Parts of the cold file, each once, and never two neighbours in a row: readahead would have the
/// second one in memory.
class cold_parts {
 public:
  explicit cold_parts(std::uint64_t file_bytes) : count_(file_bytes / cold_bytes) {}

  part_request next() {
    if (number_ == count_) throw std::runtime_error("every part of the cold file was asked for");
    const std::uint64_t stride = 64;
    const std::uint64_t rows = count_ / stride;
    const std::uint64_t part = number_ % rows * stride + number_ / rows;
    ++number_;
    return {1, cold_bytes, part * cold_bytes};
  }

 private:
  std::uint64_t count_;
  std::uint64_t number_ = 0;
};

measured run_clients(std::vector<zc::fd> hot, std::vector<zc::fd> cold, const setting& where) {
  const bool with_cold = !cold.empty();
  cold_parts parts(bench::size_of(where.cold));
  std::vector<bench::pace> paces;
  paces.push_back({std::move(hot), 500us, hot_bytes, [](int socket) {
                     ask(socket, {0, hot_bytes, 0});
                   }});
  if (with_cold) {
    paces.push_back(
        {std::move(cold), 4ms, cold_bytes, [&](int socket) { ask(socket, parts.next()); }});
  }
  const std::vector<bench::answers> found = bench::run_steadily(std::move(paces), where.duration);
  return {percentile(found[0].latencies, 50), percentile(found[0].latencies, 99),
          with_cold ? percentile(found[1].latencies, 50) : 0};
}

struct connected {
  std::vector<zc::fd> clients;
  std::vector<zc::fd> ours;
};

connected connect(unsigned count, bool nonblocking) {
  const zc::fd listener = bench::listen_on_loopback(static_cast<int>(count));
  connected all;
  for (; count > 0; --count) {
    all.clients.push_back(bench::connect_to(listener.get()));
    const int accepted = ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
    all.ours.emplace_back(bench::require(accepted, "accept4"));
    bench::set_nonblocking(all.ours.back().get(), nonblocking);
  }
  return all;
}

measured measure(const setting& where, const server& serve, bool nonblocking, bool with_cold) {
  bench::make_cold(where.cold);
  if (bench::resident_bytes(where.cold) > bench::size_of(where.cold) / 100) {
    throw std::runtime_error("the cold file is still in the page cache: is --dir on a real disk?");
  }
  return bench::in_child([&] {
    bench::pin_to(0);
    connected hot = connect(hot_connections, nonblocking);
    connected cold = connect(with_cold ? cold_connections : 0, nonblocking);
    std::array<int, 2> ends{};
    bench::require(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
    const zc::fd report(ends[0]);
    const zc::fd answer(ends[1]);
    bench::helper_process clients(1, [&] {
      bench::write_value(answer.get(),
                         run_clients(std::move(hot.clients), std::move(cold.clients), where));
    });
    hot.clients.clear();
    cold.clients.clear();
    std::vector<int> sockets;
    for (const auto* some : {&hot.ours, &cold.ours}) {
      for (const zc::fd& each : *some) sockets.push_back(each.get());
    }
    const std::array<int, 2> files{where.hot, where.cold};
    serve({files, sockets});
    clients.join();
    return bench::read_value<measured>(report.get());
  });
}

std::vector<bench::contender<both>> contenders(const setting& where) {
  std::vector<bench::contender<both>> all;
  const auto add = [&](const char* name, kind is, const server& serve, bool nonblocking = true) {
    all.push_back({name, is, [=](bool) -> both {
                     return {measure(where, serve, nonblocking, false),
                             measure(where, serve, nonblocking, true)};
                   }});
  };
  add("epoll, sendfile", kind::baseline, baseline::serve_parts_epoll);
  add("a thread per connection, sendfile", kind::baseline, baseline::serve_parts_threads, false);
  add("zc", kind::zc, zc_server(zc::route::automatic));
  add("zc, direct", kind::zc_forced, zc_server(zc::route::direct));
  add("zc, ring", kind::zc_forced, zc_server(zc::route::ring));
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_program(
      argc, argv, "Requests for hot files with others for cold ones beside them.", [](CLI::App&) {},
      [](const bench::arguments& given) {
        const zc::fd hot = bench::make_file(given.directory, hot_bytes);
        const zc::fd cold = bench::make_file(given.directory, 256 << 20);
        const setting where{hot.get(), cold.get(), given.quick ? 200ms : 1000ms};
        bench::table latency("cold-files",
                             "P8: 16 KiB from hot files, and 256 KiB from cold ones, \u00b5s",
                             {{"hot alone: p50", true, 0},
                              {"p99", true, 0},
                              {"hot beside cold: p50", true, 0},
                              {"p99", true, 0},
                              {"p99 beside cold / alone", true, 2},
                              {"cold: p50", true, 0}});
        bench::take_turns(given.rounds, contenders(where), [&](const auto& who, const both& of) {
          const std::array columns{of.alone.hot_p50,
                                   of.alone.hot_p99,
                                   of.beside_cold.hot_p50,
                                   of.beside_cold.hot_p99,
                                   of.beside_cold.hot_p99 / of.alone.hot_p99,
                                   of.beside_cold.cold_p50};
          for (std::size_t column = 0; column < columns.size(); ++column) {
            latency.add(who.name, who.what, column, columns[column]);
          }
        });
        bench::publish({latency}, given.rounds, given.json);
      });
}
