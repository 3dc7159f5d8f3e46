#pragma once

#include <cstddef>

namespace bench {

/// Counts what operator new has given and not got back, from now on. A program that links
/// heap_peak.cpp has its operators new and delete; resident memory is not exact enough, as the
/// kernel counts it in batches.
void count_heap();

/// The most that it was at once, in bytes.
std::size_t heap_peak();

}  // namespace bench
