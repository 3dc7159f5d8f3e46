// Prints how this kernel behaves where kernels differ, or where zc relies on it: one fact a line.
//
// No zc in it: the kernel's own calls, so that a surprise can be told from a bug of zc. What it
// prints on two kernels is the table in docs/kernels.md. Run it as root; it takes about two
// seconds.

#include <fcntl.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>

#include "support/descriptors.hpp"
#include "support/process.hpp"

namespace {

using steady = std::chrono::steady_clock;

constexpr std::uint64_t no_offset = ~std::uint64_t{0};
const std::string page(4096, 'x');

/// "3", "EAGAIN", "-512".
std::string words(long outcome) {
  if (outcome >= 0) return std::to_string(outcome);
  const char* const name = ::strerrorname_np(static_cast<int>(-outcome));
  return name != nullptr ? name : std::to_string(outcome);
}

std::string words_of_call(long outcome) { return words(outcome < 0 ? -errno : outcome); }

void fact(const std::string& name, const std::string& value) {
  std::printf("%-72s %s\n", name.c_str(), value.c_str());
  std::fflush(stdout);
}

/// A ring of its own for every fact, as plain as can be.
class plain_ring {
 public:
  plain_ring() {
    const int error = ::io_uring_queue_init(256, &ring_, 0);
    if (error < 0) throw std::system_error(-error, std::system_category(), "io_uring_setup");
  }
  plain_ring(const plain_ring&) = delete;
  plain_ring& operator=(const plain_ring&) = delete;
  ~plain_ring() { ::io_uring_queue_exit(&ring_); }

  io_uring* get() { return &ring_; }

  io_uring_sqe* sqe(std::uint64_t name) {
    io_uring_sqe* const made = ::io_uring_get_sqe(&ring_);
    made->user_data = 0;
    pending_name_ = name;
    return made;
  }

  /// Names the last submission: the prep functions clear it.
  void name(io_uring_sqe* sqe) const { ::io_uring_sqe_set_data64(sqe, pending_name_); }

  void submit() { ::io_uring_submit(&ring_); }

  /// The result of the op with this name, or nothing when it does not come in time. Those of other
  /// names are dropped.
  std::optional<int> result_of(std::uint64_t name, std::chrono::milliseconds within) {
    const auto deadline = steady::now() + within;
    for (;;) {
      const auto left =
          std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - steady::now());
      if (left.count() <= 0) return std::nullopt;
      __kernel_timespec wait{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
      io_uring_cqe* done = nullptr;
      if (::io_uring_wait_cqe_timeout(&ring_, &done, &wait) < 0) continue;
      const std::uint64_t whose = ::io_uring_cqe_get_data64(done);
      const int result = done->res;
      ::io_uring_cqe_seen(&ring_, done);
      if (whose == name) return result;
    }
  }

 private:
  io_uring ring_{};
  std::uint64_t pending_name_ = 0;
};

enum : std::uint64_t { the_op = 1, the_cancel = 2, the_timeout = 3 };

/// Submits what `prepare` makes; the result, or "waits" when there is none within 100 ms.
std::string outcome_of(const std::function<void(io_uring_sqe*)>& prepare) {
  plain_ring ring;
  io_uring_sqe* const sqe = ring.sqe(the_op);
  prepare(sqe);
  ring.name(sqe);
  ring.submit();
  const std::optional<int> result = ring.result_of(the_op, std::chrono::milliseconds(100));
  return result ? words(*result) : "waits";
}

/// Cancels what `prepare` makes while it blocks: what it ended with, and the cancel.
std::string cancelled(const std::function<void(io_uring_sqe*)>& prepare) {
  plain_ring ring;
  io_uring_sqe* const sqe = ring.sqe(the_op);
  prepare(sqe);
  ring.name(sqe);
  ring.submit();
  if (const auto early = ring.result_of(the_op, std::chrono::milliseconds(50))) {
    return "did not block: " + words(*early);
  }
  io_uring_sqe* const cancel = ring.sqe(the_cancel);
  ::io_uring_prep_cancel64(cancel, the_op, 0);
  ring.name(cancel);
  ring.submit();
  std::string op = "nothing";
  std::string answer = "nothing";
  const auto deadline = steady::now() + std::chrono::seconds(1);
  while (steady::now() < deadline && (op == "nothing" || answer == "nothing")) {
    __kernel_timespec wait{0, 10'000'000};
    io_uring_cqe* done = nullptr;
    if (::io_uring_wait_cqe_timeout(ring.get(), &done, &wait) < 0) continue;
    (::io_uring_cqe_get_data64(done) == the_op ? op : answer) = words(done->res);
    ::io_uring_cqe_seen(ring.get(), done);
  }
  return op + ", the cancel " + answer;
}

void prepare_splice(io_uring_sqe* sqe, int in, int out, unsigned bytes, unsigned flags = 0) {
  ::io_uring_prep_splice(sqe, in, -1, out, -1, bytes, flags);
}

void about_the_ring() {
  plain_ring ring;
  fact("io_uring_setup: features", [&] {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "0x%x", ring.get()->features);
    return std::string(text.data());
  }());
  const std::unique_ptr<io_uring_probe, void (*)(io_uring_probe*)> probe(
      ::io_uring_get_probe_ring(ring.get()), ::io_uring_free_probe);
  fact("io_uring probe: number of ops", std::to_string(int{probe->last_op} + 1));
  constexpr int op_pipe = 62;  // IORING_OP_PIPE, not in liburing 2.3
  fact("io_uring probe: IORING_OP_PIPE",
       probe->last_op >= op_pipe && ::io_uring_opcode_supported(probe.get(), op_pipe) != 0 ? "yes"
                                                                                           : "no");
  fact("sysctl kernel.io_uring_disabled",
       ::access("/proc/sys/kernel/io_uring_disabled", F_OK) == 0 ? "exists" : "does not exist");
}

void about_files() {
  const zc::fd file = support::file_of(4096);
  struct {
    std::uint64_t offset = 0;
    std::uint64_t length = 4096;
  } range;
  std::array<std::uint64_t, 8> counts{};
  constexpr long cachestat = 451;  // SYS_cachestat, not in Debian 12's headers
  fact("cachestat(2) of a memfd",
       words_of_call(::syscall(cachestat, file.get(), &range, counts.data(), 0)));
  const int direct =
      ::open("/dev/shm/zc-kernel-facts", O_CREAT | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
  fact("open(2) with O_DIRECT on tmpfs", direct < 0 ? words_of_call(direct) : "works");
  const zc::fd closed(direct);
  ::unlink("/dev/shm/zc-kernel-facts");
}

std::string splice_from(const char* path) {
  const zc::fd device = support::open_file(path, O_RDONLY);
  const support::ends pipe = support::make_pipe();
  return words_of_call(::splice(device.get(), nullptr, pipe.second.get(), nullptr, 100, 0));
}

std::string splice_to(const char* path) {
  const zc::fd device = support::open_file(path, O_WRONLY);
  const support::ends pipe = support::make_pipe();
  support::write_all(pipe.second.get(), "x");
  return words_of_call(::splice(pipe.first.get(), nullptr, device.get(), nullptr, 1, 0));
}

void about_what_splices() {
  for (const char* path : {"/dev/zero", "/dev/urandom", "/dev/null", "/proc/cpuinfo",
                           "/proc/sys/kernel/ostype", "/proc/self/status"}) {
    fact(std::string("splice(2) of 100 bytes from ") + path, splice_from(path));
  }
  for (const char* path : {"/dev/zero", "/dev/null", "/dev/full"}) {
    fact(std::string("splice(2) of 1 byte to ") + path, splice_to(path));
  }
  for (const bool tcp : {false, true}) {
    const support::ends full =
        tcp ? support::tcp_pair(SOCK_NONBLOCK) : support::unix_pair(SOCK_NONBLOCK);
    // Loopback TCP acknowledges a little later.
    for (int i = 0; i < 20; ++i) {
      while (::send(full.first.get(), page.data(), page.size(), 0) > 0) {
      }
      ::usleep(5000);
    }
    const support::ends pipe = support::make_pipe();
    support::write_all(pipe.second.get(), std::string(65536, 'x'));
    fact(std::string("splice(2) of 64 KiB to a socket that is full for send(2), ") +
             (tcp ? "TCP" : "AF_UNIX"),
         words_of_call(::splice(pipe.first.get(), nullptr, full.first.get(), nullptr, 65536, 0)));
  }
}

void about_waiting() {
  const support::ends empty = support::make_pipe(O_NONBLOCK);
  const support::ends full = support::make_pipe(O_NONBLOCK);
  support::write_all(full.second.get(), std::string(65536, 'x'));
  const support::ends quiet = support::unix_pair(SOCK_NONBLOCK);
  char byte = 'x';
  fact("IORING_OP_READ, empty pipe, O_NONBLOCK", outcome_of([&](io_uring_sqe* sqe) {
         ::io_uring_prep_read(sqe, empty.first.get(), &byte, 1, no_offset);
       }));
  fact("IORING_OP_WRITE, full pipe, O_NONBLOCK", outcome_of([&](io_uring_sqe* sqe) {
         ::io_uring_prep_write(sqe, full.second.get(), &byte, 1, no_offset);
       }));
  fact("IORING_OP_READ, quiet socket, O_NONBLOCK", outcome_of([&](io_uring_sqe* sqe) {
         ::io_uring_prep_read(sqe, quiet.first.get(), &byte, 1, no_offset);
       }));
  fact("IORING_OP_RECV, quiet socket, O_NONBLOCK", outcome_of([&](io_uring_sqe* sqe) {
         ::io_uring_prep_recv(sqe, quiet.first.get(), &byte, 1, 0);
       }));
  fact("IORING_OP_READ, pipe with a byte, offset 0", outcome_of([&](io_uring_sqe* sqe) {
         support::write_all(empty.second.get(), "x");
         ::io_uring_prep_read(sqe, empty.first.get(), &byte, 1, 0);
       }));
  fact("IORING_OP_SPLICE, quiet socket to pipe, O_NONBLOCK", outcome_of([&](io_uring_sqe* sqe) {
         prepare_splice(sqe, quiet.first.get(), empty.second.get(), 1);
       }));
}

void about_cancelling() {
  const support::ends pipe = support::make_pipe();
  const support::ends other = support::make_pipe();
  const support::ends quiet = support::unix_pair();
  const support::ends tcp = support::tcp_pair();
  char byte = 'x';
  fact("cancel a blocked IORING_OP_SPLICE, AF_UNIX socket to pipe",
       cancelled([&](io_uring_sqe* sqe) {
         prepare_splice(sqe, quiet.first.get(), pipe.second.get(), 1);
       }));
  fact("cancel a blocked IORING_OP_SPLICE, TCP socket to pipe", cancelled([&](io_uring_sqe* sqe) {
         prepare_splice(sqe, tcp.first.get(), pipe.second.get(), 1);
       }));
  fact("cancel a blocked IORING_OP_SPLICE, pipe to pipe", cancelled([&](io_uring_sqe* sqe) {
         prepare_splice(sqe, pipe.first.get(), other.second.get(), 1);
       }));
  fact("cancel a blocked IORING_OP_TEE, pipe to pipe", cancelled([&](io_uring_sqe* sqe) {
         ::io_uring_prep_tee(sqe, pipe.first.get(), other.second.get(), 1, 0);
       }));
  fact("cancel a blocked IORING_OP_READ, pipe", cancelled([&](io_uring_sqe* sqe) {
         ::io_uring_prep_read(sqe, pipe.first.get(), &byte, 1, no_offset);
       }));
}

void about_link_timeouts() {
  const support::ends pipe = support::make_pipe();
  const support::ends quiet = support::unix_pair();
  plain_ring ring;
  io_uring_sqe* const sqe = ring.sqe(the_op);
  prepare_splice(sqe, quiet.first.get(), pipe.second.get(), 1);
  sqe->flags |= IOSQE_IO_LINK;
  ring.name(sqe);
  io_uring_sqe* const timeout = ring.sqe(the_timeout);
  __kernel_timespec soon{0, 20'000'000};
  ::io_uring_prep_link_timeout(timeout, &soon, 0);
  ring.name(timeout);
  ring.submit();
  const auto ended = ring.result_of(the_op, std::chrono::milliseconds(300));
  fact("IORING_OP_LINK_TIMEOUT of 20 ms behind a blocked IORING_OP_SPLICE",
       ended ? "ends it with " + words(*ended) : "does not end it within 300 ms");
  if (!ended) support::write_all(quiet.second.get(), "x");
}

void about_workers() {
  // Blocked splices, of which each takes a worker; their number is capped at 8.
  plain_ring ring;
  std::array<unsigned, 2> most{8, 8};
  const int capped = ::io_uring_register_iowq_max_workers(ring.get(), most.data());
  const support::ends quiet = support::unix_pair();
  std::array<support::ends, 32> pipes;
  for (support::ends& each : pipes) {
    each = support::make_pipe();
    io_uring_sqe* const sqe = ring.sqe(the_op);
    prepare_splice(sqe, quiet.first.get(), each.second.get(), 1);
    ring.name(sqe);
  }
  ring.submit();
  std::size_t workers = 0;
  for (int i = 0; i < 100; ++i) {
    ::usleep(10'000);
    workers = std::max(workers, support::kernel_workers());
  }
  fact("kernel workers for 32 blocked IORING_OP_SPLICE, after a cap of 8 (" + words(capped) + ")",
       std::to_string(workers));
  ::shutdown(quiet.second.get(), SHUT_WR);
  for (std::size_t i = 0; i < pipes.size(); ++i) ring.result_of(the_op, std::chrono::seconds(1));
}

/// How long until the peer has all of it, in words that do not change from run to run.
std::string delay_of(std::size_t contents, std::size_t asked, unsigned flags) {
  const support::ends to = support::tcp_pair();
  const support::ends pipe = support::make_pipe();
  support::write_all(pipe.second.get(), std::string(contents, 'x'));
  const auto began = steady::now();
  const ssize_t moved = ::splice(pipe.first.get(), nullptr, to.first.get(), nullptr, asked, flags);
  if (moved != static_cast<ssize_t>(contents)) return "not all moved: " + words_of_call(moved);
  std::string buffer(contents, '\0');
  for (std::size_t got = 0; got < contents;) {
    pollfd readable{to.second.get(), POLLIN, 0};
    if (::poll(&readable, 1, 2000) != 1) return "more than 2 s";
    got += static_cast<std::size_t>(::read(to.second.get(), buffer.data(), buffer.size()));
  }
  const auto took = steady::now() - began;
  return took < std::chrono::milliseconds(20)    ? "under 20 ms"
         : took < std::chrono::milliseconds(100) ? "20 to 100 ms"
                                                 : "over 100 ms";
}

void about_tails() {
  for (const std::size_t contents : {std::size_t{1}, std::size_t{20'000}}) {
    const std::string name = std::to_string(contents) + " B by splice(2) from a pipe to TCP, ";
    fact(name + "exactly", delay_of(contents, contents, 0));
    fact(name + "asked for 64 KiB", delay_of(contents, 65536, 0));
    fact(name + "SPLICE_F_MORE", delay_of(contents, contents, SPLICE_F_MORE));
  }
}

}  // namespace

int main() {
  utsname system{};
  ::uname(&system);
  fact("kernel", system.release);
  try {
    about_the_ring();
    about_files();
    about_what_splices();
    about_waiting();
    about_cancelling();
    about_link_timeouts();
    about_workers();
    about_tails();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kernel-facts: %s\n", error.what());
    return 1;
  }
}
