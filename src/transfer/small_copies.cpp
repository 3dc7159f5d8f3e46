#include "transfer/small_copies.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include "engine/loop.hpp"
#include "zc/detail/errno_code.hpp"
#include "zc/detail/turn_share.hpp"

namespace zc::detail {

namespace {

// What a thread copies faster than it is told how to do it in another way.
constexpr std::size_t size_limit_bytes = std::size_t{64} * 1024;
// So many at most wait for the last of them. A third of a batch: while two threads are at work, the
// next ones are collected.
constexpr std::size_t flight_limit = 20;

/// The rest, until all is written or it fails: how much that was.
std::size_t write_all(int file, const char* bytes, std::size_t nbytes, int& error) noexcept {
  std::size_t written = 0;
  while (written < nbytes) {
    const ssize_t some = ::write(file, bytes + written, nbytes - written);
    if (some < 0) {
      error = errno;
      break;
    }
    written += static_cast<std::size_t>(some);
  }
  return written;
}

}  // namespace

/// Those that one thread makes one after another.
class small_copy_flight {
 public:
  small_copy_flight() noexcept = default;
  small_copy_flight(const small_copy_flight&) = delete;
  small_copy_flight& operator=(const small_copy_flight&) = delete;
  ~small_copy_flight() { release(); }

  bool full() const noexcept { return count_ == flight_limit; }
  void add(small_copy& one) noexcept {
    one.flight_ = this;
    copies_[count_++] = &one;
  }

  /// On the thread.
  void make(const off_thread_signals& signals) noexcept {
    std::array<char, size_limit_bytes + 1> buffer;  // NOLINT: filled before it is read
    for (std::size_t i = 0; i < count_ && !signals.cancel_wanted(); ++i) {
      if (copies_[i] != nullptr) copies_[i]->make(buffer.data());
    }
    finished_.store(true);
    finished_.notify_all();
  }

  /// Back on the context's thread: who waits goes on.
  void land() noexcept {
    for (small_copy* const one : release()) {
      if (one == nullptr || one->waiter_ == nullptr) continue;
      resumable& waiter = *std::exchange(one->waiter_, nullptr);
      waiter.env.where->post(waiter);
    }
  }

  /// For a copy that goes while the thread may be at it.
  void leave(small_copy& one) noexcept {
    finished_.wait(false);
    std::replace(copies_.begin(), copies_.end(), &one, static_cast<small_copy*>(nullptr));
  }

 private:
  std::span<small_copy* const> release() noexcept {
    const std::span<small_copy* const> all(copies_.data(), std::exchange(count_, 0));
    for (small_copy* const one : all) {
      if (one == nullptr) continue;
      one->flight_ = nullptr;
      one->tried_ = true;
    }
    finished_.store(true);
    finished_.notify_all();
    return all;
  }

  std::array<small_copy*, flight_limit> copies_{};
  std::size_t count_ = 0;
  std::atomic<bool> finished_{false};
};

small_copy::small_copy(const path_job& job) noexcept : job_(job) {
  result.route = job.options.route;
}

small_copy::~small_copy() {
  if (flight_ != nullptr) flight_->leave(*this);
  if (queued_in_ != nullptr) queued_in_->queue_.remove(*this);
}

bool small_copy::may_serve(const path_job& job) noexcept {
  constexpr int harmless = O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
  const int in_flags = job.in_flags & ~harmless;
  const int out_flags = job.out_flags & ~(harmless | O_TRUNC | O_EXCL | O_ACCMODE);
  const bool writes = (job.out_flags & O_ACCMODE) != O_RDONLY;
  const bool is_new_or_emptied = (job.out_flags & (O_TRUNC | O_EXCL)) != 0;
  const splice_options& asked = job.options;
  return !job.in.empty() && !job.out.empty() && in_flags == O_RDONLY && out_flags == O_CREAT &&
         writes && is_new_or_emptied && asked.offset == 0 && asked.nbytes == to_end &&
         asked.flags == splice_flags::none && asked.out_offset == 0 &&
         asked.route == route::automatic && asked.progress == nullptr;
}

void small_copy::fail(path_call call, int error, side where) noexcept {
  ended = true;
  result.reason = stop_reason::failed;
  result.error = errno_code(error);
  result.side = where;
  result.call = call;
}

void small_copy::make(char* buffer) noexcept {
  // A FIFO is opened without waiting, as op::openat does.
  const int raw = ::openat(job_.in_at, job_.in.c_str(), job_.in_flags | O_NONBLOCK | O_CLOEXEC);
  if (raw < 0) return fail(path_call::open_in, errno, side::in);
  in.own(fd(raw));
  if (::fstat(raw, &in.about) < 0) return fail(path_call::open_in, errno, side::in);
  if (S_ISDIR(in.about.st_mode)) return fail(path_call::open_in, EISDIR, side::in);
  const auto size = static_cast<std::size_t>(in.about.st_size);
  if (S_ISREG(in.about.st_mode) && size <= size_limit_bytes) {
    // One that does not tell its size, or has another one by now, is left alone.
    const ssize_t got = ::pread(raw, buffer, size + 1, 0);
    if (got >= 0 && static_cast<std::size_t>(got) == size) copy(buffer, size);
  }
  if (!ended) ::fcntl(raw, F_SETFL, job_.in_flags);
}

void small_copy::copy(const char* bytes, std::size_t nbytes) noexcept {
  // What is there already is emptied, or refused, in another way.
  const int out = ::openat(job_.out_at, job_.out.c_str(), job_.out_flags | O_EXCL | O_CLOEXEC,
                           static_cast<mode_t>(job_.mode));
  if (out < 0 && errno == EEXIST && (job_.out_flags & O_EXCL) == 0) return;
  if (out < 0) return fail(path_call::open_out, errno, side::out);
  ended = true;
  int error = 0;
  result.moved = write_all(out, bytes, nbytes, error);
  result.taken = result.moved;
  result.route = route::direct;
  if (error != 0) fail(path_call::splice, error, side::out);
  if (::close(out) < 0 && error == 0) fail(path_call::close_out, errno, side::out);
  in = opened_end();
}

namespace {

/// Suspends until a copy was tried, or is to lead.
class landing {
 public:
  landing(const bool& tried, const bool& leads, resumable*& waiter) noexcept
      : tried_(tried), leads_(leads), waiter_(waiter) {}
  bool await_ready() const noexcept { return tried_ || leads_; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> self) const noexcept {
    waiter_ = &self.promise();
  }
  void await_resume() const noexcept {}

 private:
  const bool& tried_;
  const bool& leads_;
  resumable*& waiter_;
};

}  // namespace

task<> small_copies::run(small_copy& one) {
  const environment env = co_await this_environment{};
  off_threads& threads = loop::of(*env.where).file_threads();
  queue_.push(one);
  one.queued_in_ = this;
  if (leaders_ <= threads.limit()) {
    ++leaders_;
    one.leads_ = true;
    // What is asked for in this turn goes together.
    co_await turn_share(*env.where, true);
  }
  while (!one.tried_) {
    // Another one may have taken it along.
    if (one.leads_ && one.flight_ != nullptr) end_lead(one);
    if (!one.leads_) {
      co_await landing(one.tried_, one.leads_, one.waiter_);
      continue;
    }
    small_copy_flight flight;
    while (!flight.full() && !queue_.empty()) {
      small_copy& next = *queue_.pop();
      next.queued_in_ = nullptr;
      flight.add(next);
    }
    const auto call = [&flight](const off_thread_signals& signals) noexcept {
      flight.make(signals);
    };
    // Not called, or cut short: each finds out what that means for it.
    static_cast<void>(co_await off_thread(threads, call));
    flight.land();
  }
  if (one.leads_) end_lead(one);
}

/// The first that waits leads from now on; without one, one fewer does.
void small_copies::end_lead(small_copy& one) noexcept {
  one.leads_ = false;
  for (small_copy* each = queue_.front(); each != nullptr; each = each->next) {
    if (each->leads_) continue;
    each->leads_ = true;
    if (each->waiter_ != nullptr) {
      resumable& waiter = *std::exchange(each->waiter_, nullptr);
      waiter.env.where->post(waiter);
    }
    return;
  }
  --leaders_;
}

}  // namespace zc::detail
