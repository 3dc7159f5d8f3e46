#include <doctest/doctest.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "examples/program.hpp"
#include "support/descriptors.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

using support::program;
using words = std::vector<std::string>;

std::string joined(const words& all) {
  std::string text;
  for (const std::string& each : all) text += each + ' ';
  return text;
}

}  // namespace

TEST_CASE("examples: wrong usage is 2 in every program, and says what is wrong") {
  for (const words& each : std::initializer_list<words>{
           {"ship"},
           {"ship", "other"},
           {"ship", "send", "127.0.0.1:1"},
           {"ship", "send", "127.0.0.1:1", "a", "--connections", "x"},
           {"ship", "send", "127.0.0.1:1", "a", "--connections", "65"},
           {"ship", "receive", "127.0.0.1:0", "a", "b"},
           {"file_server"},
           {"file_server", "--listen", "127.0.0.1:0", "--root"},
           {"file_server", "--listen", "nowhere", "--root", "/"},
           {"tcp_relay"},
           {"tcp_relay", "--listen", "127.0.0.1:0", "--to", "127.0.0.1:1", "--threads", "0"},
           {"tcp_relay", "--listen", "127.0.0.1:0", "--to", "127.0.0.1:1", "--other"},
           {"serve_file"},
           {"serve_file", "/etc/hostname", "127.0.0.1:65536"}}) {
    CAPTURE(joined(each));
    const program::result done = support::run_program(each);
    CHECK(done.code == 2);
    CHECK(done.out == "");
    CHECK_FALSE(done.err.empty());
  }
}

TEST_CASE("examples: what fails is 1 in every program, and says what failed") {
  const support::temporary_directory at;
  std::uint16_t port = 0;
  const zc::fd taken = support::tcp_listener(port);
  const std::string address = "127.0.0.1:" + std::to_string(port);
  const std::string none = at.path() / "none";
  for (const words& each :
       std::initializer_list<words>{{"ship", "receive", address, at.path()},
                                    {"ship", "receive", "127.0.0.1:0", none + "/below"},
                                    {"file_server", "--listen", address, "--root", at.path()},
                                    {"file_server", "--listen", "127.0.0.1:0", "--root", none},
                                    {"tcp_relay", "--listen", address, "--to", "127.0.0.1:1"},
                                    {"serve_file", "/etc/hostname", address}}) {
    CAPTURE(joined(each));
    const program::result done = support::run_program(each);
    CHECK(done.code == 1);
    CHECK_FALSE(done.err.empty());
  }
}

TEST_CASE("examples: help is no error") {
  for (const words& each : std::initializer_list<words>{{"ship", "--help"},
                                                        {"ship", "receive", "--help"},
                                                        {"file_server", "--help"},
                                                        {"tcp_relay", "--help"}}) {
    CAPTURE(joined(each));
    const program::result done = support::run_program(each);
    CHECK(done.code == 0);
    CHECK(done.err == "");
    CHECK_FALSE(done.out.empty());
  }
}

TEST_SUITE_END();
