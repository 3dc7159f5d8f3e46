#pragma once

#include <chrono>
#include <type_traits>
#include <vector>

#include "zc/address.hpp"
#include "zc/detail/export.hpp"
#include "zc/fd.hpp"
#include "zc/result.hpp"
#include "zc/task.hpp"

namespace zc {

/// A TCP connection: socket(2) and connect(2). The socket is close-on-exec and in non-blocking
/// mode.
///
/// Takes as long as the kernel tries, minutes where nobody answers (tcp(7), tcp_syn_retries): put
/// it into timeout(). Cancelled, it closes the socket. Throws std::system_error whose text names
/// the address: ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT, EMFILE, ECANCELED, ...
ZC_API task<fd> connect(address where);

/// The same without an exception: resumes with the error, which names no address.
ZC_API task<result<fd>> try_connect(address where);

/// How to connect to one of several addresses. Designated initialisers: `{.head_start = 100ms}`.
struct connect_options {
  /// How long one address is tried before the next one is tried beside it; at once where it has
  /// failed before. With many addresses and a short deadline, less than their share of it.
  std::chrono::nanoseconds head_start = std::chrono::milliseconds(250);
};
static_assert(std::is_trivially_destructible_v<connect_options>);

/// The same to the first of several that answers. They are tried in order, each as soon as the one
/// before has failed or has had its head start, so that one that does not answer at all holds up
/// the others only for that (RFC 8305); what is still under way when one answers is dropped. Where
/// all fail, throws what the last one gave. Throws std::invalid_argument where there is none.
///
/// `spare` is a descriptor to use before another is asked for, so that one is there whatever has
/// become of the limit meanwhile: a TCP socket, non-blocking and close-on-exec, that is not
/// connected; it is used for an address of its family. Whatever it is, it is closed where nothing
/// else makes room for a socket. Where there is room for one attempt only, it is given up when its
/// head start is over.
ZC_API task<fd> connect(std::vector<address> candidates, connect_options options = {},
                        fd spare = {});

/// The same without an exception for what becomes of the connections.
ZC_API task<result<fd>> try_connect(std::vector<address> candidates, connect_options options = {},
                                    fd spare = {});

}  // namespace zc
