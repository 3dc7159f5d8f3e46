#pragma once

#include <sys/resource.h>

#include <vector>

#include "conserve/schedule.hpp"
#include "zc/fd.hpp"

namespace conserve {

/// Puts this process under a schedule's limit; a user that was given up does not come back.
class process_limit {
 public:
  explicit process_limit(const schedule& all);
  process_limit(const process_limit&) = delete;
  process_limit& operator=(const process_limit&) = delete;
  ~process_limit();

 private:
  void become_plain_user();
  void lower(__rlimit_resource which, rlim_t soft);

  __rlimit_resource which_ = RLIMIT_NOFILE;
  rlimit before_{};
  bool lowered_ = false;
  std::vector<zc::fd> hogs_;  // pipes that use up what the user may have
};

}  // namespace conserve
