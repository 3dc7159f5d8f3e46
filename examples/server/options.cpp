#include "server/options.hpp"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <stdexcept>
#include <vector>

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

namespace {

CLI::Option* add_endpoints(CLI::App& app, const std::string& name, std::vector<endpoint>& given,
                           const std::string& about) {
  const auto set = [&given, name](const std::vector<std::string>& all) {
    try {
      given.clear();
      for (const std::string& each : all) given.push_back(endpoint::parse(each));
    } catch (const std::invalid_argument& wrong) {
      throw CLI::ValidationError(name, wrong.what());
    }
  };
  return app.add_option_function<std::vector<std::string>>(name, set, about)
      ->allow_extra_args(false)
      ->type_name("WHERE");
}

}  // namespace

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
  add_endpoints(app, "--listen", given.listen,
                "Where to listen, once or more: HOST:PORT, where port 0 picks a free one and no\n"
                "host is every interface; unix:PATH; or systemd, for the sockets that it passes")
      ->required();
  app.add_option("--threads", given.threads, "How many threads serve, each with its own ring")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--connections", given.connections,
                 "Most connections at once, of all threads; others wait. 10000, or as many as the\n"
                 "limit on open files has room for")
      ->check(refuse_zero);
  add_seconds(app, "--grace", given.grace,
              "How long connections may go on when the server is asked to stop");
  add_endpoints(app, "--metrics", given.metrics,
                "Where to tell numbers to Prometheus: HTTP, at /metrics")
      ->check([](const std::string& text) {
        return text == "systemd" ? std::string("systemd's sockets are for --listen") : "";
      })
      ->expected(1);
  app.add_option("--log", given.log,
                 "Append what goes to standard error to this file, opened anew at SIGHUP")
      ->type_name("FILE");
}

}  // namespace server
