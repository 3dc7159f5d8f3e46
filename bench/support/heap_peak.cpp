#include "heap_peak.hpp"

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <new>

namespace bench {

namespace {

// The programs that count have one thread.
bool counting = false;
std::size_t in_use = 0;
std::size_t peak = 0;

}  // namespace

void count_heap() {
  counting = true;
  in_use = 0;
  peak = 0;
}

std::size_t heap_peak() { return peak; }

}  // namespace bench

void* operator new(std::size_t size) {
  void* const memory = std::malloc(std::max<std::size_t>(size, 1));
  if (memory == nullptr) throw std::bad_alloc();
  if (bench::counting) {
    bench::in_use += ::malloc_usable_size(memory);
    bench::peak = std::max(bench::peak, bench::in_use);
  }
  return memory;
}

void operator delete(void* memory) noexcept {
  // What is older than the count does not make it less than nothing.
  if (bench::counting) bench::in_use -= std::min(bench::in_use, ::malloc_usable_size(memory));
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
