#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace file_server {

/// How a file may be compressed (RFC 9110, section 8.4.1), and what its name ends in then.
struct coding {
  std::string_view name;
  std::string_view alias;   // another name of it
  std::string_view suffix;  // with its dot
};

/// The codings that a client takes, the one that it prefers first; where it does not care, the one
/// that usually leaves least.
class accepted_codings {
 public:
  /// Of an Accept-Encoding field's value.
  explicit accepted_codings(std::string_view field);

  std::span<const coding* const> all() const& noexcept { return {all_.data(), count_}; }
  std::span<const coding* const> all() && = delete;  // would view into what is gone

 private:
  std::array<const coding*, 3> all_{};
  std::size_t count_ = 0;
};

}  // namespace file_server
