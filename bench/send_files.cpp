// P2: hot files of five sizes to 1 to 4000 TCP connections, from one thread.
//
//   bench-send-files --rounds 7
//   bench-send-files --from disk --shape asked --connections 1000 --kib 64 --only known --only full
//
// Either back to back on each connection, as in a tree that is sent over few connections, or one
// for each byte of the receiver's, as in answers to requests. The sender is a process on one core,
// the receiver one on another, which copies what comes. Prints the sender's CPU time per file: how
// many files a second there are depends on who is faster, CPU per file does not.

#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <vector>

#include "baseline/serve.hpp"
#include "support/arguments.hpp"
#include "support/data_file.hpp"
#include "support/measure.hpp"
#include "support/receiver.hpp"
#include "support/require.hpp"
#include "support/rounds.hpp"
#include "support/sink.hpp"
#include "support/table.hpp"
#include "zc/zc.hpp"

namespace {

using baseline::serving;
using bench::kind;

constexpr std::size_t different_files = 256;

/// Two ints for each transfer: zc has never seen them.
zc::task<> send_to(int socket, std::size_t index, const serving& what, zc::route by) {
  std::byte request{};
  for (std::uint64_t sent = 0; sent < what.each; ++sent) {
    if (what.asked) (co_await zc::op::recv(socket, std::span(&request, 1))).value();
    const auto begin = static_cast<std::int64_t>(what.begin_of(index, sent));
    co_await zc::splice(what.file, socket,
                        {.offset = begin, .nbytes = what.file_bytes, .route = by});
  }
}

/// Knows its descriptors, as those by hand do.
zc::task<> send_to_known(int socket, std::size_t index, const serving& what,
                         const zc::known_source& file) {
  const zc::known_target client(socket);
  std::byte request{};
  for (std::uint64_t sent = 0; sent < what.each; ++sent) {
    if (what.asked) (co_await zc::op::recv(socket, std::span(&request, 1))).value();
    const auto begin = static_cast<std::int64_t>(what.begin_of(index, sent));
    co_await zc::splice(file, client, {.offset = begin, .nbytes = what.file_bytes});
  }
}

zc::task<> send_all(const serving& what, zc::route by) {
  zc::scope clients;
  for (std::size_t index = 0; index < what.sockets.size(); ++index) {
    clients.spawn(send_to(what.sockets[index], index, what, by));
  }
  co_await clients.join();
}

zc::task<> send_all_known(const serving& what) {
  const zc::known_source file(what.file);
  zc::scope clients;
  for (std::size_t index = 0; index < what.sockets.size(); ++index) {
    clients.spawn(send_to_known(what.sockets[index], index, what, file));
  }
  co_await clients.join();
}

using sender = std::function<void(const serving&)>;

sender zc_sender(zc::route by) {
  return [by](const serving& what) { zc::run(send_all(what, by)); };
}

void send_known(const serving& what) { zc::run(send_all_known(what)); }

struct measured {
  double cpu_microseconds = 0;  // the sender's, per file
  double files_a_second = 0;    // until the last one has been received
};

measured measure(serving what, std::size_t connections, const sender& send, bool nonblocking,
                 bool check) {
  if (check) what.each = std::max<std::uint64_t>(what.each / 16, 2);
  return bench::in_child([&]() -> measured {
    bench::pin_to(0);
    const auto begin_of = [&](std::size_t index, std::uint64_t received) {
      return what.begin_of(index, received);
    };
    bench::receiver peer(1, {.connections = connections,
                             .file_bytes = what.file_bytes,
                             .each = what.each,
                             .asked = what.asked,
                             .check = check ? what.file : -1,
                             .begin_of = begin_of});
    const std::vector<int> sockets = peer.sockets();
    for (const int socket : sockets) bench::set_nonblocking(socket, nonblocking);
    what.sockets = sockets;
    const bench::stopwatch since;
    send(what);
    const double cpu_seconds = since.read().cpu_seconds;
    peer.finish();
    const auto files = static_cast<double>(what.each * connections);
    return {cpu_seconds * 1e6 / files, files / since.read().seconds};
  });
}

struct options {
  std::vector<unsigned> kib{4, 16, 64, 256, 1024};
  std::vector<unsigned> connections{1, 8, 64, 1000, 4000};
  std::vector<std::string> shapes{"back", "asked"};
  std::vector<std::string> from{"disk", "memory"};
  std::vector<std::string> only;
  bool forced = false;
  bool rate = false;
};

/// One table: all sizes, by one number of connections, in one shape, from one file system.
struct scenario {
  std::size_t connections = 0;
  bool asked = false;
  bool disk = false;
};

using contender = bench::contender<measured>;

std::vector<contender> contenders(const serving& what, const scenario& of, const options& chosen) {
  std::vector<contender> all;
  const auto add = [&](const char* name, kind is, const sender& send, bool nonblocking = true) {
    const auto named = [&](const std::string& part) {
      return std::string(name).find(part) != std::string::npos;
    };
    if (!chosen.only.empty() && std::none_of(chosen.only.begin(), chosen.only.end(), named)) return;
    all.push_back({name, is, [=, connections = of.connections](bool check) {
                     return measure(what, connections, send, nonblocking, check);
                   }});
  };
  add("until full, epoll, sendfile", kind::baseline, baseline::serve_until_full_sendfile);
  add("until full, epoll, read and send", kind::baseline, baseline::serve_until_full_read_and_send);
  add("until full, epoll, splice", kind::baseline, baseline::serve_until_full_splice);
  add("until full, ring to wait, sendfile", kind::baseline, baseline::serve_until_full_ring);
  add("in turn, epoll, sendfile", kind::baseline, baseline::serve_turns_epoll_sendfile);
  add("in turn, epoll, read and send", kind::baseline, baseline::serve_turns_epoll_read_and_send);
  add("in turn, ring to wait, sendfile", kind::baseline, baseline::serve_turns_ring_sendfile);
  add("in turn, ring to wait, splice", kind::baseline, baseline::serve_turns_ring_poll_and_splice);
  // A pipe or a buffer for each connection: nobody does that for thousands.
  if (of.connections <= 64) {
    add("in turn, OP_SPLICE, linked pairs", kind::baseline, baseline::serve_turns_ring_splice,
        false);
    add("in turn, READ_FIXED, SEND", kind::baseline, baseline::serve_turns_ring_read_and_send);
  }
  add("zc, known ends", kind::zc, send_known);
  add("zc, two ints", kind::zc, zc_sender(zc::route::automatic));
  if (!chosen.forced) return all;
  add("zc, sockets in blocking mode", kind::zc, zc_sender(zc::route::automatic), false);
  add("zc, direct", kind::zc_forced, zc_sender(zc::route::direct));
  add("zc, ring", kind::zc_forced, zc_sender(zc::route::ring));
  add("zc, copy", kind::zc_forced, zc_sender(zc::route::copy));
  return all;
}

/// About as much work at every size: some 0.2 s, where there are not thousands of connections. A
/// file that is asked for costs the switch to the receiver and back.
std::uint64_t files_each(std::size_t file_bytes, const scenario& of, bool quick) {
  const std::uint64_t most = of.asked ? 24 * 1024 : 96 * 1024;
  const std::uint64_t all = std::clamp<std::uint64_t>((1U << 30) / file_bytes, 1024, most);
  return std::max<std::uint64_t>(
      (quick ? all / 20 : all) / std::max<std::size_t>(of.connections, 8), 2);
}

std::vector<bench::table::column> columns_for(const std::vector<unsigned>& kib) {
  std::vector<bench::table::column> columns;
  for (const unsigned each : kib) columns.push_back({std::to_string(each) + " KiB", true, 2});
  return columns;
}

zc::fd make_files(const bench::arguments& given, const scenario& of, std::size_t file_bytes) {
  const std::size_t all = different_files * file_bytes;
  return of.disk ? bench::make_file(given.directory, all) : bench::make_memory_file(all);
}

std::string name_of(const scenario& of, const bench::arguments& given) {
  const zc::fd any = of.disk ? bench::make_file(given.directory, 1) : bench::make_memory_file(1);
  return bench::filesystem_of(any.get()) +
         (of.asked ? ", asked for one by one, " : ", back to back, ") +
         std::to_string(of.connections);
}

struct scenario_tables {
  bench::table cpu;
  bench::table rate;
};

scenario_tables measure_scenario(const scenario& of, const options& chosen,
                                 const bench::arguments& given) {
  const std::string name = name_of(of, given);
  const std::string title = "P2: " + name + " connections, ";
  auto columns = columns_for(chosen.kib);
  bench::table cpu("send-files: " + name, title + "sender's CPU \u00b5s per file", columns, true);
  for (auto& each : columns) each.less_is_better = false, each.decimals = 0;
  bench::table rate("send-files-rate: " + name, title + "files a second", columns, true);
  for (std::size_t column = 0; column < chosen.kib.size(); ++column) {
    const std::size_t bytes = chosen.kib[column] * std::size_t{1024};
    if (given.quick && 2 * bytes * of.connections > (std::size_t{256} << 20)) continue;
    const zc::fd files = make_files(given, of, bytes);
    const serving what{.file = files.get(),
                       .file_bytes = bytes,
                       .files = different_files,
                       .sockets = {},
                       .each = files_each(bytes, of, given.quick),
                       .asked = of.asked};
    bench::take_turns(given.rounds, contenders(what, of, chosen),
                      [&](const contender& who, const measured& found) {
                        cpu.add(who.name, who.what, column, found.cpu_microseconds);
                        rate.add(who.name, who.what, column, found.files_a_second);
                      });
  }
  return {std::move(cpu), std::move(rate)};
}

/// The ratios of one of zc's rows in all scenarios.
bench::table summary_of(const std::string& row, const std::vector<bench::table>& all,
                        const options& chosen) {
  auto columns = columns_for(chosen.kib);
  columns.push_back({"geometric mean", true, 2});
  bench::table ratios("send-files-" + row.substr(row.find_last_of(' ') + 1),
                      "P2: sender's CPU, " + row + " / the best by hand", columns);
  for (const bench::table& each : all) {
    const std::string scenario = each.name().substr(each.name().find(' ') + 1);
    const auto keep = [&](std::size_t column, const std::vector<double>& samples) {
      for (const double ratio : samples) ratios.add(scenario, kind::zc_forced, column, ratio);
    };
    for (std::size_t column = 0; column < chosen.kib.size(); ++column) {
      keep(column, each.ratios(row, column));
    }
    keep(chosen.kib.size(), each.mean_ratios(row));
  }
  return ratios;
}

void measure_all(const options& chosen, const bench::arguments& given) {
  std::vector<bench::table> all;
  std::vector<bench::table> rates;
  for (const std::string& from : chosen.from) {
    for (const std::string& shape : chosen.shapes) {
      for (const unsigned connections : chosen.connections) {
        // A socket and a pipe for each.
        if (3 * connections + 64 > bench::raise_descriptor_limit()) {
          std::fprintf(stderr, "left out: RLIMIT_NOFILE allows no %u connections\n", connections);
          continue;
        }
        auto found =
            measure_scenario({connections, shape == "asked", from == "disk"}, chosen, given);
        all.push_back(std::move(found.cpu));
        if (chosen.rate) rates.push_back(std::move(found.rate));
      }
    }
  }
  std::vector<bench::table> summaries;
  if (all.size() > 1) {
    for (const char* const row : {"zc, known ends", "zc, two ints"}) {
      if (all.front().has(row)) summaries.push_back(summary_of(row, all, chosen));
    }
  }
  all.insert(all.begin(), summaries.begin(), summaries.end());
  all.insert(all.end(), rates.begin(), rates.end());
  bench::publish(all, given.rounds, given.json);
}

}  // namespace

int main(int argc, char** argv) {
  options chosen;
  return bench::run_program(
      argc, argv, "Hot files of several sizes to TCP connections, by zc and by hand.",
      [&](CLI::App& app) {
        app.add_option("--kib", chosen.kib, "sizes of the files in KiB");
        app.add_option("--connections", chosen.connections, "how many");
        app.add_option("--shape", chosen.shapes, "back: back to back; asked: by a byte for each")
            ->check(CLI::IsMember({"back", "asked"}));
        app.add_option("--from", chosen.from, "disk: in --dir; memory: a memfd")
            ->check(CLI::IsMember({"disk", "memory"}));
        app.add_option("--only", chosen.only, "only rows whose name has one of these in it");
        app.add_flag("--rate", chosen.rate, "files a second, too");
        app.add_flag("--forced", chosen.forced, "forced routes and blocking sockets too");
      },
      [&](const bench::arguments& given) { measure_all(chosen, given); });
}
