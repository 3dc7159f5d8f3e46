#include <cstddef>
#include <vector>

#include "lane.hpp"
#include "run_elsewhere.hpp"
#include "small_files.hpp"
#include "stream.hpp"

// How a lane sends small files.

namespace ship {

/// Those that were read are sent next, the others after them.
void lane::take_read(const std::vector<std::uint64_t>& bytes) {
  for (const std::uint64_t nbytes : bytes) {
    const entry* const what = unread_.front();
    unread_.pop_front();
    if (nbytes == small_files::not_read) {
      apart_.push_back(what);
      continue;
    }
    sent_item& sent = awaited_.emplace_back(sent_item{what, wire::kind::small_files});
    sent.is_copy = true;
    sent.bytes = nbytes;
    bytes_sent_ += nbytes;
  }
}

zc::task<> lane::send_small_files(std::span<const entry> files) {
  for (const entry& each : files) {
    if (!is_below_unmade(each)) unread_.push_back(&each);
  }
  while (!unread_.empty()) {
    const std::vector<const entry*> to_read(unread_.begin(), unread_.end());
    const auto read = [this, &to_read] { read_small_files(to_read, small_); };
    co_await run_elsewhere(read);
    summary_.not_kept.extended_attributes += small_.extended_attributes;
    take_read(small_.bytes);
    co_await flush(!small_.frame.empty());
    co_await send_all(socket_.get(), small_.frame, then::push);
  }
  while (!apart_.empty()) {
    const entry* const next = apart_.front();
    apart_.pop_front();
    co_await send_file(*next);
  }
}

}  // namespace ship
