#include "zc/capabilities.hpp"

#include <liburing.h>
#include <sys/utsname.h>

#include <array>

#include "engine/uring/ring.hpp"
#include "sys/proc.hpp"

namespace zc {

namespace {

struct named_op {
  const char* name;
  int opcode;
};

constexpr std::array<named_op, 22> ops_of_zc{{
    {"NOP", IORING_OP_NOP},           {"SPLICE", IORING_OP_SPLICE},
    {"TEE", IORING_OP_TEE},           {"READ", IORING_OP_READ},
    {"WRITE", IORING_OP_WRITE},       {"RECV", IORING_OP_RECV},
    {"SEND", IORING_OP_SEND},         {"POLL_ADD", IORING_OP_POLL_ADD},
    {"TIMEOUT", IORING_OP_TIMEOUT},   {"ASYNC_CANCEL", IORING_OP_ASYNC_CANCEL},
    {"OPENAT", IORING_OP_OPENAT},     {"OPENAT2", IORING_OP_OPENAT2},
    {"STATX", IORING_OP_STATX},       {"CLOSE", IORING_OP_CLOSE},
    {"SHUTDOWN", IORING_OP_SHUTDOWN}, {"FSYNC", IORING_OP_FSYNC},
    {"ACCEPT", IORING_OP_ACCEPT},     {"CONNECT", IORING_OP_CONNECT},
    {"UNLINKAT", IORING_OP_UNLINKAT}, {"RENAMEAT", IORING_OP_RENAMEAT},
    {"MKDIRAT", IORING_OP_MKDIRAT},   {"FALLOCATE", IORING_OP_FALLOCATE},
}};

void ask_ring(capability_report& report) {
  context_options small;
  small.entries = 4;
  try {
    detail::ring asked(small);
    report.io_uring = true;
    for (const named_op& each : ops_of_zc) {
      report.ops.push_back({each.name, asked.supports(each.opcode)});
    }
    for (const detail::setup_flag& each : detail::wanted_setup_flags) {
      report.setup_flags.push_back({each.name, (asked.setup_flags() & each.bit) != 0});
    }
  } catch (const std::system_error& error) {
    report.error = error.code();
    report.why_not = error.what();
  }
}

}  // namespace

capability_report capabilities() {
  capability_report report;
  utsname system{};
  if (::uname(&system) == 0) report.kernel = system.release;
  report.liburing = ZC_LIBURING_VERSION;  // set by meson.build
  ask_ring(report);
  report.pipe_max_bytes = detail::number_in("/proc/sys/fs/pipe-max-size").value_or(0);
  report.pipe_user_pages_soft = detail::number_in("/proc/sys/fs/pipe-user-pages-soft").value_or(0);
  report.pipe_user_pages_hard = detail::number_in("/proc/sys/fs/pipe-user-pages-hard").value_or(0);
  return report;
}

}  // namespace zc
