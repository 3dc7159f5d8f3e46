#pragma once

#include <cstddef>

#include "zc/fd.hpp"
#include "zc/result.hpp"

namespace zc::detail {

/// A pipe of ours: both ends, close-on-exec and non-blocking.
struct pipe {
  fd read_end;
  fd write_end;
  std::size_t capacity_bytes = 0;
};

/// Makes a pipe of about `bytes`; of less where the user's limits allow no more (pipe(7)). Fails
/// with EMFILE or ENFILE.
result<pipe> make_pipe(std::size_t bytes);

}  // namespace zc::detail
