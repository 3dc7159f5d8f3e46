#pragma once

#include <cstddef>
#include <memory>
#include <stop_token>
#include <utility>

#include "clock.hpp"
#include "counts.hpp"
#include "settings.hpp"
#include "text.hpp"
#include "tree.hpp"

namespace file_server {

/// What the connections of one thread share.
struct commons {
  commons(const settings& all, std::stop_token stopped,
          std::shared_ptr<counts> count = std::make_shared<counts>())
      : given(all),
        counted(*count),
        stop(std::move(stopped)),
        files(all.root, all.cached_files),
        memory_(new char[answer_bytes]),
        count_(std::move(count)) {}

  /// A head with the longest Location there can be, and a small file behind it.
  static constexpr std::size_t answer_bytes = 96 * 1024;

  /// Empty, for one answer at a time: from when it is put together until its connection suspends.
  text blank_answer() noexcept { return text({memory_.get(), answer_bytes}); }

  const settings& given;
  counts& counted;
  std::stop_token stop;
  file_server::clock clock;
  tree files;

 private:
  std::unique_ptr<char[]> memory_;
  std::shared_ptr<counts> count_;
};

}  // namespace file_server
