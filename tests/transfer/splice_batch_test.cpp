#include "zc/splice_batch.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <vector>

#include "engine/loop.hpp"
#include "support/descriptors.hpp"
#include "support/process.hpp"
#include "support/transfers.hpp"
#include "zc/op/poll.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"
#include "zc/when_any.hpp"
#include "zc/with_stop.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;

namespace {

/// Jobs that copy pieces of one file to where they belong in another.
struct pieces {
  explicit pieces(std::size_t count, std::size_t each_bytes = 1000)
      : in(support::file_of(count * each_bytes)), out(support::empty_file()) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto at = static_cast<std::int64_t>(i * each_bytes);
      jobs.push_back({in.get(), out.get(), {.offset = at, .nbytes = each_bytes, .out_offset = at}});
    }
  }

  bool arrived() const { return support::contents(out.get()) == support::contents(in.get()); }

  zc::fd in;
  zc::fd out;
  std::vector<zc::splice_job> jobs;
};

/// A source that never says anything after its first bytes, and where they go.
struct stalled {
  explicit stalled(std::size_t bytes = 0)
      : from(support::unix_pair(SOCK_NONBLOCK)), to(support::unix_pair(SOCK_NONBLOCK)) {
    support::write_all(from.second.get(), support::bytes_at(0, bytes));
  }
  zc::splice_job job() const { return {from.first.get(), to.first.get(), {}}; }

  support::ends from;
  support::ends to;
};

zc::splice_job failing_job(const zc::fd& out) { return {-1, out.get(), {}}; }

std::size_t count(const std::vector<zc::transfer>& of, zc::stop_reason reason) {
  return static_cast<std::size_t>(std::count_if(
      of.begin(), of.end(), [&](const zc::transfer& each) { return each.reason == reason; }));
}

/// Passes everything through, and counts.
class counting_kernel final : public zc::detail::interposer {
 public:
  bool has_room() noexcept override { return true; }
  void submit(io_uring_sqe&) noexcept override {
    ++submissions;
    ++since_enter_;
  }
  int enter(bool&) noexcept override {
    ++enters;
    most_at_once = std::max(most_at_once, since_enter_);
    since_enter_ = 0;
    return 0;
  }
  void complete(zc::detail::completion arrived) noexcept override { seen_.push_back(arrived); }
  std::optional<zc::detail::completion> next() noexcept override {
    if (seen_.empty()) return {};
    const zc::detail::completion first = seen_.front();
    seen_.pop_front();
    return first;
  }
  std::optional<int> call(io_uring_sqe&) noexcept override { return {}; }

  int submissions = 0;
  int enters = 0;
  int most_at_once = 0;

 private:
  int since_enter_ = 0;
  std::deque<zc::detail::completion> seen_;
};

}  // namespace

TEST_CASE("splice_batch: results come in the order of the jobs, and every byte where it belongs") {
  for (const std::size_t in_flight : {1u, 2u, 64u, 100'000u}) {
    CAPTURE(in_flight);
    pieces all(200);
    for (std::size_t i = 0; i < all.jobs.size(); ++i) all.jobs[i].options.nbytes -= i;
    const std::vector<zc::transfer> done =
        zc::run(zc::splice_batch(all.jobs, {.in_flight = in_flight}));
    REQUIRE(done.size() == 200);
    for (std::size_t i = 0; i < done.size(); ++i) {
      CAPTURE(i);
      REQUIRE(done[i].reason == zc::stop_reason::complete);
      REQUIRE(done[i].moved == 1000 - i);
    }
    const std::string arrived = support::contents(all.out.get());
    for (std::size_t i = 0; i < done.size(); ++i) {
      REQUIRE(
          support::are_bytes_at(std::string_view(arrived).substr(i * 1000, 1000 - i), i * 1000));
    }
  }
}

TEST_CASE("splice_batch: takes a vector by copy, by move and as a temporary, awaited when it may") {
  const auto all = []() -> zc::task<> {
    pieces some(20);
    const std::vector<zc::transfer> copied = co_await zc::splice_batch(some.jobs, {.in_flight = 8});
    CHECK(copied.size() == 20);
    CHECK(some.jobs.size() == 20);
    const auto make_jobs = [&] { return some.jobs; };
    zc::task<std::vector<zc::transfer>> later = zc::splice_batch(make_jobs());
    co_await zc::yield();
    const std::vector<zc::transfer> temporary = co_await std::move(later);
    CHECK(count(temporary, zc::stop_reason::complete) == 20);
    const std::vector<zc::transfer> moved = co_await zc::splice_batch(std::move(some.jobs));
    CHECK(count(moved, zc::stop_reason::complete) == 20);
    CHECK(some.arrived());
  };
  zc::run(all());
}

TEST_CASE("splice_batch: of no jobs gives no results, and 0 at a time is refused") {
  CHECK(zc::run(zc::splice_batch(std::vector<zc::splice_job>())).empty());
  pieces all(3);
  CHECK_THROWS_AS(zc::run(zc::splice_batch(all.jobs, {.in_flight = 0})), std::invalid_argument);
  CHECK(support::contents(all.out.get()).empty());
  const auto none = []() -> std::optional<zc::splice_job> { return {}; };
  const auto done = [](const zc::splice_job&, zc::transfer) {};
  const zc::batch_result result = zc::run(zc::splice_batch(none, done));
  CHECK(result.jobs == 0);
  CHECK(result.reason == zc::stop_reason::complete);
}

TEST_CASE("splice_batch: a failure stops only its own job") {
  pieces all(50);
  all.jobs[0].in = -1;
  all.jobs[17].out = -1;
  all.jobs[49].options.offset = 1 << 30;
  const std::vector<zc::transfer> done = zc::run(zc::splice_batch(all.jobs, {.in_flight = 4}));
  REQUIRE(done.size() == 50);
  CHECK(count(done, zc::stop_reason::complete) == 47);
  CHECK(done[0].error == std::errc::bad_file_descriptor);
  CHECK(done[0].side == zc::side::in);
  CHECK(done[17].error == std::errc::bad_file_descriptor);
  CHECK(done[17].side == zc::side::out);
  CHECK(done[49].error == std::errc::value_too_large);
}

TEST_CASE("splice_batch: with stop_on_error a failure cancels what runs and what has not begun") {
  const stalled idle(500);
  pieces all(100);
  all.jobs[0] = idle.job();
  all.jobs[60].in = -1;
  const std::vector<zc::transfer> done =
      zc::run(zc::splice_batch(all.jobs, {.in_flight = 2, .stop_on_error = true}));
  REQUIRE(done.size() == 100);
  CHECK(done[0].reason == zc::stop_reason::cancelled);
  CHECK(done[0].moved == 500);
  CHECK(done[60].reason == zc::stop_reason::failed);
  // The job before it was over when its place was taken.
  CHECK(count(done, zc::stop_reason::complete) == 59);
  for (std::size_t i = 61; i < done.size(); ++i) {
    REQUIRE(done[i].reason == zc::stop_reason::cancelled);
    REQUIRE(done[i].taken == 0);
    REQUIRE(done[i].moved == 0);
  }
  // Without it, the same failure stops nothing.
  all.jobs[0].in = -1;
  const std::vector<zc::transfer> others = zc::run(zc::splice_batch(all.jobs, {.in_flight = 2}));
  CHECK(count(others, zc::stop_reason::complete) == 98);
}

TEST_CASE("splice_batch: never more than in_flight at a time, and as many where there are jobs") {
  for (const std::size_t in_flight : {1u, 3u, 10u}) {
    CAPTURE(in_flight);
    // Each job waits for the writer below, so all that may run do.
    std::vector<stalled> ends(10);
    std::size_t given = 0;
    std::size_t ended = 0;
    std::size_t most = 0;
    const auto next = [&]() -> std::optional<zc::splice_job> {
      if (given == 10) return {};
      most = std::max(most, ++given - ended);
      return ends[given - 1].job();
    };
    const auto done = [&](const zc::splice_job&, const zc::transfer& result) {
      CHECK(result.moved == 1);
      ++ended;
    };
    const auto feed = [&]() -> zc::task<> {
      for (std::size_t i = 0; i < 10; ++i) {
        while (given < std::min<std::size_t>(10, ended + in_flight)) co_await zc::yield();
        CHECK(given - ended == std::min(in_flight, 10 - ended));
        const std::size_t before = ended;
        support::write_all(ends[i].from.second.get(), "x");
        ::shutdown(ends[i].from.second.get(), SHUT_WR);
        while (ended == before) co_await zc::yield();
      }
    };
    const auto both = [&]() -> zc::task<> {
      zc::scope tasks;
      tasks.spawn(feed());
      tasks.spawn(zc::splice_batch(next, done, {.in_flight = in_flight}));
      co_await tasks.join();
    };
    zc::run(both());
    CHECK(ended == 10);
    CHECK(most == in_flight);
  }
}

TEST_CASE("splice_batch: what the jobs submit in one turn goes by one io_uring_enter") {
  std::vector<stalled> ends(40);
  std::vector<zc::splice_job> jobs;
  for (const stalled& each : ends) jobs.push_back(each.job());
  counting_kernel kernel;
  zc::context context;
  zc::detail::loop::of(context).kernel().interpose(&kernel);
  const auto feed = [&]() -> zc::task<> {
    while (kernel.submissions < 40) co_await zc::yield();
    for (const stalled& each : ends) ::shutdown(each.from.second.get(), SHUT_WR);
  };
  const auto both = [&]() -> zc::task<std::vector<zc::transfer>> {
    zc::scope others;
    others.spawn(feed());
    std::vector<zc::transfer> done = co_await zc::splice_batch(jobs);
    co_await others.join();
    co_return done;
  };
  const std::vector<zc::transfer> done = context.run(both());
  CHECK(count(done, zc::stop_reason::end_of_file) == 40);
  CHECK(kernel.most_at_once >= 40);

  // And so on, when jobs end and others take their place.
  pieces all(512);
  for (zc::splice_job& each : all.jobs) each.options.route = zc::route::copy;
  kernel.submissions = 0;
  kernel.enters = 0;
  CHECK(count(context.run(zc::splice_batch(all.jobs)), zc::stop_reason::complete) == 512);
  zc::detail::loop::of(context).kernel().interpose(nullptr);
  CAPTURE(kernel.submissions);
  CAPTURE(kernel.enters);
  CHECK(kernel.submissions >= 2 * 512);
  CHECK(kernel.enters * 8 <= kernel.submissions);
}

TEST_CASE("splice_batch: cancelled, it resumes with what each transfer did") {
  const stalled first(300);
  const stalled second;
  pieces all(3);
  std::vector<zc::splice_job> jobs{all.jobs[0], first.job(), second.job(), all.jobs[1],
                                   failing_job(all.out)};
  const auto stopped = [&]() -> zc::task<std::vector<zc::transfer>> {
    std::stop_source stop;
    const auto request = [&]() -> zc::task<> {
      co_await zc::sleep_for(20ms);
      stop.request_stop();
    };
    zc::scope others;
    others.spawn(request());
    std::vector<zc::transfer> done =
        co_await zc::with_stop(stop.get_token(), zc::splice_batch(jobs, {.in_flight = 2}));
    co_await others.join();
    co_return done;
  };
  const std::vector<zc::transfer> done = zc::run(stopped());
  REQUIRE(done.size() == 5);
  CHECK(done[0].reason == zc::stop_reason::complete);
  CHECK(done[0].moved == 1000);
  CHECK(done[1].reason == zc::stop_reason::cancelled);
  CHECK(done[1].moved == 300);
  CHECK(done[2].reason == zc::stop_reason::cancelled);
  CHECK(done[3].reason == zc::stop_reason::cancelled);  // had not begun
  CHECK(done[3].moved == 0);
  CHECK(done[4].reason == zc::stop_reason::cancelled);
  for (const zc::transfer& each : done) CHECK(support::conserved(each));
}

TEST_CASE("splice_batch: a batch that begins cancelled moves nothing and says so") {
  pieces all(5);
  std::stop_source stop;
  stop.request_stop();
  const std::vector<zc::transfer> done =
      zc::run(zc::with_stop(stop.get_token(), zc::splice_batch(all.jobs)));
  CHECK(count(done, zc::stop_reason::cancelled) == 5);
  CHECK(support::contents(all.out.get()).empty());
  std::size_t asked = 0;
  const auto next = [&]() -> std::optional<zc::splice_job> {
    ++asked;
    return all.jobs[0];
  };
  const auto ended = [](const zc::splice_job&, const zc::transfer&) {};
  const zc::batch_result result =
      zc::run(zc::with_stop(stop.get_token(), zc::splice_batch(next, ended)));
  CHECK(asked == 0);
  CHECK(result.reason == zc::stop_reason::cancelled);
}

TEST_CASE("splice_batch: at a deadline those that it cut short are timed_out, with their bytes") {
  // Nobody reads the target: what it does not take any more is the remainder.
  const stalled full;
  const support::ends source = support::unix_pair(SOCK_NONBLOCK);
  const std::string bytes = support::bytes_at(0, 100'000);
  const std::size_t offered = [&] {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t some = ::send(source.second.get(), bytes.data() + sent, 1000, MSG_DONTWAIT);
      if (some < 0) break;
      sent += static_cast<std::size_t>(some);
    }
    return sent;
  }();
  while (::send(full.to.first.get(), "x", 1, MSG_DONTWAIT) == 1) {
  }
  pieces all(2);
  std::vector<zc::splice_job> jobs{{source.first.get(), full.to.first.get(), {}},
                                   all.jobs[0],
                                   failing_job(all.out),
                                   full.job(),
                                   all.jobs[1]};
  const std::vector<zc::transfer> done =
      zc::run(zc::timeout(500ms * support::slowdown(), zc::splice_batch(jobs, {.in_flight = 2})));
  REQUIRE(done.size() == 5);
  CHECK(done[0].reason == zc::stop_reason::timed_out);
  CHECK(done[0].taken <= offered);
  CHECK(support::conserved(done[0]));
  const auto left = done[0].remainder.bytes();
  CHECK(support::are_bytes_at({reinterpret_cast<const char*>(left.data()), left.size()},
                              done[0].moved));
  CHECK(done[1].reason == zc::stop_reason::complete);
  CHECK(done[2].reason == zc::stop_reason::failed);
  CHECK(done[3].reason == zc::stop_reason::timed_out);
  CHECK(done[4].reason == zc::stop_reason::timed_out);  // had not begun
}

TEST_CASE("splice_batch: as the loser of when_any it is cancelled and awaited") {
  const stalled idle;
  const std::vector<zc::splice_job> jobs(3, idle.job());
  const auto race = [&]() -> zc::task<std::size_t> {
    const auto first = co_await zc::when_any(zc::splice_batch(jobs), zc::sleep_for(5ms));
    co_return first.index();
  };
  CHECK(zc::run(race()) == 1);
}

TEST_CASE("splice_batch: from a callback, what belongs to a job goes with it and ends with it") {
  struct sending : zc::splice_job {
    zc::fd source;
    zc::fd target;
    std::size_t number = 0;
  };
  const std::size_t before = support::open_descriptors();
  std::size_t most_open = 0;
  std::vector<std::size_t> seen(1000);
  std::size_t at = 0;
  const auto next = [&]() -> std::optional<sending> {
    if (at == seen.size()) return {};
    sending one;
    one.number = at++;
    one.source = support::file_of(one.number + 1, static_cast<unsigned>(one.number));
    one.target = support::empty_file();
    one.in = one.source.get();
    one.out = one.target.get();
    most_open = std::max(most_open, support::open_descriptors() - before);
    return one;
  };
  const auto done = [&](sending&& one, zc::transfer&& result) {
    ++seen[one.number];
    REQUIRE(result.moved == one.number + 1);
    REQUIRE(support::are_bytes_at(support::contents(one.target.get()), 0,
                                  static_cast<unsigned>(one.number)));
    const zc::fd closed = std::move(one.source);
  };
  const zc::batch_result all = zc::run(zc::splice_batch(next, done, {.in_flight = 5}));
  CHECK(all.jobs == 1000);
  CHECK(all.failed == 0);
  CHECK(all.moved == 1000 * 1001 / 2);
  CHECK(all.reason == zc::stop_reason::complete);
  CHECK(std::all_of(seen.begin(), seen.end(), [](std::size_t times) { return times == 1; }));
  // Two for each job, and the context's and its pipes'.
  CHECK(most_open <= 2 * 5 + 2 + 2 * 5);
}

TEST_CASE("splice_batch: callbacks may be tasks, and next is not asked twice at once") {
  pieces all(50);
  std::size_t at = 0;
  bool asking = false;
  const auto next = [&]() -> zc::task<std::optional<zc::splice_job>> {
    CHECK_FALSE(asking);
    asking = true;
    co_await zc::yield();
    asking = false;
    if (at == all.jobs.size()) co_return std::nullopt;
    co_return all.jobs[at++];
  };
  std::size_t doing = 0;
  std::size_t most = 0;
  std::size_t ended = 0;
  const auto done = [&](zc::splice_job, zc::transfer result) -> zc::task<> {
    most = std::max(most, ++doing);
    co_await zc::sleep_for(2ms);
    --doing;
    ++ended;
    CHECK(result.moved == 1000);
  };
  const zc::batch_result result = zc::run(zc::splice_batch(next, done, {.in_flight = 10}));
  CHECK(result.jobs == 50);
  CHECK(ended == 50);
  CHECK(most > 1);
  CHECK(most <= 10);
  CHECK(all.arrived());
}

TEST_CASE("splice_batch: callables that own something are copied in and destroyed once") {
  const auto held = std::make_shared<int>(0);
  pieces all(3);
  const auto batch = [&]() -> zc::task<> {
    std::size_t at = 0;
    const auto next = [&at, &all, own = held]() -> std::optional<zc::splice_job> {
      if (at == all.jobs.size()) return {};
      return all.jobs[at++];
    };
    const auto done = [own = held](const zc::splice_job&, const zc::transfer&) {};
    zc::task<zc::batch_result> later = zc::splice_batch(next, done);
    CHECK(held.use_count() == 5);
    const zc::batch_result result = co_await std::move(later);
    CHECK(result.jobs == 3);
  };
  zc::run(batch());
  CHECK(held.use_count() == 1);
}

TEST_CASE(
    "splice_batch: what a callback throws cancels the rest, and every job's result is given") {
  const stalled first(100);
  const stalled second(200);
  pieces all(10);
  for (const bool from_next : {true, false}) {
    CAPTURE(from_next);
    std::size_t given = 0;
    std::size_t ended = 0;
    std::size_t cancelled = 0;
    const auto next = [&]() -> std::optional<zc::splice_job> {
      if (given == 6 && from_next) throw std::runtime_error("on purpose");
      ++given;
      return given == 1 ? first.job() : given == 2 ? second.job() : all.jobs[given - 3];
    };
    const auto done = [&](const zc::splice_job&, const zc::transfer& result) {
      ++ended;
      if (result.reason == zc::stop_reason::cancelled) ++cancelled;
      if (ended == 3 && !from_next) throw std::runtime_error("on purpose");
      if (ended > 3 && !from_next) throw std::runtime_error("not the first");
    };
    CHECK_THROWS_WITH_AS(static_cast<void>(zc::run(zc::splice_batch(next, done, {.in_flight = 4}))),
                         "on purpose", std::runtime_error);
    CHECK(ended == given);
    CHECK(cancelled >= 2);
  }
}

TEST_CASE("splice_batch: what a callback that is a task throws does the same") {
  const stalled idle;
  std::size_t given = 0;
  std::size_t ended = 0;
  const auto next = [&]() -> zc::task<std::optional<zc::splice_job>> {
    co_await zc::sleep_for(1ms);
    if (given == 3) throw std::runtime_error("on purpose");
    ++given;
    co_return idle.job();
  };
  const auto done = [&](zc::splice_job, zc::transfer result) -> zc::task<> {
    ++ended;
    CHECK(result.reason == zc::stop_reason::cancelled);
    co_await zc::yield();  // throws ECANCELED: the batch is
  };
  CHECK_THROWS_WITH_AS(static_cast<void>(zc::run(zc::splice_batch(next, done))), "on purpose",
                       std::runtime_error);
  CHECK(ended == 3);
}

TEST_CASE("splice_batch: from a callback, a deadline gives the counts, and each job its result") {
  const stalled idle(100);
  pieces all(4);
  std::size_t given = 0;
  std::vector<zc::stop_reason> ended;
  const auto next = [&]() -> std::optional<zc::splice_job> {
    ++given;
    return given > 4 ? idle.job() : all.jobs[given - 1];
  };
  const auto done = [&](const zc::splice_job&, const zc::transfer& result) {
    ended.push_back(result.reason);
  };
  const zc::batch_result result = zc::run(
      zc::timeout(500ms * support::slowdown(), zc::splice_batch(next, done, {.in_flight = 3})));
  CHECK(result.reason == zc::stop_reason::timed_out);
  CHECK(result.jobs == 7);
  CHECK(result.failed == 0);
  CHECK(result.moved == 4100);
  CHECK(given == 7);
  CHECK(std::count(ended.begin(), ended.end(), zc::stop_reason::complete) == 4);
  CHECK(std::count(ended.begin(), ended.end(), zc::stop_reason::cancelled) == 3);
}

TEST_CASE("splice_batch: a source that waits for its next job is cancelled with the batch") {
  const auto next = []() -> zc::task<std::optional<zc::splice_job>> {
    co_await zc::sleep_for(1h);
    co_return std::nullopt;
  };
  const auto done = [](const zc::splice_job&, const zc::transfer&) {};
  const zc::batch_result result = zc::run(zc::timeout(10ms, zc::splice_batch(next, done)));
  CHECK(result.reason == zc::stop_reason::timed_out);
  CHECK(result.jobs == 0);
}

TEST_CASE("splice_batch: from a callback, stop_on_error says that a failure stopped it") {
  pieces all(10);
  std::size_t given = 0;
  const auto next = [&]() -> std::optional<zc::splice_job> {
    if (given == 10) return {};
    zc::splice_job one = all.jobs[given];
    if (++given == 5) one.in = -1;
    return one;
  };
  const auto done = [](const zc::splice_job&, const zc::transfer&) {};
  const zc::batch_result stopped =
      zc::run(zc::splice_batch(next, done, {.in_flight = 1, .stop_on_error = true}));
  CHECK(stopped.reason == zc::stop_reason::failed);
  CHECK(stopped.jobs == 5);
  CHECK(stopped.failed == 1);
  CHECK(stopped.moved == 4000);
  CHECK(given == 5);
  given = 0;
  const zc::batch_result whole = zc::run(zc::splice_batch(next, done, {.in_flight = 1}));
  CHECK(whole.reason == zc::stop_reason::complete);
  CHECK(whole.jobs == 10);
  CHECK(whole.failed == 1);
}

TEST_CASE("splice_batch: progress counts the bytes of jobs that have ended, and all where known") {
  pieces all(10);
  zc::progress seen;
  std::uint64_t last = 0;
  std::size_t at = 0;
  const auto next = [&]() -> std::optional<zc::splice_job> {
    if (at == 10) return {};
    return all.jobs[at++];
  };
  const auto done = [&](const zc::splice_job&, const zc::transfer&) {
    last += 1000;
    CHECK(seen.moved == last);
    CHECK(seen.total == zc::to_end);
  };
  CHECK(zc::run(zc::splice_batch(next, done, {.progress = &seen})).moved == 10'000);
  CHECK(seen.moved == 10'000);
  zc::run(zc::splice_batch(all.jobs, {.progress = &seen}));
  CHECK(seen.moved == 10'000);
  CHECK(seen.total == 10'000);
  all.jobs[4].options.nbytes = zc::to_end;
  zc::run(zc::splice_batch(all.jobs, {.progress = &seen}));
  CHECK(seen.total == zc::to_end);
}

TEST_CASE("splice_batch: one source and one target serve many jobs at once, on every route") {
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    pieces all(300, 5000);
    for (zc::splice_job& each : all.jobs) each.options.route = route;
    const std::vector<zc::transfer> done = zc::run(zc::splice_batch(all.jobs));
    CHECK(count(done, zc::stop_reason::complete) == 300);
    CHECK(all.arrived());
  }
}

TEST_CASE("splice_batch: a target that many jobs share gets their bytes in order, full or not") {
  constexpr std::size_t each_bytes = 20'000;
  const zc::fd in = support::file_of(50 * each_bytes);
  for (const int flags : {int{SOCK_NONBLOCK}, 0}) {
    CAPTURE(flags);
    const support::ends pair = support::tcp_pair(flags);
    support::set_nonblocking(pair.second.get(), false);
    std::vector<zc::splice_job> jobs;
    for (std::size_t i = 0; i < 50; ++i) {
      const auto at = static_cast<std::int64_t>(i * each_bytes);
      jobs.push_back({in.get(), pair.first.get(), {.offset = at, .nbytes = each_bytes}});
    }
    support::reader peer(pair.second.get());
    const std::vector<zc::transfer> done = zc::run(zc::splice_batch(jobs, {.in_flight = 1}));
    ::shutdown(pair.first.get(), SHUT_WR);
    CHECK(count(done, zc::stop_reason::complete) == 50);
    CHECK(peer.bytes().size() == 50 * each_bytes);
    CHECK(support::are_bytes_at(peer.bytes(), 0));
  }
}

TEST_CASE("splice_batch: of a target that went well before, each job is still told what is wrong") {
  const zc::fd in = support::file_of(30'000);
  const zc::fd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  const support::ends pair = support::unix_pair(SOCK_NONBLOCK);
  std::vector<zc::splice_job> jobs;
  for (const int out : {null.get(), pair.first.get()}) {
    jobs.push_back({in.get(), out, {.nbytes = 9000}});
    jobs.push_back({in.get(), out, {.nbytes = 30'001}});
    jobs.push_back({in.get(), out, {.nbytes = 5000, .flags = static_cast<zc::splice_flags>(64)}});
    jobs.push_back({in.get(), out, {.offset = 21'000, .nbytes = 9000}});
  }
  jobs.push_back({null.get(), null.get(), {.nbytes = 9000}});
  jobs.push_back({in.get(), null.get(), {.nbytes = 9000}});
  const std::vector<zc::transfer> done = zc::run(zc::splice_batch(jobs, {.in_flight = 1}));
  for (const std::size_t first : {0U, 4U}) {
    CAPTURE(first);
    CHECK(done[first].moved == 9000);
    CHECK(done[first + 1].error == std::errc::value_too_large);
    CHECK(done[first + 2].error == std::errc::invalid_argument);
    CHECK(done[first + 3].moved == 9000);
  }
  CHECK(done[8].error == std::errc::bad_file_descriptor);
  CHECK(done[9].moved == 9000);
}

TEST_CASE(
    "splice_batch: a source that changes between its jobs is told as one that changes in one") {
  const support::ends pair = support::unix_pair(SOCK_NONBLOCK);
  const support::ends gate = support::make_pipe();
  const zc::fd in = support::file_of(30'000);
  const zc::fd passed = support::empty_file();
  std::vector<zc::splice_job> jobs;
  jobs.push_back({in.get(), pair.first.get(), {.nbytes = 9000}});
  jobs.push_back({gate.first.get(), passed.get(), {.nbytes = 4}});
  jobs.push_back({in.get(), pair.first.get(), {.nbytes = 9000}});
  jobs.push_back({in.get(), pair.first.get(), {.offset = 20'000, .nbytes = 9000}});
  jobs.push_back({in.get(), pair.first.get(), {.nbytes = 4000}});
  std::vector<zc::transfer> done;
  const auto run = [&]() -> zc::task<> {
    done = co_await zc::splice_batch(jobs, {.in_flight = 1});
  };
  const auto play = [&]() -> zc::task<> {
    zc::scope running;
    running.spawn(run());
    (co_await zc::op::poll(pair.second.get(), POLLIN)).value();
    CHECK(support::read_some(pair.second.get(), 9000).size() == 9000);
    CHECK(::ftruncate(in.get(), 4000) == 0);
    support::write_all(gate.second.get(), "open");
    co_await running.join();
  };
  zc::run(play());
  CHECK(done[0].moved == 9000);
  // As where it had shrunk a moment later; or refused, where what is in memory was asked anew.
  const bool early = done[2].reason == zc::stop_reason::end_of_file;
  const std::size_t sent = early ? 4000 : 0;
  CHECK((early || done[2].error == std::errc::value_too_large));
  CHECK(done[2].moved == sent);
  CHECK(done[2].taken == sent);
  CHECK((done[3].reason == zc::stop_reason::end_of_file ||
         done[3].error == std::errc::value_too_large));
  CHECK(done[3].moved == 0);
  CHECK(done[4].reason == zc::stop_reason::complete);
  const std::string arrived = support::read_some(pair.second.get(), sent + 4000);
  CHECK(arrived.size() == sent + 4000);
  CHECK(support::are_bytes_at(arrived.substr(0, sent), 0));
  CHECK(support::are_bytes_at(arrived.substr(sent), 0));
}

TEST_CASE("splice_batch: jobs that all end at once hold up nobody and need no stack") {
  std::size_t given = 0;
  const auto next = [&]() -> std::optional<zc::splice_job> {
    if (given == 20'000) return {};
    ++given;
    return zc::splice_job();
  };
  std::size_t ended = 0;
  const auto done = [&](const zc::splice_job&, const zc::transfer&) { ++ended; };
  std::size_t rounds = 0;
  const auto others = [&]() -> zc::task<> {
    while (ended < 20'000) {
      ++rounds;
      co_await zc::yield();
    }
  };
  const auto both = [&]() -> zc::task<> {
    zc::scope tasks;
    tasks.spawn(others());
    tasks.spawn(zc::splice_batch(next, done));
    co_await tasks.join();
  };
  zc::run(both());
  CHECK(rounds >= 20'000 / 512);
}

TEST_CASE("splice_batch: 10 000 jobs") {
  pieces all(10'000, 16);
  const std::vector<zc::transfer> done = zc::run(zc::splice_batch(all.jobs));
  CHECK(count(done, zc::stop_reason::complete) == 10'000);
  CHECK(all.arrived());
}

TEST_CASE("splice_batch: two batches at once, one within the other's callback") {
  pieces outer(20);
  pieces inner(20);
  std::size_t at = 0;
  const auto next = [&]() -> std::optional<zc::splice_job> {
    if (at == outer.jobs.size()) return {};
    return outer.jobs[at++];
  };
  const auto done = [&](zc::splice_job, zc::transfer) -> zc::task<> {
    const std::vector<zc::transfer> all = co_await zc::splice_batch(inner.jobs);
    CHECK(count(all, zc::stop_reason::complete) == 20);
  };
  CHECK(zc::run(zc::splice_batch(next, done, {.in_flight = 4})).failed == 0);
  CHECK(outer.arrived());
  CHECK(inner.arrived());
}

TEST_SUITE_END();
