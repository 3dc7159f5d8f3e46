#include "access_log.hpp"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "terminal/printable.hpp"

namespace file_server {

namespace {

zc::fd open_log(const std::string& path) {
  zc::fd opened(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644));
  if (!opened) throw std::system_error(errno, std::system_category(), path);
  return opened;
}

}  // namespace

void add_printable(std::string& to, std::string_view raw) {
  terminal::add_printable(to, raw, terminal::charset::quotable_ascii);
}

log_entry::log_entry(const request& of)
    : method(of.method_name),
      target(of.target),
      protocol(of.http_1_1 ? "HTTP/1.1" : "HTTP/1.0"),
      referer(of.referer),
      user_agent(of.user_agent) {}

access_log::access_log(log_format how, std::string path)
    : format_(how), path_(std::move(path)), file_(open_log(path_)) {}

void access_log::reopen() {
  if (!file_) return;
  const zc::fd next = open_log(path_);
  // In place, as other threads write meanwhile.
  if (::dup3(next.get(), file_.get(), O_CLOEXEC) < 0) {
    throw std::system_error(errno, std::system_category(), path_);
  }
}

void access_log::write(const log_entry& asked, log_outcome got) const {
  got.took = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - asked.begun);
  std::size_t text_limit = PIPE_BUF;
  std::string line = log_line(format_, asked, got, text_limit);
  while (line.size() > PIPE_BUF) line = log_line(format_, asked, got, text_limit /= 2);
  // Nobody is left to be told where it cannot be written.
  [[maybe_unused]] const ssize_t written =
      ::write(file_ ? file_.get() : STDERR_FILENO, line.data(), line.size());
}

}  // namespace file_server
