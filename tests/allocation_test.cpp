// G9: in steady state an op allocates nothing. Counts the program's allocations, which
// ThreadSanitizer's runtime does not let us do.

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ZC_TEST_CANNOT_COUNT 1
#endif
#endif

#if !defined(ZC_TEST_CANNOT_COUNT) && !defined(__SANITIZE_THREAD__)

#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "support/descriptors.hpp"
#include "zc/context.hpp"
#include "zc/op/nop.hpp"
#include "zc/op/read.hpp"
#include "zc/op/timeout.hpp"
#include "zc/op/write.hpp"
#include "zc/sleep.hpp"

namespace {

std::atomic<long> allocations{0};

}  // namespace

void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* const memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

TEST_SUITE_BEGIN("kernel");

TEST_CASE("allocation: in steady state an op, a timer and a turn of the loop allocate nothing") {
  const support::ends pipe = support::make_pipe();
  const auto round = [&]() -> zc::task<long> {
    long before = 0;
    for (int i = 0; i < 1100; ++i) {
      if (i == 100) before = allocations.load();
      char byte = 'x';
      const zc::result<void> nothing = co_await zc::op::nop();
      const zc::result<std::size_t> wrote = co_await zc::op::write(pipe.second.get(), &byte, 1);
      const zc::result<std::size_t> got = co_await zc::op::read(pipe.first.get(), &byte, 1);
      const zc::result<void> slept = co_await zc::op::timeout(std::chrono::nanoseconds(1));
      co_await zc::yield();
      if (!nothing || !wrote || !got || !slept) co_return -1;
    }
    co_return allocations.load() - before;
  };
  CHECK(zc::run(round()) == 0);
}

TEST_CASE("allocation: the count above counts") {
  const long before = allocations.load();
  ::operator delete(::operator new(1));
  CHECK(allocations.load() == before + 1);
}

TEST_SUITE_END();

#endif
