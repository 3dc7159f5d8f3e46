#include "access_log.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>

#include "terminal/printable.hpp"

namespace file_server {

namespace {

// One write to a pipe is in one piece up to PIPE_BUF; the rest of the line takes less than this.
constexpr std::size_t longest_request = PIPE_BUF - 256;

}  // namespace

void add_printable(std::string& to, std::string_view raw) {
  terminal::add_printable(to, raw, terminal::charset::quotable_ascii);
}

log_entry::log_entry(const request& of) {
  if (of.method_name.empty()) {  // nothing that could be read
    what_ = "-";
    return;
  }
  add_printable(what_, of.method_name.substr(0, longest_request));
  what_.push_back(' ');
  add_printable(what_, of.target.substr(0, longest_request));
  what_.append(of.http_1_1 ? " HTTP/1.1" : " HTTP/1.0");
  if (what_.size() > longest_request) what_.replace(longest_request - 3, what_.npos, "...");
}

void log_entry::write(std::string_view peer, const clock& when, status code,
                      std::uint64_t bytes) const {
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - begun_);
  const auto micros = static_cast<std::uint64_t>(took.count());
  std::array<char, PIPE_BUF> memory;
  text line(memory);
  line.add(peer, " - - [", when.date(), "] \"", what_, "\" ", to_string(code).substr(0, 3), ' ',
           bytes, ' ', micros / 1'000'000, '.');
  for (std::uint64_t digit = 100'000; digit > 0; digit /= 10) line.add(micros / digit % 10);
  line.add('\n');
  const std::string_view all = line.view();
  // Nobody is left to be told where it cannot be written.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, all.data(), all.size());
}

}  // namespace file_server
