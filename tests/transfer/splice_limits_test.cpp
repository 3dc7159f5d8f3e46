// H13: where a plain user's limits on pipes and descriptors bite, transfers get slower and no more.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "support/process.hpp"
#include "support/transfers.hpp"
#include "zc/op/recv.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"

using namespace std::chrono_literals;

TEST_SUITE_BEGIN("kernel");

namespace {

constexpr std::size_t at_once = 2000;
constexpr std::size_t size = 100'000;

struct pipes_seen {
  std::size_t all = 0;
  std::size_t small = 0;  // of less than was asked for
};

/// The pipes of this process. /proc/self/fd is closed to one that has become another user.
pipes_seen look_at_pipes(int pipe_bytes) {
  rlimit most{};
  ::getrlimit(RLIMIT_NOFILE, &most);
  pipes_seen seen;
  for (int fd = 0; fd < static_cast<int>(std::min<rlim_t>(most.rlim_max, 65536)); ++fd) {
    const int bytes = ::fcntl(fd, F_GETPIPE_SZ);
    if (bytes < 0) continue;
    ++seen.all;
    if (bytes < pipe_bytes) ++seen.small;
  }
  return seen;
}

struct outcomes {
  std::size_t whole = 0;  // transfers that moved all they were asked for
  std::size_t right = 0;  // peers that got the right bytes
};

zc::task<> move_one(int in, int out, zc::splice_options options, outcomes& all) {
  const zc::transfer done = co_await zc::try_splice(in, out, options);
  if (done.moved == size && done.taken == size && done.reason == zc::stop_reason::complete) {
    ++all.whole;
  } else {
    std::fprintf(stderr, "moved %llu: %s\n", static_cast<unsigned long long>(done.moved),
                 done.error.message().c_str());
  }
  ::shutdown(out, SHUT_WR);
}

zc::task<> receive_one(int from, std::string_view expected, outcomes& all) {
  std::vector<char> buffer(16 * 1024);
  std::size_t got = 0;
  bool right = true;
  for (;;) {
    const auto some = co_await zc::op::recv(from, buffer.data(), buffer.size());
    if (!some || *some == 0) break;
    right = right && expected.substr(got, *some) == std::string_view(buffer.data(), *some);
    got += *some;
  }
  if (got == size && right) ++all.right;
}

/// Begins them all, looks at the pipes when none can go on, and only then begins to read.
template <class Meanwhile>
zc::task<outcomes> move_all(int in, std::string_view content,
                            const std::vector<support::ends>& pairs, Meanwhile meanwhile) {
  outcomes all;
  zc::scope transfers;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto offset = static_cast<std::int64_t>(i);
    // Not by sendfile(2), which brings pipes of its own.
    const zc::splice_options options{.offset = offset, .nbytes = size, .route = zc::route::direct};
    transfers.spawn(move_one(in, pairs[i].first.get(), options, all));
  }
  // Stalled when the number of pipes stays the same for a while.
  std::size_t before = 0;
  for (int i = 0; i < 200; ++i) {
    co_await zc::sleep_for(25ms);
    const std::size_t now = look_at_pipes(0).all;
    if (now == before && i > 3) break;
    before = now;
  }
  meanwhile();
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    transfers.spawn(receive_one(pairs[i].second.get(), content.substr(i, size), all));
  }
  co_await transfers.join();
  co_return all;
}

/// Pairs whose buffers hold less than one transfer.
std::vector<support::ends> narrow_pairs() {
  std::vector<support::ends> pairs;
  const int room = 8 * 1024;
  for (std::size_t i = 0; i < at_once; ++i) {
    pairs.push_back(support::unix_pair(SOCK_NONBLOCK));
    ::setsockopt(pairs.back().first.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  }
  return pairs;
}

/// Room for the descriptors of all transfers; false where the hard limit has none.
bool raise_descriptor_limit() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, 4 * at_once + 1000);
  return ::setrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur >= 2 * at_once + 500;
}

int fail(const char* what, std::size_t a, std::size_t b) {
  std::fprintf(stderr, "%s: %zu, %zu\n", what, a, b);
  return 1;
}

/// What 2000 transfers are between, and the pipes that were there before.
struct crowd {
  std::vector<support::ends> pairs = narrow_pairs();
  std::string content = support::bytes_at(0, at_once + size);
  zc::fd in = support::file_of(content.size());
  pipes_seen inherited = look_at_pipes(0);
};

/// Checks that `body`, given a crowd, returns 0 in a child that is a plain user.
template <class Body>
void check_as_nobody(Body body) {
  static constexpr int cannot = 77;
  const int status = support::in_child([&body] {
    if (!raise_descriptor_limit()) return cannot;
    const crowd all;
    if (!support::become_nobody()) return cannot;
    return body(all);
  });
  if (support::exited_with(status, cannot)) {
    MESSAGE("skipped: needs root and 4500 descriptors");
    return;
  }
  CHECK(support::exited_with(status, 0));
}

}  // namespace

TEST_CASE("splice: 2000 transfers at once of a plain user outgrow its pipe pages, and all end") {
  check_as_nobody([](const crowd& those) {
    // A pipe for each, as many as there are descriptors: then pages are the only limit.
    zc::context_options options{.pipes = at_once};
    zc::context context(options);
    pipes_seen seen;
    const auto look = [&] { seen = look_at_pipes(static_cast<int>(options.pipe_bytes)); };
    const outcomes all = context.run(move_all(those.in.get(), those.content, those.pairs, look));
    // Both ends of a pipe are seen. 256 KiB each, the user's 64 MiB are 256 pipes.
    seen.all -= those.inherited.all;
    if (seen.all < 600) return fail("too few pipes to matter", seen.all, seen.small);
    if (seen.small <= those.inherited.all) {
      return fail("no pipe became smaller", seen.all, seen.small);
    }
    if (all.whole != at_once) return fail("whole", all.whole, at_once);
    if (all.right != at_once) return fail("right", all.right, at_once);
    return 0;
  });
}

TEST_CASE("splice: 2000 transfers at once all end where pipe2 says EMFILE after the first few") {
  check_as_nobody([](const crowd& those) {
    zc::context context({.pipes = at_once});
    const zc::fd highest = support::empty_file();
    const support::limit files(RLIMIT_NOFILE, static_cast<rlim_t>(highest.get()) + 21);
    std::size_t pipes = 0;
    const auto look = [&pipes] { pipes = look_at_pipes(0).all; };
    const outcomes all = context.run(move_all(those.in.get(), those.content, those.pairs, look));
    pipes -= those.inherited.all;
    if (pipes != 20) return fail("pipes", pipes, 20);
    if (all.whole != at_once) return fail("whole", all.whole, at_once);
    if (all.right != at_once) return fail("right", all.right, at_once);
    const auto copied = static_cast<std::size_t>(context.counters().without_pipe);
    if (copied < at_once / 2) return fail("copied", copied, at_once);
    return 0;
  });
}

TEST_SUITE_END();
