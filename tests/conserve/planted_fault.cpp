#include "conserve/planted_fault.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <optional>

#include "engine/interposer.hpp"
#include "engine/loop.hpp"
#include "transfer/transfer_service.hpp"

namespace conserve {

namespace {

/// Does here and now what a submission asks for, if that is a splice.
int perform(const io_uring_sqe& sqe) noexcept {
  off64_t in_at = static_cast<off64_t>(sqe.splice_off_in);
  off64_t out_at = static_cast<off64_t>(sqe.off);
  const ssize_t moved = ::splice(sqe.splice_fd_in, in_at < 0 ? nullptr : &in_at, sqe.fd,
                                 out_at < 0 ? nullptr : &out_at, sqe.len, sqe.splice_flags);
  return moved >= 0 ? static_cast<int>(moved) : -errno;
}

}  // namespace

class planted_fault::liar final : public zc::detail::interposer {
 public:
  liar(fault what, std::uint32_t at) : what_(what), at_(at) {}

 private:
  using completion = zc::detail::completion;

  bool has_room() noexcept override { return true; }
  int enter(bool& /*wait*/) noexcept override { return 0; }

  void submit(io_uring_sqe& sqe) noexcept override {
    const std::optional<int> answer = call(sqe);
    if (!answer) return;
    const std::uint64_t user_data = sqe.user_data;
    io_uring_prep_nop(&sqe);
    sqe.user_data = user_data;
    lie_ = completion{user_data, *answer};
  }

  void complete(completion arrived) noexcept override {
    if (lie_ && lie_->user_data == arrived.user_data) {
      arrived = *lie_;
      lie_.reset();
    }
    arrived_.push_back(arrived);
  }

  std::optional<completion> next() noexcept override {
    if (arrived_.empty()) return {};
    const completion first = arrived_.front();
    arrived_.pop_front();
    return first;
  }

  std::optional<int> call(io_uring_sqe& sqe) noexcept override {
    if (sqe.opcode != IORING_OP_SPLICE) return {};
    if (seen_++ != at_) return {};
    char byte = 'z';
    switch (what_) {
      case fault::none:
        return {};
      case fault::too_few:
      case fault::too_many: {
        const int moved = perform(sqe);
        if (moved <= 0) break;
        return what_ == fault::too_few ? moved - 1 : moved + 1;
      }
      case fault::swallowed:
        if (::read(sqe.splice_fd_in, &byte, 1) == 1) return {};
        break;
      case fault::foreign:
        if (::write(sqe.fd, &byte, 1) == 1) return {};
        break;
      case fault::stuck:
        for (;;) ::pause();
    }
    --seen_;  // not here: then at the next move
    return {};
  }

  fault what_;
  std::uint32_t at_;
  std::uint32_t seen_ = 0;
  std::optional<completion> lie_;
  std::deque<completion> arrived_;
};

planted_fault::planted_fault(zc::context& context, fault what, std::uint32_t at)
    : context_(context) {
  if (what == fault::none) return;
  liar_ = std::make_unique<liar>(what, at);
  zc::detail::loop::of(context_).kernel().interpose(liar_.get());
}

planted_fault::~planted_fault() {
  if (liar_) zc::detail::loop::of(context_).kernel().interpose(nullptr);
}

std::size_t pipes_lent(zc::context& context) {
  return zc::detail::transfer_service::of(zc::detail::loop::of(context)).pipes.lent();
}

}  // namespace conserve
