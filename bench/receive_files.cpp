// P18: an upload on each of 64 and 1000 TCP connections, into files and on to other connections.
//
//   bench-receive-files --rounds 7
//   bench-receive-files --into disk --connections 64 --kib 256
//
// What takes the uploads is a process on one core; those that send them, and those that what is
// passed on goes to, are on another, and copy what comes. Prints the CPU time per MiB of the one in
// the middle.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "baseline/receive.hpp"
#include "support/arguments.hpp"
#include "support/data_file.hpp"
#include "support/mapped_file.hpp"
#include "support/measure.hpp"
#include "support/receiver.hpp"
#include "support/require.hpp"
#include "support/rounds.hpp"
#include "support/sink.hpp"
#include "support/table.hpp"
#include "support/uploader.hpp"
#include "zc/zc.hpp"

namespace {

using baseline::receiving;
using bench::kind;

zc::task<> receive(int from, int to) { co_await zc::splice(from, to); }

zc::task<> receive_known(int from, int to) {
  const zc::known_source socket(from);
  const zc::known_target target(to);
  co_await zc::splice(socket, target);
}

zc::task<> receive_all(const receiving& what, bool known) {
  zc::scope all;
  for (std::size_t at = 0; at < what.from.size(); ++at) {
    all.spawn(known ? receive_known(what.from[at], what.to[at])
                    : receive(what.from[at], what.to[at]));
  }
  co_await all.join();
}

/// What takes the uploads, several times in one process: `make` is called once.
using taker = std::function<void(const receiving&)>;
using make_taker = std::function<taker()>;

make_taker zc_taker(bool known) {
  return [known]() -> taker {
    const auto context = std::make_shared<zc::context>();
    return [=](const receiving& what) { context->run(receive_all(what, known)); };
  };
}

enum class target { disk, memory, sockets };

struct load {
  std::size_t connections = 0;
  std::size_t bytes = 0;  // of each upload
  target into = target::disk;
  std::string directory;
  int file = -1;  // what is uploaded
  unsigned times = 1;
};

/// What the uploads go to.
class targets {
 public:
  targets(const load& what, bool check) : what_(what), check_(check) {
    if (what.into == target::sockets) {
      sockets_.emplace(1, bench::expected_files{.connections = what.connections,
                                                .file_bytes = what.bytes,
                                                .each = 1,
                                                .check = check ? what.file : -1,
                                                .begin_of = [](auto, auto) { return 0U; }});
      for (const int socket : sockets_->sockets()) bench::set_nonblocking(socket, true);
      return;
    }
    while (files_.size() < what.connections) files_.push_back(new_file());
  }

  std::vector<int> descriptors() const {
    if (sockets_) return sockets_->sockets();
    std::vector<int> all;
    for (const zc::fd& each : files_) all.push_back(each.get());
    return all;
  }

  /// Throws where not all has arrived.
  void finish() {
    if (sockets_) sockets_->finish();
    for (const zc::fd& each : files_) {
      bench::require_equal(bench::size_of(each.get()), what_.bytes, "bytes in a file");
      const bench::mapped_file arrived(each.get());
      if (check_ && !bench::mapped_file(what_.file).has(arrived.bytes(), 0)) {
        throw std::runtime_error("wrong bytes arrived");
      }
    }
    files_.clear();
  }

 private:
  zc::fd new_file() const {
    if (what_.into == target::memory) {
      return zc::fd(bench::require(::memfd_create("zc-bench", MFD_CLOEXEC), "memfd_create"));
    }
    const int flags = O_RDWR | O_TMPFILE | O_CLOEXEC;
    return zc::fd(bench::require(::open(what_.directory.c_str(), flags, 0600), "O_TMPFILE"));
  }

  const load& what_;
  bool check_;
  std::vector<zc::fd> files_;
  std::optional<bench::receiver> sockets_;
};

double take_once(const load& what, const taker& take, bool check) {
  targets into(what, check);
  bench::uploader from(1, what.connections, what.file);
  const std::vector<int> sockets = from.sockets();
  const std::vector<int> descriptors = into.descriptors();
  from.begin();
  const bench::stopwatch since;
  take({.from = sockets, .to = descriptors, .to_files = what.into != target::sockets});
  const double spent = since.read().cpu_seconds;
  from.finish();
  into.finish();
  return spent;
}

/// CPU time per MiB in microseconds.
double measure(const load& what, const make_taker& make, bool check) {
  return bench::in_child([&]() -> double {
    bench::pin_to(0);
    const taker take = make();
    double spent = 0;
    for (unsigned time = 0; time < what.times; ++time) spent += take_once(what, take, check);
    const double mebibytes =
        static_cast<double>(what.bytes * what.connections * what.times) / 1048576;
    return spent * 1e6 / mebibytes;
  });
}

using contender = bench::contender<double>;

std::vector<contender> contenders(const load& what) {
  std::vector<contender> all;
  const auto add = [&](const char* name, kind is, const make_taker& make) {
    all.push_back({name, is, [=](bool check) { return measure(what, make, check); }});
  };
  const auto by_hand = [](void (*take)(const receiving&)) {
    return [=]() -> taker { return take; };
  };
  const bool files = what.into != target::sockets;
  add(files ? "epoll, recv and pwrite" : "epoll, recv and send", kind::baseline,
      by_hand(baseline::receive_by_copy));
  add("epoll, splice", kind::baseline, by_hand(baseline::receive_by_splice));
  add("zc, known ends", kind::zc, zc_taker(true));
  add("zc, two ints", kind::zc, zc_taker(false));
  return all;
}

struct options {
  std::vector<unsigned> kib{16, 256, 4096};
  std::vector<unsigned> connections{64, 1000};
  std::vector<std::string> into{"disk", "memory", "sockets"};
};

bench::table measure_scenario(const std::string& into, std::size_t connections,
                              const options& chosen, const bench::arguments& given) {
  std::vector<bench::table::column> columns;
  for (const unsigned kib : chosen.kib) columns.push_back({std::to_string(kib) + " KiB", true, 0});
  load what{.connections = connections, .bytes = 0, .directory = given.directory};
  what.into = into == "disk" ? target::disk : into == "memory" ? target::memory : target::sockets;
  const std::string name = into == "disk"     ? "files on a disk"
                           : into == "memory" ? "files in memory"
                                              : "other sockets";
  const std::string row = name + ", " + std::to_string(connections);
  bench::table cpu("receive-files: " + row,
                   "P18: one upload from each of " + std::to_string(connections) +
                       " TCP connections, into " + name + ", CPU \u00b5s per MiB",
                   columns, true);
  for (std::size_t column = 0; column < chosen.kib.size(); ++column) {
    what.bytes = chosen.kib[column] * std::size_t{1024};
    // Gigabytes that no disk takes in the time: what is measured then is how the kernel makes those
    // wait who write.
    const bool disk = what.into == target::disk;
    if ((disk || given.quick) && what.bytes * connections > (std::size_t{1} << 30)) continue;
    const zc::fd file = bench::make_memory_file(what.bytes);
    what.file = file.get();
    const std::size_t wanted = std::size_t{given.quick ? 8U : 128U} << 20;
    what.times =
        static_cast<unsigned>(std::clamp<std::size_t>(wanted / (what.bytes * connections), 1, 64));
    bench::take_turns(given.rounds, contenders(what),
                      [&](const contender& who, double microseconds) {
                        cpu.add(who.name, who.what, column, microseconds);
                      });
  }
  return cpu;
}

}  // namespace

int main(int argc, char** argv) {
  options chosen;
  return bench::run_program(
      argc, argv, "Uploads on many TCP connections, by zc and by hand.",
      [&](CLI::App& app) {
        app.add_option("--kib", chosen.kib, "sizes of the uploads in KiB");
        app.add_option("--connections", chosen.connections, "how many");
        app.add_option("--into", chosen.into, "disk: files in --dir; memory: memfds; sockets")
            ->check(CLI::IsMember({"disk", "memory", "sockets"}));
      },
      [&](const bench::arguments& given) {
        std::vector<bench::table> all;
        for (const std::string& into : chosen.into) {
          for (const unsigned connections : chosen.connections) {
            all.push_back(measure_scenario(into, connections, chosen, given));
          }
        }
        bench::publish(all, given.rounds, given.json);
      });
}
