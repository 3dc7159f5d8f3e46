// Copies a file: copy SOURCE TARGET. Contents and permissions, as cp(1) does.

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdio>
#include <exception>
#include <string>

#include "command_line/words.hpp"
#include "zc/zc.hpp"

namespace {

zc::task<> copy(const char* source, const char* target) {
  // A named value: with GCC 12, no structured binding of a co_await.
  const zc::result<zc::fd> in = co_await zc::op::openat(AT_FDCWD, source, O_RDONLY | O_CLOEXEC);
  const zc::result<struct ::statx> about =
      co_await zc::op::statx(in.value().get(), "", AT_EMPTY_PATH);
  const zc::result<struct ::statx> there = co_await zc::op::statx(AT_FDCWD, target);
  if (there && there->stx_ino == about.value().stx_ino &&
      there->stx_dev_major == about->stx_dev_major &&
      there->stx_dev_minor == about->stx_dev_minor) {
    throw std::system_error(EINVAL, std::system_category(), "both are the same file");
  }
  const zc::result<zc::fd> out = co_await zc::op::openat(
      AT_FDCWD, target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, about->stx_mode & 0777u);

  const std::uint64_t moved = co_await zc::splice(in->get(), out.value().get());
  std::printf("%llu bytes\n", static_cast<unsigned long long>(moved));
}

}  // namespace

int main(int argc, char** argv) try {
  std::string source;
  std::string target;
  if (const auto said =
          command_line::read_words("Copies a file: its contents and permissions.",
                                   {{"SOURCE", "What to copy", &source},
                                    {"TARGET", "The copy, replaced where it is there", &target}},
                                   argc, argv)) {
    return command_line::say(*said);
  }
  zc::run(copy(source.c_str(), target.c_str()));
} catch (const std::exception& error) {
  std::fprintf(stderr, "copy: %s\n", error.what());
  return command_line::exit_failed;
}
