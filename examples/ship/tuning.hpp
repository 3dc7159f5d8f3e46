#pragma once

namespace ship {

/// Small frames leave at once, and a peer that is gone is noticed: after a minute where nothing is
/// on its way, otherwise when the kernel has retransmitted long enough (tcp(7), tcp_retries2).
/// Throws std::system_error.
void tune(int socket);

}  // namespace ship
