#include "support/scripted_kernel.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "engine/loop.hpp"

namespace support {

namespace {

// Enough for a cancel to overtake it, few enough for a test of thousands.
constexpr int turns_of_delay = 5;

bool has_length(std::uint8_t opcode) {
  constexpr std::array<std::uint8_t, 6> those{IORING_OP_SPLICE, IORING_OP_TEE,  IORING_OP_READ,
                                              IORING_OP_WRITE,  IORING_OP_RECV, IORING_OP_SEND};
  return std::find(those.begin(), those.end(), opcode) != those.end();
}

bool is_step(const io_uring_sqe& sqe) {
  // Direct calls have none; small numbers are the loop's own, odd ones belong to cancels.
  return sqe.user_data == 0 || (sqe.user_data > 4096 && sqe.user_data % 2 == 0);
}

void make_no_op(io_uring_sqe& sqe) {
  const std::uint64_t user_data = sqe.user_data;
  io_uring_prep_nop(&sqe);
  sqe.user_data = user_data;
}

std::string name_of(const fault& of) {
  constexpr std::array<const char*, 7> names{"none",      "short_count", "error",      "delayed",
                                             "reordered", "queue_full",  "enter_fails"};
  std::string name = names[static_cast<std::size_t>(of.what)];
  if (of.error != 0) name += " " + std::to_string(of.error);
  return name;
}

std::map<std::string, long> tally;

}  // namespace

std::string fault::describe() const {
  return name_of(*this) + " at " + std::to_string(at) + ", " + std::to_string(times) + " times";
}

const std::map<std::string, long>& faults_met() { return tally; }

void scripted_kernel::stand_before(zc::context& context) {
  context_ = &context;
  zc::detail::loop::of(context).kernel().interpose(this);
}

scripted_kernel::~scripted_kernel() {
  if (context_ == nullptr) return;
  auto& kernel = zc::detail::loop::of(*context_).kernel();
  if (kernel.interposed_by() == this) kernel.interpose(nullptr);
}

scripted_kernel::scripted_kernel(std::vector<fault> script) {
  for (const fault& each : script) script_.push_back({each});
}

bool scripted_kernel::met() const {
  return std::all_of(script_.begin(), script_.end(), [](const act& each) { return each.met; });
}

bool scripted_kernel::act::meets() {
  const int now = seen++;
  const bool now_met = now >= what.at && now - what.at < what.times;
  met = met || now_met;
  if (now_met) ++tally[name_of(what)];
  return now_met;
}

const fault* scripted_kernel::meet(fault::kind what) {
  for (act& each : script_) {
    if (each.what.what == what && each.meets()) return &each.what;
  }
  return nullptr;
}

const fault* scripted_kernel::step(const io_uring_sqe& sqe) {
  if (!is_step(sqe)) return nullptr;
  if (before_step_) before_step_(steps_);
  ++steps_;
  const fault* found = nullptr;
  for (act& each : script_) {
    const fault::kind what = each.what.what;
    if (what == fault::kind::queue_full || what == fault::kind::enter_fails) continue;
    if (what == fault::kind::none) continue;
    if (each.what.opcode >= 0 && each.what.opcode != sqe.opcode) continue;
    if (each.meets()) found = &each.what;
  }
  return found;
}

bool scripted_kernel::has_room() noexcept { return meet(fault::kind::queue_full) == nullptr; }

int scripted_kernel::enter(bool& wait) noexcept {
  for (held& each : held_) --each.turns;
  if (!held_.empty()) wait = false;
  const fault* const met = meet(fault::kind::enter_fails);
  return met != nullptr ? -met->error : 0;
}

void scripted_kernel::submit(io_uring_sqe& sqe) noexcept {
  const fault* const met = step(sqe);
  if (met == nullptr) return;
  switch (met->what) {
    case fault::kind::short_count:
      if (has_length(sqe.opcode)) sqe.len = std::min(sqe.len, 1u);
      break;
    case fault::kind::error:
      make_no_op(sqe);
      answers_[sqe.user_data] = -met->error;
      break;
    default:
      held_back_[sqe.user_data] = met->what;
      break;
  }
}

std::optional<int> scripted_kernel::call(io_uring_sqe& sqe) noexcept {
  const fault* const met = step(sqe);
  if (met == nullptr) return {};
  if (met->what == fault::kind::short_count && has_length(sqe.opcode)) {
    sqe.len = std::min(sqe.len, 1u);
  }
  if (met->what != fault::kind::error) return {};
  // The kernel's own codes do not leave system calls.
  if (met->error >= 512) return {};
  // What transfers read on their thread is a pipe with bytes in it.
  if (met->error == EAGAIN && sqe.opcode == IORING_OP_READ) return {};
  return -met->error;
}

void scripted_kernel::complete(completion arrived) noexcept {
  if (const auto answer = answers_.find(arrived.user_data); answer != answers_.end()) {
    arrived.result = answer->second;
    arrived.flags = 0;
    answers_.erase(answer);
  }
  // What an op says later does not overtake what it has said before.
  const auto before = std::find_if(held_.rbegin(), held_.rend(), [&](const held& each) {
    return each.one.user_data == arrived.user_data;
  });
  if (before != held_.rend()) {
    held_.push_back({arrived, before->turns, before->until_another});
    return;
  }
  if (const auto how = held_back_.find(arrived.user_data); how != held_back_.end()) {
    held_.push_back({arrived, turns_of_delay, how->second == fault::kind::reordered});
    held_back_.erase(how);
    return;
  }
  seen_.push_back(arrived);
  for (held& each : held_) {
    if (each.until_another) each.turns = 0;
  }
}

std::optional<zc::detail::completion> scripted_kernel::next() noexcept {
  if (next_seen_ == seen_.size()) {
    seen_.clear();
    next_seen_ = 0;
    const auto due = std::stable_partition(held_.begin(), held_.end(),
                                           [](const held& each) { return each.turns > 0; });
    for (auto each = due; each != held_.end(); ++each) seen_.push_back(each->one);
    held_.erase(due, held_.end());
  }
  if (next_seen_ == seen_.size()) return {};
  return seen_[next_seen_++];
}

}  // namespace support
