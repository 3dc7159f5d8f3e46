#pragma once

#include <cstdio>
#include <cstdlib>

/// Ends the program where what must hold does not: that is how libFuzzer learns of it.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}
