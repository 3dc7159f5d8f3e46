#pragma once

#include "zc/detail/cpp20.hpp"

/// What the shared library exports; the rest of it is hidden, see src/meson.build.
///
/// On each function of a public header that is defined in src, and on each class there that has
/// such a member or is told apart at run time (by catch, dynamic_cast). Not on templates.
#define ZC_API [[gnu::visibility("default")]]
