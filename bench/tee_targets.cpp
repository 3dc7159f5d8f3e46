// P19: a hot file, and a stream, to 2, 16, 64 and 256 TCP connections at once.
//
//   bench-tee-targets --rounds 7
//   bench-tee-targets --of stream --targets 16
//
// The one that sends is a process on one core; who feeds the stream, and who receives, are on
// another, and copy what comes. Prints the CPU time per MiB that a target has got, and how much all
// have got in a second.

#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "baseline/tee.hpp"
#include "support/arguments.hpp"
#include "support/data_file.hpp"
#include "support/measure.hpp"
#include "support/receiver.hpp"
#include "support/rounds.hpp"
#include "support/sink.hpp"
#include "support/table.hpp"
#include "support/uploader.hpp"
#include "zc/zc.hpp"

namespace {

using baseline::teeing;
using bench::kind;

zc::task<> tee_once(const teeing& what, std::uint64_t bytes) {
  const std::vector<zc::transfer> ends = co_await zc::tee(what.in, what.outs, {.nbytes = bytes});
  for (const zc::transfer& each : ends) {
    if (each.moved != bytes) throw std::runtime_error("zc::tee: not all bytes were moved");
  }
}

zc::task<> tee_all(const teeing& what) {
  if (what.stream) {
    co_await tee_once(what, what.bytes * what.times);
    co_return;
  }
  for (std::uint64_t time = 0; time < what.times; ++time) co_await tee_once(what, what.bytes);
}

void tee_by_zc(const teeing& what) { zc::run(tee_all(what)); }

struct measured {
  double cpu_microseconds = 0;    // per MiB that a target has got
  double gigabytes_a_second = 0;  // that all have got
};

measured measure(teeing what, std::size_t targets, void (*tee)(const teeing&), bool check) {
  if (check) what.times = std::min<std::uint64_t>(what.times, 2);
  return bench::in_child([&]() -> measured {
    bench::pin_to(0);
    bench::receiver peers(1, {.connections = targets,
                              .file_bytes = what.bytes,
                              .each = what.times,
                              .check = check ? what.in : -1,
                              .begin_of = [](auto, auto) { return 0U; }});
    const std::vector<int> sockets = peers.sockets();
    for (const int socket : sockets) bench::set_nonblocking(socket, true);
    what.outs = sockets;
    std::optional<bench::uploader> feeder;
    if (what.stream) {
      feeder.emplace(1, 1, what.in, what.times);
      what.in = feeder->sockets().front();
      feeder->begin();
    }
    const bench::stopwatch since;
    tee(what);
    const double cpu_seconds = since.read().cpu_seconds;
    if (feeder) feeder->finish();
    peers.finish();
    const double seconds = since.read().seconds;  // what sockets hold is on its way: it counts, too
    const double bytes = static_cast<double>(what.bytes * what.times * targets);
    return {cpu_seconds * 1e6 * 1048576 / bytes, bytes / 1e9 / seconds};
  });
}

using contender = bench::contender<measured>;

std::vector<contender> contenders(const teeing& what, std::size_t targets) {
  std::vector<contender> all;
  const auto add = [&](const char* name, kind is, void (*tee)(const teeing&)) {
    all.push_back({name, is, [=](bool check) { return measure(what, targets, tee, check); }});
  };
  if (what.stream) {
    add("recv once, send to all", kind::baseline, baseline::tee_by_read_and_send);
    add("tee and splice", kind::baseline, baseline::tee_by_tee);
  } else {
    add("read once, send to all", kind::baseline, baseline::tee_by_read_and_send);
    add("sendfile to each", kind::baseline, baseline::tee_by_sendfile);
  }
  add("zc", kind::zc, tee_by_zc);
  return all;
}

struct options {
  std::vector<unsigned> targets{2, 16, 64, 256};
  std::vector<std::string> of{"disk", "memory", "stream"};
  unsigned kib = 8192;
};

void measure_source(const std::string& of, const options& chosen, const bench::arguments& given,
                    std::vector<bench::table>& all) {
  std::vector<bench::table::column> columns;
  for (const unsigned targets : chosen.targets) {
    columns.push_back({std::to_string(targets) + " targets", true, 0});
  }
  const std::size_t bytes = (given.quick ? chosen.kib / 4 : chosen.kib) * std::size_t{1024};
  const zc::fd file =
      of == "disk" ? bench::make_file(given.directory, bytes) : bench::make_memory_file(bytes);
  const std::string what = of == "stream" ? "a stream"
                                          : "a hot file of " + std::to_string(bytes / 1024) +
                                                " KiB, " + bench::filesystem_of(file.get());
  bench::table cpu("tee-targets-" + of, "P19: " + what + ", CPU \u00b5s per MiB and target",
                   columns, true);
  for (auto& each : columns) each.less_is_better = false, each.decimals = 2;
  bench::table rate("tee-targets-" + of + "-rate", "P19: " + what + ", GB/s to all targets",
                    columns);
  for (std::size_t column = 0; column < chosen.targets.size(); ++column) {
    const std::size_t targets = chosen.targets[column];
    const std::size_t wanted = std::size_t{given.quick ? 32U : 512U} << 20;
    const teeing work{.in = file.get(),
                      .stream = of == "stream",
                      .bytes = bytes,
                      .times = std::max<std::uint64_t>(wanted / (bytes * targets), 1),
                      .outs = {}};
    bench::take_turns(given.rounds, contenders(work, targets),
                      [&](const contender& who, const measured& found) {
                        cpu.add(who.name, who.what, column, found.cpu_microseconds);
                        rate.add(who.name, who.what, column, found.gigabytes_a_second);
                      });
  }
  all.push_back(std::move(cpu));
  all.push_back(std::move(rate));
}

}  // namespace

int main(int argc, char** argv) {
  options chosen;
  return bench::run_program(
      argc, argv, "A file or a stream to many TCP connections at once, by zc and by hand.",
      [&](CLI::App& app) {
        app.add_option("--targets", chosen.targets, "how many connections");
        app.add_option("--of", chosen.of, "disk: a file in --dir; memory: a memfd; stream")
            ->check(CLI::IsMember({"disk", "memory", "stream"}));
        app.add_option("--kib", chosen.kib, "size of the file")->capture_default_str();
      },
      [&](const bench::arguments& given) {
        std::vector<bench::table> all;
        for (const std::string& of : chosen.of) measure_source(of, chosen, given, all);
        bench::publish(all, given.rounds, given.json);
      });
}
