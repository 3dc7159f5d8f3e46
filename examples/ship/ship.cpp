// Ships files and directories to another machine over several TCP connections, without copying
// their contents through this program's memory.

#include <signal.h>

#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "arguments.hpp"
#include "progress_line.hpp"
#include "receiver.hpp"
#include "sender.hpp"
#include "summary.hpp"
#include "target.hpp"
#include "terminal/printable.hpp"
#include "tree.hpp"
#include "zc/address.hpp"
#include "zc/context.hpp"
#include "zc/listen.hpp"
#include "zc/resolve.hpp"

namespace {

constexpr int exit_interrupted = 130;

zc::context* interruptible = nullptr;
volatile sig_atomic_t interrupted = 0;

extern "C" void on_signal(int) {
  interrupted = 1;
  interruptible->stop();
}

/// Has Ctrl-C end what runs on `context`, so that no temporary file is left behind.
void stop_on_signals(zc::context& context) {
  interruptible = &context;
  struct sigaction action {};
  action.sa_handler = on_signal;
  // A second one ends a program that does not come to its end.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int each : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(each, &action, nullptr);
}

int send(const ship::arguments& given) {
  const std::vector<zc::address> receivers = zc::run(zc::resolve(given.address));
  ship::summary done("sent");
  const ship::tree what = ship::look_at(given.paths, done);
  zc::context context;
  stop_on_signals(context);
  const bool progress = !given.quiet && ship::can_show_progress();
  context.run(
      ship::send_tree(what, receivers, {given.connections, progress, given.connect_timeout}, done));
  done.failures().print_counts();
  std::printf("%s\n", (given.json ? done.for_programs() : done.for_people()).c_str());
  return done.ok() ? 0 : command_line::exit_failed;
}

int receive(const ship::arguments& given) {
  ship::target into(given.directory, {.durable = given.durable, .overwrite = !given.no_overwrite});
  const zc::fd listener = zc::listen(zc::run(zc::resolve(given.address, {.passive = true})));
  zc::context context;
  stop_on_signals(context);
  std::printf("listening on %s\n", zc::to_string(zc::local_address(listener.get())).c_str());
  std::fflush(stdout);
  const bool progress = !given.quiet && ship::can_show_progress();
  const bool ok = context.run(ship::receive_trees(
      listener.get(), into, {given.keep, progress, given.json, given.idle_timeout}));
  if (interrupted != 0) return exit_interrupted;
  return ok ? 0 : command_line::exit_failed;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::variant<ship::arguments, ship::explanation> asked =
        ship::parse_arguments(argc, argv);
    if (const auto* const said = std::get_if<ship::explanation>(&asked)) {
      return command_line::say(*said);
    }
    const auto& given = std::get<ship::arguments>(asked);
    return given.command == ship::arguments::command::send ? send(given) : receive(given);
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "ship: %s\n", terminal::printable(error.what()).c_str());
    return command_line::exit_wrong_usage;
  } catch (const std::exception& error) {
    ship::clear_progress_line();
    const char* const what = interrupted != 0 ? "interrupted" : error.what();
    std::fprintf(stderr, "ship: %s\n", terminal::printable(what).c_str());
    return interrupted != 0 ? exit_interrupted : command_line::exit_failed;
  }
}
