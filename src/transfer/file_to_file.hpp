#pragma once

#include "transfer/pump.hpp"

namespace zc::detail {

/// Whether a transfer is one for file_to_file(): between two regular files, and large enough to be
/// worth a thread, or sparse.
bool suits_file_to_file(const pump& call) noexcept;

/// Moves what the kernel moves from file to file by itself, on a thread of the context's. What it
/// leaves is for pump::start() and on.
task<> file_to_file(pump& call);

}  // namespace zc::detail
