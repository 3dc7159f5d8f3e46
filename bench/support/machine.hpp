#pragma once

#include <string>

namespace bench {

/// One line: kernel, processor, cores, liburing, compiler, and the commit that was built
/// (ZC_BENCH_COMMIT of the environment, which scripts/bench sets).
std::string describe_machine();

}  // namespace bench
