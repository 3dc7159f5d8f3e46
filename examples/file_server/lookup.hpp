#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "coding.hpp"
#include "commons.hpp"
#include "file.hpp"
#include "request.hpp"
#include "status.hpp"
#include "target.hpp"
#include "zc/task.hpp"

namespace file_server {

/// What a target leads to.
struct lookup {
  status code = status::ok;  // or a redirection to the directory, or an error
  // Of ok, one of these:
  std::shared_ptr<const file> content;  // a regular file
  std::optional<std::string> listing;   // a page
  // Of the content:
  std::string path;                 // its type follows from that
  const coding* encoded = nullptr;  // null: as it is
};

/// Finds it, with the index of a directory, or what is in it, and a file's sibling that is
/// compressed, as far as the settings and `asked` want them. All live until it resumes.
zc::task<lookup> look_up(commons& with, const target& wanted, const request& asked);

}  // namespace file_server
