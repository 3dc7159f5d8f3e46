#include "transfer/tee_target.hpp"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "engine/loop.hpp"
#include "transfer/aligned_memory.hpp"
#include "transfer/ending.hpp"
#include "zc/detail/breather.hpp"
#include "zc/detail/errno_code.hpp"

namespace zc::detail {

void tee_target::end(std::error_code error, side where) noexcept {
  live = false;
  pipe.give_back();
  end_at(done, error, where);
}

void tee_target::end(stop_reason why) noexcept {
  live = false;
  pipe.give_back();
  done.reason = why;
}

void tee_target::end_with(std::error_code error, side where, remainder left,
                          ring& kernel) noexcept {
  if (const std::error_code lost = pipe.read_back(kernel, left)) {
    // Whatever it was that ended it, what counts is that bytes are lost.
    error = lost;
    where = side::zc;
  }
  done.remainder = std::move(left);
  end(error, where);
}

void tee_target::account(transfer delivered, ring& kernel) noexcept {
  done.moved += delivered.moved;
  done.route = delivered.route;
  if (at >= 0 && out->seekable && !out->append) at += static_cast<std::int64_t>(delivered.moved);
  if (pipe.holds > 0) pipe.holds -= static_cast<std::size_t>(delivered.taken);
  switch (delivered.reason) {
    case stop_reason::complete:
      return;
    case stop_reason::cancelled:
      return end_with(errno_code(ECANCELED), side::none, std::move(delivered.remainder), kernel);
    case stop_reason::would_block:
      return end_with(errno_code(EAGAIN), side::none, std::move(delivered.remainder), kernel);
    case stop_reason::failed:
      // What it read from is zc's own.
      return end_with(delivered.error, delivered.side == side::in ? side::zc : delivered.side,
                      std::move(delivered.remainder), kernel);
    case stop_reason::end_of_file:  // our pipe has no end, and no piece ends early
    case stop_reason::timed_out:    // is what timeout() makes of it, and that is above this
      return end_with(errno_code(EIO), side::zc, std::move(delivered.remainder), kernel);
  }
}

result<remainder> copy_of(const remainder& bytes) noexcept {
  if (bytes.empty()) return remainder();
  aligned_memory copy(bytes.size());
  if (!copy) return errno_code(ENOMEM);
  std::copy(bytes.bytes().begin(), bytes.bytes().end(), copy.data());
  return std::move(copy).first(bytes.size());
}

task<> deliver(tee_target& to, const remainder& piece, splice_flags flags, environment env) {
  ring& kernel = loop::of(*env.where).kernel();
  co_await breather(*env.where);
  result<remainder> own = copy_of(piece);
  bool refused = !own;
  try {
    if (own && !piece.empty()) {
      env.where->count_moved(piece.size());
      to.account(co_await try_splice(*std::move(own), to.fd, {.flags = flags, .out_offset = to.at}),
                 kernel);
    } else if (own) {
      to.account(
          co_await try_splice(to.pipe.read_end(), to.fd,
                              {.nbytes = to.pipe.holds, .flags = flags, .out_offset = to.at}),
          kernel);
    }
  } catch (const std::bad_alloc&) {
    refused = true;
  }
  if (!refused) co_return;
  own = copy_of(piece);
  to.end_with(errno_code(ENOMEM), side::zc, own ? *std::move(own) : remainder(), kernel);
}

}  // namespace zc::detail
