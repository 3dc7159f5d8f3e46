// Writes files, or standard input where there is none or it is called -, to standard output.
// Whatever those are: pipes, files, terminals, sockets.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string>
#include <system_error>
#include <vector>

#include "command_line/words.hpp"
#include "zc/zc.hpp"

namespace {

zc::task<> write_out(int in, bool is_ours) {
  // A file that we opened is read from its start; standard input from where its owner left it.
  const std::int64_t offset = is_ours ? 0 : zc::file_position;
  co_await zc::splice(in, STDOUT_FILENO, {.offset = offset, .out_offset = zc::file_position});
}

zc::task<> cat(const std::string& path) {
  if (path == "-") {
    co_await write_out(STDIN_FILENO, false);
    co_return;
  }
  const zc::result<zc::fd> file =
      co_await zc::op::openat(AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC);
  co_await write_out(file.value().get(), true);
}

/// False where one of them could not be read, which has been said then.
bool cat_all(const std::vector<std::string>& paths) {
  zc::context context;
  bool all = true;
  for (const std::string& path : paths) {
    try {
      context.run(cat(path));
    } catch (const std::exception& error) {
      const auto* const transfer = dynamic_cast<const zc::transfer_error*>(&error);
      if (transfer != nullptr && transfer->side() == zc::side::out) {
        // Nobody reads any more, as behind `| head`. That ends cat(1) without a word; here the
        // signal was blocked during run().
        if (transfer->code() == std::errc::broken_pipe) ::raise(SIGPIPE);
        throw;  // it takes no more from any of them
      }
      std::fprintf(stderr, "cat: %s: %s\n", path.c_str(), error.what());
      all = false;
    }
  }
  return all;
}

}  // namespace

int main(int argc, char** argv) try {
  std::vector<std::string> paths;
  if (const auto said = command_line::read_words(
          "Writes files to standard output.",
          {{"FILE", "What to write; - is standard input", &paths}}, argc, argv)) {
    return command_line::say(*said);
  }
  if (paths.empty()) paths.emplace_back("-");
  return cat_all(paths) ? 0 : command_line::exit_failed;
} catch (const std::exception& error) {
  std::fprintf(stderr, "cat: %s\n", error.what());
  return command_line::exit_failed;
}
