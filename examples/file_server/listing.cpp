#include "listing.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "target.hpp"
#include "text.hpp"
#include "zc/sleep.hpp"

namespace file_server {

namespace {

// How much of a directory is looked at before others get their turn: some 64 names.
constexpr std::size_t bytes_at_once = 2048;

struct entry {
  std::string name;
  bool is_directory;
  std::uint64_t size;
  seconds modified;
};

/// Some more names of a directory; false at its end. Reads the descriptor that there is: readdir(3)
/// would take, and close, one of its own.
zc::result<bool> next_names(int directory, std::vector<std::string>& to) {
  alignas(dirent64) std::array<char, bytes_at_once> entries;
  const ssize_t nbytes = ::getdents64(directory, entries.data(), entries.size());
  if (nbytes < 0) return std::error_code(errno, std::system_category());
  for (std::size_t at = 0; at < static_cast<std::size_t>(nbytes);) {
    const auto* const next = reinterpret_cast<const dirent64*>(entries.data() + at);
    if (next->d_name[0] != '.') to.emplace_back(next->d_name);
    at += next->d_reclen;
  }
  return nbytes > 0;
}

void add_html(std::string& to, std::string_view raw) {
  for (const char each : raw) {
    switch (each) {
      case '&':
        to += "&amp;";
        break;
      case '<':
        to += "&lt;";
        break;
      case '>':
        to += "&gt;";
        break;
      case '"':
        to += "&quot;";
        break;
      case '\'':
        to += "&#39;";
        break;
      default:
        to += each;
        break;
    }
  }
}

std::string minute_of(seconds when) {
  const std::chrono::sys_seconds at{std::chrono::seconds(when)};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(at - day).count();
  std::array<char, 64> made{};
  const int size = std::snprintf(made.data(), made.size(), "%04d-%02u-%02u %02d:%02d",
                                 static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                                 static_cast<unsigned>(date.day()), static_cast<int>(minutes / 60),
                                 static_cast<int>(minutes % 60));
  return {made.data(), static_cast<std::size_t>(size)};
}

void add_row(std::string& to, const entry& one) {
  const std::string name = one.name + (one.is_directory ? "/" : "");
  std::vector<char> memory(3 * name.size());
  text link(memory);
  add_escaped(link, name);
  // A name with a colon would be taken for a scheme; one that is written from right to left would
  // turn around what follows it.
  to += "<tr><td><a href=\"./";
  add_html(to, link.view());
  to += "\"><bdi>";
  add_html(to, name);
  to += "</bdi></a></td><td>" + minute_of(one.modified) + "</td><td>";
  to += one.is_directory ? "-" : std::to_string(one.size);
  to += "</td></tr>\n";
}

std::string page_of(const std::string& path, const std::vector<entry>& entries) {
  std::string title = "Index of /";
  add_html(title, path);
  if (!path.empty()) title += '/';
  std::string made =
      "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n<title>" +
      title + "</title>\n</head>\n<body>\n<h1>" + title +
      "</h1>\n<table>\n<tr><th>Name</th><th>Changed (UTC)</th><th>Bytes</th></tr>\n";
  if (!path.empty()) made += "<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n";
  for (const entry& each : entries) add_row(made, each);
  return made += "</table>\n</body>\n</html>\n";
}

/// Nothing where it is not to be listed.
zc::task<std::optional<entry>> look_at(tree& files, int directory, const std::string& path,
                                       std::string name) {
  struct stat about {};
  // Not through a link: who knows what that leads to.
  if (::fstatat(directory, name.c_str(), &about, AT_SYMLINK_NOFOLLOW) < 0) co_return std::nullopt;
  if (S_ISLNK(about.st_mode)) {
    const std::string whole = path.empty() ? name : path + '/' + name;
    const zc::result<std::shared_ptr<const file>> target = co_await files.open(whole);
    if (!target || (*target)->is == file::kind::other) co_return std::nullopt;
    const bool is_directory = (*target)->is == file::kind::directory;
    co_return entry{std::move(name), is_directory, (*target)->size, (*target)->modified};
  }
  if (!S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode)) co_return std::nullopt;
  co_return entry{std::move(name), S_ISDIR(about.st_mode),
                  static_cast<std::uint64_t>(about.st_size), about.st_mtim.tv_sec};
}

}  // namespace

zc::task<zc::result<std::string>> list_directory(tree& files, const file& directory,
                                                 const std::string& path) {
  std::vector<entry> entries;
  for (;;) {
    std::vector<std::string> names;
    const zc::result<bool> goes_on = next_names(directory.fd.get(), names);
    if (!goes_on) co_return goes_on.error();
    if (!*goes_on) break;
    for (std::string& each : names) {
      std::optional<entry> found =
          co_await look_at(files, directory.fd.get(), path, std::move(each));
      if (found) entries.push_back(std::move(*found));
    }
    co_await zc::yield();
  }
  std::ranges::sort(entries, [](const entry& a, const entry& b) {
    return std::tie(b.is_directory, a.name) < std::tie(a.is_directory, b.name);
  });
  co_return page_of(path, entries);
}

}  // namespace file_server
