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

constexpr std::string_view page_type = "text/html; charset=utf-8";

}  // namespace

manner answer::manner_of(const request& asked, bool keep_alive) {
  with_.clock.look();
  return {with_.clock.date(), asked.http_1_1, keep_alive, with_.given.content.extra_fields};
}

void answer::say(status code, const request& asked, bool keep_alive) {
  reply_.code = code;
  const bool head_only = asked.method == request::verb::head;
  const std::size_t body = add_short_reply(out_, code, manner_of(asked, keep_alive), head_only);
  head_bytes_ = out_.size() - body;
}

void answer::refuse_at_once(status code, const request& asked) { say(code, asked, false); }

zc::task<> answer::refuse(status code, const request& asked, bool keep_alive) {
  const auto& pages = with_.given.content.error_pages;
  const auto page = pages.find(code);
  if (page != pages.end()) file_ = co_await with_.files.open_if_there(page->second);
  if (file_) {
    show(code, content_type(page->second), file_->size, asked, keep_alive);
  } else {
    say(code, asked, keep_alive);
  }
}

zc::task<> answer::prepare(const request& asked, bool keep_alive) {
  target wanted;
  lookup found;
  found.code = status::method_not_allowed;
  if (asked.method != request::verb::other) {
    found.code = parse_target(asked.target, wanted).value_or(status::ok);
  }
  if (found.code == status::ok) found = co_await look_up(with_, wanted, asked);
  if (found.content) {
    if (describe(found, asked, keep_alive)) co_return;
    found.code = status::precondition_failed;
    found.content.reset();  // its page takes the descriptor
  }
  if (found.listing) {
    page_ = std::move(*found.listing);
    show(status::ok, page_type, page_.size(), asked, keep_alive);
  } else if (found.code == status::moved_permanently) {
    reply_.code = found.code;
    add_redirect(out_, wanted, manner_of(asked, keep_alive));
    head_bytes_ = out_.size();
  } else {
    co_await refuse(found.code, asked, keep_alive);
  }
}

void answer::show(status code, std::string_view type, std::uint64_t nbytes, const request& asked,
                  bool keep_alive) {
  reply_.code = code;
  add_page_head(out_, code, type, nbytes, manner_of(asked, keep_alive));
  head_bytes_ = out_.size();
  if (nbytes > 0 && asked.method != request::verb::head) return;
  file_.reset();
  page_.clear();
}

bool answer::describe(lookup& found, const request& asked, bool keep_alive) {
  const manner how = manner_of(asked, keep_alive);
  const seconds now = with_.clock.now();
  const file& one = *found.content;
  const std::string_view encoding = found.encoded != nullptr ? found.encoded->name : "";
  std::array<char, 64> memory;
  text etag(memory);
  add_etag(etag, one, encoding);
  // Never later than the answer itself: RFC 9110, section 8.8.2.1.
  const description about{.type = content_type(found.path),
                          .etag = etag.view(),
                          .size = one.size,
                          .modified = std::min(one.modified, now),
                          .encoding = encoding,
                          .varies = with_.given.content.precompressed};
  reply_ = decide(asked, about, now);
  if (reply_.code == status::precondition_failed) return false;
  add_file_head(out_, reply_, about, how);
  head_bytes_ = out_.size();
  type_ = about.type;
  const bool sends_some = reply_.code == status::ok || reply_.code == status::partial_content;
  if (sends_some && asked.method == request::verb::get && one.size > 0) {
    file_ = std::move(found.content);
  }
  return true;
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
  if (!page_.empty()) co_return co_await send_page(to);
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

zc::task<bool> answer::send_page(outlet& to) {
  const bool begun = co_await to.send(out_.view(), true);
  if (!begun) co_return false;
  co_return co_await to.send(page_, false);
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
