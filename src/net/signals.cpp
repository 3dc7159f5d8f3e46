#include "zc/signals.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "sys/own_descriptor.hpp"
#include "zc/detail/precondition.hpp"
#include "zc/op/poll.hpp"

namespace zc {

namespace {

sigset_t set_of(std::initializer_list<int> which) {
  sigset_t all;
  sigemptyset(&all);
  for (const int each : which) {
    if (sigaddset(&all, each) < 0) {
      throw std::system_error(errno, std::system_category(), "zc::signals: sigaddset");
    }
  }
  return all;
}

}  // namespace

signals::signals(std::initializer_list<int> which) {
  const sigset_t all = set_of(which);
  fd_ = detail::own_descriptor(fd(::signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK)));
  if (!fd_) throw std::system_error(errno, std::system_category(), "zc::signals: signalfd");
  thread_ = ::pthread_self();
  pthread_sigmask(SIG_BLOCK, &all, &before_);
}

signals::~signals() {
  if (::pthread_equal(thread_, ::pthread_self()) == 0) {
    detail::precondition_broken("zc::signals: destroyed on another thread than made it");
  }
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

// Not op::read: Linux 6.1 has the ring try a signalfd in non-blocking mode only once.
task<int> signals::next() {
  for (;;) {
    const result<unsigned> ready = co_await op::poll(fd_.get(), POLLIN);
    if (!ready) throw std::system_error(ready.error(), "zc::signals: poll");
    signalfd_siginfo got;
    if (::read(fd_.get(), &got, sizeof got) == sizeof got) {
      co_return static_cast<int>(got.ssi_signo);
    }
    // Who polls beside this, in a forked child say, may have been faster.
    if (errno != EAGAIN)
      throw std::system_error(errno, std::system_category(), "zc::signals: read");
  }
}

}  // namespace zc
