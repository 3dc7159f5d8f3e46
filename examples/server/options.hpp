#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "server/endpoint.hpp"
#include "zc/host_port.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace server {

/// What every server is told on its command line.
struct options {
  std::vector<endpoint> listen;
  std::size_t threads = 1;
  std::optional<std::size_t> connections;  // of all threads together; see make_room()
  std::chrono::milliseconds grace{10'000};
  std::vector<endpoint> metrics;  // where to tell numbers: one, or none
  std::string log;                // where to write what goes to standard error, if anywhere else
};

/// Adds --listen, --threads, --connections, --grace, --metrics and --log.
void add_options(CLI::App& app, options& given);

/// An option that is a HOST:PORT.
CLI::Option* add_host_port(CLI::App& app, const std::string& name, zc::host_port& given,
                           const std::string& about);

/// An option in seconds, of which there may be parts: at most a year. Upwards: a short time is not
/// none.
CLI::Option* add_seconds(CLI::App& app, const std::string& name, std::chrono::milliseconds& given,
                         const std::string& about);

/// A check, for CLI::Option::check(): what is wrong with a number that is to be more than 0.
std::string refuse_zero(const std::string& text);

}  // namespace server
