#include "support/last_words.hpp"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/descriptors.hpp"
#include "support/process.hpp"

namespace support {

std::string last_words(const std::function<void()>& body) {
  const zc::fd said = empty_file();
  const int status = in_child([&] {
    const limit core(RLIMIT_CORE, 0);
    ::signal(SIGABRT, SIG_DFL);
    ::dup2(said.get(), STDERR_FILENO);
    body();
    return 0;
  });
  std::string words = contents(said.get());
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) return words;
  return "no abort, but status " + std::to_string(status) + ": " + words;
}

}  // namespace support
