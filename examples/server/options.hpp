#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "zc/host_port.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace server {

/// What every server is told on its command line.
struct options {
  zc::host_port listen;
  std::size_t threads = 1;
  std::size_t connections = 10'000;  // of all threads together
  std::chrono::milliseconds grace{10'000};
};

/// Adds --listen, --threads, --connections and --grace.
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
