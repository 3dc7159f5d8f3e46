// Answers that the kernel cannot be made to give, to every op: each has one end, and the right one.

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "support/descriptors.hpp"
#include "support/scripted_kernel.hpp"
#include "zc/context.hpp"
#include "zc/op.hpp"
#include "zc/when_all.hpp"
#include "zc/with_stop.hpp"

namespace {

using support::fault;
using kind = support::fault::kind;
namespace op = zc::op;

constexpr int whole = 10;  // bytes that each op with a length is asked for

/// How one op ended: a count of bytes (0 for what counts none), or -errno.
template <class Op, class... Args>
zc::task<int> outcome_of(Args... args) {
  auto outcome = co_await Op(args...);
  if (!outcome) co_return -outcome.error().value();
  if constexpr (std::is_same_v<decltype(outcome), zc::result<std::size_t>>) {
    co_return static_cast<int>(*outcome);
  } else {
    co_return 0;
  }
}

/// What every op can be done to, once.
class ready_for_all {
 public:
  ready_for_all()
      : file(support::file_of(100)),
        full(support::make_pipe()),
        other(support::make_pipe()),
        stream(support::unix_pair()),
        listener(support::tcp_listener(port_)),
        client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
        waiting_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    support::write_all(full.second.get(), support::bytes_at(0, 100));
    support::write_all(stream.second.get(), support::bytes_at(0, 100));
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port_);
    REQUIRE(::connect(waiting_.get(), generic(), sizeof address) == 0);
    support::open_file(there, O_CREAT | O_WRONLY);
  }
  ready_for_all(const ready_for_all&) = delete;
  ready_for_all& operator=(const ready_for_all&) = delete;
  ~ready_for_all() { ::close(spare); }

  const sockaddr* generic() const { return reinterpret_cast<const sockaddr*>(&address); }

 private:
  support::temporary_directory directory_;
  std::uint16_t port_ = 0;

 public:
  std::string there = directory_.path() / "there";
  std::string missing = directory_.path() / "missing";
  zc::fd file;
  int spare = ::dup(file.get());  // to be closed by whoever comes first
  support::ends full;
  support::ends other;
  support::ends stream;
  zc::fd listener;
  zc::fd client;
  sockaddr_in address{};
  std::string buffer = std::string(whole, '?');

 private:
  zc::fd waiting_;
};

struct row {
  const char* name;
  int value;       // what it ends with when nothing is wrong
  bool has_bytes;  // and whether that is a number of bytes
  std::function<zc::task<int>(ready_for_all&)> make;
};

std::vector<row> every_op() {
  constexpr std::size_t bytes = whole;
  constexpr std::int64_t none = -1;
  using on = ready_for_all;
  return {
      {"accept", 0, false, [](on& at) { return outcome_of<op::accept>(at.listener.get()); }},
      {"close", 0, false, [](on& at) { return outcome_of<op::close>(at.spare); }},
      {"connect", 0, false,
       [](on& at) {
         return outcome_of<op::connect>(at.client.get(), at.generic(),
                                        static_cast<socklen_t>(sizeof at.address));
       }},
      {"fallocate", 0, false,
       [](on& at) {
         return outcome_of<op::fallocate>(at.file.get(), 0, std::int64_t{0}, std::int64_t{4096});
       }},
      {"fsync", 0, false, [](on& at) { return outcome_of<op::fsync>(at.file.get()); }},
      {"mkdirat", 0, false,
       [](on& at) { return outcome_of<op::mkdirat>(AT_FDCWD, at.missing.c_str()); }},
      {"nop", 0, false, [](on&) { return outcome_of<op::nop>(); }},
      {"openat", 0, false,
       [](on& at) {
         return outcome_of<op::openat>(AT_FDCWD, at.there.c_str(), O_RDONLY | O_CLOEXEC);
       }},
      {"poll", 0, false,
       [](on& at) { return outcome_of<op::poll>(at.full.first.get(), unsigned{POLLIN}); }},
      {"read", whole, true,
       [](on& at) { return outcome_of<op::read>(at.full.first.get(), at.buffer.data(), bytes); }},
      {"recv", whole, true,
       [](on& at) { return outcome_of<op::recv>(at.stream.first.get(), at.buffer.data(), bytes); }},
      {"renameat", 0, false,
       [](on& at) {
         return outcome_of<op::renameat>(AT_FDCWD, at.there.c_str(), AT_FDCWD, at.missing.c_str());
       }},
      {"send", whole, true,
       [](on& at) { return outcome_of<op::send>(at.stream.first.get(), at.buffer.data(), bytes); }},
      {"shutdown", 0, false,
       [](on& at) { return outcome_of<op::shutdown>(at.stream.first.get(), int{SHUT_WR}); }},
      {"splice", whole, true,
       [](on& at) {
         return outcome_of<op::splice>(at.full.first.get(), none, at.other.second.get(), none,
                                       bytes);
       }},
      {"statx", 0, false, [](on& at) { return outcome_of<op::statx>(AT_FDCWD, at.there.c_str()); }},
      {"tee", whole, true,
       [](on& at) {
         return outcome_of<op::tee>(at.full.first.get(), at.other.second.get(), bytes);
       }},
      {"timeout", 0, false,
       [](on&) { return outcome_of<op::timeout>(std::chrono::nanoseconds(1000)); }},
      {"unlinkat", 0, false,
       [](on& at) { return outcome_of<op::unlinkat>(AT_FDCWD, at.there.c_str()); }},
      {"write", whole, true,
       [](on& at) {
         return outcome_of<op::write>(at.file.get(), at.buffer.data(), bytes, std::int64_t{0});
       }},
  };
}

int outcome_under(zc::context& context, const row& each, const fault& script) {
  ready_for_all at;
  support::scripted_kernel kernel(script);
  kernel.stand_before(context);
  const int outcome = context.run(each.make(at));
  CHECK((kernel.met() || script.what == kind::none));
  return outcome;
}

}  // namespace

TEST_SUITE_BEGIN("kernel");

TEST_CASE("op: every one of them ends as the kernel says, whatever it says") {
  zc::context context({.entries = 2});
  for (const row& each : every_op()) {
    CAPTURE(each.name);
    CHECK(outcome_under(context, each, {}) == each.value);
    for (const int error : {EINTR, EAGAIN, EIO, ENOMEM, ECANCELED}) {
      CAPTURE(error);
      CHECK(outcome_under(context, each, {kind::error, error, 0, 1}) == -error);
    }
    for (const int code : {512, 513, 514, 516}) {
      CAPTURE(code);
      CHECK(outcome_under(context, each, {kind::error, code, 0, 1}) == -EINTR);
    }
    CHECK(outcome_under(context, each, {kind::short_count, 0, 0, 1}) ==
          (each.has_bytes ? 1 : each.value));
  }
}

TEST_CASE("op: what holds it up on its way to the kernel or back changes nothing") {
  zc::context context({.entries = 2});
  for (const row& each : every_op()) {
    CAPTURE(each.name);
    for (const int times : {1, 5}) {
      CAPTURE(times);
      for (const kind what : {kind::delayed, kind::reordered, kind::queue_full}) {
        CAPTURE(what);
        CHECK(outcome_under(context, each, {what, 0, 0, times}) == each.value);
      }
      for (const int error : {EINTR, EAGAIN, EBUSY}) {
        CAPTURE(error);
        CHECK(outcome_under(context, each, {kind::enter_fails, error, 0, times}) == each.value);
      }
    }
  }
}

TEST_CASE(
    "op: cancelled while anything holds it up, it ends once, and with ECANCELED or its value") {
  zc::context context({.entries = 2});
  for (const row& each : every_op()) {
    CAPTURE(each.name);
    for (const kind what :
         {kind::none, kind::delayed, kind::reordered, kind::queue_full, kind::enter_fails}) {
      CAPTURE(what);
      ready_for_all at;
      std::stop_source stop;
      support::scripted_kernel kernel({what, what == kind::enter_fails ? EBUSY : 0, 0, 8});
      kernel.before_step([&](int) { stop.request_stop(); });
      kernel.stand_before(context);
      const int outcome = context.run(zc::with_stop(stop.get_token(), each.make(at)));
      if (outcome != -ECANCELED) CHECK(outcome == each.value);
    }
  }
}

TEST_CASE("op: completions in any order reach the ops that they belong to") {
  zc::context context({.entries = 4});
  for (const kind what : {kind::delayed, kind::reordered}) {
    CAPTURE(what);
    std::vector<support::ends> pipes;
    std::vector<std::string> buffers(100, std::string(4, '?'));
    std::vector<zc::task<int>> reads;
    for (unsigned i = 0; i < 100; ++i) {
      pipes.push_back(support::make_pipe());
      // As many bytes as say which pipe it is.
      support::write_all(pipes.back().second.get(), support::bytes_at(4 * i, i % 4 + 1));
      reads.push_back(
          outcome_of<op::read>(pipes.back().first.get(), buffers[i].data(), std::size_t{4}));
    }
    support::scripted_kernel kernel({what, 0, 0, fault::ever_after});
    kernel.stand_before(context);
    const std::vector<int> counts = context.run(zc::when_all(std::move(reads)));
    for (unsigned i = 0; i < 100; ++i) {
      CHECK(counts[i] == static_cast<int>(i % 4 + 1));
      CHECK(support::are_bytes_at({buffers[i].data(), i % 4 + 1}, 4 * i));
    }
  }
}

TEST_SUITE_END();
