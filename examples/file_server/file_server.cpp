// Serves the files of a directory over HTTP/1.1: file_server --root DIR --listen HOST:PORT.

#include <fcntl.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include "arguments.hpp"
#include "commons.hpp"
#include "connection.hpp"
#include "counts.hpp"
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
  file_site(const settings& given, std::stop_token stop, std::shared_ptr<counts> count)
      : shared_(given, std::move(stop), std::move(count)) {}

  zc::task<> handle(zc::fd client, zc::fd /*spare*/) override {
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
  file_program(const settings& given, root_path& root, access_log& log) noexcept
      : given_(given), root_(root), log_(log) {}

  std::unique_ptr<server::site> make_site(std::stop_token stop) override {
    auto count = std::make_shared<counts>();
    auto made = std::make_unique<file_site>(given_, std::move(stop), count);
    const std::lock_guard<std::mutex> locked(lock_);
    counts_.push_back(std::move(count));
    return made;
  }

  void reload() override {
    root_.reopen();  // first: it cannot fail
    log_.reopen();
  }

  void add_metrics(server::metrics& to) override {
    const std::lock_guard<std::mutex> locked(lock_);
    const auto sum = [this](auto&& of) {
      std::uint64_t all = 0;
      for (const auto& each : counts_) all += of(*each).load(std::memory_order_relaxed);
      return all;
    };
    // The ends first: what has ended has begun.
    const std::uint64_t ended = sum([](const counts& of) -> auto& { return of.ended; });
    const std::uint64_t begun = sum([](const counts& of) -> auto& { return of.begun; });
    to.counter("connections_total", "Connections that were accepted.", begun);
    to.gauge("connections", "Connections that are open.", begun - ended);
    to.counter("sent_bytes_total", "Bytes of bodies that sockets have accepted.",
               sum([](const counts& of) -> auto& { return of.bytes; }));
    to.counters("answers_total", "Answers, by status code.");
    for (std::size_t at = 0; at < counts::codes; ++at) {
      const std::uint64_t answers = sum([at](const counts& of) -> auto& { return of.by_code[at]; });
      if (answers == 0) continue;
      to.add("answers_total", "code", std::to_string(at + counts::first_code), answers);
    }
  }

 private:
  const settings& given_;
  root_path& root_;
  access_log& log_;
  std::mutex lock_;
  std::vector<std::shared_ptr<counts>> counts_;  // of each thread
};

/// The threads look for themselves, later; but nobody is to find out by requests.
void require_directory(const std::string& path) {
  const zc::fd root(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) throw std::system_error(errno, std::system_category(), path);
}

/// Its socket and its file; while a directory is listed, that and what a link in it leads to.
std::size_t descriptors_of_connection(const content_options& content) noexcept {
  return content.list ? 3 : 2;
}

void serve(const arguments& given) {
  require_directory(given.root);
  root_path root(given.root);
  access_log log = given.log_file.empty() ? access_log(given.log_format)
                                          : access_log(given.log_format, given.log_file);
  const server::room room =
      server::make_room(given.server, {.of_connection = descriptors_of_connection(given.content),
                                       .kept_by_thread = given.file_cache ? cached_files : 0});
  const settings all{.root = root,
                     .limits = given.limits,
                     .cached_files = room.kept_by_thread,
                     .log = given.access_log ? &log : nullptr,
                     .accept_proxy = given.accept_proxy,
                     .content = given.content};
  file_program program(all, root, log);
  server::run("file_server", program, given.server, room);
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
