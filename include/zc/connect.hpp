#pragma once

#include <vector>

#include "zc/address.hpp"
#include "zc/fd.hpp"
#include "zc/task.hpp"

namespace zc {

/// A TCP connection: socket(2) and connect(2). The socket is close-on-exec and in non-blocking
/// mode.
///
/// Takes as long as the kernel tries, minutes where nobody answers (tcp(7), tcp_syn_retries): put
/// it into timeout(). Cancelled, it closes the socket. Throws std::system_error whose text names
/// the address: ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT, EMFILE, ECANCELED, ...
task<fd> connect(address where);

/// The same to the first of several that answers, in order, each tried when the one before has
/// failed; throws what the last one gave. With a deadline for each of them, rather than for all,
/// call the other in a loop. Throws std::invalid_argument where there is none.
task<fd> connect(std::vector<address> candidates);

}  // namespace zc
