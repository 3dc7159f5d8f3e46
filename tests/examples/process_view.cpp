#include "examples/process_view.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include "support/process.hpp"

namespace support {

namespace fs = std::filesystem;

namespace {

fs::path proc(pid_t process) { return fs::path("/proc") / std::to_string(process); }

/// The number behind `key:` in one of /proc's files. Throws where there is none.
unsigned long number_in(const fs::path& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(key + ":", 0) == 0) return std::stoul(line.substr(key.size() + 1));
  }
  throw std::runtime_error(path.string() + " has no " + key);
}

}  // namespace

descriptor_counts descriptors_of(pid_t process) {
  descriptor_counts found;
  for (const auto& each : fs::directory_iterator(proc(process) / "fd")) {
    std::error_code gone;
    const std::string target = fs::read_symlink(each.path(), gone);
    if (gone) continue;  // closed since it was listed
    if (target.rfind("socket:", 0) == 0) {
      ++found.sockets;
    } else if (target.rfind("pipe:", 0) == 0) {
      ++found.pipes;
    } else {
      ++found.others;
    }
  }
  return found;
}

std::size_t threads_of(pid_t process) { return number_in(proc(process) / "status", "Threads"); }

std::vector<unsigned long> waits_of(pid_t process) {
  std::vector<fs::path> threads;
  for (const auto& each : fs::directory_iterator(proc(process) / "task")) {
    threads.push_back(each.path());
  }
  std::sort(threads.begin(), threads.end());
  std::vector<unsigned long> waits;
  waits.reserve(threads.size());
  for (const fs::path& each : threads) {
    waits.push_back(number_in(each / "status", "voluntary_ctxt_switches"));
  }
  return waits;
}

std::size_t private_bytes_of(pid_t process) {
  return 1024 * number_in(proc(process) / "smaps_rollup", "Anonymous");
}

bool comes_true(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20) * slowdown();
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

}  // namespace support
