#include "zc/transfer.hpp"

namespace zc {

namespace {

const char* name_of(side where) noexcept {
  switch (where) {
    case side::in:
      return "in: ";
    case side::out:
      return "out: ";
    case side::zc:
      return "zc: ";
    case side::none:
      break;
  }
  return "";
}

}  // namespace

void give_bytes(transfer& from, std::vector<transfer>& to) {
  if (!from.remainder.empty()) to.push_back(std::move(from));
}

transfer_error::transfer_error(transfer done, std::error_code code, std::uint64_t wanted)
    : transfer_error(failure{done.moved, done.taken, wanted, done.side,
                             std::make_shared<zc::remainder>(std::move(done.remainder)), ""},
                     code) {}

transfer_error::transfer_error(failure what, std::error_code code) : std::system_error(code) {
  what.text = std::string("zc::splice: ") + name_of(what.side) + code.message() + " (moved " +
              std::to_string(what.moved);
  if (what.wanted != to_end) what.text += " of " + std::to_string(what.wanted);
  what.text += " bytes)";
  failure_ = std::make_shared<const failure>(std::move(what));
}

transfer_error transfer_error::with_code(std::error_code code) const {
  return transfer_error(*failure_, code);
}

transfer transfer_error::take() const {
  const bool cancelled = code() == std::errc::operation_canceled;
  return {.moved = moved(),
          .taken = taken(),
          .reason = cancelled ? stop_reason::cancelled : stop_reason::failed,
          .error = cancelled ? std::error_code() : code(),
          .side = side(),
          .remainder = std::move(remainder())};
}

}  // namespace zc
