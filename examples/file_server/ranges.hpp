#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace file_server {

/// Bytes of a file, at least one.
struct byte_range {
  std::uint64_t first;
  std::uint64_t last;

  std::uint64_t size() const noexcept { return last - first + 1; }
  friend bool operator==(const byte_range&, const byte_range&) = default;
};

/// What a Range field asks for of a file (RFC 9110, section 14.2).
class byte_ranges {
 public:
  /// More than so many are taken for an attack, and ignored.
  static constexpr std::size_t limit = 16;

  enum class kind {
    whole,          // no range, or one to ignore: all of the file is the answer
    parts,          // those of parts(), in the order asked for
    unsatisfiable,  // none of them is in the file
  };

  byte_ranges() noexcept = default;
  /// Ranges that overlap, or touch, become one, and then all are in the order of the file: so their
  /// sum is never more than it. Of an empty file, one from its start, or of its last so many bytes,
  /// is all of it, as for nginx.
  byte_ranges(std::string_view field, std::uint64_t file_bytes) noexcept;

  kind asked_for() const noexcept { return kind_; }
  std::span<const byte_range> parts() const noexcept { return {parts_.data(), count_}; }

 private:
  enum class reading { malformed, outside, inside, all };
  static reading read(std::string_view one, std::uint64_t file_bytes, byte_range& into) noexcept;
  bool overlap() const noexcept;
  void coalesce() noexcept;

  kind kind_ = kind::whole;
  std::array<byte_range, limit> parts_{};
  std::size_t count_ = 0;
};

}  // namespace file_server
