// Sends a file to everyone who connects: serve_file FILE HOST:PORT. SIGINT or SIGTERM ends it, when
// those who are being served have the file.

#include <fcntl.h>
#include <signal.h>

#include <cstdio>
#include <exception>
#include <stop_token>
#include <string>
#include <utility>

#include "command_line/words.hpp"
#include "zc/zc.hpp"

namespace {

zc::task<> stop_on(zc::signals& asked, std::stop_source stop) {
  co_await asked.next();
  stop.request_stop();
}

zc::task<> serve_file(const std::string& path, const zc::host_port& where, zc::signals& asked) {
  const zc::result<zc::fd> file =
      co_await zc::op::openat(AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC);
  const int in = file.value().get();
  const zc::fd listener = zc::listen(co_await zc::resolve(where, {.passive = true}));
  std::printf("listening on %s\n", zc::to_string(zc::local_address(listener.get())).c_str());
  std::fflush(stdout);

  // With a name: GCC 12 destroys twice a closure that is a temporary in a co_await expression.
  const auto send = [in](zc::fd client) -> zc::task<> {
    // try_splice: a client that leaves early is no reason to end.
    const zc::transfer done = co_await zc::try_splice(in, client.get());
    if (done.error) std::fprintf(stderr, "serve_file: %s\n", done.error.message().c_str());
    // Not just closed: what a client has sent meanwhile would reset the connection.
    co_await zc::lingering_close(std::move(client));
  };
  std::stop_source stop;
  zc::scope beside;
  beside.spawn(stop_on(asked, stop));
  co_await zc::serve(listener.get(), send, stop.get_token());
}

}  // namespace

int main(int argc, char** argv) try {
  std::string path;
  zc::host_port where;
  if (const auto said = command_line::read_words(
          "Sends a file to everyone who connects.",
          {{"FILE", "What to send", &path},
           {"ADDRESS", "Where to listen; port 0 picks a free one", &where}},
          argc, argv)) {
    return command_line::say(*said);
  }
  zc::signals asked{SIGINT, SIGTERM};
  zc::run(serve_file(path, where, asked));
} catch (const std::exception& error) {
  std::fprintf(stderr, "serve_file: %s\n", error.what());
  return command_line::exit_failed;
}
