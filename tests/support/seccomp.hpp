#pragma once

#include <cstdint>

namespace support {

/// Has the kernel answer a system call with an error, for the rest of this process and in what it
/// executes. False where that cannot be had. May be called between fork(2) and exec.
bool forbid(long call, int error_number);

/// The same for that call with this second argument alone, as of io_uring_register(2).
bool forbid(long call, std::uint32_t second_argument, int error_number);

}  // namespace support
