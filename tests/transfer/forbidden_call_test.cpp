// System calls that seccomp(2) forbids, as sandboxes and containers do: another way is taken.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <string>
#include <vector>

#include "support/process.hpp"
#include "support/seccomp.hpp"
#include "support/transfers.hpp"
#include "zc/known.hpp"
#include "zc/relay.hpp"
#include "zc/splice_batch.hpp"
#include "zc/splice_paths.hpp"
#include "zc/tee.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

constexpr std::array refusals{EPERM, ENOSYS, EACCES, EOPNOTSUPP};
// cachestat(2), which Debian 12's headers do not name.
constexpr long cachestat_call = 451;
// Fits into what a pipe and a socket hold.
constexpr std::size_t size = 50'000;

/// What goes wrong in a forked child, whose CHECK nobody would hear of.
class verdict {
 public:
  void check(bool right, const std::string& what) {
    if (right) return;
    std::fprintf(stderr, "forbidden call: %s\n", what.c_str());
    ++wrong_;
  }
  int exit_code() const { return wrong_ == 0 ? 0 : 1; }

 private:
  int wrong_ = 0;
};

enum class kind : std::uint8_t { file, pipe, blocking, nonblocking };
constexpr std::array kinds{kind::file, kind::pipe, kind::blocking, kind::nonblocking};
bool is_stream(kind of) { return of != kind::file; }

/// A pipe, or a TCP connection: first the end to read from.
support::ends stream_of(kind of) {
  if (of == kind::pipe) return support::make_pipe();
  support::ends pair = support::tcp_pair(0);
  return pair;
}

/// `size` bytes and then the end.
zc::fd source_of(kind of) {
  if (!is_stream(of)) return support::file_of(size);
  support::ends made = stream_of(of);
  support::write_all(made.second.get(), support::bytes_at(0, size));
  if (of == kind::nonblocking) support::set_nonblocking(made.first.get(), true);
  return std::move(made.first);
}

struct target {
  zc::fd to;
  zc::fd look;  // where what is written to `to` can be read

  std::string contents() {
    if (!look) return support::contents(to.get());
    to = {};
    return support::read_all(look.get());
  }
};

target target_of(kind of) {
  if (!is_stream(of)) return {support::empty_file(), {}};
  support::ends made = stream_of(of);
  if (of == kind::nonblocking) support::set_nonblocking(made.second.get(), true);
  return {std::move(made.second), std::move(made.first)};
}

bool is_whole(const zc::transfer& done, std::uint64_t all = size) {
  return !done.error && done.moved == all && done.taken == all && done.remainder.empty();
}

std::string describe(kind from, kind to, const zc::transfer& done) {
  return std::to_string(static_cast<int>(from)) + " to " + std::to_string(static_cast<int>(to)) +
         " on route " + std::to_string(static_cast<int>(done.route)) + ": moved " +
         std::to_string(done.moved) + ", taken " + std::to_string(done.taken) + ", " +
         done.error.message() + ", side " + std::to_string(static_cast<int>(done.side));
}

/// Every kind to every kind, on a route. A forced one that is forbidden names what is, and
/// side::zc: neither descriptor is at fault.
void try_all_kinds(verdict& on, zc::route route, std::uint64_t nbytes, int refusal) {
  for (const kind from : kinds) {
    for (const kind to : kinds) {
      const zc::fd in = source_of(from);
      target out = target_of(to);
      const zc::transfer done =
          support::transfer(in.get(), out.to.get(), {.nbytes = nbytes, .route = route});
      const bool blocks = from == kind::blocking || to == kind::blocking;
      if (route != zc::route::direct || refusal == 0) {
        const std::uint64_t all = nbytes == zc::to_end ? size : nbytes;
        const bool arrived = is_whole(done, all) && out.contents() == support::bytes_at(0, all);
        on.check(arrived || (blocks && route == zc::route::direct), describe(from, to, done));
      } else if (!blocks) {
        on.check(done.error.value() == refusal && done.side == zc::side::zc && done.taken == 0,
                 "forced, " + describe(from, to, done));
      }
    }
  }
}

void try_routes(verdict& on, int refusal) {
  for (const zc::route route : support::routes) {
    try_all_kinds(on, route, zc::to_end, refusal);
    // Less than a packet of a pipe may be.
    try_all_kinds(on, route, 1000, refusal);
  }
}

/// What sends a small file in one call or two.
void try_small_files(verdict& on) {
  for (const std::size_t bytes : {100U, 5000U, 20'000U}) {
    const zc::fd in = support::file_of(bytes);
    target out = target_of(kind::nonblocking);
    const zc::fd null = support::open_file("/dev/null", O_WRONLY);
    std::string sent;
    const auto count = [&](const zc::transfer& done) {
      sent += support::bytes_at(0, bytes);
      on.check(is_whole(done, bytes), "small file: " + done.error.message());
    };
    count(support::transfer(in.get(), out.to.get()));
    const zc::known_source from(in.get());
    const zc::known_target to(out.to.get());
    count(zc::run(zc::try_splice(from, to)));
    const zc::known_target nowhere(null.get());
    on.check(is_whole(zc::run(zc::try_splice(from, nowhere)), bytes), "to /dev/null");
    const std::vector<zc::splice_job> jobs(2, zc::splice_job{in.get(), out.to.get(), {}});
    for (const zc::transfer& each : zc::run(zc::splice_batch(jobs, {.in_flight = 1}))) count(each);
    on.check(out.contents() == sent, "small file: other bytes");
  }
}

void try_files(verdict& on) {
  const support::temporary_directory directory;
  // Large, and most of it a hole.
  const zc::fd large = support::file_of(size);
  if (::ftruncate(large.get(), 6'000'000) != 0) return on.check(false, "ftruncate");
  const zc::fd to = support::empty_file();
  on.check(is_whole(support::transfer(large.get(), to.get()), 6'000'000), "large file");
  on.check(support::contents(to.get()) == support::contents(large.get()), "large file: bytes");
  std::vector<zc::path_job> jobs(1);
  jobs[0].in = "/proc/self/fd/" + std::to_string(large.get());
  jobs[0].out = directory.path() / "copy";
  jobs[0].options = {.nbytes = size};
  on.check(is_whole(zc::run(zc::splice_paths(jobs))[0]), "paths");
}

void try_tee(verdict& on) {
  for (const kind from : kinds) {
    const zc::fd in = source_of(from);
    std::array<target, 4> outs{target_of(kind::file), target_of(kind::pipe),
                               target_of(kind::blocking), target_of(kind::nonblocking)};
    std::vector<int> to;
    for (const target& each : outs) to.push_back(each.to.get());
    const std::vector<zc::transfer> copies = zc::run(zc::tee(in.get(), to));
    for (std::size_t i = 0; i < copies.size(); ++i) {
      on.check(is_whole(copies[i]), "tee: " + describe(from, kinds[i], copies[i]));
      on.check(outs[i].contents() == support::bytes_at(0, size), "tee: other bytes");
    }
  }
}

/// Much at a time, so that it does not only bounce.
void try_relay(verdict& on) {
  constexpr std::size_t all = 700'000;
  support::ends left = support::tcp_pair(0);
  support::ends right = support::tcp_pair(0);
  support::set_nonblocking(left.second.get(), true);
  support::set_nonblocking(right.second.get(), true);
  support::reader answers(left.first.get());
  support::reader questions(right.first.get());
  const auto say = [](int socket) {
    support::write_all(socket, support::bytes_at(0, all));
    ::shutdown(socket, SHUT_WR);
  };
  std::thread client(say, left.first.get());
  std::thread server(say, right.first.get());
  const zc::relay_result done = zc::run(zc::relay(left.second.get(), right.second.get()));
  client.join();
  server.join();
  on.check(is_whole(done.a_to_b, all) && is_whole(done.b_to_a, all), "relay");
  ::shutdown(left.second.get(), SHUT_WR);
  ::shutdown(right.second.get(), SHUT_WR);
  on.check(support::are_bytes_at(questions.bytes(), 0), "relay: other bytes");
  on.check(support::are_bytes_at(answers.bytes(), 0), "relay: other bytes");
}

/// The target that cannot be written to says so itself, whatever the way to it.
void try_sealed(verdict& on) {
  const zc::fd sealed(::memfd_create("zc-test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ::fcntl(sealed.get(), F_ADD_SEALS, F_SEAL_WRITE);
  for (const kind from : kinds) {
    const zc::fd in = source_of(from);
    const zc::transfer done = support::transfer(in.get(), sealed.get());
    on.check(done.error == std::errc::operation_not_permitted && done.side == zc::side::out &&
                 done.moved == 0 && support::conserved(done),
             "sealed: " + describe(from, kind::file, done));
  }
}

int everything_moves(int refusal) {
  verdict on;
  try_routes(on, refusal);
  try_small_files(on);
  try_files(on);
  try_tee(on);
  try_relay(on);
  try_sealed(on);
  return on.exit_code();
}

/// Whether all of that works where these calls say `error_number`.
int status_without(const std::vector<long>& calls, int error_number) {
  return support::in_child([&] {
    bool splices = true;
    for (const long call : calls) {
      if (!support::forbid(call, error_number)) return 2;
      splices = splices && call != __NR_splice;
    }
    return everything_moves(splices ? 0 : error_number);
  });
}

}  // namespace

TEST_CASE("forbidden: without splice(2) all goes another way, but on a forced route::direct") {
  for (const int error_number : refusals) {
    CAPTURE(error_number);
    CHECK(support::exited_with(status_without({__NR_splice}, error_number), 0));
  }
}

TEST_CASE("forbidden: without sendfile(2) all goes another way") {
  for (const int error_number : refusals) {
    CAPTURE(error_number);
    CHECK(support::exited_with(status_without({__NR_sendfile}, error_number), 0));
  }
}

TEST_CASE("forbidden: without tee(2), copy_file_range(2) or any of them all goes another way") {
  CHECK(support::exited_with(status_without({__NR_tee}, EPERM), 0));
  CHECK(support::exited_with(status_without({__NR_copy_file_range}, EPERM), 0));
  const std::vector<long> all{__NR_splice,          __NR_sendfile,  __NR_tee,
                              __NR_copy_file_range, cachestat_call, __NR_preadv2};
  CHECK(support::exited_with(status_without(all, EPERM), 0));
  CHECK(support::exited_with(status_without({}, 0), 0));
}

TEST_CASE("forbidden: without splice(2) a packet is still taken in parts, and nothing dropped") {
  const int status = support::in_child([] {
    std::array<int, 2> raw{};
    if (::pipe2(raw.data(), O_CLOEXEC | O_DIRECT) != 0) return 2;
    const zc::fd in(raw[0]);
    const zc::fd write_end(raw[1]);
    support::write_all(write_end.get(), support::bytes_at(0, 3000));
    if (!support::forbid(__NR_splice, EPERM)) return 3;
    const zc::fd out = support::empty_file();
    const zc::fd tee_out = support::empty_file();
    const std::vector<int> outs{out.get(), tee_out.get()};
    for (const zc::route route : {zc::route::automatic, zc::route::copy}) {
      const zc::transfer done = support::transfer(
          in.get(), out.get(), {.nbytes = 900, .out_offset = zc::file_position, .route = route});
      if (!is_whole(done, 900)) return 4;
    }
    for (const zc::transfer& each :
         zc::run(zc::tee(in.get(), outs, {.nbytes = 700, .out_offset = zc::file_position}))) {
      if (!is_whole(each, 700)) return 5;
    }
    return support::contents(out.get()) + support::read_some(in.get(), 500) ==
                   support::bytes_at(0, 3000)
               ? 0
               : 6;
  });
  CHECK(support::exited_with(status, 0));
}

TEST_SUITE_END();
