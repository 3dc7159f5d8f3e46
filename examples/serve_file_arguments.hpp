#pragma once

#include <netinet/in.h>

struct serve_file_arguments {
  const char* path;
  sockaddr_in where;
};

/// FILE [IPV4-ADDRESS:]PORT; no address is 127.0.0.1. Throws std::invalid_argument.
serve_file_arguments parse_serve_file_arguments(int argc, const char* const* argv);
