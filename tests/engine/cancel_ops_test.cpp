// H5: cancelling an op of any kind, at any stage, gives ECANCELED and no raw code of the kernel's.

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "support/descriptors.hpp"
#include "support/process.hpp"
#include "zc/context.hpp"
#include "zc/op.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;

namespace {

/// Resumes with the error of one op.
using op_factory = std::function<zc::task<std::error_code>()>;

struct row {
  std::string name;
  op_factory make;
};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

template <class Op, class... Args>
zc::task<std::error_code> error_of(Args... args) {
  auto outcome = co_await Op(args...);
  co_return outcome.error();
}

/// Descriptors on which every op that can block does block.
class stuck {
 public:
  stuck()
      : empty_pipe(support::make_pipe()),
        other_pipe(support::make_pipe()),
        full_pipe(support::make_pipe()),
        quiet(support::unix_pair()),
        full(support::unix_pair(SOCK_NONBLOCK)),
        listener(support::tcp_listener(port_)),
        backlogged(support::tcp_listener(full_port_)) {
    const auto room = static_cast<std::size_t>(::fcntl(full_pipe.second.get(), F_GETPIPE_SZ));
    support::write_all(full_pipe.second.get(), std::string(room, 'x'));
    const std::string block(65536, 'x');
    while (::send(full.first.get(), block.data(), block.size(), MSG_DONTWAIT) > 0) {
    }
    // What is full for send(2) has room for some pages of splice(2)'s on Linux 6.1.
    for (ssize_t some = 1; some > 0;) {
      const support::ends pages = support::make_pipe();
      support::write_all(pages.second.get(), block);
      some = ::splice(pages.first.get(), nullptr, full.first.get(), nullptr, block.size(), 0);
    }
    support::set_nonblocking(full.first.get(), false);
    // A backlog of 0 takes one connection; the kernel drops the requests of all others.
    REQUIRE(::listen(backlogged.get(), 0) == 0);
    address = loopback(full_port_);
    for (int i = 0; i < 3; ++i) {
      zc::fd one(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      const int connected = ::connect(one.get(), generic(), sizeof address);
      const bool under_way = connected == 0 || errno == EINPROGRESS;
      REQUIRE(under_way);
      waiting_in_line_.push_back(std::move(one));
    }
    client = zc::fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  }

  const sockaddr* generic() const { return reinterpret_cast<const sockaddr*>(&address); }

 private:
  std::uint16_t port_ = 0;
  std::uint16_t full_port_ = 0;
  std::vector<zc::fd> waiting_in_line_;

 public:
  support::ends empty_pipe;
  support::ends other_pipe;
  support::ends full_pipe;
  support::ends quiet;
  support::ends full;
  zc::fd listener;
  zc::fd backlogged;
  zc::fd client;
  sockaddr_in address{};
  char byte = 'x';
};

/// Every kind of op that can block, blocked for good.
std::vector<row> blocked_ops(stuck& on) {
  const int empty = on.empty_pipe.first.get();
  const int other = on.other_pipe.second.get();
  const int full = on.full_pipe.second.get();
  char* const byte = &on.byte;
  constexpr std::size_t one = 1;
  constexpr std::int64_t none = -1;
  namespace op = zc::op;
  return {
      {"read, pipe", [=] { return error_of<op::read>(empty, byte, one); }},
      {"read, socket", [=, &on] { return error_of<op::read>(on.quiet.first.get(), byte, one); }},
      {"write, pipe", [=] { return error_of<op::write>(full, byte, one); }},
      {"write, socket", [=, &on] { return error_of<op::write>(on.full.first.get(), byte, one); }},
      {"recv", [=, &on] { return error_of<op::recv>(on.quiet.first.get(), byte, one); }},
      {"send", [=, &on] { return error_of<op::send>(on.full.first.get(), byte, one); }},
      {"poll", [=] { return error_of<op::poll>(empty, unsigned{POLLIN}); }},
      {"timeout", [] { return error_of<op::timeout>(std::chrono::nanoseconds(1h)); }},
      {"accept", [&on] { return error_of<op::accept>(on.listener.get()); }},
      {"connect",
       [&on] {
         return error_of<op::connect>(on.client.get(), on.generic(),
                                      static_cast<socklen_t>(sizeof on.address));
       }},
      {"splice, pipe to pipe", [=] { return error_of<op::splice>(empty, none, other, none, one); }},
      {"splice, socket to pipe",
       [=, &on] { return error_of<op::splice>(on.quiet.first.get(), none, other, none, one); }},
      {"splice, pipe to full socket",
       [=, &on] {
         return error_of<op::splice>(on.full_pipe.first.get(), none, on.full.first.get(), none,
                                     one);
       }},
      {"tee", [=] { return error_of<op::tee>(empty, other, one); }},
  };
}

/// Every kind of op that changes or asks something, and never blocks.
std::vector<row> quick_ops(int file, const std::string& there, const std::string& missing) {
  namespace op = zc::op;
  return {
      {"nop", [] { return error_of<op::nop>(); }},
      {"statx", [&] { return error_of<op::statx>(AT_FDCWD, there.c_str()); }},
      {"shutdown", [=] { return error_of<op::shutdown>(file, int{SHUT_RDWR}); }},
      {"fsync", [=] { return error_of<op::fsync>(file); }},
      {"unlinkat", [&] { return error_of<op::unlinkat>(AT_FDCWD, there.c_str()); }},
      {"renameat",
       [&] { return error_of<op::renameat>(AT_FDCWD, there.c_str(), AT_FDCWD, missing.c_str()); }},
      {"mkdirat", [&] { return error_of<op::mkdirat>(AT_FDCWD, missing.c_str()); }},
      {"openat",
       [&] {
         return error_of<op::openat>(AT_FDCWD, missing.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC,
                                     0600u);
       }},
      {"fallocate",
       [=] { return error_of<op::fallocate>(file, 0, std::int64_t{0}, std::int64_t{4096}); }},
      {"write", [=] { return error_of<op::write>(file, "x", std::size_t{1}, std::int64_t{0}); }},
  };
}

enum class stage { before, queued, running };

zc::task<> note(zc::task<std::error_code> op, std::error_code& error) {
  error = co_await std::move(op);
}

/// Begins one op and cancels it: before it begins, while it is queued, or in the kernel.
zc::task<std::error_code> cancel_one(const op_factory& make, stage when) {
  std::error_code error;
  zc::scope tasks;
  const auto cancelling = [&tasks]() -> zc::task<> {
    tasks.cancel();
    co_return;
  };
  // Spawned tasks run in order, in one batch; ops go to the kernel after it.
  if (when == stage::before) tasks.spawn(cancelling());
  tasks.spawn(note(make(), error));
  if (when == stage::queued) tasks.spawn(cancelling());
  if (when == stage::running) {
    co_await zc::sleep_for(10ms);
    CHECK(tasks.running() == 1);
    tasks.cancel();
  }
  co_await tasks.join();
  co_return error;
}

}  // namespace

TEST_CASE("cancel: an op that is blocked, queued or not begun ends with ECANCELED, of any kind") {
  stuck on;
  for (const row& each : blocked_ops(on)) {
    CAPTURE(each.name);
    for (const stage when : {stage::before, stage::queued, stage::running}) {
      CAPTURE(static_cast<int>(when));
      const std::error_code error = zc::run(cancel_one(each.make, when));
      CAPTURE(error.value());
      CHECK(error == std::errc::operation_canceled);
    }
  }
}

TEST_CASE("cancel: an op that is cancelled before it reaches the kernel does nothing") {
  const support::temporary_directory place;
  const std::string there = place.path() / "there";
  const std::string missing = place.path() / "missing";
  support::write_all(support::open_file(there, O_CREAT | O_WRONLY).get(), "kept");
  const zc::fd file = support::open_file(there, O_RDWR);
  for (const row& each : quick_ops(file.get(), there, missing)) {
    CAPTURE(each.name);
    for (const stage when : {stage::before, stage::queued}) {
      CHECK(zc::run(cancel_one(each.make, when)) == std::errc::operation_canceled);
    }
  }
  CHECK(support::contents(file.get()) == "kept");
  CHECK(std::filesystem::exists(there));
  CHECK_FALSE(std::filesystem::exists(missing));
}

TEST_CASE("cancel: a storm of ends and cancellations gives nothing but success and ECANCELED") {
  // Each op is about to end by itself when it is cancelled, a little earlier or later every time.
  int succeeded = 0;
  int cancelled = 0;
  const auto storm = [&]() -> zc::task<> {
    for (int i = 0; i < 300; ++i) {
      const support::ends from = support::make_pipe();
      const support::ends to = support::make_pipe();
      zc::scope tasks;
      std::vector<std::error_code> errors(4);
      char byte = 0;
      tasks.spawn(note(error_of<zc::op::splice>(from.first.get(), std::int64_t{-1}, to.second.get(),
                                                std::int64_t{-1}, std::size_t{1}),
                       errors[0]));
      tasks.spawn(note(error_of<zc::op::read>(from.first.get(), &byte, std::size_t{1}), errors[1]));
      tasks.spawn(note(error_of<zc::op::poll>(from.first.get(), unsigned{POLLIN}), errors[2]));
      tasks.spawn(note(error_of<zc::op::timeout>(std::chrono::nanoseconds(i * 500)), errors[3]));
      for (int turns = i % 7; turns > 0; --turns) co_await zc::yield();
      support::write_all(from.second.get(), "xx");
      for (int turns = i % 5; turns > 0; --turns) co_await zc::yield();
      tasks.cancel();
      co_await tasks.join();
      for (const std::error_code& each : errors) {
        if (!each) {
          ++succeeded;
        } else if (each == std::errc::operation_canceled) {
          ++cancelled;
        }
      }
    }
  };
  zc::run(storm());
  CHECK(succeeded + cancelled == 4 * 300);
}

TEST_CASE("cancel: destroying a coroutine whose op is in the kernel awaits the op first") {
  stuck on;
  class nobody final : public zc::detail::joiner {
    std::coroutine_handle<> child_done(zc::detail::promise_base&) noexcept override {
      return std::noop_coroutine();
    }
  };
  for (const row& each : blocked_ops(on)) {
    CAPTURE(each.name);
    for (const bool in_kernel : {false, true}) {
      const auto dropping = [&]() -> zc::task<> {
        const zc::detail::environment env = co_await zc::detail::this_environment{};
        nobody parent;
        zc::task<std::error_code> op = each.make();
        op.promise().start_in(env, parent);
        if (in_kernel) co_await zc::sleep_for(5ms);
      };
      zc::run(dropping());
    }
  }
}

TEST_CASE("cancel: a descriptor that an op opened and nobody took is closed") {
  class nobody final : public zc::detail::joiner {
    std::coroutine_handle<> child_done(zc::detail::promise_base&) noexcept override {
      return std::noop_coroutine();
    }
  };
  const auto opening = []() -> zc::task<> {
    const zc::result<zc::fd> opened = co_await zc::op::openat(AT_FDCWD, "/dev/null", O_RDONLY);
    static_cast<void>(opened);
  };
  const auto dropping = [&](int& seen) -> zc::task<> {
    const zc::detail::environment env = co_await zc::detail::this_environment{};
    nobody parent;
    const std::size_t before = support::open_descriptors();
    for (int i = 0; i < 50; ++i) {
      zc::task<> op = opening();
      op.promise().start_in(env, parent);
      // Dropped while it is under way, or when it has ended and has not been resumed.
      co_await zc::yield();
      if (support::open_descriptors() > before) ++seen;
    }
    CHECK(support::open_descriptors() == before);
  };
  int seen = 0;
  zc::run(dropping(seen));
  CHECK(seen > 0);
}

TEST_SUITE_END();
