// Writes files, or standard input where there is none or it is called -, to standard output.
// Whatever those are: pipes, files, terminals, sockets.

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string_view>

#include "zc/zc.hpp"

namespace {

zc::task<> write_out(int in, bool is_ours) {
  // A file that we opened is read from its start; standard input from where its owner left it.
  const std::int64_t offset = is_ours ? 0 : zc::file_position;
  co_await zc::splice(in, STDOUT_FILENO, {.offset = offset, .out_offset = zc::file_position});
}

zc::task<> cat(const char* path) {
  if (std::string_view(path) == "-") {
    co_await write_out(STDIN_FILENO, false);
    co_return;
  }
  const zc::result<zc::fd> file = co_await zc::op::openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  co_await write_out(file.value().get(), true);
}

}  // namespace

int main(int argc, char** argv) {
  zc::context context;
  int failed = 0;
  for (int i = 1; i < argc || (i == 1 && argc <= 1); ++i) {
    const char* const path = argc > 1 ? argv[i] : "-";
    try {
      context.run(cat(path));
    } catch (const std::exception& error) {
      std::fprintf(stderr, "cat: %s: %s\n", path, error.what());
      failed = 1;
    }
  }
  return failed;
}
