// Terminals that end. Of the master of a pty whose slave nobody has open any more, read(2) says
// EIO, and means that.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "support/line.hpp"
#include "support/process.hpp"
#include "support/transfers.hpp"
#include "zc/relay.hpp"
#include "zc/splice_batch.hpp"
#include "zc/tee.hpp"
#include "zc/timeout.hpp"

using namespace std::chrono_literals;
using support::for_each_route;

TEST_SUITE_BEGIN("kernel");

namespace {

// No more than a pty holds.
constexpr std::size_t size = 1000;

/// A master with some bytes to read, and nobody at the other end.
zc::fd left_alone(int flags) {
  support::ends pair = support::pty_pair();
  support::write_all(pair.second.get(), support::bytes_at(0, size));
  support::set_nonblocking(pair.first.get(), flags != 0);
  return std::move(pair.first);
}

bool has_ended(const zc::transfer& done) {
  return done.reason == zc::stop_reason::end_of_file && !done.error && done.moved == size &&
         done.taken == size && done.side == zc::side::none;
}

}  // namespace

TEST_CASE("pty: its end is the end of file, on every route and to every kind of target") {
  for_each_route([](zc::route route, int flags) {
    const zc::fd file = support::empty_file();
    CHECK(has_ended(support::transfer(left_alone(flags).get(), file.get(), {.route = route})));
    CHECK(support::are_bytes_at(support::contents(file.get()), 0));
    const support::ends pipe = support::make_pipe();
    CHECK(
        has_ended(support::transfer(left_alone(flags).get(), pipe.second.get(), {.route = route})));
    CHECK(support::read_some(pipe.first.get(), size) == support::bytes_at(0, size));
    const support::ends pair = support::tcp_pair(SOCK_NONBLOCK);
    CHECK(
        has_ended(support::transfer(left_alone(flags).get(), pair.first.get(), {.route = route})));
    CHECK(support::read_some(pair.second.get(), size) == support::bytes_at(0, size));
    const zc::transfer now = support::transfer(
        left_alone(flags).get(), file.get(), {.flags = zc::splice_flags::nonblock, .route = route});
    CHECK(has_ended(now));
  });
}

TEST_CASE("pty: its end while a transfer waits is the end of file as well") {
  for_each_route([](zc::route route, int flags) {
    support::ends pair = support::pty_pair();
    support::set_nonblocking(pair.first.get(), flags != 0);
    const zc::fd file = support::empty_file();
    std::thread child([&] {
      std::this_thread::sleep_for(5ms);
      support::write_all(pair.second.get(), support::bytes_at(0, size));
      std::this_thread::sleep_for(5ms);
      pair.second = {};
    });
    CHECK(has_ended(support::transfer(pair.first.get(), file.get(), {.route = route})));
    child.join();
    CHECK(support::are_bytes_at(support::contents(file.get()), 0));
  });
}

TEST_CASE("pty: the hang-up of a slave is its end, before or while it is read") {
  for_each_route([](zc::route route, int flags) {
    for (int i = 0; i < 6; ++i) {
      const bool before = i == 0;
      CAPTURE(before);
      support::ends pair = support::pty_pair();
      support::set_nonblocking(pair.second.get(), flags != 0);
      std::thread owner([&] {
        if (!before) std::this_thread::sleep_for(std::chrono::milliseconds(i));
        pair.first = {};
      });
      if (before) owner.join();
      const zc::fd file = support::empty_file();
      const zc::transfer done = support::transfer(pair.second.get(), file.get(), {.route = route});
      if (!before) owner.join();
      CHECK(done.reason == zc::stop_reason::end_of_file);
      CHECK_FALSE(done.error);
      CHECK(done.taken == 0);
    }
  });
}

TEST_CASE("pty: its end ends a tee and a batch's job in good order") {
  for (const int flags : {0, int{O_NONBLOCK}}) {
    CAPTURE(flags);
    const zc::fd first = support::empty_file();
    const zc::fd second = support::empty_file();
    const std::vector<int> outs{first.get(), second.get()};
    const zc::fd master = left_alone(flags);
    for (const zc::transfer& each : zc::run(zc::tee(master.get(), outs))) CHECK(has_ended(each));
    CHECK(support::are_bytes_at(support::contents(second.get()), 0));
    // Where no pipe is to be had, it is read.
    zc::context without({.pipes = 0});
    const zc::fd read = left_alone(flags);
    const zc::fd third = support::empty_file();
    const std::vector<int> others{third.get(), first.get()};
    for (const zc::transfer& each : without.run(zc::tee(read.get(), others)))
      CHECK(has_ended(each));

    const zc::fd alone = left_alone(flags);
    const std::vector<zc::splice_job> jobs{{alone.get(), third.get(), {}}};
    CHECK(has_ended(zc::run(zc::splice_batch(jobs))[0]));
  }
}

TEST_CASE("pty: a relay passes its end on, and the other direction lives") {
  for_each_route([](zc::route route, int flags) {
    const zc::fd master = left_alone(flags);
    const support::ends pair = support::tcp_pair(SOCK_NONBLOCK);
    support::set_nonblocking(pair.second.get(), false);
    bool saw_end = false;
    std::thread peer([&] {
      saw_end = support::read_all(pair.second.get()) == support::bytes_at(0, size);
      support::write_all(pair.second.get(), "bye");
      ::shutdown(pair.second.get(), SHUT_WR);
    });
    const zc::relay_result done =
        zc::run(zc::timeout(8s, zc::relay(master.get(), pair.first.get(), {.route = route})));
    peer.join();
    CHECK(saw_end);
    CHECK(has_ended(done.a_to_b));
    CHECK(done.b_to_a.reason == zc::stop_reason::end_of_file);
    CHECK(done.b_to_a.moved == 3);
  });
}

TEST_CASE("pty: one that has hung up and is full takes no more, and says so") {
  for_each_route([](zc::route route, int flags) {
    constexpr std::size_t much = 1'000'000;
    const zc::fd file = support::file_of(much);
    const zc::fd master = left_alone(flags);
    const zc::transfer done = support::transfer(file.get(), master.get(), {.route = route});
    CHECK(done.reason == zc::stop_reason::failed);
    CHECK(done.error == std::errc::broken_pipe);
    CHECK(done.side == zc::side::out);
    CHECK(done.moved < much);
    CHECK(done.taken == done.moved + done.remainder.size());
  });
}

TEST_CASE("pty: a relay ends where its terminal has hung up and the other peer goes on sending") {
  for (const int flags : {0, static_cast<int>(SOCK_NONBLOCK)}) {
    CAPTURE(flags);
    const support::ends net = support::tcp_pair(flags);
    const zc::fd master = left_alone(flags);
    std::atomic<bool> over{false};
    std::thread client([&] {
      const std::string piece(10'000, 'x');
      while (!over && ::send(net.second.get(), piece.data(), piece.size(), MSG_NOSIGNAL) > 0) {
        std::this_thread::sleep_for(1ms);
      }
    });
    const zc::relay_result done =
        zc::run(zc::timeout(30s, zc::relay(net.first.get(), master.get())));
    over = true;
    client.join();
    CHECK(done.a_to_b.error == std::errc::broken_pipe);
    CHECK(done.a_to_b.side == zc::side::out);
    CHECK(done.a_to_b.taken == done.a_to_b.moved + done.a_to_b.remainder.size());
    CHECK(done.b_to_a.reason == zc::stop_reason::end_of_file);
    CHECK(done.b_to_a.moved == size);
  }
}

TEST_CASE("pty: EIO of a slave, read in the background, is a failure") {
  const int status = support::in_child([] {
    const support::ends pair = support::pty_pair();
    ::signal(SIGHUP, SIG_IGN);  // at the end of the terminal
    // With this session's terminal in the hands of its leader, another group may not read it.
    if (::setsid() < 0 || ::ioctl(pair.second.get(), TIOCSCTTY, 0) < 0) return 2;
    support::write_all(pair.first.get(), "typed");
    const int background = support::in_child([&] {
      ::setpgid(0, 0);
      ::signal(SIGTTIN, SIG_IGN);
      const zc::fd file = support::empty_file();
      for (const zc::route route : {zc::route::automatic, zc::route::copy}) {
        const zc::transfer done =
            support::transfer(pair.second.get(), file.get(), {.route = route});
        if (done.reason != zc::stop_reason::failed || done.error != std::errc::io_error ||
            done.side != zc::side::in) {
          return 3;
        }
      }
      return 0;
    });
    return support::exited_with(background, 0) ? 0 : 4;
  });
  CHECK(support::exited_with(status, 0));
}

TEST_SUITE_END();
