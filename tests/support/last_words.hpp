#pragma once

#include <functional>
#include <string>

namespace support {

/// Runs `body` in a forked child that it is to end by abort(3). Returns all that the child wrote to
/// stderr; where it ends in another way, a text that says so.
std::string last_words(const std::function<void()>& body);

}  // namespace support
