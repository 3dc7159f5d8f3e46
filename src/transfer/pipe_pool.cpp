#include "transfer/pipe_pool.hpp"

#include <utility>

namespace zc::detail {

std::optional<pipe> pipe_pool::take() {
  if (!idle_.empty()) {
    pipe kept = std::move(idle_.back());
    idle_.pop_back();
    ++lent_;
    return kept;
  }
  if (lent_ >= limit_) return std::nullopt;
  result<pipe> made = make_pipe(pipe_bytes_);
  if (!made) return std::nullopt;
  ++lent_;
  return *std::move(made);
}

void pipe_pool::give_back(pipe used, bool empty) noexcept {
  --lent_;
  // The vector has room for all of them: reserved in the constructor.
  if (empty) idle_.push_back(std::move(used));
}

}  // namespace zc::detail
