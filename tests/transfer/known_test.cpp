// Descriptors that are looked at once, for many transfers.

#include "zc/known.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <vector>

#include "support/process.hpp"
#include "support/transfers.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"

using namespace std::chrono_literals;

TEST_SUITE_BEGIN("kernel");

namespace {

zc::transfer transfer(const zc::known_source& in, const zc::known_target& out,
                      zc::splice_options options = {}) {
  return zc::run(zc::try_splice(in, out, options));
}

}  // namespace

TEST_CASE("known: files of every size arrive, on every route, as often as one likes") {
  for (const zc::route route : support::routes) {
    for (const int flags : {int{SOCK_NONBLOCK}, 0}) {
      if (route == zc::route::direct && flags == 0) continue;  // refuses blocking sockets
      CAPTURE(route);
      CAPTURE(flags);
      const support::ends pair = support::tcp_pair(flags);
      support::set_nonblocking(pair.second.get(), false);
      support::reader peer(pair.second.get());
      const zc::known_target out(pair.first.get());
      std::string sent;
      for (const std::size_t size : {1UL, 4096UL, 9000UL, 65536UL, 65537UL, 1'000'000UL}) {
        CAPTURE(size);
        const zc::fd file = support::file_of(size, 5);
        const zc::known_source in(file.get());
        for (const std::uint64_t nbytes : {std::uint64_t{size}, zc::to_end}) {
          const std::uint64_t moved =
              zc::run(zc::splice(in, out, {.nbytes = nbytes, .route = route}));
          CHECK(moved == size);
          sent += support::bytes_at(0, size, 5);
        }
      }
      ::shutdown(pair.first.get(), SHUT_WR);
      CHECK((peer.bytes() == sent));
    }
  }
}

TEST_CASE("known: a file is as long as it was") {
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    const zc::fd file = support::file_of(20'000);
    struct stat about {};
    REQUIRE(::fstat(file.get(), &about) == 0);
    const zc::known_source asked(file.get());
    const zc::known_source told(file.get(), about);
    const zc::known_source& in = route == zc::route::ring ? asked : told;
    const support::ends pair = support::unix_pair(SOCK_NONBLOCK);
    const zc::known_target out(pair.first.get());
    REQUIRE(::ftruncate(file.get(), 30'000) == 0);
    CHECK(transfer(in, out, {.route = route}).moved == 20'000);
    CHECK((support::read_some(pair.second.get(), 20'000) == support::bytes_at(0, 20'000)));
    const zc::transfer beyond = transfer(in, out, {.nbytes = 20'001, .route = route});
    CHECK(beyond.error == std::errc::value_too_large);
    CHECK(beyond.side == zc::side::in);
    CHECK(beyond.taken == 0);
    // What is not there any more is no error, as in a file that becomes shorter on the way.
    REQUIRE(::ftruncate(file.get(), 12'345) == 0);
    const zc::transfer early = transfer(in, out, {.offset = 5, .route = route});
    CHECK(early.reason == zc::stop_reason::end_of_file);
    CHECK(early.moved == 12'340);
    CHECK(early.taken == 12'340);
    const zc::transfer none = transfer(in, out, {.offset = 15'000, .route = route});
    CHECK(none.reason == zc::stop_reason::end_of_file);
    CHECK(none.moved == 0);
    CHECK((support::read_some(pair.second.get(), 12'340) == support::bytes_at(5, 12'340)));
  }
}

TEST_CASE("known: a target's mode is what it was") {
  const zc::fd file = support::file_of(20'000);
  const zc::known_source in(file.get());
  const support::ends pair = support::unix_pair();
  const zc::known_target blocking(pair.first.get());
  support::set_nonblocking(pair.first.get(), true);
  const zc::known_target nonblocking(pair.first.get());
  CHECK(transfer(in, blocking).route != zc::route::direct);
  CHECK(transfer(in, blocking, {.route = zc::route::direct}).error == std::errc::invalid_argument);
  CHECK(transfer(in, nonblocking, {.route = zc::route::direct}).moved == 20'000);
  const std::string arrived = support::read_some(pair.second.get(), 40'000);
  CHECK(arrived.size() == 40'000);
  CHECK(support::are_bytes_at(arrived.substr(0, 20'000), 0));
  CHECK(support::are_bytes_at(arrived.substr(20'000), 0));
}

TEST_CASE("known: what is wrong with a descriptor is said by each transfer, of the right side") {
  const zc::fd file = support::file_of(1000);
  const zc::fd directory = support::open_file("/", O_RDONLY | O_DIRECTORY);
  const zc::fd out = support::empty_file();
  const zc::known_source good(file.get());
  const zc::known_source bad(directory.get());
  const zc::known_target target(out.get());
  const zc::known_target closed(9999);
  for (int i = 0; i < 2; ++i) {
    CHECK(transfer(bad, target).error == std::errc::is_a_directory);
    CHECK(transfer(bad, target).side == zc::side::in);
    CHECK(transfer(good, closed).error == std::errc::bad_file_descriptor);
    CHECK(transfer(good, closed).side == zc::side::out);
    CHECK(transfer(good, target).moved == 1000);
    CHECK(transfer({}, target).error == std::errc::bad_file_descriptor);
    CHECK(transfer({}, target).side == zc::side::in);
    CHECK(transfer(good, {}).error == std::errc::bad_file_descriptor);
    CHECK(transfer(good, {}).side == zc::side::out);
  }
}

TEST_CASE("known: closed behind its back, it is an error and not for ever") {
  const support::ends pair = support::unix_pair(SOCK_NONBLOCK);
  for (const std::size_t size : {1000U, 20'000U, 300'000U}) {
    CAPTURE(size);
    // A number that nothing else is given.
    zc::fd file(::fcntl(support::file_of(size).get(), F_DUPFD_CLOEXEC, 500));
    const zc::known_source in(file.get());
    const zc::known_target out(pair.first.get());
    file = {};
    const zc::transfer done = zc::run(zc::timeout(10s, zc::try_splice(in, out)));
    CHECK(done.error == std::errc::bad_file_descriptor);
    CHECK(done.moved == 0);
  }
}

TEST_CASE("known: stalled readers, blocking or not, hold up neither thread nor worker") {
  const zc::fd file = support::file_of(8'000'000);
  const zc::known_source in(file.get());
  for (const int flags : {int{SOCK_NONBLOCK}, 0}) {
    CAPTURE(flags);
    std::vector<support::ends> pairs;
    std::vector<zc::known_target> outs;
    for (int i = 0; i < 40; ++i) {
      pairs.push_back(support::tcp_pair(flags));
      outs.emplace_back(pairs.back().first.get());
    }
    const auto send = [&](std::size_t at) -> zc::task<> {
      const zc::transfer done = co_await zc::try_splice(in, outs[at]);
      CHECK(done.reason == zc::stop_reason::cancelled);
      CHECK(support::conserved(done));
    };
    const auto play = [&]() -> zc::task<> {
      zc::scope all;
      for (std::size_t at = 0; at < outs.size(); ++at) all.spawn(send(at));
      co_await zc::sleep_for(100ms);
      CHECK(all.running() == outs.size());
      const zc::fd other = support::empty_file();
      const zc::known_target beside(other.get());
      const zc::transfer done =
          co_await zc::timeout(5s, zc::try_splice(in, beside, {.route = zc::route::ring}));
      CHECK(done.moved == 8'000'000);
      all.cancel();
      co_await all.join();
    };
    zc::run(play(), {.workers = 8});
  }
}

TEST_SUITE_END();
