#pragma once

#include "zc/detail/cpp20.hpp"

/// Which zc these headers are of: what docs/stability.md calls a version.
///
/// In numbers that the preprocessor can compare: `#if ZC_VERSION >= 201` is 0.2.1 or later.
#define ZC_VERSION_MAJOR 0
#define ZC_VERSION_MINOR 1
#define ZC_VERSION_PATCH 0
#define ZC_VERSION (ZC_VERSION_MAJOR * 10000 + ZC_VERSION_MINOR * 100 + ZC_VERSION_PATCH)
#define ZC_VERSION_STRING "0.1.0"
