// Closures that own something, in every function that takes one and is awaited: each is destroyed
// as often as it is made, on every compiler. AddressSanitizer watches.

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "support/descriptors.hpp"
#include "zc/address.hpp"
#include "zc/connect.hpp"
#include "zc/context.hpp"
#include "zc/listen.hpp"
#include "zc/scope.hpp"
#include "zc/serve.hpp"
#include "zc/sleep.hpp"
#include "zc/splice_batch.hpp"
#include "zc/splice_paths.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"
#include "zc/with_stop.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;

namespace {

/// Counts how many there are, and owns memory.
class owned {
 public:
  owned() { ++alive; }
  owned(const owned& other) : text_(other.text_) { ++alive; }
  owned(owned&& other) noexcept : text_(std::move(other.text_)) { ++alive; }
  owned& operator=(const owned&) = default;
  owned& operator=(owned&&) = default;
  ~owned() { --alive; }

  std::size_t size() const noexcept { return text_.size(); }

  static inline int alive = 0;

 private:
  std::string text_ = std::string(100, 'x');
};

/// Nothing is left of closures, and nothing went twice, once `body` has run.
template <class Body>
void check_balance(const Body& body) {
  owned::alive = 0;
  zc::run(body());
  CHECK(owned::alive == 0);
}

}  // namespace

TEST_CASE("closures: serve, with a handler and a watch of a name, by copy and by std::ref") {
  const zc::fd listener = zc::listen(zc::address::parse("127.0.0.1:0"));
  const zc::address where = zc::local_address(listener.get());
  int handled = 0;
  int noticed = 0;
  const auto body = [&]() -> zc::task<> {
    for (const bool referred : {false, true}) {
      std::stop_source stop;
      owned big;
      const auto handler = [big, &handled, &stop](zc::fd client) -> zc::task<> {
        co_await zc::yield();
        if (big.size() == 100 && client) ++handled;
        stop.request_stop();
      };
      const auto watch = [big, &noticed](const zc::serve_notice&) {
        if (big.size() == 100) ++noticed;
      };
      const zc::fd client = co_await zc::connect(where);
      if (referred) {
        co_await zc::serve(listener.get(), std::ref(handler), stop.get_token(), {},
                           std::ref(watch));
      } else {
        co_await zc::serve(listener.get(), handler, stop.get_token(), {}, watch);
      }
    }
  };
  check_balance(body);
  CHECK(handled == 2);
  CHECK(noticed == 2);
}

TEST_CASE("closures: serve, made before it is awaited, keeps what is moved into it") {
  const zc::fd listener = zc::listen(zc::address::parse("127.0.0.1:0"));
  const zc::address where = zc::local_address(listener.get());
  int handled = 0;
  std::stop_source stop;
  const auto make = [&] {
    owned big;
    const auto handler = [big, &handled, &stop](zc::fd) -> zc::task<> {
      co_await zc::yield();
      if (big.size() == 100) ++handled;
      stop.request_stop();
    };
    return zc::serve(listener.get(), handler, stop.get_token());
  };
  const auto body = [&]() -> zc::task<> {
    zc::task<> serving = make();
    const zc::fd client = co_await zc::connect(where);
    co_await zc::timeout(10s, std::move(serving));
  };
  check_balance(body);
  CHECK(handled == 1);
}

TEST_CASE("closures: splice_batch and splice_paths, by name and by std::ref") {
  const support::temporary_directory place;
  const std::string path = place.path() / "in";
  support::write_all(support::open_file(path, O_CREAT | O_WRONLY).get(), "0123456789");
  std::uint64_t moved = 0;
  const auto body = [&]() -> zc::task<> {
    const zc::fd in = support::file_of(10);
    const zc::fd out = support::empty_file();
    owned big;
    int left = 0;
    const auto next = [big, &left, &in, &out]() -> std::optional<zc::splice_job> {
      if (left-- <= 0) return {};
      return zc::splice_job{in.get(), out.get(), {}};
    };
    const auto next_path = [big, &left, &path]() -> std::optional<zc::path_job> {
      if (left-- <= 0) return {};
      zc::path_job one;
      one.in = path;
      one.out = path + ".out";
      return one;
    };
    const auto done = [big, &moved](const auto&, const zc::transfer& result) {
      if (big.size() == 100) moved += result.moved;
    };
    left = 1;
    zc::batch_result all = co_await zc::splice_batch(next, done);
    CHECK(all.jobs == 1);
    left = 1;
    all = co_await zc::splice_batch(std::ref(next), std::ref(done), {.in_flight = 1});
    CHECK(all.jobs == 1);
    left = 1;
    all = co_await zc::splice_paths(next_path, done);
    CHECK(all.jobs == 1);
    left = 1;
    all = co_await zc::splice_paths(std::ref(next_path), std::ref(done));
    CHECK(all.jobs == 1);
  };
  check_balance(body);
  CHECK(moved == 40);
}

TEST_CASE("closures: of a name in when_all, timeout, with_stop; any in spawn") {
  int ran = 0;
  const auto body = [&]() -> zc::task<> {
    owned big;
    const auto work = [big, &ran]() -> zc::task<int> {
      co_await zc::yield();
      if (big.size() == 100) ++ran;
      co_return 1;
    };
    co_await zc::when_all(work(), work());
    co_await zc::timeout(10s, work());
    co_await zc::with_stop(std::stop_token(), work());
    zc::scope tasks;
    tasks.spawn([big, &ran]() -> zc::task<> {
      co_await zc::yield();
      if (big.size() == 100) ++ran;
    });
    co_await tasks.join();
  };
  check_balance(body);
  CHECK(ran == 5);
}

TEST_CASE("closures: temporaries that own nothing go everywhere") {
  int jobs = 1;
  std::uint64_t moved = 0;
  const zc::fd in = support::file_of(10);
  const zc::fd out = support::empty_file();
  const auto body = [&]() -> zc::task<> {
    const zc::batch_result all = co_await zc::splice_batch(
        [&]() -> std::optional<zc::splice_job> {
          if (jobs-- == 0) return {};
          return zc::splice_job{in.get(), out.get(), {}};
        },
        [&](const zc::splice_job&, const zc::transfer& one) { moved = one.moved; });
    CHECK(all.jobs == 1);
  };
  zc::run(body());
  CHECK(moved == 10);
}

TEST_SUITE_END();
