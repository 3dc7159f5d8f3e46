#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace server {

/// One thread's part of the limit, shared by its sockets: each may have one connection, or wait for
/// it, and all beyond that is whoever's comes first.
class places {
 public:
  places(std::size_t count, std::size_t sockets) : free_(count - sockets), own_(sockets, true) {}

  class place {
   public:
    place(places& of, std::size_t which, bool own) noexcept : of_(&of), which_(which), own_(own) {}
    place(place&& other) noexcept
        : of_(std::exchange(other.of_, nullptr)), which_(other.which_), own_(other.own_) {}
    place& operator=(place&&) = delete;
    ~place() {
      if (of_ != nullptr) of_->give_back(which_, own_);
    }

   private:
    places* of_;
    std::size_t which_;
    bool own_;
  };

  /// Nothing where all are taken.
  std::optional<place> take(std::size_t which) noexcept {
    if (own_[which]) {
      own_[which] = false;
      return place(*this, which, true);
    }
    if (free_ == 0) return std::nullopt;
    --free_;
    return place(*this, which, false);
  }

 private:
  void give_back(std::size_t which, bool own) noexcept {
    if (own) {
      own_[which] = true;
    } else {
      ++free_;
    }
  }

  std::size_t free_;
  std::vector<bool> own_;  // by socket: whether its own is free
};

}  // namespace server
