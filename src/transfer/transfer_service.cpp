#include "transfer/transfer_service.hpp"

#include <cstdint>
#include <new>

#include "engine/loop.hpp"

namespace zc::detail {

namespace {

// What fits into the caches beside what else a move touches; a message of a TLS record and more.
constexpr std::size_t scratch_bytes = 32 * 1024;

}  // namespace

transfer_service::transfer_service(const loop& owner)
    : pipes(owner.options().pipes, owner.options().pipe_bytes) {}

transfer_service& transfer_service::of(scheduler& where) {
  return loop::of(where).use<transfer_service>();
}

std::span<std::byte> transfer_service::scratch() noexcept {
  if (!scratch_) scratch_.reset(new (std::nothrow) std::byte[scratch_bytes]);
  return {scratch_.get(), scratch_ ? scratch_bytes : 0};
}

void transfer_service::report(counters& now) const noexcept {
  now.pipes_lent = static_cast<std::uint32_t>(pipes.lent());
  now.pipes_idle = static_cast<std::uint32_t>(pipes.idle());
}

}  // namespace zc::detail
