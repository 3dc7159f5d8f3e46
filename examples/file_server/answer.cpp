#include "answer.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "content_type.hpp"

namespace file_server {

namespace {

// Up to here it is cheaper to copy a file behind its head, and to send both at once.
constexpr std::uint64_t small_bytes = 8 * 1024;

constexpr std::string_view index_name = "index.html";

status status_of(std::error_code error) noexcept {
  switch (error.value()) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case EXDEV:  // out of the root: nothing of ours
    case ENXIO:  // a socket's name
      return status::not_found;
    case EACCES:
    case EPERM:
      return status::forbidden;
    case EAGAIN:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return status::service_unavailable;
    default:
      return status::internal_server_error;
  }
}

}  // namespace

manner answer::manner_of(const request& asked, bool keep_alive) {
  with_.clock.look();
  return {with_.clock.date(), asked.http_1_1, keep_alive};
}

void answer::say(status code, const request& asked, const manner& how) {
  reply_.code = code;
  out_.clear();
  const std::size_t body = add_short_reply(out_, code, how, asked.method == request::verb::head);
  head_bytes_ = out_.size() - body;
}

void answer::refuse(status code, const request& asked) {
  say(code, asked, manner_of(asked, false));
}

zc::task<> answer::prepare(const request& asked, bool keep_alive) {
  if (asked.method == request::verb::other) {
    say(status::method_not_allowed, asked, manner_of(asked, keep_alive));
    co_return;
  }
  target wanted;
  if (const std::optional<status> bad = parse_target(asked.target, wanted)) {
    say(*bad, asked, manner_of(asked, keep_alive));
    co_return;
  }
  std::string path = wanted.path;
  if (wanted.names_directory) path.append(path.empty() ? "" : "/").append(index_name);
  zc::result<std::shared_ptr<const file>> found = co_await with_.files.open(path);
  const manner how = manner_of(asked, keep_alive);
  if (!found) {
    say(status_of(found.error()), asked, how);
  } else if ((*found)->is == file::kind::regular) {
    file_ = std::move(*found);
    describe(path, asked, how);
  } else if ((*found)->is == file::kind::directory && !wanted.names_directory) {
    reply_.code = status::moved_permanently;
    add_redirect(out_, wanted, how);
    head_bytes_ = out_.size();
  } else {
    say(status::not_found, asked, how);
  }
}

void answer::describe(std::string_view path, const request& asked, const manner& how) {
  const seconds now = with_.clock.now();
  std::array<char, 64> memory;
  text etag(memory);
  add_etag(etag, *file_);
  // Never later than the answer itself: RFC 9110, section 8.8.2.1.
  const description about{content_type(path), etag.view(), file_->size,
                          std::min(file_->modified, now)};
  reply_ = decide(asked, about, now);
  if (reply_.code == status::precondition_failed) {
    say(reply_.code, asked, how);
  } else {
    add_file_head(out_, reply_, about, how);
    head_bytes_ = out_.size();
  }
  type_ = about.type;
  const bool sends_some = reply_.code == status::ok || reply_.code == status::partial_content;
  if (!sends_some || asked.method != request::verb::get || file_->size == 0) file_.reset();
}

bool answer::read_small(const byte_range& part) noexcept {
  if (part.size() > small_bytes || part.size() > out_.room().size()) return false;
  iovec into{out_.room().data(), static_cast<std::size_t>(part.size())};
  // What is not in memory would have to be waited for.
  const ssize_t got =
      ::preadv2(file_->fd.get(), &into, 1, static_cast<off_t>(part.first), RWF_NOWAIT);
  if (got < 0 || static_cast<std::size_t>(got) < into.iov_len) return false;
  out_.grow(into.iov_len);
  return true;
}

zc::task<bool> answer::send(outlet& to) {
  accepted_before_ = to.accepted();
  if (!file_) co_return co_await to.send(out_.view(), false);
  const std::span<const byte_range> parts = reply_.ranges.parts();
  if (parts.size() > 1) co_return co_await send_parts(to);
  const byte_range all{0, file_->size - 1};
  const byte_range one = parts.empty() ? all : parts.front();
  if (read_small(one)) co_return co_await to.send(out_.view(), false);
  const bool begun = co_await to.send(out_.view(), true);
  if (!begun) co_return false;
  co_return co_await to.send_file(file_->source, one.first, one.size(), false);
}

zc::task<bool> answer::send_parts(outlet& to) {
  const description about{type_, {}, file_->size, 0};
  const multipart around(about);
  for (const byte_range& each : reply_.ranges.parts()) {
    around.add_start(out_, each);
    const bool begun = co_await to.send(out_.view(), true);
    if (!begun) co_return false;
    const bool sent = co_await to.send_file(file_->source, each.first, each.size(), true);
    if (!sent) co_return false;
    out_ = with_.blank_answer();
  }
  around.add_end(out_);
  co_return co_await to.send(out_.view(), false);
}

}  // namespace file_server
