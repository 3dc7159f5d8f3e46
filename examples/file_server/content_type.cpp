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

// By extension, for a binary search. IANA's names, or what nginx or browsers have where it has
// none. UTF-8 is what text is nowadays.
constexpr std::array table{
    known{"3gp", "video/3gpp"},
    known{"7z", "application/x-7z-compressed"},
    known{"aac", "audio/aac"},
    known{"aif", "audio/aiff"},
    known{"aiff", "audio/aiff"},
    known{"apk", "application/vnd.android.package-archive"},
    known{"apng", "image/apng"},
    known{"asc", "application/pgp-signature"},
    known{"atom", "application/atom+xml"},
    known{"avi", "video/x-msvideo"},
    known{"avif", "image/avif"},
    known{"bmp", "image/bmp"},
    known{"bz2", "application/x-bzip2"},
    known{"cer", "application/pkix-cert"},
    known{"cjs", "text/javascript; charset=utf-8"},
    known{"crl", "application/pkix-crl"},
    known{"css", "text/css; charset=utf-8"},
    known{"csv", "text/csv; charset=utf-8"},
    known{"deb", "application/vnd.debian.binary-package"},
    known{"dmg", "application/x-apple-diskimage"},
    known{"doc", "application/msword"},
    known{"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    known{"dtd", "application/xml-dtd"},
    known{"eot", "application/vnd.ms-fontobject"},
    known{"eps", "application/postscript"},
    known{"epub", "application/epub+zip"},
    known{"exe", "application/vnd.microsoft.portable-executable"},
    known{"flac", "audio/flac"},
    known{"flv", "video/x-flv"},
    known{"geojson", "application/geo+json"},
    known{"gif", "image/gif"},
    known{"glb", "model/gltf-binary"},
    known{"gltf", "model/gltf+json"},
    known{"gpx", "application/gpx+xml"},
    known{"gz", "application/gzip"},
    known{"heic", "image/heic"},
    known{"heif", "image/heif"},
    known{"htm", "text/html; charset=utf-8"},
    known{"html", "text/html; charset=utf-8"},
    known{"ico", "image/vnd.microsoft.icon"},
    known{"ics", "text/calendar; charset=utf-8"},
    known{"iso", "application/x-iso9660-image"},
    known{"jar", "application/java-archive"},
    known{"jpe", "image/jpeg"},
    known{"jpeg", "image/jpeg"},
    known{"jpg", "image/jpeg"},
    known{"js", "text/javascript; charset=utf-8"},
    known{"json", "application/json"},
    known{"jsonld", "application/ld+json"},
    known{"jxl", "image/jxl"},
    known{"kml", "application/vnd.google-earth.kml+xml"},
    known{"kmz", "application/vnd.google-earth.kmz"},
    known{"log", "text/plain; charset=utf-8"},
    known{"m3u", "audio/mpegurl"},
    known{"m3u8", "application/vnd.apple.mpegurl"},
    known{"m4a", "audio/mp4"},
    known{"m4s", "video/iso.segment"},
    known{"m4v", "video/x-m4v"},
    known{"map", "application/json"},
    known{"md", "text/markdown; charset=utf-8"},
    known{"mid", "audio/midi"},
    known{"midi", "audio/midi"},
    known{"mjs", "text/javascript; charset=utf-8"},
    known{"mka", "audio/x-matroska"},
    known{"mkv", "video/x-matroska"},
    known{"mov", "video/quicktime"},
    known{"mp3", "audio/mpeg"},
    known{"mp4", "video/mp4"},
    known{"mpd", "application/dash+xml"},
    known{"mpeg", "video/mpeg"},
    known{"mpg", "video/mpeg"},
    known{"msi", "application/x-msi"},
    known{"ndjson", "application/x-ndjson"},
    known{"odp", "application/vnd.oasis.opendocument.presentation"},
    known{"ods", "application/vnd.oasis.opendocument.spreadsheet"},
    known{"odt", "application/vnd.oasis.opendocument.text"},
    known{"oga", "audio/ogg"},
    known{"ogg", "audio/ogg"},
    known{"ogv", "video/ogg"},
    known{"opus", "audio/ogg"},
    known{"otf", "font/otf"},
    known{"pdf", "application/pdf"},
    known{"pem", "application/x-pem-file"},
    known{"png", "image/png"},
    known{"ppt", "application/vnd.ms-powerpoint"},
    known{"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    known{"ps", "application/postscript"},
    known{"rar", "application/vnd.rar"},
    known{"rdf", "application/rdf+xml"},
    known{"rpm", "application/x-rpm"},
    known{"rss", "application/rss+xml"},
    known{"rtf", "application/rtf"},
    known{"sig", "application/pgp-signature"},
    known{"sqlite", "application/vnd.sqlite3"},
    known{"srt", "application/x-subrip"},
    known{"stl", "model/stl"},
    known{"svg", "image/svg+xml"},
    known{"tar", "application/x-tar"},
    known{"tbz2", "application/x-bzip2"},
    known{"tgz", "application/gzip"},
    known{"tif", "image/tiff"},
    known{"tiff", "image/tiff"},
    known{"toml", "application/toml"},
    known{"torrent", "application/x-bittorrent"},
    known{"ts", "video/mp2t"},
    known{"tsv", "text/tab-separated-values; charset=utf-8"},
    known{"ttf", "font/ttf"},
    known{"ttl", "text/turtle; charset=utf-8"},
    known{"txt", "text/plain; charset=utf-8"},
    known{"txz", "application/x-xz"},
    known{"vcf", "text/vcard; charset=utf-8"},
    known{"vtt", "text/vtt; charset=utf-8"},
    known{"wasm", "application/wasm"},
    known{"wav", "audio/wav"},
    known{"weba", "audio/webm"},
    known{"webm", "video/webm"},
    known{"webmanifest", "application/manifest+json"},
    known{"webp", "image/webp"},
    known{"wmv", "video/x-ms-wmv"},
    known{"woff", "font/woff"},
    known{"woff2", "font/woff2"},
    known{"xhtml", "application/xhtml+xml"},
    known{"xls", "application/vnd.ms-excel"},
    known{"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    known{"xml", "application/xml"},
    known{"xsd", "application/xml"},
    known{"xsl", "application/xslt+xml"},
    known{"xslt", "application/xslt+xml"},
    known{"xz", "application/x-xz"},
    known{"yaml", "application/yaml"},
    known{"yml", "application/yaml"},
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
