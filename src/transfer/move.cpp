#include "transfer/move.hpp"

#include <cerrno>

#include "engine/direct_call.hpp"
#include "zc/detail/errno_code.hpp"
#include "zc/op/read.hpp"
#include "zc/op/recv.hpp"
#include "zc/op/send.hpp"
#include "zc/op/splice.hpp"
#include "zc/op/write.hpp"

namespace zc::detail {

int move::now(ring& kernel) const noexcept {
  const int message_flags = static_cast<int>(flags);
  switch (what) {
    case call::splice:
      return direct_splice(kernel, {in, in_at, out, out_at, nbytes, flags});
    case call::sendfile:
      return direct_sendfile(kernel, in, in_at, out, nbytes);
    case call::read:
      return direct_read(kernel, in, memory, nbytes, in_at);
    case call::read_cached:
      return direct_read_now(kernel, in, memory, nbytes, in_at);
    case call::write:
      return direct_write(kernel, out, memory, nbytes, out_at);
    case call::recv:
      return direct_recv(kernel, in, memory, nbytes, message_flags);
    case call::send:
      return direct_send(kernel, out, memory, nbytes, message_flags);
  }
  return -EINVAL;
}

task<result<std::size_t>> by_engine(const move& one) {
  const int message_flags = static_cast<int>(one.flags);
  switch (one.what) {
    case move::call::splice:
      co_return co_await op::splice(one.in, one.in_at, one.out, one.out_at, one.nbytes, one.flags);
    case move::call::read:
    case move::call::read_cached:
      co_return co_await op::read(one.in, one.memory, one.nbytes, one.in_at);
    case move::call::write:
      co_return co_await op::write(one.out, one.memory, one.nbytes, one.out_at);
    case move::call::recv:
      co_return co_await op::recv(one.in, one.memory, one.nbytes, message_flags);
    case move::call::send:
      co_return co_await op::send(one.out, one.memory, one.nbytes, message_flags);
    case move::call::sendfile:
      break;
  }
  co_return errno_code(EINVAL);
}

}  // namespace zc::detail
