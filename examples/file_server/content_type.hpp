#pragma once

#include <string_view>

namespace file_server {

/// The media type of a file, by the extension of its name, in either case; for an unknown one that
/// of bytes that mean nothing to a browser.
std::string_view content_type(std::string_view path) noexcept;

}  // namespace file_server
