// The end of a context, a task, a thread's patience or the process, with transfers in every phase.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/process.hpp"
#include "support/transfers.hpp"
#include "zc/op/recv.hpp"
#include "zc/op/splice.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"
#include "zc/with_stop.hpp"

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

TEST_SUITE_BEGIN("kernel");

namespace {

zc::task<> keep(zc::task<zc::transfer> moving, std::vector<zc::transfer>& all) {
  zc::transfer done = co_await std::move(moving);
  all.push_back(std::move(done));
}

zc::task<> block_a_worker(int in, int out) {
  const zc::result<std::size_t> moved = co_await zc::op::splice(in, -1, out, -1, 1);
  static_cast<void>(moved);
}

zc::task<> sleep_long() { co_await zc::sleep_for(1h); }

/// Descriptors for transfers that do not end by themselves, one in each phase: they wait for a
/// source or a target, run on kernel workers, go by system calls, copy, or have not begun.
class endless {
 public:
  endless() { REQUIRE(::ftruncate(huge_.get(), std::int64_t{1} << 44) == 0); }

  /// `spawn` is called with each of them; what they end with goes to done().
  template <class Spawn>
  void begin(Spawn spawn) {
    for (int i = 0; i < 3; ++i) {
      spawn(block_a_worker(empty_.first.get(), other_.second.get()));
    }
    for (const zc::route route : support::routes) {
      spawn(keep(zc::try_splice(huge_.get(), null_.get(), {.route = route}), done_));
      spawn(keep(zc::try_splice(quiet_.first.get(), other_.second.get(), {.route = route}), done_));
      spawn(keep(zc::try_splice(huge_.get(), full_.first.get(), {.route = route}), done_));
    }
    spawn(keep(zc::timeout(1h, zc::try_splice(quiet_.first.get(), null_.get())), done_));
    spawn(sleep_long());
  }

  static constexpr std::size_t transfers = 13;
  const std::vector<zc::transfer>& done() const { return done_; }

  /// All of them ended, because they were cancelled, with counts that agree.
  bool all_cancelled() const {
    return done_.size() == transfers && std::all_of(done_.begin(), done_.end(), [](const auto& d) {
             return d.reason == zc::stop_reason::cancelled && support::conserved(d) && !d.error;
           });
  }

 private:
  zc::fd huge_ = support::empty_file();
  zc::fd null_ = support::open_file("/dev/null", O_WRONLY);
  support::ends empty_ = support::make_pipe();
  support::ends other_ = support::make_pipe();
  support::ends quiet_ = support::unix_pair(SOCK_NONBLOCK);
  support::ends full_ = support::unix_pair(SOCK_NONBLOCK);
  std::vector<zc::transfer> done_;
};

/// Lets a few turns or a little time pass: another phase each time.
zc::task<> let_pass(int round) {
  if (round % 3 == 2) {
    co_await zc::sleep_for(std::chrono::microseconds(round * 100));
  } else {
    for (int turns = round % 8; turns > 0; --turns) co_await zc::yield();
  }
}

zc::task<> copy_whole(int in, int out, zc::splice_options options, bool& right) {
  const zc::transfer done = co_await zc::try_splice(in, out, options);
  right = done.moved == options.nbytes && done.reason == zc::stop_reason::complete;
}

/// What a program that is started now sees open, as far as it has no name in the file system.
std::string inherited_by_exec() {
  const zc::fd listing = support::empty_file();
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(listing.get(), STDOUT_FILENO);
    ::execl("/bin/ls", "ls", "-l", "/proc/self/fd", nullptr);
    ::_exit(127);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  REQUIRE(support::exited_with(status, 0));
  std::multiset<std::string> seen;
  std::istringstream lines(support::contents(listing.get()));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t arrow = line.find(" -> ");
    if (arrow == std::string::npos) continue;
    const std::string target = line.substr(arrow + 4);
    if (target.front() != '/') seen.insert(target);  // pipe:[1], socket:[2], anon_inode:[io_uring]
  }
  std::string all;
  for (const std::string& each : seen) all += each + ' ';
  return all;
}

std::size_t pipe_ends() {
  std::size_t count = 0;
  for (int fd = 0; fd < 1024; ++fd) count += ::fcntl(fd, F_GETPIPE_SZ) > 0 ? 1u : 0u;
  return count;
}

}  // namespace

TEST_CASE("context: a task that throws beside transfers in every phase ends them all") {
  zc::context context;
  for (int round = 0; round < 24; ++round) {
    CAPTURE(round);
    endless with;
    const auto throwing = [&]() -> zc::task<> {
      zc::scope tasks;
      with.begin([&tasks](auto work) { tasks.spawn(std::move(work)); });
      co_await let_pass(round);
      throw std::runtime_error("on purpose");
    };
    CHECK_THROWS_WITH_AS(context.run(throwing()), "on purpose", std::runtime_error);
    CHECK(with.all_cancelled());
  }
}

TEST_CASE("context: its end ends spawned transfers in every phase") {
  for (int round = 0; round < 24; ++round) {
    CAPTURE(round);
    endless with;
    {
      zc::context context;
      with.begin([&context](auto work) { context.spawn(std::move(work)); });
      if (round > 0) context.run(let_pass(round));
      CHECK(with.done().empty());
    }
    CHECK(with.all_cancelled());
  }
}

TEST_CASE("context: an exception of a spawned task ends transfers in every phase, and the run") {
  for (int round = 0; round < 12; ++round) {
    CAPTURE(round);
    endless with;
    zc::context context;
    const auto failing = [](int when) -> zc::task<> {
      co_await let_pass(when);
      throw std::runtime_error("background");
    };
    with.begin([&context](auto work) { context.spawn(std::move(work)); });
    context.spawn(failing(round));
    CHECK_THROWS_WITH_AS(context.run(sleep_long()), "background", std::runtime_error);
    CHECK(with.all_cancelled());
  }
}

TEST_CASE("context: thousands of stops at any moment of a run, and none is lost or kept") {
  zc::context context;
  std::atomic<int> begun{0};
  std::atomic<int> stopped{0};
  std::atomic<bool> over{false};
  // The n-th stop comes at some moment of the n-th run: before it has begun, while its transfer
  // waits or moves, or at its end. Or after it, and then it is for the next.
  std::thread other([&] {
    std::minstd_rand random(1);
    for (int round = 1; !over; ++round) {
      while (begun < round && !over) std::this_thread::yield();
      const auto until = steady::now() + std::chrono::microseconds(random() % 120);
      while (steady::now() < until) {
      }
      context.stop();
      stopped = round;
    }
  });
  const support::ends quiet = support::unix_pair(SOCK_NONBLOCK);
  const support::ends pipe = support::make_pipe(O_NONBLOCK);
  const zc::fd in = support::file_of(30'000);
  int cancelled = 0;
  int complete = 0;
  bool all_right = true;
  const int rounds = 2000;
  for (int round = 1; round <= rounds; ++round) {
    const bool endless = round % 2 == 0;
    const zc::fd out = support::empty_file();
    const zc::route route = support::routes[static_cast<std::size_t>(round / 2) % 4];
    const auto moving = [&]() -> zc::task<zc::transfer> {
      co_return co_await zc::try_splice(endless ? quiet.first.get() : in.get(),
                                        endless ? pipe.second.get() : out.get(), {.route = route});
    };
    begun = round;
    const zc::transfer done = context.run(moving());
    // A stop that comes later is for the next run: it has to be over before that begins.
    while (stopped < round) std::this_thread::yield();
    if (done.reason == zc::stop_reason::cancelled) ++cancelled;
    if (done.reason == zc::stop_reason::complete) ++complete;
    const bool fine = done.reason == zc::stop_reason::cancelled ||
                      (!endless && done.reason == zc::stop_reason::complete);
    const std::string got = support::contents(out.get());
    all_right = all_right && fine && !done.error && support::conserved(done) &&
                got.size() == (endless ? 0 : done.moved) && support::are_bytes_at(got, 0);
  }
  over = true;
  begun = rounds + 1;
  other.join();
  CAPTURE(cancelled);
  CHECK(all_right);
  CHECK(cancelled + complete == rounds);
  CHECK(cancelled >= rounds / 2);
  CHECK(complete > 0);
  // One stop may be left over. After it runs are left alone.
  context.stop();
  static_cast<void>(context.run(zc::try_splice(quiet.first.get(), pipe.second.get())));
  context.run(zc::sleep_for(1ms));
}

TEST_CASE("context: stops from four threads at once, while a run ends by itself") {
  zc::context context;
  const zc::fd in = support::file_of(100'000);
  std::atomic<bool> over{false};
  std::vector<std::thread> others;
  for (int i = 0; i < 4; ++i) {
    others.emplace_back([&] {
      while (!over) {
        context.stop();
        std::this_thread::sleep_for(30us);
      }
    });
  }
  bool all_right = true;
  for (int round = 0; round < 500; ++round) {
    const zc::fd out = support::empty_file();
    const zc::transfer done = context.run(zc::try_splice(in.get(), out.get()));
    const std::string got = support::contents(out.get());
    all_right = all_right && support::conserved(done) && !done.error && got.size() == done.moved &&
                support::are_bytes_at(got, 0);
  }
  over = true;
  for (std::thread& each : others) each.join();
  CHECK(all_right);
}

TEST_CASE("with_stop: 500 stops from another thread that race the end of a transfer") {
  std::atomic<std::stop_source*> current{nullptr};
  std::atomic<bool> over{false};
  std::thread other([&] {
    std::minstd_rand random(2);
    for (;;) {
      current.wait(nullptr);
      if (over) return;
      std::stop_source* const stop = current.exchange(nullptr);
      current.notify_one();
      const auto until = steady::now() + std::chrono::microseconds(random() % 200);
      while (steady::now() < until) {
      }
      stop->request_stop();
      delete stop;
    }
  });
  const zc::fd in = support::file_of(200'000);
  int complete = 0;
  int cancelled = 0;
  bool all_right = true;
  const auto storm = [&]() -> zc::task<> {
    for (std::size_t i = 0; i < 500; ++i) {
      const zc::fd out = support::empty_file();
      auto* const stop = new std::stop_source;
      const std::stop_token token = stop->get_token();
      current = stop;
      current.notify_one();
      current.wait(stop);  // from now on it may come
      const zc::splice_options options{.route = support::routes[i % 4]};
      zc::task<zc::transfer> moving = zc::try_splice(in.get(), out.get(), options);
      const zc::transfer done = co_await zc::with_stop(token, std::move(moving));
      if (done.reason == zc::stop_reason::complete) ++complete;
      if (done.reason == zc::stop_reason::cancelled) ++cancelled;
      const std::string got = support::contents(out.get());
      const auto kept = done.remainder.bytes();
      all_right = all_right && !done.error && support::conserved(done) &&
                  got.size() == done.moved && support::are_bytes_at(got, 0) &&
                  support::are_bytes_at({reinterpret_cast<const char*>(kept.data()), kept.size()},
                                        done.moved);
    }
  };
  zc::run(storm());
  over = true;
  std::stop_source last;
  current = &last;
  current.notify_one();
  other.join();
  CHECK(all_right);
  CHECK(complete + cancelled == 500);
}

TEST_CASE("context: two of them in two threads move bytes to each other, both ways at once") {
  constexpr std::size_t size = 1'000'000;
  for (const zc::route route : support::routes) {
    for (const int flags : {0, int{SOCK_NONBLOCK}}) {
      if (route == zc::route::direct && flags == 0) continue;  // refuses blocking sockets
      CAPTURE(route);
      CAPTURE(flags);
      const support::ends sockets = support::unix_pair(flags);
      const support::ends there = support::make_pipe(flags);
      const support::ends back = support::make_pipe(flags);
      // What each of the two sends: through its socket, and through its pipe.
      const std::array<zc::fd, 2> socket_in{support::file_of(size, 0), support::file_of(size, 1)};
      const std::array<zc::fd, 2> pipe_in{support::file_of(size, 2), support::file_of(size, 3)};
      const std::array<zc::fd, 2> socket_out{support::empty_file(), support::empty_file()};
      const std::array<zc::fd, 2> pipe_out{support::empty_file(), support::empty_file()};
      std::array<std::array<bool, 4>, 2> right{};
      const auto side = [&](std::size_t i) -> zc::task<> {
        const int socket = i == 0 ? sockets.first.get() : sockets.second.get();
        const int to = i == 0 ? there.second.get() : back.second.get();
        const int from = i == 0 ? back.first.get() : there.first.get();
        const zc::splice_options options{.nbytes = size, .route = route};
        zc::scope all;
        all.spawn(copy_whole(socket_in[i].get(), socket, options, right[i][0]));
        all.spawn(copy_whole(socket, socket_out[i].get(), options, right[i][1]));
        all.spawn(copy_whole(pipe_in[i].get(), to, options, right[i][2]));
        all.spawn(copy_whole(from, pipe_out[i].get(), options, right[i][3]));
        co_await all.join();
      };
      std::thread other([&] { zc::run(side(1)); });
      zc::run(side(0));
      other.join();
      for (std::size_t i = 0; i < 2; ++i) {
        CAPTURE(i);
        for (const bool each : right[i]) CHECK(each);
        const unsigned peer = i == 0 ? 1 : 0;
        CHECK(support::are_bytes_at(support::contents(socket_out[i].get()), 0, peer));
        CHECK(support::are_bytes_at(support::contents(pipe_out[i].get()), 0, 2 + peer));
      }
    }
  }
}

TEST_CASE(
    "context: a program started in the middle of transfers inherits none of its descriptors") {
  const zc::fd in = support::file_of(3'000'000);
  const support::ends out = support::unix_pair(SOCK_NONBLOCK);
  const std::string before = inherited_by_exec();
  const auto play = [&]() -> zc::task<> {
    const std::size_t pipes_before = pipe_ends();
    endless with;
    const std::size_t pipes_of_test = pipe_ends() - pipes_before;
    zc::scope beside;
    with.begin([&beside](auto work) { beside.spawn(std::move(work)); });
    zc::scope moving;
    bool right = false;
    moving.spawn(copy_whole(in.get(), out.first.get(), {.nbytes = 3'000'000}, right));
    std::vector<char> buffer(300'000);
    std::size_t at = 0;
    bool bytes_right = true;
    while (at < 3'000'000) {
      co_await zc::sleep_for(1ms);
      // Pipes of zc's are in use now, and yet:
      CHECK(pipe_ends() > pipes_before + pipes_of_test);
      CHECK(inherited_by_exec() == before);
      for (std::size_t end = at + 300'000; at < end;) {
        const auto some = co_await zc::op::recv(out.second.get(), buffer.data(),
                                                std::min(buffer.size(), end - at));
        bytes_right = bytes_right && support::are_bytes_at({buffer.data(), some.value()}, at);
        at += *some;
      }
    }
    CHECK(bytes_right);
    co_await moving.join();
    CHECK(right);
    beside.cancel();
    co_await beside.join();
    CHECK(with.all_cancelled());
  };
  zc::run(play());
}

TEST_CASE("context: however a process ends with transfers in every phase, it ends soon and whole") {
  enum class way { exit, quick_exit, abort, killed, uncaught, caught };
  struct report {
    steady::time_point at;
    std::size_t workers = 0;
    std::int64_t pid = 0;  // no padding: it goes through a pipe
  };
  for (const way how :
       {way::exit, way::quick_exit, way::abort, way::killed, way::uncaught, way::caught}) {
    CAPTURE(static_cast<int>(how));
    const support::ends pipe = support::make_pipe(O_NONBLOCK);
    const auto body = [&]() -> int {
      const support::limit core(RLIMIT_CORE, 0);
      ::signal(SIGABRT, SIG_DFL);
      endless with;
      zc::context context;
      const auto ending = [&]() -> zc::task<> {
        zc::scope tasks;
        with.begin([&tasks](auto work) { tasks.spawn(std::move(work)); });
        co_await zc::sleep_for(20ms);
        const report last{steady::now(), support::kernel_workers(), ::getpid()};
        support::write_all(pipe.second.get(), {reinterpret_cast<const char*>(&last), sizeof last});
        switch (how) {
          case way::exit:
            std::exit(7);
          case way::quick_exit:
            ::_exit(7);
          case way::abort:
            std::abort();
          case way::killed:
            ::kill(::getpid(), SIGKILL);
            break;
          default:
            throw std::runtime_error("on purpose");
        }
      };
      with.begin([&context](auto work) { context.spawn(std::move(work)); });
      if (how == way::uncaught) {
        const auto run_or_terminate = [&]() noexcept { context.run(ending()); };
        run_or_terminate();
      }
      try {
        context.run(ending());
      } catch (const std::runtime_error&) {
        return 7;
      }
      return 8;
    };
    const int status = support::in_child(body);
    const auto now = steady::now();
    report last;
    REQUIRE(::read(pipe.first.get(), &last, sizeof last) == sizeof last);
    CHECK(last.workers > 0);
    CHECK(now - last.at < 5s);  // 1 s on a machine that has time
    // Reaped: a process is that only when the last of its threads, kernel workers too, has ended.
    CHECK(::kill(static_cast<pid_t>(last.pid), 0) == -1);
    switch (how) {
      case way::abort:
      case way::uncaught:
        CHECK(WIFSIGNALED(status));
        CHECK(WTERMSIG(status) == SIGABRT);
        break;
      case way::killed:
        CHECK(WIFSIGNALED(status));
        CHECK(WTERMSIG(status) == SIGKILL);
        break;
      default:
        CHECK(support::exited_with(status, 7));
    }
  }
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("slow");

namespace {

struct holdings {
  std::size_t descriptors = support::open_descriptors();
  std::size_t threads = support::user_threads();
  std::size_t resident = support::resident_bytes();
};

// What the C library may keep for itself. A leak of one small object each would be more.
constexpr std::size_t slack_bytes = 3 * 1024 * 1024;

/// One small transfer of some kind, and whether all of it arrived.
zc::task<> one_of_many(std::size_t i, int file, std::size_t& good) {
  const std::size_t size = 1 + i * 37 % 5000;
  const zc::splice_options options{.nbytes = size, .route = support::routes[i % 4]};
  const int nonblock = i % 8 < 4 ? SOCK_NONBLOCK : 0;
  support::ends to;
  if (i % 3 != 0) to = support::unix_pair(SOCK_NONBLOCK);
  const zc::fd out_file = i % 3 == 0 ? support::empty_file() : zc::fd();
  const int out = i % 3 == 0 ? out_file.get() : to.first.get();
  support::ends from;
  switch (i % 5) {
    case 0:
    case 1:
      break;
    case 2:
      from = support::make_pipe(nonblock != 0 ? O_NONBLOCK : 0);
      break;
    default:
      from = support::unix_pair(SOCK_NONBLOCK);
  }
  if (i % 10 == 9) {
    // From a source that has nothing: only the deadline ends it.
    const auto soon = std::chrono::microseconds(i % 300);
    zc::task<zc::transfer> idle = zc::try_splice(from.first.get(), out, options);
    const zc::transfer done = co_await zc::timeout(soon, std::move(idle));
    if (done.reason == zc::stop_reason::timed_out && done.taken == 0) ++good;
    co_return;
  }
  if (from.second) support::write_all(from.second.get(), support::bytes_at(0, size));
  zc::task<zc::transfer> moving =
      zc::try_splice(from.first ? from.first.get() : file, out, options);
  const zc::transfer done = co_await std::move(moving);
  std::string got(size, '?');
  const ssize_t arrived =
      out_file ? ::pread(out, got.data(), size, 0) : ::read(to.second.get(), got.data(), size);
  if (done.moved == size && arrived == static_cast<ssize_t>(size) &&
      support::are_bytes_at(got, 0)) {
    ++good;
  }
}

}  // namespace

TEST_CASE("context: 100 000 transfers leave descriptors, threads, pipes and memory as they were") {
  constexpr std::size_t batch = 50;
  struct observed {
    holdings before;
    holdings early;
    holdings late;
    holdings after;
    std::size_t good = 0;
    bool workers_ended = false;
  };
  observed saw;
  const std::size_t workers_before = support::kernel_workers();
  // In a thread of its own: its kernel workers are its own.
  std::thread loop([&saw] {
    const zc::fd file = support::file_of(5000);
    saw.before = holdings();
    {
      zc::context context;
      const auto run_batches = [&](std::size_t first, std::size_t last) {
        for (std::size_t i = first; i < last; i += batch) {
          const auto all = [&, i]() -> zc::task<> {
            std::vector<zc::task<>> tasks;
            for (std::size_t k = i; k < i + batch; ++k) {
              tasks.push_back(one_of_many(k, file.get(), saw.good));
            }
            co_await zc::when_all(std::move(tasks));
          };
          context.run(all());
        }
      };
      run_batches(0, 20'000);
      saw.early = holdings();
      run_batches(20'000, 100'000);
      saw.late = holdings();
      // The last of each kind stays, for the next.
      saw.workers_ended = support::kernel_workers_end(2);
    }
    saw.after = holdings();
  });
  loop.join();
  CHECK(saw.good == 100'000);
  CHECK(saw.late.descriptors <= saw.early.descriptors + 2 * batch);  // pipes kept
  CHECK(saw.late.descriptors <= saw.before.descriptors + 2 + 2 * 64);
  CHECK(saw.after.descriptors == saw.before.descriptors);
  CHECK(saw.early.threads == saw.before.threads);
  CHECK(saw.late.threads == saw.before.threads);
  CAPTURE(saw.early.resident);
  CHECK(saw.late.resident < saw.early.resident + slack_bytes);
  CHECK(saw.workers_ended);
  CHECK(support::kernel_workers_end(workers_before));
}

TEST_CASE("context: made and ended 10 000 times, each with transfers, it leaves nothing") {
  const zc::fd in = support::file_of(100'000);
  const support::ends quiet = support::unix_pair(SOCK_NONBLOCK);
  const holdings before;
  std::size_t early = 0;
  std::size_t good = 0;
  for (std::size_t i = 0; i < 10'000; ++i) {
    const zc::fd out = support::empty_file();
    {
      zc::context context({.entries = i % 2 == 0 ? 8u : 256u});
      // It ends with one that has not ended.
      context.spawn(zc::try_splice(quiet.first.get(), out.get()));
      const zc::transfer done = context.run(zc::try_splice(
          in.get(), out.get(), {.nbytes = 1 + i * 9, .route = support::routes[i % 4]}));
      if (done.moved == 1 + i * 9) ++good;
    }
    if (i % 100 == 0) {
      if (!support::are_bytes_at(support::contents(out.get()), 0)) --good;
      CHECK(support::open_descriptors() == before.descriptors + 1);
      CHECK(support::user_threads() == before.threads);
    }
    if (i == 2000) early = support::resident_bytes();
  }
  CHECK(good == 10'000);
  CAPTURE(early);
  CHECK(support::resident_bytes() < early + slack_bytes);
  CHECK(support::open_descriptors() == before.descriptors);
  // One thread made them all: its kernel workers served them all, and the idle ones end.
  CHECK(support::kernel_workers_end(2));
}

TEST_SUITE_END();
