// Relays TCP connections to another server: what HAProxy does in TCP mode, for one upstream.

#include <cstdio>
#include <exception>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "arguments.hpp"
#include "notices.hpp"
#include "relay_site.hpp"
#include "server/server.hpp"
#include "statistics.hpp"
#include "zc/context.hpp"
#include "zc/resolve.hpp"

namespace {

class relay_program final : public server::program {
 public:
  explicit relay_program(tcp_relay::arguments given)
      : given_(std::move(given)), upstream_(zc::run(zc::resolve(given_.to))) {}

  // A relay cannot tell which byte is the last of something: all may go on within the grace.
  std::unique_ptr<server::site> make_site(std::stop_token /*stop*/) override {
    auto count = std::make_unique<tcp_relay::statistics>();
    auto made = std::make_unique<tcp_relay::relay_site>(given_, upstream_, *count, say_);
    const std::lock_guard<std::mutex> locked(lock_);
    counts_.push_back(std::move(count));
    return made;
  }

  void report() override {
    const tcp_relay::totals all = sum();
    const std::string text = given_.json ? for_programs(all) : "tcp_relay: " + for_people(all);
    std::fprintf(stderr, "%s\n", text.c_str());
  }

  void add_metrics(server::metrics& to) override { tcp_relay::add_metrics(to, sum()); }

 private:
  tcp_relay::totals sum() {
    tcp_relay::totals all;
    const std::lock_guard<std::mutex> locked(lock_);
    for (const auto& each : counts_) each->add_to(all);
    return all;
  }

  tcp_relay::arguments given_;
  std::vector<zc::address> upstream_;
  tcp_relay::notices say_;
  std::mutex lock_;
  std::vector<std::unique_ptr<tcp_relay::statistics>> counts_;  // of each thread
};

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::variant<tcp_relay::arguments, tcp_relay::explanation> asked =
        tcp_relay::parse_arguments(argc, argv);
    if (const auto* const said = std::get_if<tcp_relay::explanation>(&asked)) {
      return command_line::say(*said);
    }
    const auto& given = std::get<tcp_relay::arguments>(asked);
    relay_program what(given);
    // The client's, and the upstream's.
    const server::room room = server::make_room(given.server, {.of_connection = 2});
    server::run("tcp_relay", what, given.server, room);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tcp_relay: %s\n", error.what());
    return command_line::exit_failed;
  }
}
