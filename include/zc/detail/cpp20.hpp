#pragma once

#if __cplusplus < 202002L
#error "zc needs C++20: compile with -std=c++20 or a later standard"
#endif

#if !defined(__linux__)
#error "zc is for Linux alone: io_uring is Linux's"
#endif

#if !defined(__cpp_exceptions)
#error "zc needs exceptions: compile without -fno-exceptions"
#endif
