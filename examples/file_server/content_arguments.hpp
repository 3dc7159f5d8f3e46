#pragma once

#include "content_options.hpp"

namespace CLI {
class App;
}

namespace file_server {

/// Adds --index, --list, --precompressed, --cache-control, --header and --error-page.
void add_content_options(CLI::App& app, content_options& given);

}  // namespace file_server
