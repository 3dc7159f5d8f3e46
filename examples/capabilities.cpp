// Prints what this kernel lets zc do: for bug reports. Exits with 1 where zc cannot work at all.

#include "zc/capabilities.hpp"

#include <cstdio>

#include "command_line/words.hpp"

int main(int argc, char** argv) {
  if (const auto said =
          command_line::read_words("Prints what this kernel lets zc do.", {}, argc, argv)) {
    return command_line::say(*said);
  }
  const zc::capability_report report = zc::capabilities();
  std::printf("kernel: %s\nliburing: %s\n", report.kernel.c_str(), report.liburing.c_str());
  if (!report.io_uring) {
    std::printf("io_uring: no: %s (%s)\n", report.why_not.c_str(), report.error.message().c_str());
    return command_line::exit_failed;
  }
  std::printf("io_uring: yes\nops:");
  for (const auto& op : report.ops)
    std::printf(" %s%s", op.supported ? "" : "NO-", op.name.c_str());
  std::printf("\nsetup flags in use:");
  for (const auto& flag : report.setup_flags) {
    if (flag.in_use) std::printf(" %s", flag.name.c_str());
  }
  std::printf("\nsetup flags that this kernel lacks:");
  for (const auto& flag : report.setup_flags) {
    if (!flag.in_use) std::printf(" %s", flag.name.c_str());
  }
  std::printf("\npipe-max-size: %llu bytes\npipe-user-pages: soft %llu, hard %llu\n",
              static_cast<unsigned long long>(report.pipe_max_bytes),
              static_cast<unsigned long long>(report.pipe_user_pages_soft),
              static_cast<unsigned long long>(report.pipe_user_pages_hard));
  return 0;
}
