#include "server/options.hpp"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <stdexcept>

namespace server {

CLI::Option* add_host_port(CLI::App& app, const std::string& name, zc::host_port& given,
                           const std::string& about) {
  const auto set = [&given, name](const std::string& text) {
    try {
      given = zc::host_port::parse(text);
    } catch (const std::invalid_argument& wrong) {
      throw CLI::ValidationError(name, wrong.what());
    }
  };
  return app.add_option_function<std::string>(name, set, about)->type_name("HOST:PORT");
}

CLI::Option* add_seconds(CLI::App& app, const std::string& name, std::chrono::milliseconds& given,
                         const std::string& about) {
  static constexpr double a_year = 365.0 * 24 * 60 * 60;
  const auto set = [&given](const double& seconds) {
    given = std::chrono::ceil<std::chrono::milliseconds>(std::chrono::duration<double>(seconds));
  };
  return app.add_option_function<double>(name, set, about)
      ->type_name("SECONDS")
      ->default_str(std::to_string(given.count() / 1000))
      // CLI::Range has room for what is not a number.
      ->check([](const std::string& text) {
        const double seconds = std::strtod(text.c_str(), nullptr);
        return seconds >= 0 && seconds <= a_year ? std::string() : "not from 0 to a year: " + text;
      });
}

std::string refuse_zero(const std::string& text) {
  return std::strtod(text.c_str(), nullptr) > 0 ? std::string() : "not more than 0: " + text;
}

void add_options(CLI::App& app, options& given) {
  add_host_port(app, "--listen", given.listen,
                "Where to listen; port 0 picks a free one, no host is every interface")
      ->required();
  app.add_option("--threads", given.threads, "How many threads serve, each with its own ring")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--connections", given.connections, "Most connections at once; others wait")
      ->check(refuse_zero)
      ->capture_default_str();
  add_seconds(app, "--grace", given.grace,
              "How long connections may go on when the server is asked to stop");
}

}  // namespace server
