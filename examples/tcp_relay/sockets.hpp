#pragma once

#include "zc/task.hpp"

namespace tcp_relay {

/// Small messages leave at once, and a peer that is gone without a word is noticed within minutes.
/// Throws std::system_error.
void tune(int socket);

/// Has close(2) of the connection reset it: its peer is not to take what it got for all there was.
/// Throws std::system_error.
void reset_on_close(int socket);

/// Resumes when the peer has acknowledged all it was sent, has gone, or has acknowledged nothing
/// for a second. Throws std::system_error: ECANCELED.
zc::task<> drained(int socket);

}  // namespace tcp_relay
