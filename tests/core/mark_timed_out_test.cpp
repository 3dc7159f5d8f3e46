// What a deadline makes of values of every shape.

#include "zc/mark_timed_out.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "zc/batch.hpp"
#include "zc/outcome.hpp"
#include "zc/relay.hpp"
#include "zc/result.hpp"
#include "zc/splice_paths.hpp"
#include "zc/transfer.hpp"
#include "zc/when_any.hpp"

TEST_SUITE_BEGIN("unit");

namespace mine {

struct opaque {
  zc::transfer inside;
};

struct willing {
  std::pair<zc::transfer, int> inside;
  friend void time_out(willing& what) noexcept { zc::mark_timed_out(what.inside); }
};

}  // namespace mine

namespace {

using zc::stop_reason;

const std::error_code cancelled(ECANCELED, std::system_category());

zc::transfer ended(stop_reason why, std::size_t left = 0) {
  zc::transfer done;
  done.reason = why;
  done.moved = 7;
  done.taken = 7 + left;
  done.remainder = zc::remainder(std::make_unique<std::byte[]>(left), 0, left);
  return done;
}
zc::transfer cut(std::size_t left = 0) { return ended(stop_reason::cancelled, left); }

bool is_timed_out(const zc::transfer& what) { return what.reason == stop_reason::timed_out; }

template <class T>
T marked(T value) {
  zc::mark_timed_out(value);
  return value;
}

}  // namespace

TEST_CASE(
    "mark_timed_out: a transfer keeps its counts and remainder; only a cancelled one changes") {
  const zc::transfer done = marked(cut(3));
  CHECK(is_timed_out(done));
  CHECK(done.moved == 7);
  CHECK(done.taken == 10);
  CHECK(done.remainder.size() == 3);
  for (const stop_reason why : {stop_reason::complete, stop_reason::end_of_file,
                                stop_reason::failed, stop_reason::would_block}) {
    CHECK(marked(ended(why)).reason == why);
  }
  zc::path_transfer of_path;
  of_path.reason = stop_reason::cancelled;
  CHECK(is_timed_out(marked(std::move(of_path))));
}

TEST_CASE("mark_timed_out: transfers in tuples, pairs, optionals, variants and containers") {
  const auto in_tuple = marked(std::tuple(1, cut(), std::string("x"), ended(stop_reason::failed)));
  CHECK(is_timed_out(std::get<1>(in_tuple)));
  CHECK(std::get<3>(in_tuple).reason == stop_reason::failed);
  CHECK(is_timed_out(marked(std::pair(cut(), std::monostate())).first));
  CHECK(is_timed_out(*marked(std::optional(cut()))));
  CHECK_FALSE(marked(std::optional<zc::transfer>()));
  CHECK(is_timed_out(std::get<1>(marked(std::variant<int, zc::transfer>(cut())))));
  std::array<zc::transfer, 2> array;
  array[1] = cut();
  CHECK(is_timed_out(marked(std::move(array))[1]));
  std::deque<zc::transfer> deque;
  deque.push_back(cut());
  CHECK(is_timed_out(marked(std::move(deque)).front()));
  std::map<std::string, zc::transfer> map;
  map["a"] = cut();
  CHECK(is_timed_out(marked(std::move(map))["a"]));
}

TEST_CASE("mark_timed_out: however deep") {
  std::vector<std::optional<std::tuple<int, zc::transfer>>> deep;
  deep.emplace_back();
  deep.emplace_back(std::tuple(1, cut()));
  const auto done = marked(std::pair(std::move(deep), std::string("left alone")));
  CHECK(is_timed_out(std::get<1>(*done.first[1])));
  CHECK(done.second == "left alone");
}

TEST_CASE("mark_timed_out: a result of ECANCELED is ETIMEDOUT, and a value in one is looked into") {
  CHECK(marked(zc::result<int>(cancelled)).error() == std::errc::timed_out);
  CHECK(marked(zc::result<void>(cancelled)).error() == std::errc::timed_out);
  CHECK(marked(zc::result<void>()).has_value());
  CHECK(marked(zc::result<int>(7)).value() == 7);
  const std::error_code refused(ECONNREFUSED, std::system_category());
  CHECK(marked(zc::result<int>(refused)).error() == refused);
  CHECK(is_timed_out(*marked(zc::result<zc::transfer>(cut()))));
  std::vector<zc::result<int>> several{cancelled, 1};
  CHECK(marked(std::move(several))[0].error() == std::errc::timed_out);
}

TEST_CASE("mark_timed_out: what a batch, a relay and when_any did") {
  zc::batch_result batch;
  batch.reason = stop_reason::cancelled;
  CHECK(marked(batch).reason == stop_reason::timed_out);
  zc::relay_result relay;
  relay.a_to_b = cut();
  relay.b_to_a = ended(stop_reason::end_of_file);
  relay = marked(std::move(relay));
  CHECK(is_timed_out(relay.a_to_b));
  CHECK(relay.b_to_a.reason == stop_reason::end_of_file);
  zc::first_of<int, zc::transfer> first(std::in_place_index<0>, 1);
  std::get<1>(first.others) = zc::outcome(cut());
  CHECK(is_timed_out(*std::get<1>(marked(std::move(first)).others)));
}

TEST_CASE("mark_timed_out: an outcome's exception is ETIMEDOUT, and its value is looked into") {
  zc::outcome<int> thrown(std::make_exception_ptr(std::system_error(cancelled, "who")));
  thrown = marked(std::move(thrown));
  CHECK_THROWS_WITH_AS(thrown.value(), "who: Connection timed out", std::system_error);
  CHECK(is_timed_out(*marked(zc::outcome(cut()))));
}

TEST_CASE("mark_timed_out: a type of one's own stays as it is, unless it says otherwise") {
  CHECK(marked(mine::opaque{cut()}).inside.reason == stop_reason::cancelled);
  CHECK(is_timed_out(marked(mine::willing{std::pair(cut(), 1)}).inside.first));
  std::vector<mine::willing> several;
  several.push_back({std::pair(cut(), 1)});
  CHECK(is_timed_out(marked(std::move(several))[0].inside.first));
}

TEST_SUITE_END();
