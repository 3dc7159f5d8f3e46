#include "tree.hpp"

#include <chrono>
#include <system_error>
#include <utility>

#include "coarse_clock.hpp"
#include "zc/sleep.hpp"

namespace file_server {

namespace {

// How long a request waits for a descriptor, and how often it looks.
constexpr std::chrono::seconds descriptor_patience{20};
constexpr std::chrono::milliseconds descriptor_pause{20};

bool is_shortage(std::error_code error) noexcept {
  return error == std::errc::too_many_files_open ||
         error == std::errc::too_many_files_open_in_system || error == std::errc::not_enough_memory;
}

}  // namespace

zc::task<> tree::look_at_root() {
  const bool changed = co_await root_.look();
  if (changed) cache_.clear();
}

bool tree::is_root(const root::directory& one) const noexcept {
  return root_.now() && *root_.now() == one;
}

zc::task<zc::result<std::shared_ptr<const file>>> tree::open(const std::string& path,
                                                             bool insists) {
  if (root_.is_due()) co_await look_at_root();
  std::shared_ptr<const file> known = cache_.find(path);
  if (known) co_return known;
  const auto out_of_patience = coarse_clock::now() + descriptor_patience;
  for (;;) {
    const zc::result<root::directory> root = root_.now();
    if (!root) co_return root.error();
    zc::result<file> opened = co_await open_below((*root)->get(), path);
    if (opened) {
      known = std::make_shared<const file>(std::move(*opened));
      if (is_root(*root) && known->is == file::kind::regular) cache_.keep(path, known);
      co_return known;
    }
    // Every connection has one for its file (server::descriptor_needs), but not what else takes
    // them: another process, say.
    if (insists && is_shortage(opened.error()) && coarse_clock::now() < out_of_patience) {
      co_await zc::sleep_for(descriptor_pause);
      continue;
    }
    // It may be in what the root is now: nobody should hear of a file that was there, and is, that
    // it is not.
    if (insists && root_.may_be_another()) co_await look_at_root();
    if (is_root(*root)) co_return opened.error();
  }
}

zc::task<std::shared_ptr<const file>> tree::open_if_there(const std::string& path) {
  if (cache_.knows_missing(path)) co_return nullptr;
  zc::result<std::shared_ptr<const file>> opened = co_await open(path, false);
  if (opened && (*opened)->is == file::kind::regular) co_return std::move(*opened);
  if (opened.error() == std::errc::no_such_file_or_directory) cache_.keep(path, nullptr);
  co_return nullptr;
}

}  // namespace file_server
