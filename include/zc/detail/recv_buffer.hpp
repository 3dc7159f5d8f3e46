#pragma once

#include <cstddef>
#include <cstdint>

#include "zc/detail/cpp20.hpp"

namespace zc::detail {

class recv_pool;

/// Memory that bytes were received into, on loan from a context's recv_pool.
struct recv_buffer {
  recv_pool* from = nullptr;
  std::byte* data = nullptr;
  recv_buffer* next = nullptr;  // in the list that it is in
  std::uint32_t size = 0;       // how many bytes were received
  std::uint16_t id = 0;         // the kernel's name for it
  bool provided = false;        // whether the kernel knows it
};

}  // namespace zc::detail
