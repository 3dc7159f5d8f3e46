#include "server/descriptors.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <string>
#include <system_error>

namespace server {

namespace {

constexpr std::size_t default_connections = 10'000;
constexpr std::size_t default_pipes = 64;
constexpr std::size_t of_pipe = 2;
constexpr std::size_t of_thread = 4;   // its ring, and what wakes it
constexpr std::size_t of_program = 8;  // signals, and what is open for a moment: names, logs
constexpr std::size_t of_metrics = 5;  // a socket that listens, and who asks there

/// Connections are descriptors, and the usual soft limit is for programs that use select(2).
std::size_t lift_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return std::numeric_limits<std::size_t>::max();
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

std::size_t open_now() {
  std::error_code unreadable;
  const std::filesystem::directory_iterator all("/proc/self/fd", unreadable);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

}  // namespace

room make_room(const options& given, const descriptor_needs& needs) {
  const std::size_t limit = lift_limit();
  const std::size_t threads = given.threads;
  const std::size_t fixed = open_now() + given.listen.size() + given.metrics.size() * of_metrics +
                            of_program + threads * of_thread;
  std::size_t left = limit > fixed ? limit - fixed : 0;
  // What makes things fast has a part of it; what makes them possible has the rest.
  const auto take = [&left, threads](std::size_t wanted, std::size_t part) {
    const std::size_t each = std::min(wanted, left / part / threads);
    left -= each * threads;
    return each;
  };
  const std::size_t pipes = std::max<std::size_t>(take(default_pipes * of_pipe, 8) / of_pipe, 1);
  const std::size_t kept = take(needs.kept_by_thread, 2);
  constexpr std::size_t countable = std::numeric_limits<std::int32_t>::max();
  const std::size_t most = std::min(left / needs.of_connection, countable);
  const std::size_t wanted = given.connections.value_or(default_connections);
  if (most == 0) {
    throw std::runtime_error("too few open files are allowed (ulimit -n): " +
                             std::to_string(limit));
  }
  return {std::min(most, wanted), kept, pipes};
}

}  // namespace server
