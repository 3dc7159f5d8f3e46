#include "net/name_threads.hpp"

#include <netdb.h>
#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <string>

#include "sys/signal_mask.hpp"
#include "zc/detail/errno_code.hpp"

namespace zc::detail {

namespace {

std::error_code error_of(int said) noexcept {
  if (said == EAI_SYSTEM) return {errno, std::system_category()};
  return {said, resolve_category()};
}

/// Those that address can hold; getaddrinfo(3) gives no others for AF_INET, AF_INET6 and AF_UNSPEC.
void look_up(name_lookup& what) {
  addrinfo hints{};
  hints.ai_family = what.options.family;
  hints.ai_socktype = SOCK_STREAM;  // or each address comes once per type
  hints.ai_flags = AI_NUMERICSERV | (what.options.passive ? AI_PASSIVE : 0);
  const std::string& name = what.name.host;
  if (name.find('\0') != std::string::npos) {  // C would look its beginning up
    what.error = error_of(EAI_NONAME);
    return;
  }
  const char* const host = name.empty() ? nullptr : name.c_str();
  addrinfo* first = nullptr;
  const int said = ::getaddrinfo(host, std::to_string(what.name.port).c_str(), &hints, &first);
  if (said != 0) {
    what.error = error_of(said);
    return;
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(first, &::freeaddrinfo);
  for (const addrinfo* at = first; at != nullptr; at = at->ai_next) {
    what.found.emplace_back(at->ai_addr, at->ai_addrlen);
  }
}

void look_up_or_fail(name_lookup& what) noexcept {
  try {
    look_up(what);
  } catch (const std::bad_alloc&) {
    what.error = errno_code(ENOMEM);
  }
}

}  // namespace

name_threads::~name_threads() {
  for (worker& each : shared_->workers) {
    if (!each.thread.joinable()) continue;
    const bool ended = [&] {
      const std::lock_guard lock(shared_->mutex);
      return each.ended;
    }();
    // One that asks goes on alone, with what it shares.
    if (ended) {
      each.thread.join();
    } else {
      each.thread.detach();
    }
  }
}

void name_threads::begin(const std::shared_ptr<name_lookup>& what) {
  const std::lock_guard lock(shared_->mutex);
  auto& workers = shared_->workers;
  const auto free =
      std::find_if(workers.begin(), workers.end(), [](const worker& each) { return each.ended; });
  if (free == workers.end()) {
    shared_->queue.push_back(what);
    return;
  }
  try {
    start(shared_, *free, what);
  } catch (const std::system_error&) {
    const bool somebody_comes =
        std::any_of(workers.begin(), workers.end(), [](const worker& each) { return !each.ended; });
    if (!somebody_comes) throw;
    shared_->queue.push_back(what);
  }
}

void name_threads::start(const std::shared_ptr<shared>& all, worker& on,
                         const std::shared_ptr<name_lookup>& first) {
  if (on.thread.joinable()) on.thread.join();  // it has let go of the mutex for good
  const all_signals_blocked quiet;
  on.thread = std::thread([all, &on, first] { serve(all, on, first); });
  on.ended = false;
}

void name_threads::serve(const std::shared_ptr<shared>& all, worker& self,
                         std::shared_ptr<name_lookup> what) noexcept {
  pthread_setname_np(pthread_self(), "zc-names");
  while (what) {
    look_up_or_fail(*what);
    const std::lock_guard lock(all->mutex);
    // Under the mutex: whoever waits cannot go meanwhile.
    if (name_call* const waiting = std::exchange(what->waiting, nullptr)) waiting->made();
    what.reset();
    if (all->queue.empty()) {
      self.ended = true;
    } else {
      what = std::move(all->queue.front());
      all->queue.pop_front();
    }
  }
}

bool name_threads::forsake(name_lookup& what) noexcept {
  const std::lock_guard lock(shared_->mutex);
  if (what.waiting == nullptr) return false;
  what.waiting = nullptr;
  auto& queue = shared_->queue;
  queue.erase(std::remove_if(queue.begin(), queue.end(),
                             [&what](const auto& each) { return each.get() == &what; }),
              queue.end());
  return true;
}

bool name_call::start(resumable& waiter) noexcept {
  env_ = waiter.env;
  if (env_.cancel->requested()) {
    error_ = errno_code(ECANCELED);
    return false;
  }
  // Its end cannot come before this returns: it takes this thread.
  what_->waiting = this;
  try {
    by_.begin(what_);
  } catch (const std::system_error& none) {
    error_ = none.code();
  } catch (const std::bad_alloc&) {
    error_ = errno_code(ENOMEM);
  }
  if (error_) return false;
  waiter_ = &waiter;
  enter(*env_.cancel);
  return true;
}

void name_call::end(std::error_code why) noexcept {
  error_ = why;
  leave();
  env_.where->post(*std::exchange(waiter_, nullptr));
}

void name_call::cancel() noexcept {
  if (by_.forsake(*what_)) end(errno_code(ECANCELED));
}

std::error_code name_call::await_resume() const noexcept {
  if (error_ == std::errc::operation_canceled) env_.cancel->observe();
  return error_;
}

name_call::~name_call() {
  if (waiter_ == nullptr) return;
  if (!by_.forsake(*what_)) env_.where->forget_remote(*this);
}

}  // namespace zc::detail
