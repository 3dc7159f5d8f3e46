#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "coarse_clock.hpp"
#include "zc/fd.hpp"
#include "zc/result.hpp"
#include "zc/task.hpp"

namespace file_server {

/// The path of the root, for all threads. It may come to name another directory.
class root_path {
 public:
  explicit root_path(std::string path) : path_(std::move(path)) {}

  const std::string& path() const noexcept { return path_; }

  /// Has every thread look what the path names before it opens the next file. From any thread, and
  /// from a signal handler.
  void reopen() noexcept { wanted_.fetch_add(1, std::memory_order_relaxed); }
  unsigned wanted() const noexcept { return wanted_.load(std::memory_order_relaxed); }

 private:
  std::string path_;
  std::atomic<unsigned> wanted_ = 0;
};

/// The directory that is the root, as one thread knows it: looked at anew when it is used, once a
/// second at most. Without requests nothing is done.
///
/// One thread, inside of its context.
class root {
 public:
  using directory = std::shared_ptr<const zc::fd>;

  explicit root(const root_path& named);

  /// The one that was there when it was looked at, or why there was none. Who uses it keeps it.
  const zc::result<directory>& now() const noexcept { return now_; }

  /// Whether it is time to look().
  bool is_due() const noexcept { return !now_ || heard_ != named_.wanted() || age() >= lifetime; }
  /// Whether that was long enough ago for another look.
  bool may_be_another() const noexcept { return age() >= shortest_lifetime; }

  /// Looks what the path names. True where that is another directory than before.
  zc::task<bool> look();

 private:
  static constexpr std::chrono::milliseconds lifetime{900};  // with what else takes time, a second
  static constexpr std::chrono::milliseconds shortest_lifetime{5};

  coarse_clock::time_point::duration age() const noexcept {
    return coarse_clock::now() - looked_at_;
  }

  const root_path& named_;
  unsigned heard_;
  zc::result<directory> now_;
  unsigned begun_ = 0;  // looks
  unsigned last_ = 0;   // the one that now_ is from
  coarse_clock::time_point looked_at_ = coarse_clock::now();
};

}  // namespace file_server
