#include "summary.hpp"

#include <sys/resource.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "terminal/printable.hpp"

namespace ship {

namespace {

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

}  // namespace

summary::summary(std::string verb)
    : verb_(std::move(verb)),
      began_(std::chrono::steady_clock::now()),
      cpu_seconds_before_(cpu_seconds()) {}

summary::usage summary::used() const {
  usage now{};
  now.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  now.cpu_seconds = cpu_seconds() - cpu_seconds_before_;
  if (bytes > 0) now.cpu_seconds_per_gb = now.cpu_seconds / (static_cast<double>(bytes) / 1e9);
  return now;
}

std::string summary::for_people() const {
  const usage spent = used();
  std::array<char, 512> text{};
  std::snprintf(
      text.data(), text.size(),
      "%s %llu files, %llu directories, %llu links: %llu bytes in %.2f s (%.0f MB/s)\n"
      "CPU %.2f s (%.2f s per GB); routes: direct %llu, ring %llu, copy %llu; whole: %llu; "
      "failures: %llu",
      verb_.c_str(), static_cast<unsigned long long>(files),
      static_cast<unsigned long long>(directories), static_cast<unsigned long long>(links),
      static_cast<unsigned long long>(bytes), spent.seconds,
      static_cast<double>(bytes) / 1e6 / spent.seconds, spent.cpu_seconds, spent.cpu_seconds_per_gb,
      static_cast<unsigned long long>(routes_[static_cast<std::size_t>(zc::route::direct)]),
      static_cast<unsigned long long>(routes_[static_cast<std::size_t>(zc::route::ring)]),
      static_cast<unsigned long long>(routes_[static_cast<std::size_t>(zc::route::copy)]),
      static_cast<unsigned long long>(whole), static_cast<unsigned long long>(failures_.count()));
  const std::string lost = not_kept.for_people();
  return text.data() + (lost.empty() ? lost : "\nnot kept: " + lost);
}

std::string summary::for_programs() const {
  const usage spent = used();
  nlohmann::ordered_json failures = nlohmann::ordered_json::array();
  for (const failure& each : failures_.remembered()) {
    failures.push_back({{"path", terminal::printable(each.path)},
                        {"reason", terminal::printable(each.reason)},
                        {"count", each.count}});
  }
  const nlohmann::ordered_json all = {
      {"files", files},
      {"directories", directories},
      {"links", links},
      {"bytes", bytes},
      {"seconds", spent.seconds},
      {"cpu_seconds", spent.cpu_seconds},
      {"cpu_seconds_per_gb", spent.cpu_seconds_per_gb},
      {"routes",
       {{"direct", routes_[static_cast<std::size_t>(zc::route::direct)]},
        {"ring", routes_[static_cast<std::size_t>(zc::route::ring)]},
        {"copy", routes_[static_cast<std::size_t>(zc::route::copy)]}}},
      {"whole", whole},
      {"not_kept",
       {{"hard_links", not_kept.hard_links},
        {"owners", not_kept.owners},
        {"extended_attributes", not_kept.extended_attributes},
        {"special_modes", not_kept.special_modes}}},
      {"failed", failures_.count()},
      {"failures", failures},
  };
  return all.dump();
}

}  // namespace ship
