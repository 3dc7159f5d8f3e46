#include "zc/detail/cancel.hpp"

#include <doctest/doctest.h>

#include <array>
#include <optional>

TEST_SUITE_BEGIN("unit");

using zc::detail::cancel_scope;
using zc::detail::cancellable;

namespace {

class counted final : public cancellable {
 public:
  explicit counted(bool leaves = false) noexcept : leaves_(leaves) {}
  void cancel() noexcept override {
    ++cancels;
    if (leaves_) leave();
  }
  int cancels = 0;

 private:
  bool leaves_;
};

}  // namespace

TEST_CASE("cancel_scope: a request reaches every entry, once") {
  cancel_scope scope;
  std::array<counted, 3> entries;
  for (counted& each : entries) each.enter(scope);
  CHECK_FALSE(scope.requested());
  scope.request();
  scope.request();
  CHECK(scope.requested());
  for (const counted& each : entries) CHECK(each.cancels == 1);
}

TEST_CASE("cancel_scope: an entry that has left is not reached; it may leave while cancelled") {
  cancel_scope scope;
  counted first(true);
  counted second(true);
  counted gone;
  first.enter(scope);
  gone.enter(scope);
  second.enter(scope);
  gone.leave();
  gone.leave();
  scope.request();
  CHECK(first.cancels == 1);
  CHECK(second.cancels == 1);
  CHECK(gone.cancels == 0);
  CHECK(first.scope() == nullptr);
}

TEST_CASE("cancel_scope: a request goes down to scopes below, not up or aside") {
  cancel_scope top;
  cancel_scope left;
  cancel_scope right;
  cancel_scope below;
  left.go_below(&top);
  right.go_below(&top);
  below.go_below(&left);
  left.request();
  CHECK(below.requested());
  CHECK_FALSE(right.requested());
  CHECK_FALSE(top.requested());
  top.request();
  CHECK(right.requested());
}

TEST_CASE(
    "cancel_scope: one that goes below a cancelled scope is cancelled; below null it is not") {
  cancel_scope top;
  top.request();
  cancel_scope late;
  late.go_below(&top);
  CHECK(late.requested());
  cancel_scope alone;
  alone.go_below(nullptr);
  CHECK_FALSE(alone.requested());
}

TEST_CASE("cancel_scope: its end lets its entries go") {
  counted entry;
  {
    std::optional<cancel_scope> scope(std::in_place);
    entry.enter(*scope);
    CHECK(entry.scope() == &*scope);
  }
  CHECK(entry.scope() == nullptr);
  cancel_scope other;
  entry.enter(other);
  other.request();
  CHECK(entry.cancels == 1);
}

TEST_CASE("cancel_scope: contains itself and what is below") {
  cancel_scope top;
  cancel_scope middle;
  cancel_scope bottom;
  cancel_scope stranger;
  middle.go_below(&top);
  bottom.go_below(&middle);
  CHECK(top.contains(&top));
  CHECK(top.contains(&bottom));
  CHECK_FALSE(bottom.contains(&top));
  CHECK_FALSE(top.contains(&stranger));
  CHECK_FALSE(top.contains(nullptr));
}

TEST_CASE("cancel_scope: an observation climbs as far as the request came from") {
  cancel_scope top;
  cancel_scope middle;
  cancel_scope bottom;
  middle.go_below(&top);
  bottom.go_below(&middle);
  middle.request();
  bottom.observe();
  CHECK(bottom.observed());
  CHECK(middle.observed());
  CHECK_FALSE(top.observed());
}

TEST_CASE("cancel_scope: an observation does not climb beyond a muted scope") {
  cancel_scope top;
  cancel_scope middle;
  cancel_scope bottom;
  middle.go_below(&top);
  bottom.go_below(&middle);
  middle.mute();
  top.request();
  bottom.observe();
  CHECK(bottom.observed());
  CHECK(middle.observed());
  CHECK_FALSE(top.observed());
}

TEST_SUITE_END();
