#pragma once

#include <cstddef>

#include "server/options.hpp"

namespace server {

/// What a program takes descriptors for, besides its sockets that listen.
struct descriptor_needs {
  std::size_t of_connection = 1;   // at once, at most
  std::size_t kept_by_thread = 0;  // at most
};

/// What there is room for.
struct room {
  std::size_t connections;     // of all threads
  std::size_t kept_by_thread;  // see descriptor_needs
  std::size_t pipes;           // of each thread: zc::context_options::pipes
};

/// Raises the limit on open files to what is allowed, and shares it out: so that who is accepted
/// has all descriptors that it needs, and who has none yet waits in the kernel's queue. Throws
/// std::runtime_error where there is room for none.
room make_room(const options& given, const descriptor_needs& needs);

}  // namespace server
