#include "steady_load.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "require.hpp"

namespace bench {

namespace {

using steady = std::chrono::steady_clock;

struct line {
  int socket;
  std::size_t pace;
  std::size_t got = 0;
  steady::time_point due;
};

class load {
 public:
  load(std::vector<pace>& paces, steady::time_point begin)
      : paces_(paces), idle_(paces.size()), next_(paces.size(), begin), answers_(paces.size()) {
    for (std::size_t at = 0; at < paces.size(); ++at) {
      for (const zc::fd& socket : paces[at].sockets) {
        idle_[at].push_back(lines_.size());
        epoll_event wanted{.events = EPOLLIN, .data = {.u64 = lines_.size()}};
        require(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.get(), &wanted), "epoll_ctl");
        lines_.push_back({socket.get(), at, 0, {}});
      }
    }
  }

  std::vector<answers> run(steady::time_point end) {
    for (;;) {
      const steady::time_point now = steady::now();
      ask_what_is_due(std::min(now, end));
      if (now >= end && waiting_ == 0) return std::move(answers_);
      const steady::time_point soonest = *std::min_element(next_.begin(), next_.end());
      // What is due but finds no idle connection waits for an answer.
      take_answers(now >= end || soonest <= now ? std::chrono::milliseconds(100) : soonest - now);
    }
  }

 private:
  void ask_what_is_due(steady::time_point now) {
    for (std::size_t at = 0; at < paces_.size(); ++at) {
      while (next_[at] < now && !idle_[at].empty()) {
        line& by = lines_[idle_[at].front()];
        idle_[at].pop_front();
        by.due = next_[at];
        next_[at] += paces_[at].every;
        paces_[at].ask(by.socket);
        ++waiting_;
      }
    }
  }

  void take_answers(steady::duration at_most) {
    const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(at_most).count();
    const timespec wait{.tv_sec = nanoseconds / 1'000'000'000,
                        .tv_nsec = nanoseconds % 1'000'000'000};
    std::array<epoll_event, 64> events;
    const int count = require(
        ::epoll_pwait2(epoll_.get(), events.data(), events.size(), &wait, nullptr), "epoll_pwait2");
    for (int at = 0; at < count; ++at) take(events[static_cast<std::size_t>(at)].data.u64);
  }

  void take(std::size_t index) {
    line& from = lines_[index];
    const auto got = static_cast<std::size_t>(
        require(::recv(from.socket, buffer_.data(), buffer_.size(), 0), "recv"));
    if (got == 0) throw std::runtime_error("the server hung up");
    from.got += got;
    const std::size_t wanted = paces_[from.pace].answer_bytes;
    if (from.got < wanted) return;
    require_equal(from.got, wanted, "bytes of an answer");
    from.got = 0;
    const std::chrono::duration<double, std::micro> passed = steady::now() - from.due;
    answers_[from.pace].latencies.push_back(passed.count());
    idle_[from.pace].push_back(index);
    --waiting_;
  }

  std::vector<pace>& paces_;
  zc::fd epoll_{require(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")};
  std::vector<line> lines_;
  std::vector<std::deque<std::size_t>> idle_;
  std::vector<steady::time_point> next_;  // when a request of this pace is due
  std::vector<answers> answers_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(256 * 1024);
  std::size_t waiting_ = 0;
};

}  // namespace

std::vector<answers> run_steadily(std::vector<pace> paces, std::chrono::milliseconds duration) {
  const steady::time_point begin = steady::now();
  return load(paces, begin).run(begin + duration);
}

}  // namespace bench
