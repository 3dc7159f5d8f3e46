#pragma once

#include "transfer/mover.hpp"

namespace zc::detail {

/// Whether a transfer is one for file_to_file(): between two regular files, and large enough to be
/// worth a thread, or sparse.
bool suits_file_to_file(const mover& m) noexcept;

/// in → out inside of the kernel, on a thread of the context's. outcome::heavy where the rest is
/// for another route.
task<outcome> file_to_file(mover& m);

}  // namespace zc::detail
