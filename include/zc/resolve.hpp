#pragma once

#include <sys/socket.h>

#include <system_error>
#include <type_traits>
#include <vector>

#include "zc/address.hpp"
#include "zc/detail/export.hpp"
#include "zc/host_port.hpp"
#include "zc/result.hpp"
#include "zc/task.hpp"

namespace zc {

/// How resolve() looks a name up.
struct resolve_options {
  /// For who listens: an empty host is every interface, not this machine: `[::]`, where listen()
  /// hears IPv4 as well, and behind it `0.0.0.0` for a machine without IPv6.
  bool passive = false;
  /// AF_INET or AF_INET6 for those addresses alone; AF_UNSPEC for both.
  int family = AF_UNSPEC;
};
static_assert(std::is_trivially_destructible_v<resolve_options>);

/// Of the errors that getaddrinfo(3) has of its own: EAI_NONAME, EAI_AGAIN, ...
ZC_API const std::error_category& resolve_category() noexcept;

/// The addresses of a name, at least one, for connect() and listen(): getaddrinfo(3), in the order
/// in which that would have them tried. No loop waits for it: names are looked up on up to two
/// threads of the context's own ("zc-names"), started when first needed. A number is no name, and
/// needs none.
///
/// Cancelled, it resumes at once; a lookup that has begun goes on by itself, for as long as the
/// name servers are waited for (resolv.conf(5)), and so may outlive the context. Where both threads
/// are busy the next name waits.
///
/// Throws std::system_error: in resolve_category() what getaddrinfo(3) says, EAGAIN where no thread
/// is to be had, ECANCELED, or the errno of EAI_SYSTEM. The text names the host.
ZC_API task<std::vector<address>> resolve(host_port name, resolve_options options = {});

/// The same without an exception: resumes with the error, which names no host.
ZC_API task<result<std::vector<address>>> try_resolve(host_port name, resolve_options options = {});

}  // namespace zc
