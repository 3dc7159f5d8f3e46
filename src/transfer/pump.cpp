#include "transfer/pump.hpp"

#include <cerrno>
#include <utility>

#include "transfer/ending.hpp"
#include "zc/detail/errno_code.hpp"

namespace zc::detail {

step pump::advance() noexcept {
  do {
    env.where->count_attempt();
    if (ends()) return {step::kind::end};
    const step next = carries() ? give() : take();
    if (next.what != step::kind::again) return next;
  } while (!env.where->turn_spent());
  return {step::kind::turn};
}

step pump::take_piece() noexcept {
  do {
    env.where->count_attempt();
    if (carries() || ends()) return {step::kind::end};
    const step next = take();
    if (carries()) return {step::kind::end};
    if (next.what != step::kind::again) return next;
  } while (!env.where->turn_spent());
  return {step::kind::turn};
}

step pump::take() noexcept {
  switch (way_) {
    case way::sendfile:
      return send_file();
    case way::splice:
      return splice_across();
    case way::pipe:
      return fill();
    case way::memory:
      return read();
  }
  return {step::kind::end};
}

void pump::drop_memory() noexcept {
  memory_ = {};
  copied_ = true;
}

void pump::begin_piece(std::size_t nbytes) noexcept {
  in.left = nbytes;
  took(nbytes);
  over_ = false;
}

step pump::give_pipe() noexcept {
  fill_direct_ = true;
  out.wait = !is_direct(out.end);
  if (copies_) bring_to_memory();
  return over_ ? step{step::kind::end} : advance();
}

step pump::moved(const result<std::size_t>& count) noexcept {
  between_.busy = false;
  direct_ = false;
  if (in_parts_) return part_was_taken(count);
  switch (pending_.what) {
    case move::call::read:
    case move::call::read_cached:
    case move::call::recv:
      return was_read(count);
    case move::call::write:
    case move::call::send:
      return written(count);
    case move::call::splice:
    case move::call::sendfile:
      break;
  }
  if (way_ == way::splice) return spliced_across(count);
  return between_.holds > 0 ? drained(count) : filled(count);
}

// What is taken goes out before the transfer is over, unless it is cancelled.
bool pump::ends() noexcept {
  if (over_) return true;
  if (in.left == 0 && !carries()) {
    end(stop_reason::complete);
  } else if (cancelled()) {
    stop(errno_code(ECANCELED), side::none);
  }
  return over_;
}

void pump::end(stop_reason why) noexcept {
  done.reason = why;
  over_ = true;
}

void pump::stop(std::error_code error, side where) noexcept {
  end_at(done, error, where);
  over_ = true;
  if (done.reason == stop_reason::cancelled) env.cancel->observe();
}

void pump::finish() noexcept {
  between_.busy = false;
  const std::error_code lost =
      between_.holds > 0 ? between_.read_back(kernel(), memory_) : std::error_code();
  if (lost) {
    // Not by way of stop(): whatever ended the transfer, what counts is that bytes are lost.
    done.reason = stop_reason::failed;
    done.error = lost;
    done.side = side::zc;
  }
  if (done.reason != stop_reason::complete && !has(splice_flags::more)) out.push();
  between_.give_back();
  if (!memory_.empty()) done.remainder = std::move(memory_);
}

// --- What moves count for.

void pump::took(std::size_t nbytes) noexcept {
  done.taken += nbytes;
  in.took(nbytes);
  fruitless_ = 0;
}

void pump::gave(std::size_t nbytes, route how) noexcept {
  done.moved += nbytes;
  done.route = how;
  out.gave(nbytes);
  fruitless_ = 0;
  env.where->count_moved(nbytes);
  counters& all = count();
  counters::moves& by =
      how == route::direct ? all.direct : (how == route::ring ? all.ring : all.copy);
  ++by.count;
  by.bytes += nbytes;
  if (asked.progress != nullptr) {
    asked.progress->moved.store(done.moved, std::memory_order_relaxed);
  }
  if (seen_by != nullptr) seen_by->moved(*this);
}

}  // namespace zc::detail
