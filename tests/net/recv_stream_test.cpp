#include "zc/recv_stream.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/descriptors.hpp"
#include "support/line.hpp"
#include "support/process.hpp"
#include "support/scripted_kernel.hpp"
#include "zc/context.hpp"
#include "zc/op/nop.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"
#include "zc/when_any.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

using namespace std::chrono_literals;
using support::fault;
using kind = support::fault::kind;

struct mode {
  const char* name;
  bool multishot;
  std::uint32_t buffers;
  std::uint32_t buffer_bytes = 4096;

  zc::context_options context(std::uint32_t entries = 256) const {
    return {.entries = entries, .recv_buffers = buffers, .recv_buffer_bytes = buffer_bytes};
  }
  zc::recv_stream_options stream() const { return {.multishot = multishot}; }
};

const std::vector<mode> modes{
    {"one op each", false, 256},
    {"one op each, one buffer", false, 1},
    {"one op each, 3 of 5", false, 3, 5},
    {"multishot", true, 256},
    {"multishot, one buffer", true, 1},
    {"multishot, 3 of 5", true, 3, 5},
    {"no buffers", false, 0},
    {"no buffers, of 7", true, 0, 7},
};

std::string_view text(const zc::received& piece) {
  return {reinterpret_cast<const char*>(piece.bytes().data()), piece.bytes().size()};
}

/// What next() gives, or throws.
zc::task<zc::received> next(zc::recv_stream& from) {
  zc::result<zc::received> piece = co_await from.next();
  co_return std::move(piece).value();
}

/// Receives until there are `size` bytes in `to`, or the stream ends.
zc::task<> receive(zc::recv_stream& from, std::size_t size, std::string& to) {
  while (to.size() < size) {
    const zc::received piece = co_await next(from);
    if (piece.empty()) co_return;
    to += text(piece);
  }
}

zc::task<int> error_of_next(zc::recv_stream& from) {
  const zc::result<zc::received> one = co_await from.next();
  co_return one.error().value();
}

zc::task<> turns(int count) {
  for (int i = 0; i < count; ++i) co_await zc::yield();
}

/// What the socket still has.
std::string left_in(int socket) {
  std::string bytes(1000, '?');
  const ssize_t count = ::recv(socket, bytes.data(), bytes.size(), MSG_DONTWAIT);
  bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return bytes;
}

}  // namespace

TEST_CASE("recv_stream: gives every byte in order, and none again and again at the end") {
  constexpr std::size_t size = 300'000;
  for (const mode& each : modes) {
    CAPTURE(each.name);
    for (const bool tcp : {false, true}) {
      for (const int flags : {0, int{SOCK_NONBLOCK}}) {
        CAPTURE(tcp);
        CAPTURE(flags);
        const std::size_t total = each.buffer_bytes < 100 ? size / 100 : size;
        support::ends sockets = tcp ? support::tcp_pair(flags) : support::unix_pair(flags);
        const auto play = [&]() -> zc::task<> {
          zc::recv_stream stream(sockets.first.get(), each.stream());
          std::string got;
          co_await zc::when_all(receive(stream, total, got),
                                support::give_out(sockets.second.get(), total, 0));
          CHECK(got.size() == total);
          CHECK(support::are_bytes_at(got, 0));
          sockets.second = zc::fd();
          for (int i = 0; i < 3; ++i) CHECK((co_await next(stream)).empty());
        };
        zc::run(play(), each.context());
      }
    }
  }
}

TEST_CASE("recv_stream: resumes with what there is, and no more than fits a buffer") {
  for (const mode& each : modes) {
    CAPTURE(each.name);
    const support::ends sockets = support::unix_pair();
    const auto play = [&]() -> zc::task<> {
      zc::recv_stream stream(sockets.first.get(), each.stream());
      for (std::size_t i = 0; i < 20; ++i) {
        const std::string sent = support::bytes_at(i, i % 6 + 1);
        zc::scope later;
        const auto send = [&]() -> zc::task<> {
          co_await turns(static_cast<int>(i % 4));
          support::write_all(sockets.second.get(), sent);
        };
        later.spawn(send());
        std::string got;
        while (got.size() < sent.size()) {
          const zc::received piece = co_await next(stream);
          CHECK(!piece.empty());
          CHECK(piece.bytes().size() <= each.buffer_bytes);
          got += text(piece);
        }
        CHECK(got == sent);
        co_await later.join();
      }
    };
    zc::run(play(), each.context());
  }
}

TEST_CASE("recv_stream: one op for many pieces with multishot, else one for each") {
  for (const bool multishot : {false, true}) {
    CAPTURE(multishot);
    const support::ends sockets = support::unix_pair();
    zc::context context;
    support::scripted_kernel kernel;
    kernel.stand_before(context);
    const auto play = [&]() -> zc::task<> {
      zc::recv_stream stream(sockets.first.get(), {.multishot = multishot});
      for (int i = 0; i < 20; ++i) {
        support::write_all(sockets.second.get(), "some");
        CHECK(text(co_await next(stream)) == "some");
      }
    };
    context.run(play());
    CHECK(kernel.steps() == (multishot ? 1 : 20));
  }
}

TEST_CASE("recv_stream: idle ones hold no buffer, and none waits for another's") {
  // Many more than there are buffers, and whoever has received keeps it.
  for (const mode& each : modes) {
    CAPTURE(each.name);
    std::vector<support::ends> sockets;
    for (int i = 0; i < 300; ++i) sockets.push_back(support::unix_pair());
    const auto play = [&]() -> zc::task<> {
      std::vector<zc::received> pieces(sockets.size());
      const auto one = [&](std::size_t i) -> zc::task<> {
        zc::recv_stream stream(sockets[i].first.get(), each.stream());
        pieces[i] = co_await next(stream);
      };
      zc::scope all;
      for (std::size_t i = 0; i < sockets.size(); ++i) all.spawn(one(i));
      co_await turns(5);
      CHECK(all.running() == sockets.size());
      for (std::size_t i = 0; i < sockets.size(); ++i) {
        support::write_all(sockets[i].second.get(), support::bytes_at(i, 4));
        if (i % 10 == 0) co_await turns(1);
      }
      co_await all.join();
      for (std::size_t i = 0; i < sockets.size(); ++i) {
        CHECK(text(pieces[i]) == support::bytes_at(i, 4));
      }
    };
    zc::run(zc::timeout(60s, play()), each.context());
  }
}

TEST_CASE("recv_stream: what next() has not asked for stays in the socket, without multishot") {
  for (const std::uint32_t buffers : {256u, 0u}) {
    CAPTURE(buffers);
    const support::ends sockets = support::unix_pair();
    const auto play = [&]() -> zc::task<> {
      zc::recv_stream stream(sockets.first.get());
      support::write_all(sockets.second.get(), "first");
      CHECK(text(co_await next(stream)) == "first");
      support::write_all(sockets.second.get(), "second");
      co_await turns(5);
      CHECK(left_in(sockets.first.get()) == "second");
      // Nor does one that was cancelled stay behind and take it.
      zc::scope waiting;
      std::string got;
      waiting.spawn(receive(stream, 1, got));
      co_await turns(3);
      waiting.cancel();
      co_await waiting.join();
      co_await turns(3);
      support::write_all(sockets.second.get(), "third");
      co_await turns(3);
      CHECK(left_in(sockets.first.get()) == "third");
      CHECK(got.empty());
    };
    zc::run(play(), {.recv_buffers = buffers});
  }
}

TEST_CASE("recv_stream: a socket that is ready and has no bytes costs no CPU") {
  for (const mode& each : modes) {
    CAPTURE(each.name);
    const support::ends sockets = support::tcp_pair();
    support::leave_in_error_queue(sockets.first.get(), sockets.second.get());
    const auto play = [&]() -> zc::task<> {
      zc::recv_stream stream(sockets.first.get(), each.stream());
      zc::scope receiving;
      std::string got;
      receiving.spawn(receive(stream, 5, got));
      auto least = std::chrono::microseconds::max();
      for (int i = 0; i < 20 && least >= 15ms; ++i) {
        const auto before = support::cpu_time();
        co_await zc::sleep_for(60ms);
        least = std::min(least, support::cpu_time() - before);
      }
      // Spinning would take all of it, every time.
      CHECK(least < 15ms);
      support::write_all(sockets.second.get(), "bytes");
      co_await receiving.join();
      CHECK(got == "bytes");
      // Nor does one that is cancelled keep its memory, or its bytes.
      receiving.spawn(receive(stream, 9, got));
      co_await turns(3);
      receiving.cancel();
      co_await receiving.join();
      support::write_all(sockets.second.get(), "more");
      zc::scope again;
      again.spawn(receive(stream, 9, got));
      co_await again.join();
      CHECK(got == "bytesmore");
    };
    zc::run(zc::timeout(30s * support::slowdown(), play()), each.context());
  }
}

TEST_CASE("recv_stream: a cancelled next() ends at once and loses no byte") {
  for (const mode& each : modes) {
    CAPTURE(each.name);
    const support::ends sockets = support::unix_pair();
    std::size_t sent = 0;
    std::string got;
    const auto play = [&]() -> zc::task<> {
      zc::recv_stream stream(sockets.first.get(), each.stream());
      for (int before = 0; before < 6; ++before) {
        for (int after = 0; after < 6; ++after) {
          zc::scope receiving;
          receiving.spawn(receive(stream, got.size() + 4, got));
          co_await turns(before);
          support::write_all(sockets.second.get(), support::bytes_at(sent, 10));
          sent += 10;
          co_await turns(after);
          receiving.cancel();
          co_await receiving.join();
        }
      }
      CHECK(got.size() < sent);  // or nothing was tried
      co_await receive(stream, sent, got);
    };
    zc::run(zc::timeout(30s, play()), each.context());
    CHECK(got.size() == sent);
    CHECK(support::are_bytes_at(got, 0));
  }
}

TEST_CASE("recv_stream: begun in a cancelled task it takes nothing") {
  for (const mode& each : modes) {
    CAPTURE(each.name);
    const support::ends sockets = support::unix_pair();
    support::write_all(sockets.second.get(), "abc");
    const auto play = [&]() -> zc::task<> {
      zc::recv_stream stream(sockets.first.get(), each.stream());
      int error = 0;
      const auto ask = [&]() -> zc::task<> { error = co_await error_of_next(stream); };
      zc::scope cancelled;
      cancelled.cancel();
      cancelled.spawn(ask());
      co_await cancelled.join();
      CHECK(error == ECANCELED);
      CHECK(text(co_await next(stream)) == "abc");
    };
    zc::run(play(), each.context());
  }
}

TEST_CASE("recv_stream: a multishot that nobody asks keeps little, and leaves the others alone") {
  const support::ends flooded = support::tcp_pair(SOCK_NONBLOCK);
  const support::ends other = support::unix_pair();
  constexpr std::size_t size = 20'000'000;
  std::uint64_t sent = 0;
  const auto play = [&]() -> zc::task<> {
    zc::recv_stream stream(flooded.first.get(), {.multishot = true});
    zc::scope flood;
    flood.spawn(support::give_out(flooded.second.get(), size, 0, sent));
    std::string got(text(co_await next(stream)));
    zc::recv_stream beside(other.first.get(), {.multishot = true});
    for (int i = 0; i < 500; ++i) {
      support::write_all(other.second.get(), "ping");
      CHECK(text(co_await next(beside)) == "ping");
    }
    // What the kernel has of it in its own buffers is not ours.
    const int unread = static_cast<int>(left_in(flooded.first.get()).size());
    CHECK(unread == 1000);  // it has stopped, with bytes there to be had
    co_await receive(stream, 100'000, got);
    flood.cancel();
    co_await flood.join();
  };
  zc::run(zc::timeout(60s, play()), {.recv_buffers = 16});
  CHECK(sent < size);
}

TEST_CASE("recv_stream: whatever the kernel says instead of bytes, each comes once") {
  struct row {
    int error;
    bool said;
  };
  for (const mode& each : modes) {
    CAPTURE(each.name);
    for (const row& at : {row{ENOBUFS, each.buffers == 0}, row{EINTR, false}, row{EAGAIN, false},
                          row{ECANCELED, false}, row{512, false}, row{EIO, true},
                          row{ECONNRESET, true}, row{ENOMEM, true}, row{EINVAL, !each.multishot}}) {
      CAPTURE(at.error);
      const support::ends sockets = support::unix_pair();
      std::string got;
      zc::context context(each.context());
      support::scripted_kernel kernel({kind::error, at.error, 0, 1});
      kernel.stand_before(context);
      const auto play = [&]() -> zc::task<> {
        zc::recv_stream stream(sockets.first.get(), each.stream());
        support::write_all(sockets.second.get(), support::bytes_at(0, 20));
        if (at.said) CHECK(co_await error_of_next(stream) == at.error);
        co_await receive(stream, 20, got);
        support::write_all(sockets.second.get(), support::bytes_at(20, 20));
        co_await receive(stream, 40, got);
      };
      context.run(zc::timeout(30s, play()));
      CHECK(kernel.met());
      CHECK(got.size() == 40);
      CHECK(support::are_bytes_at(got, 0));
    }
  }
}

TEST_CASE("recv_stream: held up in the kernel or on its way, each byte still comes once") {
  for (const mode& each : modes) {
    for (const kind what :
         {kind::delayed, kind::reordered, kind::queue_full, kind::enter_fails, kind::short_count}) {
      for (const int times : {1, 5, 1000}) {
        if (times == 1000 && (what == kind::queue_full || what == kind::enter_fails)) continue;
        CAPTURE(each.name);
        CAPTURE(what);
        CAPTURE(times);
        const support::ends sockets = support::unix_pair();
        std::size_t sent = 0;
        std::string got;
        zc::context context(each.context(2));
        support::scripted_kernel kernel({what, what == kind::enter_fails ? EBUSY : 0, 0, times});
        kernel.stand_before(context);
        const auto play = [&]() -> zc::task<> {
          zc::recv_stream stream(sockets.first.get(), each.stream());
          for (int i = 0; i < 10; ++i) {
            support::write_all(sockets.second.get(), support::bytes_at(sent, 20));
            sent += 20;
            zc::scope receiving;
            receiving.spawn(receive(stream, got.size() + 9, got));
            if (i % 3 != 0) co_await turns(i % 5);
            if (i % 4 == 0) receiving.cancel();
            co_await receiving.join();
          }
          co_await receive(stream, sent, got);
        };
        context.run(zc::timeout(60s, play()));
        CHECK(kernel.met());
        CHECK(got.size() == sent);
        CHECK(support::are_bytes_at(got, 0));
      }
    }
  }
}

TEST_CASE("recv_stream: ends with its op in any stage, and with bytes that nobody took") {
  for (const mode& each : modes) {
    for (int before = 0; before < 5; ++before) {
      for (int after = 0; after < 5; ++after) {
        const support::ends sockets = support::unix_pair();
        const auto play = [&]() -> zc::task<> {
          zc::recv_stream stream(sockets.first.get(), each.stream());
          zc::scope receiving;
          std::string got;
          receiving.spawn(receive(stream, 5, got));
          co_await turns(before);
          support::write_all(sockets.second.get(), support::bytes_at(0, 40));
          co_await turns(after);
        };
        zc::run(play(), each.context());
      }
    }
  }
}

TEST_CASE("recv_stream: what was received may outlive the stream, its socket and the context") {
  for (const mode& each : modes) {
    CAPTURE(each.name);
    std::vector<zc::received> kept;
    {
      const support::ends sockets = support::unix_pair();
      const auto play = [&]() -> zc::task<zc::received> {
        zc::recv_stream stream(sockets.first.get(), each.stream());
        for (int i = 0; i < 5; ++i) {
          support::write_all(sockets.second.get(), "abcd");
          kept.push_back(co_await next(stream));
        }
        support::write_all(sockets.second.get(), "last");
        co_return co_await next(stream);
      };
      kept.push_back(zc::run(play(), each.context()));
    }
    CHECK(text(kept[2]) == "abcd");
    CHECK(text(kept[5]) == "last");
    zc::received moved(std::move(kept[5]));
    CHECK(kept[5].empty());
    moved = std::move(kept[2]);
    CHECK(text(moved) == "abcd");
  }
}

TEST_CASE("recv_stream: a reset is said after the bytes before it, what is no socket at once") {
  for (const mode& each : modes) {
    CAPTURE(each.name);
    support::ends sockets = support::tcp_pair();
    const support::ends pipe = support::make_pipe();
    const auto play = [&]() -> zc::task<> {
      zc::recv_stream stream(sockets.first.get(), each.stream());
      support::write_all(sockets.second.get(), "abc");
      CHECK(text(co_await next(stream)) == "abc");
      zc::scope waiting;
      int error = 0;
      const auto ask = [&]() -> zc::task<> { error = co_await error_of_next(stream); };
      waiting.spawn(ask());
      co_await turns(3);
      support::reset_on_close(sockets.second.get());
      sockets.second = zc::fd();
      co_await waiting.join();
      CHECK(error == ECONNRESET);
      zc::recv_stream wrong(pipe.first.get(), each.stream());
      support::write_all(pipe.second.get(), "x");
      CHECK(co_await error_of_next(wrong) == ENOTSOCK);
    };
    zc::run(play(), each.context());
  }
}

TEST_SUITE_END();
