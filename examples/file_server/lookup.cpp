#include "lookup.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

#include "content_options.hpp"
#include "listing.hpp"

namespace file_server {

namespace {

using opened = zc::result<std::shared_ptr<const file>>;

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

status status_of(const opened& one) noexcept {
  if (!one) return status_of(one.error());
  return (*one)->is == file::kind::regular ? status::ok : status::not_found;
}

std::string below(const std::string& directory, std::string_view name) {
  std::string path = directory;
  return path.append(path.empty() ? "" : "/").append(name);
}

zc::task<> list(commons& with, const std::string& path, lookup& into) {
  const opened directory = co_await with.files.open(path);
  if (!directory) into.code = status_of(directory.error());
  if (!directory || (*directory)->is != file::kind::directory) co_return;
  zc::result<std::string> page = co_await list_directory(with.files, **directory, path);
  into.code = page ? status::ok : status_of(page.error());
  if (page) into.listing = std::move(*page);
}

/// Takes a sibling of the content in its place.
zc::task<> choose_coding(commons& with, const request& asked, lookup& into) {
  const accepted_codings accepted(asked.accept_encoding.values());
  for (const coding* const each : accepted.all()) {
    const std::string sibling = into.path + std::string(each->suffix);
    std::shared_ptr<const file> found = co_await with.files.open_if_there(sibling);
    if (!found) continue;
    into.content = std::move(found);
    into.encoded = each;
    co_return;
  }
}

}  // namespace

zc::task<lookup> look_up(commons& with, const target& wanted, const request& asked) {
  const content_options& how = with.given.content;
  lookup into;
  into.code = status::not_found;
  opened found = std::make_error_code(std::errc::no_such_file_or_directory);
  if (wanted.names_directory) {
    for (const std::string& name : how.index_names) {
      into.path = below(wanted.path, name);
      found = co_await with.files.open(into.path);
      into.code = status_of(found);
      if (into.code != status::not_found) break;
    }
  } else {
    into.path = wanted.path;
    found = co_await with.files.open(into.path);
    into.code = status_of(found);
    if (found && (*found)->is == file::kind::directory) into.code = status::moved_permanently;
  }
  if (into.code == status::ok) {
    into.content = std::move(*found);
    if (how.precompressed) co_await choose_coding(with, asked, into);
  } else if (into.code == status::not_found && wanted.names_directory && how.list) {
    co_await list(with, wanted.path, into);
  }
  co_return into;
}

}  // namespace file_server
