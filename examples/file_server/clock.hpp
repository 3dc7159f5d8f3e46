#pragma once

#include <array>
#include <string_view>

#include "date.hpp"
#include "text.hpp"

namespace file_server {

/// The time of day, and its text, which is made once a second.
class clock {
 public:
  clock() { look(); }

  /// Asks the system.
  void look();

  seconds now() const noexcept { return now_; }
  std::string_view date() const noexcept { return {date_.data(), date_.size()}; }

 private:
  seconds now_ = -1;
  std::array<char, date_bytes> date_{};
};

}  // namespace file_server
