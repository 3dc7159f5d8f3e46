#pragma once

#if __cplusplus < 202002L
#error "zc needs C++20: compile with -std=c++20 or a later standard"
#endif
