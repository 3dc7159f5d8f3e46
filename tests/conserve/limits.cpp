#include "conserve/limits.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "support/descriptors.hpp"

namespace conserve {

namespace {

constexpr unsigned nobody = 65534;

void check(int outcome, const char* call) {
  if (outcome < 0) throw std::system_error(errno, std::system_category(), call);
}

}  // namespace

process_limit::process_limit(const schedule& all) {
  switch (all.limit) {
    case limit::none:
      break;
    case limit::plain_user:
      become_plain_user();
      for (std::uint64_t i = 0; i < all.limit_at; ++i) {
        support::ends hog = support::make_pipe();
        ::fcntl(hog.second.get(), F_SETPIPE_SZ, 1 << 20);
        hogs_.push_back(std::move(hog.first));
        hogs_.push_back(std::move(hog.second));
      }
      break;
    case limit::descriptors: {
      // The limit is on numbers, and those below the next free one may have gaps.
      const zc::fd next(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
      lower(RLIMIT_NOFILE, static_cast<rlim_t>(next.get()) + all.limit_at);
      break;
    }
    case limit::file_size:
      lower(RLIMIT_FSIZE, all.limit_at);
      break;
  }
}

process_limit::~process_limit() {
  if (lowered_) ::setrlimit(which_, &before_);
}

void process_limit::become_plain_user() {
  check(::setgroups(0, nullptr), "setgroups");
  check(::setresgid(nobody, nobody, nobody), "setresgid");
  check(::setresuid(nobody, nobody, nobody), "setresuid");
  // A process that changes its user loses sight of itself in /proc.
  check(::prctl(PR_SET_DUMPABLE, 1), "PR_SET_DUMPABLE");
}

void process_limit::lower(__rlimit_resource which, rlim_t soft) {
  which_ = which;
  check(::getrlimit(which_, &before_), "getrlimit");
  const rlimit lowered{std::min(soft, before_.rlim_max), before_.rlim_max};
  check(::setrlimit(which_, &lowered), "setrlimit");
  lowered_ = true;
}

}  // namespace conserve
