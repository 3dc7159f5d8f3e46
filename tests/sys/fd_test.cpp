#include "zc/fd.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <type_traits>
#include <utility>

#include "support/descriptors.hpp"

TEST_SUITE_BEGIN("unit");

namespace {

bool is_open(int raw) { return ::fcntl(raw, F_GETFD) >= 0; }

}  // namespace

static_assert(!std::is_copy_constructible_v<zc::fd>);
static_assert(std::is_nothrow_move_constructible_v<zc::fd>);

TEST_CASE("fd: closes its descriptor when it goes") {
  int raw = -1;
  {
    const zc::fd file = support::empty_file();
    raw = file.get();
    CHECK(file);
    CHECK(is_open(raw));
  }
  CHECK_FALSE(is_open(raw));
}

TEST_CASE("fd: a default-constructed or moved-from one owns nothing") {
  CHECK_FALSE(zc::fd());
  CHECK(zc::fd().get() == -1);
  zc::fd a = support::empty_file();
  const zc::fd b = std::move(a);
  CHECK_FALSE(a);
  CHECK(is_open(b.get()));
}

TEST_CASE("fd: assignment closes what was there, also by itself keeps it") {
  zc::fd a = support::empty_file();
  zc::fd b = support::empty_file();
  const int old = a.get();
  const int kept = b.get();
  a = std::move(b);
  CHECK_FALSE(is_open(old));
  CHECK(a.get() == kept);
  zc::fd& same = a;
  a = std::move(same);
  CHECK(a.get() == kept);
  CHECK(is_open(kept));
}

TEST_CASE("fd: release gives the descriptor up") {
  zc::fd file = support::empty_file();
  const int raw = file.release();
  CHECK_FALSE(file);
  CHECK(is_open(raw));
  const zc::fd again(raw);
}

TEST_SUITE_END();
