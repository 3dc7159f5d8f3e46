// Serves the files of a directory over HTTP/1.1: file_server --root DIR --listen HOST:PORT.

#include <fcntl.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <memory>
#include <stop_token>
#include <system_error>
#include <utility>
#include <variant>

#include "arguments.hpp"
#include "commons.hpp"
#include "connection.hpp"
#include "server/server.hpp"
#include "settings.hpp"
#include "zc/fd.hpp"
#include "zc/task.hpp"

namespace {

using namespace file_server;

constexpr std::size_t cached_files = 1000;

/// One thread's connections.
class file_site final : public server::site {
 public:
  file_site(const settings& given, std::stop_token stop) : shared_(given, std::move(stop)) {}

  zc::task<> handle(zc::fd client) override {
    try {
      connection one(std::move(client), shared_);
      co_await one.run();
    } catch (const std::system_error& ended) {
      if (ended.code() == std::errc::operation_canceled) throw;
      std::fprintf(stderr, "file_server: a connection: %s\n", ended.what());
    } catch (const std::exception& ended) {
      std::fprintf(stderr, "file_server: a connection: %s\n", ended.what());
    }
  }

 private:
  commons shared_;
};

class file_program final : public server::program {
 public:
  explicit file_program(const settings& given) noexcept : given_(given) {}

  std::unique_ptr<server::site> make_site(std::stop_token stop) override {
    return std::make_unique<file_site>(given_, std::move(stop));
  }

 private:
  const settings& given_;
};

/// The threads look for themselves, later; but nobody is to find out by requests.
void require_directory(const std::string& path) {
  const zc::fd root(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) throw std::system_error(errno, std::system_category(), path);
}

void serve(const arguments& given) {
  require_directory(given.root);
  root_path root(given.root);
  const access_log log = given.log_file.empty() ? access_log(given.log_format)
                                                : access_log(given.log_format, given.log_file);
  const settings all{.root = root,
                     .limits = given.limits,
                     .cached_files = given.file_cache ? cached_files : 0,
                     .log = given.access_log ? &log : nullptr};
  file_program program(all);
  server::run("file_server", program, given.server);
}

}  // namespace

int main(int argc, char** argv) try {
  const std::variant<arguments, explanation> asked = parse_arguments(argc, argv);
  if (const auto* const said = std::get_if<explanation>(&asked)) return command_line::say(*said);
  serve(std::get<arguments>(asked));
} catch (const std::exception& error) {
  std::fprintf(stderr, "file_server: %s\n", error.what());
  return command_line::exit_failed;
}
