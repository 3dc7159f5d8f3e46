#include "file_cache.hpp"

#include <chrono>
#include <utility>

#include "zc/sleep.hpp"

namespace file_server {

namespace {

constexpr std::chrono::seconds lifetime{1};

}  // namespace

const file_cache::entry* file_cache::find_entry(const std::string& path) const noexcept {
  const auto found = entries_.find(path);
  if (found == entries_.end() || found->second.until <= coarse_clock::now()) return nullptr;
  return &found->second;
}

std::shared_ptr<const file> file_cache::find(const std::string& path) const noexcept {
  const entry* const known = find_entry(path);
  return known != nullptr ? known->opened : nullptr;
}

bool file_cache::knows_missing(const std::string& path) const noexcept {
  const entry* const known = find_entry(path);
  return known != nullptr && !known->opened;
}

void file_cache::keep(const std::string& path, std::shared_ptr<const file> opened) {
  const auto known = entries_.find(path);
  if (known == entries_.end() && entries_.size() >= limit_) return;
  entries_.insert_or_assign(path, entry{std::move(opened), coarse_clock::now() + lifetime});
  if (expiring_.running() == 0) expiring_.spawn(expire());
}

zc::task<> file_cache::expire() {
  while (!entries_.empty()) {
    co_await zc::sleep_for(lifetime);
    const coarse_clock::time_point now = coarse_clock::now();
    std::erase_if(entries_, [now](const auto& each) { return each.second.until <= now; });
  }
}

}  // namespace file_server
