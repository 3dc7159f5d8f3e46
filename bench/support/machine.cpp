#include "machine.hpp"

#include <sys/utsname.h>

#include <cstdlib>
#include <fstream>

#include "measure.hpp"
#include "zc/capabilities.hpp"

namespace bench {

namespace {

std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown processor";
}

std::string compiler() {
#ifdef __clang__
  return "clang " __clang_version__;
#else
  return "GCC " __VERSION__;
#endif
}

}  // namespace

std::string describe_machine() {
  utsname name{};
  ::uname(&name);
  const char* const commit = std::getenv("ZC_BENCH_COMMIT");
  std::string text = std::string("Linux ") + name.release + " (" + name.machine + "), ";
  text += processor() + ", " + std::to_string(cores()) + " cores, ";
  text += "liburing " + zc::capabilities().liburing + ", " + compiler();
  return text + ", commit " + (commit != nullptr ? commit : "unknown");
}

}  // namespace bench
