#pragma once

#include <memory>

#include "conserve/schedule.hpp"
#include "zc/context.hpp"

namespace conserve {

/// Stands between a context and the kernel, and has one move go wrong. Also all that the model
/// knows of zc's insides.
class planted_fault {
 public:
  /// Does nothing for fault::none. The context must outlive it.
  planted_fault(zc::context& context, fault what, std::uint32_t at);
  planted_fault(const planted_fault&) = delete;
  planted_fault& operator=(const planted_fault&) = delete;
  ~planted_fault();

 private:
  class liar;
  zc::context& context_;
  std::unique_ptr<liar> liar_;
};

/// Pipes that the context's transfers hold at the moment.
std::size_t pipes_lent(zc::context& context);

}  // namespace conserve
