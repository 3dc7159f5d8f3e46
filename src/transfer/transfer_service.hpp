#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "engine/loop_service.hpp"
#include "transfer/descriptor_looks.hpp"
#include "transfer/page_cache.hpp"
#include "transfer/pipe_pool.hpp"
#include "zc/detail/scheduler.hpp"

namespace zc::detail {

class loop;

/// What the transfers of one context share.
class transfer_service final : public loop_service {
 public:
  static constexpr std::size_t slot = 0;

  explicit transfer_service(const loop& owner);

  /// Throws std::bad_alloc when it cannot be made; once it is there, it stays.
  static transfer_service& of(scheduler& where);

  /// Memory for bytes on their way from one system call to the next: nothing in it outlives a
  /// suspension. Empty where there is none to be had.
  std::span<std::byte> scratch() noexcept;

  pipe_pool pipes;
  page_cache cache;
  descriptor_looks looks;

 private:
  void report(counters& now) const noexcept override;

  std::unique_ptr<std::byte[]> scratch_;
};

}  // namespace zc::detail
