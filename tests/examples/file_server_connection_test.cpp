#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <chrono>
#include <filesystem>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "../examples/file_server/connection.hpp"
#include "support/descriptors.hpp"
#include "zc/context.hpp"
#include "zc/op/recv.hpp"
#include "zc/op/send.hpp"
#include "zc/sleep.hpp"
#include "zc/when_all.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

using std::chrono::milliseconds;

/// A directory with a file, `index.html`, and one client of it.
class server {
 public:
  server() {
    support::write_all(support::open_file(place_.path() / "index.html", O_CREAT | O_WRONLY).get(),
                       "hello");
  }

  /// What the client is sent when it sends `bytes`, and then `after` a while `more`.
  std::string answer_to(std::string_view bytes, milliseconds after = {}, std::string_view more = {},
                        bool stops = false) {
    auto [first, second] = support::tcp_pair(SOCK_NONBLOCK);
    zc::fd client = std::move(first);
    std::stop_source stop;
    std::string got;
    const auto serve = [&]() -> zc::task<> {
      file_server::commons shared(all, stop.get_token());
      file_server::connection one(std::move(second), shared);
      co_await one.run();
    };
    const auto ask = [&]() -> zc::task<> {
      (co_await zc::op::send(client.get(), bytes.data(), bytes.size())).value();
      co_await zc::sleep_for(after);
      if (stops) stop.request_stop();
      if (!more.empty()) {
        (co_await zc::op::send(client.get(), more.data(), more.size())).value();
      }
      for (;;) {
        char memory[4096];
        const zc::result<std::size_t> some =
            co_await zc::op::recv(client.get(), memory, sizeof memory);
        if (!some || *some == 0) break;
        got.append(memory, *some);
      }
      client = {};  // or the server would listen to what it has refused for some time
    };
    const auto both = [&]() -> zc::task<> { co_await zc::when_all(serve(), ask()); };
    zc::run(both());
    return got;
  }

 private:
  support::temporary_directory place_;
  file_server::root_path root_{place_.path()};

 public:
  file_server::settings all{.root = root_};
};

bool is(std::string_view answer, std::string_view status) {
  return answer.starts_with("HTTP/1.1 " + std::string(status) + " ");
}

std::size_t count(std::string_view all, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = all.find(what); at != all.npos; at = all.find(what, at + 1)) ++found;
  return found;
}

constexpr std::string_view last = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

}  // namespace

TEST_CASE("file_server: a request is answered, and the connection ends when it says so") {
  const std::string got = server().answer_to(last);
  CHECK(is(got, "200"));
  CHECK(got.ends_with("\r\n\r\nhello"));
}

TEST_CASE("file_server: requests that come at once are answered in order") {
  const std::string got = server().answer_to(
      "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
      "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
      "GET /none HTTP/1.1\r\nHost: h\r\n\r\n"
      "\r\n" +
      std::string(last));
  CHECK(count(got, "HTTP/1.1 ") == 4);
  CHECK(is(got, "200"));
  CHECK(got.find(" 405 ") < got.find(" 404 "));
  CHECK(got.find(" 404 ") < got.rfind(" 200 "));
}

TEST_CASE("file_server: a request may come in pieces") {
  const std::string got = server().answer_to(last.substr(0, 20), milliseconds(30), last.substr(20));
  CHECK(is(got, "200"));
}

TEST_CASE("file_server: a client that does not finish its request is told so") {
  server slow;
  slow.all.limits.head = milliseconds(50);
  CHECK(is(slow.answer_to("GET / HT"), "408"));
}

TEST_CASE("file_server: a client that has no request is not waited for") {
  server slow;
  slow.all.limits.idle = milliseconds(50);
  CHECK(slow.answer_to("").empty());
  const std::string got = slow.answer_to("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(is(got, "200"));
}

TEST_CASE("file_server: whoever idles goes when the server ends") {
  server ending;
  ending.all.limits.idle = std::chrono::hours(1);
  const std::string got =
      ending.answer_to("GET / HTTP/1.1\r\nHost: h\r\n\r\n", milliseconds(30), "", true);
  CHECK(is(got, "200"));
}

TEST_CASE("file_server: a request that has begun when the server ends is answered, as the last") {
  const std::string_view request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  const std::string got =
      server().answer_to(request.substr(0, 10), milliseconds(30), request.substr(10), true);
  CHECK(is(got, "200"));
  CHECK(got.find("\r\nConnection: close\r\n") != got.npos);
}

TEST_CASE("file_server: what is no request is refused, and nothing after it is read as one") {
  const std::string got = server().answer_to("nonsense\r\n\r\n" + std::string(last));
  CHECK(is(got, "400"));
  CHECK(count(got, "HTTP/1.1 ") == 1);
}

TEST_CASE("file_server: too long a target, or too much of a head, is refused") {
  CHECK(is(server().answer_to("GET /" + std::string(9000, 'a')), "414"));
  CHECK(is(server().answer_to("GET / HTTP/1.1\r\nA: " + std::string(20'000, 'a')), "431"));
}

TEST_SUITE_END();
