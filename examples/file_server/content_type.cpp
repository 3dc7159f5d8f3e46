#include "content_type.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>

#include "ascii.hpp"

namespace file_server {

namespace {

struct known {
  std::string_view extension;
  std::string_view type;
};

// By extension, for a binary search. UTF-8 is what text is nowadays.
constexpr std::array table{
    known{"7z", "application/x-7z-compressed"},
    known{"aac", "audio/aac"},
    known{"apng", "image/apng"},
    known{"atom", "application/atom+xml"},
    known{"avif", "image/avif"},
    known{"bmp", "image/bmp"},
    known{"bz2", "application/x-bzip2"},
    known{"css", "text/css; charset=utf-8"},
    known{"csv", "text/csv; charset=utf-8"},
    known{"deb", "application/vnd.debian.binary-package"},
    known{"epub", "application/epub+zip"},
    known{"flac", "audio/flac"},
    known{"gif", "image/gif"},
    known{"gz", "application/gzip"},
    known{"htm", "text/html; charset=utf-8"},
    known{"html", "text/html; charset=utf-8"},
    known{"ico", "image/vnd.microsoft.icon"},
    known{"ics", "text/calendar; charset=utf-8"},
    known{"iso", "application/x-iso9660-image"},
    known{"jar", "application/java-archive"},
    known{"jpeg", "image/jpeg"},
    known{"jpg", "image/jpeg"},
    known{"js", "text/javascript; charset=utf-8"},
    known{"json", "application/json"},
    known{"jsonld", "application/ld+json"},
    known{"log", "text/plain; charset=utf-8"},
    known{"m3u8", "application/vnd.apple.mpegurl"},
    known{"m4a", "audio/mp4"},
    known{"md", "text/markdown; charset=utf-8"},
    known{"mjs", "text/javascript; charset=utf-8"},
    known{"mkv", "video/x-matroska"},
    known{"mov", "video/quicktime"},
    known{"mp3", "audio/mpeg"},
    known{"mp4", "video/mp4"},
    known{"mpd", "application/dash+xml"},
    known{"mpeg", "video/mpeg"},
    known{"oga", "audio/ogg"},
    known{"ogg", "audio/ogg"},
    known{"ogv", "video/ogg"},
    known{"opus", "audio/ogg"},
    known{"otf", "font/otf"},
    known{"pdf", "application/pdf"},
    known{"png", "image/png"},
    known{"rss", "application/rss+xml"},
    known{"rtf", "application/rtf"},
    known{"svg", "image/svg+xml"},
    known{"tar", "application/x-tar"},
    known{"tif", "image/tiff"},
    known{"tiff", "image/tiff"},
    known{"ts", "video/mp2t"},
    known{"ttf", "font/ttf"},
    known{"txt", "text/plain; charset=utf-8"},
    known{"wasm", "application/wasm"},
    known{"wav", "audio/wav"},
    known{"weba", "audio/webm"},
    known{"webm", "video/webm"},
    known{"webmanifest", "application/manifest+json"},
    known{"webp", "image/webp"},
    known{"woff", "font/woff"},
    known{"woff2", "font/woff2"},
    known{"xhtml", "application/xhtml+xml"},
    known{"xml", "application/xml"},
    known{"xz", "application/x-xz"},
    known{"zip", "application/zip"},
    known{"zst", "application/zstd"},
};
static_assert(std::ranges::is_sorted(table, std::less<>(), &known::extension));

constexpr std::string_view unknown_type = "application/octet-stream";
constexpr std::size_t longest_extension =
    std::ranges::max_element(table, std::less<>(), [](const known& each) {
      return each.extension.size();
    })->extension.size();

}  // namespace

std::string_view content_type(std::string_view path) noexcept {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return unknown_type;
  const std::string_view extension = name.substr(dot + 1);
  if (extension.size() > longest_extension) return unknown_type;
  std::array<char, longest_extension> memory{};
  const auto end = std::ranges::transform(extension, memory.begin(), lower).out;
  const std::string_view wanted(memory.data(), static_cast<std::size_t>(end - memory.begin()));
  const auto* const found =
      std::ranges::lower_bound(table, wanted, std::less<>(), &known::extension);
  return found != table.end() && found->extension == wanted ? found->type : unknown_type;
}

}  // namespace file_server
