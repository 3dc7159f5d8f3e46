// P11: zc beside other libraries: an echo of 1 KiB, a file in answer to a request, and a task.
//
//   bench-peers --rounds 7
//   bench-peers --only zc --only Asio
//
// 64 connections. The server is a process on one core, the clients are one on another, each of
// which asks again when it has its answer. Prints the server's CPU time per answer, and answers a
// second.

#include <algorithm>
#include <string>
#include <vector>

#include "peer.hpp"
#include "support/arguments.hpp"
#include "support/data_file.hpp"
#include "support/measure.hpp"
#include "support/receiver.hpp"
#include "support/rounds.hpp"
#include "support/sink.hpp"
#include "support/table.hpp"

namespace {

using bench::kind;
using peers::answering;
using peers::peer;

constexpr std::size_t connections = 64;

struct measured {
  double cpu_microseconds = 0;  // per answer
  double answers_a_second = 0;
};

struct load {
  int file = -1;          // what is to come
  std::size_t bytes = 0;  // an answer
  bool echo = false;
  std::uint64_t each = 0;  // answers for every connection
};

measured measure(const load& what, const std::function<void(const answering&)>& answer,
                 bool check) {
  return bench::in_child([&]() -> measured {
    bench::pin_to(0);
    bench::receiver clients(1, {.connections = connections,
                                .file_bytes = what.bytes,
                                .each = what.each,
                                .asked = true,
                                .check = check ? what.file : -1,
                                .request_bytes = what.echo ? what.bytes : 1,
                                .hang_up = true,
                                .begin_of = [](auto, auto) { return 0U; }});
    const std::vector<int> sockets = clients.sockets();
    for (const int socket : sockets) bench::set_nonblocking(socket, true);
    const bench::stopwatch since;
    answer({sockets, what.echo ? -1 : what.file, what.bytes});
    const bench::cost spent = since.read();
    clients.finish();
    const auto answers = static_cast<double>(what.each * connections);
    return {spent.cpu_seconds * 1e6 / answers, answers / spent.seconds};
  });
}

std::vector<peer> all_peers(const std::vector<std::string>& only) {
  std::vector<peer> all;
  const auto add = [&](std::vector<peer> more) {
    for (peer& each : more) {
      const auto named = [&](const std::string& part) {
        return each.name.find(part) != std::string::npos;
      };
      if (only.empty() || std::any_of(only.begin(), only.end(), named))
        all.push_back(std::move(each));
    }
  };
#ifdef WITH_ASIO
  add(peers::asio_epoll_peers());
  add(peers::asio_io_uring_peers());
#endif
#ifdef WITH_LIBUV
  add(peers::libuv_peers());
#endif
#ifdef WITH_LIBEVENT
  add(peers::libevent_peers());
#endif
  add(peers::zc_peers());
  return all;
}

kind kind_of(const peer& which) { return which.name.starts_with("zc") ? kind::zc : kind::baseline; }

void measure_answers(const std::vector<peer>& all, const bench::arguments& given,
                     std::vector<bench::table>& tables) {
  const std::vector<unsigned> kib{4, 64, 1024};
  std::vector<bench::table::column> columns{{"echo of 1 KiB", true, 2}};
  for (const unsigned each : kib)
    columns.push_back({"file of " + std::to_string(each) + " KiB", true, 2});
  bench::table cpu("peers", "P11: 64 connections, server's CPU \u00b5s per answer", columns);
  for (auto& each : columns) each.less_is_better = false, each.decimals = 0;
  bench::table rate("peers-rate", "P11: the same, answers a second", columns);
  for (std::size_t column = 0; column <= kib.size(); ++column) {
    const bool echo = column == 0;
    const std::size_t bytes = echo ? 1024 : kib[column - 1] * std::size_t{1024};
    const zc::fd file =
        echo ? bench::make_memory_file(bytes) : bench::make_file(given.directory, bytes);
    const std::uint64_t answers = std::clamp<std::uint64_t>((1U << 30) / bytes, 1024, 48 * 1024);
    const load what{file.get(), bytes, echo, (given.quick ? answers / 16 : answers) / connections};
    std::vector<bench::contender<measured>> contenders;
    for (const peer& each : all) {
      const auto& answer = echo ? each.echo : each.send_file;
      if (!answer) continue;
      contenders.push_back(
          {each.name, kind_of(each), [=](bool check) { return measure(what, answer, check); }});
    }
    bench::take_turns(given.rounds, contenders, [&](const auto& who, const measured& found) {
      cpu.add(who.name, who.what, column, found.cpu_microseconds);
      rate.add(who.name, who.what, column, found.answers_a_second);
    });
  }
  for (bench::table* const each : {&cpu, &rate}) {
    each->compare_with("the best other");
    tables.push_back(std::move(*each));
  }
}

void measure_tasks(const std::vector<peer>& all, const bench::arguments& given,
                   std::vector<bench::table>& tables) {
  bench::table cost("peers-tasks", "P11: a coroutine awaited that gives a value at once",
                    {{"ns", true, 1}});
  const std::uint64_t count = given.quick ? 100'000 : 5'000'000;
  std::vector<bench::contender<double>> contenders;
  for (const peer& each : all) {
    if (!each.await_tasks) continue;
    contenders.push_back({each.name, kind_of(each), [&](bool) {
                            return bench::in_child([&]() -> double {
                              bench::pin_to(0);
                              const bench::stopwatch since;
                              each.await_tasks(count);
                              return since.read().cpu_seconds * 1e9 / static_cast<double>(count);
                            });
                          }});
  }
  bench::take_turns(given.rounds, contenders, [&](const auto& who, double nanoseconds) {
    cost.add(who.name, who.what, 0, nanoseconds);
  });
  cost.compare_with("the best other");
  tables.push_back(std::move(cost));
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> only;
  return bench::run_program(
      argc, argv, "zc beside other libraries.",
      [&](CLI::App& app) {
        app.add_option("--only", only, "only those whose name has one of these in it");
      },
      [&](const bench::arguments& given) {
        const std::vector<peer> all = all_peers(only);
        std::vector<bench::table> tables;
        measure_answers(all, given, tables);
        measure_tasks(all, given, tables);
        bench::publish(tables, given.rounds, given.json);
      });
}
