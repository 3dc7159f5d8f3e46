// The test program: doctest's main, with a baseline and a watchdog around every case.

#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "support/process.hpp"
#include "support/scripted_kernel.hpp"

namespace {

bool leaked = false;
std::string running_case;

extern "C" void on_alarm(int) {
  const auto say = [](const char* text) {
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text, std::strlen(text));
  };
  say("TIMEOUT: ");
  say(running_case.c_str());
  say("\n");
  ::_exit(124);
}

/// Counts descriptors and threads around every case, and ends one that hangs.
class baseline : public doctest::IReporter {
 public:
  explicit baseline(const doctest::ContextOptions&) {}

  void test_case_start(const doctest::TestCaseData& test) override {
    running_case = test.m_name;
    const bool slow = test.m_test_suite != nullptr && std::strcmp(test.m_test_suite, "slow") == 0;
    ::alarm((slow ? 600u : 120u) * support::slowdown());
    descriptors_ = support::open_descriptors();
    threads_ = support::user_threads();
  }

  void test_case_end(const doctest::CurrentTestCaseStats&) override {
    ::alarm(0);
    // A joined thread may stay in /proc for a moment.
    bool differs = changed();
    for (int i = 0; i < 200 && differs; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      differs = changed();
    }
    if (!differs) return;
    leaked = true;
    std::fprintf(stderr, "LEAK: %s: descriptors %zu -> %zu, threads %zu -> %zu\n",
                 running_case.c_str(), descriptors_, support::open_descriptors(), threads_,
                 support::user_threads());
  }

  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}

 private:
  bool changed() const {
    return support::open_descriptors() != descriptors_ || support::user_threads() != threads_;
  }

  std::size_t descriptors_ = 0;
  std::size_t threads_ = 0;
};

DOCTEST_REGISTER_LISTENER("baseline", 1, baseline);

}  // namespace

int main(int argc, char** argv) {
  ::signal(SIGALRM, on_alarm);
  support::start_first_thread();
  doctest::Context context(argc, argv);
  const int failed = context.run();
  if (std::getenv("ZC_TEST_TALLY") != nullptr) {
    for (const auto& [what, times] : support::faults_met()) {
      std::printf("injected: %s: %ld times\n", what.c_str(), times);
    }
  }
  return failed != 0 || leaked ? 1 : 0;
}
