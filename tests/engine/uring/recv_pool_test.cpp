#include "engine/uring/recv_pool.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

TEST_SUITE_BEGIN("unit");

TEST_CASE("recv_pool: its queue begins at a page's boundary, whatever the size of a page") {
  for (const std::size_t page_bytes : {4096u, 16'384u, 65'536u}) {
    for (const std::uint32_t entries : {1u, 256u, 32'768u}) {
      CAPTURE(page_bytes);
      CAPTURE(entries);
      const auto queue = zc::detail::allocate_queue(entries, page_bytes);
      REQUIRE(queue);
      CHECK(reinterpret_cast<std::uintptr_t>(queue.get()) % page_bytes == 0);
      // All of it is there: a sanitizer would tell.
      std::memset(static_cast<void*>(queue.get()), 0, entries * sizeof(io_uring_buf));
    }
  }
}

TEST_SUITE_END();
