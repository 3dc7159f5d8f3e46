// P1: one hot file of 1 GiB to one TCP connection.
//
//   bench-one-stream --rounds 7 --mib 1024
//
// The receiver is a process on another core, which copies every byte and counts them. Prints GB/s
// from the first call until the receiver has read the end, and the sender's CPU seconds per GB: on
// loopback that second number is the one that a network card would leave as it is.

#include <functional>

#include "baseline/send_file.hpp"
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

using sender = std::function<void(int file, int socket, std::uint64_t bytes)>;

zc::task<> send_all(int file, int socket, zc::route by) {
  co_await zc::splice(file, socket, {.route = by});
}

sender zc_sender(zc::route by) {
  return [by](int file, int socket, std::uint64_t) { zc::run(send_all(file, socket, by)); };
}

struct measured {
  double gigabytes_a_second = 0;
  double cpu_seconds_per_gigabyte = 0;
};

measured measure(int file, std::uint64_t bytes, const sender& send, bool nonblocking, bool check) {
  return bench::in_child([&]() -> measured {
    bench::pin_to(0);
    bench::sink to(1, 1, check);
    const int socket = to.sockets().front().get();
    bench::set_nonblocking(socket, nonblocking);
    const bench::stopwatch since;
    send(file, socket, bytes);
    const std::uint64_t arrived = to.finish();
    const bench::cost spent = since.read();
    bench::require_equal(arrived, bytes, "bytes that arrived");
    const double gigabytes = static_cast<double>(bytes) * 1e-9;
    return {gigabytes / spent.seconds, spent.cpu_seconds / gigabytes};
  });
}

std::vector<bench::contender<measured>> contenders(int file, std::uint64_t bytes) {
  std::vector<bench::contender<measured>> all;
  const auto add = [&](const char* name, kind is, const sender& send, bool nonblocking) {
    all.push_back(
        {name, is, [=](bool check) { return measure(file, bytes, send, nonblocking, check); }});
  };
  const auto sized = [](auto* send, auto size) -> sender {
    return [=](int from, int to, std::uint64_t count) { send(from, to, count, size); };
  };
  constexpr int kib = 1024;
  add("sendfile", kind::baseline, baseline::send_by_sendfile, false);
  add("splice, 1 MiB pipe", kind::baseline, baseline::send_by_splice, false);
  add("read and send, 128 KiB", kind::baseline, baseline::send_by_read_and_send, false);
  add("OP_SPLICE pairs, 256 KiB pipe", kind::baseline,
      sized(baseline::send_by_ring_splice, 256 * kib), false);
  add("OP_SPLICE pairs, 1 MiB pipe", kind::baseline,
      sized(baseline::send_by_ring_splice, 1024 * kib), false);
  add("OP_SPLICE, two 256 KiB pipes at once", kind::baseline,
      sized(baseline::send_by_ring_splice_two_pipes, 256 * kib), false);
  add("OP_SPLICE fill, splice drain, 256 KiB pipe", kind::baseline,
      sized(baseline::send_by_ring_fill, 256 * kib), false);
  add("READ_FIXED, SEND, 128 KiB", kind::baseline, sized(baseline::send_by_ring_read, 128U * kib),
      false);
  add("READ_FIXED, SEND, 256 KiB", kind::baseline, sized(baseline::send_by_ring_read, 256U * kib),
      false);
  add("zc", kind::zc, zc_sender(zc::route::automatic), true);
  add("zc, socket in blocking mode", kind::zc, zc_sender(zc::route::automatic), false);
  add("zc, direct", kind::zc_forced, zc_sender(zc::route::direct), true);
  add("zc, ring", kind::zc_forced, zc_sender(zc::route::ring), true);
  add("zc, copy", kind::zc_forced, zc_sender(zc::route::copy), true);
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t mib = 1024;
  return bench::run_program(
      argc, argv, "One hot file to one TCP connection, by zc and by hand.",
      [&](CLI::App& app) {
        app.add_option("--mib", mib, "size of the file in MiB")->capture_default_str();
      },
      [&](const bench::arguments& given) {
        if (given.quick) mib = std::min<std::uint64_t>(mib, 64);
        const std::uint64_t bytes = mib << 20U;
        const zc::fd file = bench::make_file(given.directory, bytes);
        bench::table speed(
            "one-stream",
            "P1: one hot file of " + std::to_string(mib) + " MiB to one TCP connection",
            {{"GB/s", false, 2}, {"sender's CPU s per GB", true, 3}});
        bench::take_turns(given.rounds, contenders(file.get(), bytes),
                          [&](const auto& who, const measured& found) {
                            speed.add(who.name, who.what, 0, found.gigabytes_a_second);
                            speed.add(who.name, who.what, 1, found.cpu_seconds_per_gigabyte);
                          });
        bench::publish({speed}, given.rounds, given.json);
      });
}
