#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>

#include "examples/program.hpp"
#include "examples/ship_peer.hpp"
#include "support/descriptors.hpp"

// Senders that begin at the same moment, where the receiver takes one.

TEST_SUITE_BEGIN("kernel");

namespace fs = std::filesystem;
namespace wire = ship::wire;

namespace {

constexpr int item_count = 20;

std::string directories(const std::string& prefix) {
  std::string frames;
  for (int i = 0; i < item_count; ++i) {
    wire::item one;
    one.path = prefix + std::to_string(i);
    one.mode = 0755;
    frames += support::frame(wire::kind::directory, one);
  }
  return frames;
}

std::string files(const std::string& prefix) {
  std::string frames;
  for (int i = 0; i < item_count; ++i) {
    frames += support::whole_file(prefix + std::to_string(i), "contents");
  }
  return frames;
}

std::string small_files(const std::string& prefix) {
  std::string frames;
  for (int i = 0; i < item_count; i += 2) {
    frames +=
        support::small_files({{support::file_item(prefix + std::to_string(i), 8), "contents"},
                              {support::file_item(prefix + std::to_string(i + 1), 8), "contents"}});
  }
  return frames;
}

/// Of one that says nothing but that it is done.
std::size_t answer_size_bytes() {
  std::string bytes;
  wire::append(bytes, wire::kind::result, wire::outcome{});
  return bytes.size();
}

/// How many items are answered, until all are or it is hung up on.
int count_answers(support::peer& sender) {
  for (int i = 0; i < item_count; ++i) {
    if (sender.hear(answer_size_bytes()).size() < answer_size_bytes()) return i;
  }
  return item_count;
}

std::ptrdiff_t count_names(const fs::path& in, char first) {
  return std::count_if(fs::directory_iterator(in), fs::directory_iterator(),
                       [first](const fs::directory_entry& each) {
                         return each.path().filename().string().front() == first;
                       });
}

void check_that_one_is_taken(std::string (*items)(const std::string&), std::ptrdiff_t on_its_way) {
  const support::temporary_directory at;
  const fs::path into = at.path() / "into";
  support::program receiver({"ship", "receive", "127.0.0.1:0", into});
  support::peer a(receiver.address());
  support::peer b(receiver.address());
  a.greet('a');
  b.greet('b');
  // It finds what both say at once.
  receiver.signal(SIGSTOP);
  a.say(items("a"));
  b.say(items("b"));
  receiver.signal(SIGCONT);
  const int answers_to_a = count_answers(a);
  const int answers_to_b = count_answers(b);
  CHECK(std::max(answers_to_a, answers_to_b) == item_count);
  CHECK(std::min(answers_to_a, answers_to_b) == 0);
  const bool takes_a = answers_to_a > answers_to_b;
  support::peer& taken = takes_a ? a : b;
  std::string bye;
  wire::append(bye, wire::kind::bye);
  taken.say(bye);
  CHECK(taken.hear_result().status == 0);
  a.hang_up();
  b.hang_up();
  const support::program::result received = receiver.finish();
  CHECK(received.code == 0);
  CHECK(received.out.find("failures: 0") != std::string::npos);
  CHECK(count_names(into, takes_a ? 'a' : 'b') == item_count);
  CHECK(count_names(into, takes_a ? 'b' : 'a') <= on_its_way);
}

}  // namespace

TEST_CASE(
    "examples/ship: of two senders who begin at once one is taken, the other leaves nothing") {
  for (int i = 0; i < 5; ++i) check_that_one_is_taken(files, 0);
  for (int i = 0; i < 5; ++i) check_that_one_is_taken(small_files, 0);
}

TEST_CASE(
    "examples/ship: of two senders who begin at once one is taken, of the other no more comes") {
  // What the kernel was making by then is not taken back.
  for (int i = 0; i < 5; ++i) check_that_one_is_taken(directories, 1);
}

TEST_SUITE_END();
