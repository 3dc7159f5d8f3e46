// H12: every kind of source to every kind of target gives the bytes that read(2) and write(2) would
// give, or the error that the kernel names.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "support/process.hpp"
#include "support/transfers.hpp"
#include "zc/timeout.hpp"

using namespace std::chrono_literals;

TEST_SUITE_BEGIN("kernel");

namespace {

/// A descriptor to read from, what keeps it alive, and what is to come out of it.
struct source {
  zc::fd fd;
  std::vector<zc::fd> kept;
  std::uint64_t nbytes = zc::to_end;
  std::optional<std::string> bytes;  // not set: whatever read(2) gives
  int error = 0;                     // what the transfer fails with, on side::in
};

struct source_kind {
  std::string name;
  std::function<source()> make;
  bool splices = true;  // or only reads
};

/// A descriptor to write to, and a way to see what arrived.
struct target {
  zc::fd fd;
  std::vector<zc::fd> kept;
  std::function<std::string(std::size_t expected)> arrived;  // not set: cannot be seen
  int error = 0;         // what the transfer fails with, on side::out
  bool refused = false;  // and that before a byte is taken
};

struct target_kind {
  std::string name;
  std::function<target()> make;
  bool splices = true;  // or only writes
};

// Small enough to fit into every pipe, socket and tty without a reader.
constexpr std::size_t size = 3000;

std::string sample() { return support::bytes_at(0, size, 3); }

source stream_source(support::ends pair, bool is_socket) {
  support::write_all(pair.second.get(), sample());
  source made;
  made.fd = std::move(pair.first);
  made.bytes = sample();
  if (is_socket) {
    ::shutdown(pair.second.get(), SHUT_WR);
    made.kept.push_back(std::move(pair.second));
  }
  return made;
}

source opened(const char* path, std::uint64_t nbytes = zc::to_end,
              std::optional<std::string> bytes = {}) {
  source made;
  made.fd = support::open_file(path, O_RDONLY);
  made.nbytes = nbytes;
  made.bytes = std::move(bytes);
  return made;
}

source failing(zc::fd fd, int error) {
  source made;
  made.fd = std::move(fd);
  made.error = error;
  return made;
}

source regular_source(int flags) {
  const support::temporary_directory directory;
  const std::string path = directory.path() / "source";
  support::write_all(support::open_file(path, O_WRONLY | O_CREAT).get(), sample());
  source made;
  made.fd = support::open_file(path, O_RDONLY | flags);
  made.bytes = sample();
  return made;
}

source datagram_source(int type) {
  std::array<int, 2> raw{};
  REQUIRE(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, raw.data()) == 0);
  source made;
  made.fd = zc::fd(raw[0]);
  made.kept.emplace_back(raw[1]);
  REQUIRE(::send(raw[1], sample().data(), size, 0) == static_cast<ssize_t>(size));
  made.nbytes = size;
  made.bytes = sample();
  return made;
}

/// Whether splice(2) reads from, or writes to, a device: some kernels only read and write it.
bool splices_from(const char* path) {
  const zc::fd device = support::open_file(path, O_RDONLY);
  const support::ends pipe = support::make_pipe();
  return ::splice(device.get(), nullptr, pipe.second.get(), nullptr, 1, 0) == 1;
}

bool splices_to(const char* path) {
  const zc::fd device = support::open_file(path, O_WRONLY);
  const support::ends pipe = support::make_pipe();
  support::write_all(pipe.second.get(), "x");
  return ::splice(pipe.first.get(), nullptr, device.get(), nullptr, 1, 0) == 1;
}

std::vector<source_kind> sources() {
  std::vector<source_kind> all;
  all.push_back({"regular file", [] { return regular_source(0); }});
  all.push_back({"memfd", [] {
                   source made;
                   made.fd = support::file_of(size, 3);
                   made.bytes = sample();
                   return made;
                 }});
  all.push_back({"O_DIRECT file", [] { return regular_source(O_DIRECT); }, false});
  for (const int flags : {0, int{O_NONBLOCK}}) {
    all.push_back({flags == 0 ? "blocking pipe" : "non-blocking pipe",
                   [flags] { return stream_source(support::make_pipe(flags), false); }});
  }
  for (const int flags : {0, int{SOCK_NONBLOCK}}) {
    all.push_back({flags == 0 ? "blocking TCP" : "non-blocking TCP",
                   [flags] { return stream_source(support::tcp_pair(flags), true); }});
    all.push_back({flags == 0 ? "blocking AF_UNIX" : "non-blocking AF_UNIX",
                   [flags] { return stream_source(support::unix_pair(flags), true); }});
  }
  all.push_back({"AF_UNIX datagram", [] { return datagram_source(SOCK_DGRAM); }});
  all.push_back({"AF_UNIX seqpacket", [] { return datagram_source(SOCK_SEQPACKET); }});
  all.push_back({"pty slave", [] {
                   support::ends pair = support::pty_pair();
                   support::write_all(pair.first.get(), sample());
                   source made;
                   made.fd = std::move(pair.second);
                   made.kept.push_back(std::move(pair.first));
                   made.nbytes = size;
                   made.bytes = sample();
                   return made;
                 }});
  all.push_back({"pty master", [] {
                   support::ends pair = support::pty_pair();
                   support::write_all(pair.second.get(), sample());
                   source made;
                   made.fd = std::move(pair.first);
                   made.kept.push_back(std::move(pair.second));
                   made.nbytes = size;
                   made.bytes = sample();
                   return made;
                 }});
  all.push_back({"/dev/zero", [] { return opened("/dev/zero", size, std::string(size, '\0')); },
                 splices_from("/dev/zero")});
  all.push_back({"/dev/urandom", [] { return opened("/dev/urandom", size); }});
  all.push_back({"/dev/null", [] { return opened("/dev/null", zc::to_end, ""); }, false});
  for (const char* path : {"/proc/cpuinfo", "/proc/sys/kernel/ostype", "/proc/self/status",
                           "/proc/self/maps", "/sys/kernel/mm/transparent_hugepage/enabled"}) {
    const bool reads_only = std::string_view(path).find("self") != std::string_view::npos;
    // A sanitizer's memory map is longer than a pipe without a reader holds.
    const std::uint64_t nbytes = std::string_view(path) == "/proc/self/maps" ? 500 : zc::to_end;
    all.push_back({path, [path, nbytes] { return opened(path, nbytes); }, !reads_only});
  }
  all.push_back({"/proc/self/mem",
                 [] { return failing(support::open_file("/proc/self/mem", O_RDONLY), EIO); },
                 false});
  all.push_back({"eventfd",
                 [] {
                   source made;
                   made.fd = zc::fd(::eventfd(7, EFD_CLOEXEC));
                   made.nbytes = 8;
                   made.bytes = std::string("\7\0\0\0\0\0\0\0", 8);
                   return made;
                 },
                 false});
  all.push_back({"timerfd",
                 [] {
                   source made;
                   made.fd = zc::fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
                   const itimerspec once{{0, 0}, {0, 1}};
                   ::timerfd_settime(made.fd.get(), 0, &once, nullptr);
                   made.nbytes = 8;
                   made.bytes = std::string("\1\0\0\0\0\0\0\0", 8);
                   return made;
                 },
                 false});
  all.push_back(
      {"unconnected TCP",
       [] { return failing(zc::fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), ENOTCONN); }});
  all.push_back(
      {"epoll",
       [] { return failing(zc::fd(static_cast<int>(::syscall(SYS_epoll_create1, 0))), EINVAL); },
       false});
  return all;
}

target stream_target(support::ends pair, bool is_socket, bool first_is_ours) {
  target made;
  made.fd = std::move(first_is_ours ? pair.first : pair.second);
  zc::fd& peer = first_is_ours ? pair.second : pair.first;
  const int ours = made.fd.get();
  const int theirs = peer.get();
  made.arrived = [ours, theirs, is_socket](std::size_t expected) {
    if (is_socket) ::shutdown(ours, SHUT_WR);
    support::set_nonblocking(theirs, true);
    std::string all;
    std::array<char, 4096> buffer{};
    // Loopback TCP delivers soon, not at once.
    for (int i = 0; i < 1000 && all.size() <= expected; ++i) {
      const ssize_t got = ::read(theirs, buffer.data(), buffer.size());
      if (got > 0) all.append(buffer.data(), static_cast<std::size_t>(got));
      if (got == 0 || (got < 0 && all.size() == expected && !is_socket)) break;
      if (got < 0) std::this_thread::sleep_for(1ms);
    }
    return all;
  };
  made.kept.push_back(std::move(peer));
  return made;
}

target file_target(int flags, int error = 0) {
  const support::temporary_directory directory;
  const std::string path = directory.path() / "target";
  target made;
  made.fd = support::open_file(path, O_RDWR | O_CREAT | flags);
  made.error = error;
  zc::fd seen = support::open_file(path, O_RDONLY);
  const int look = seen.get();
  made.arrived = [look](std::size_t) { return support::contents(look); };
  made.kept.push_back(std::move(seen));
  return made;
}

target unseen(zc::fd fd, int error) {
  target made;
  made.fd = std::move(fd);
  made.error = error;
  return made;
}

target datagram_target(int type) {
  std::array<int, 2> raw{};
  REQUIRE(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, raw.data()) == 0);
  return stream_target({zc::fd(raw[0]), zc::fd(raw[1])}, false, true);
}

std::vector<target_kind> targets() {
  std::vector<target_kind> all;
  all.push_back({"regular file", [] { return file_target(0); }});
  all.push_back({"O_APPEND file", [] { return file_target(O_APPEND); }, false});
  all.push_back({"memfd", [] {
                   target made;
                   made.fd = support::empty_file();
                   const int look = made.fd.get();
                   made.arrived = [look](std::size_t) { return support::contents(look); };
                   return made;
                 }});
  all.push_back({"sealed memfd", [] {
                   zc::fd sealed(::memfd_create("zc-test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
                   REQUIRE(::fcntl(sealed.get(), F_ADD_SEALS, F_SEAL_WRITE) == 0);
                   return unseen(std::move(sealed), EPERM);
                 }});
  for (const int flags : {0, int{O_NONBLOCK}}) {
    all.push_back({flags == 0 ? "blocking pipe" : "non-blocking pipe",
                   [flags] { return stream_target(support::make_pipe(flags), false, false); }});
  }
  for (const int flags : {0, int{SOCK_NONBLOCK}}) {
    all.push_back({flags == 0 ? "blocking TCP" : "non-blocking TCP",
                   [flags] { return stream_target(support::tcp_pair(flags), true, true); }});
    all.push_back({flags == 0 ? "blocking AF_UNIX" : "non-blocking AF_UNIX",
                   [flags] { return stream_target(support::unix_pair(flags), true, true); }});
  }
  all.push_back({"AF_UNIX datagram", [] { return datagram_target(SOCK_DGRAM); }});
  all.push_back({"AF_UNIX seqpacket", [] { return datagram_target(SOCK_SEQPACKET); }});
  all.push_back({"pty slave", [] { return stream_target(support::pty_pair(), false, false); }});
  all.push_back({"pty master", [] { return stream_target(support::pty_pair(), false, true); }});
  all.push_back({"O_APPEND pty slave",
                 [] {
                   support::ends pair = support::pty_pair();
                   ::fcntl(pair.second.get(), F_SETFL, O_RDWR | O_APPEND);
                   return stream_target(std::move(pair), false, false);
                 },
                 false});
  all.push_back({"/dev/null", [] { return unseen(support::open_file("/dev/null", O_WRONLY), 0); }});
  all.push_back({"/dev/zero", [] { return unseen(support::open_file("/dev/zero", O_WRONLY), 0); },
                 splices_to("/dev/zero")});
  all.push_back({"/dev/full",
                 [] { return unseen(support::open_file("/dev/full", O_WRONLY), ENOSPC); }, false});
  all.push_back({"signalfd",
                 [] {
                   sigset_t none;
                   sigemptyset(&none);
                   target made = unseen(zc::fd(::signalfd(-1, &none, SFD_CLOEXEC)), EINVAL);
                   made.refused = true;
                   return made;
                 },
                 false});
  return all;
}

/// What read(2) gives of a fresh descriptor of the same kind.
std::string read_plainly(const source_kind& kind) {
  const source made = kind.make();
  return support::read_all(made.fd.get());
}

bool same_text(const std::string& name, const std::string& got, const std::string& expected) {
  // These change while one looks: the size of what came is enough.
  if (name == "/proc/cpuinfo" || name.find("/proc/self/") == 0) {
    return got.size() > expected.size() / 2 && got.substr(0, 5) == expected.substr(0, 5);
  }
  return got == expected;
}

void check_pair(const source_kind& from, const target_kind& to, zc::route route, bool known) {
  CAPTURE(from.name);
  CAPTURE(to.name);
  CAPTURE(route);
  CAPTURE(known);
  source in = from.make();
  target out = to.make();
  const zc::known_source known_in(in.fd.get());
  const zc::known_target known_out(out.fd.get());
  const zc::splice_options options{.nbytes = in.nbytes, .route = route};
  zc::task<zc::transfer> moving = known ? zc::try_splice(known_in, known_out, options)
                                        : zc::try_splice(in.fd.get(), out.fd.get(), options);
  const zc::transfer done = zc::run(zc::timeout(5s, std::move(moving)));
  CHECK(support::conserved(done));

  if (out.refused) {
    CHECK(done.error == std::errc::invalid_argument);
    CHECK(done.taken == 0);
    return;
  }
  const bool forced_splice = route == zc::route::direct || route == zc::route::ring;
  if (forced_splice && done.error == std::errc::invalid_argument && done.moved == 0) {
    // Refused: right for what cannot splice, and for a blocking socket or tty on the thread.
    const bool may_block = from.name.find("blocking") == 0 || to.name.find("blocking") == 0 ||
                           from.name.find("pty") != std::string::npos ||
                           to.name.find("pty") != std::string::npos ||
                           from.name.find("AF_UNIX") == 0 || to.name.find("AF_UNIX") == 0 ||
                           from.name.find("unconnected") == 0;
    const bool refused_rightly =
        !from.splices || !to.splices || (route == zc::route::direct && may_block);
    CHECK(refused_rightly);
    return;
  }
  if (in.error != 0) {
    CHECK(done.error == std::error_code(in.error, std::system_category()));
    CHECK(done.side == zc::side::in);
    return;
  }
  const std::string expected = in.bytes ? *in.bytes : std::string();
  if (out.error != 0 && (!in.bytes || !expected.empty())) {
    CHECK(done.error == std::error_code(out.error, std::system_category()));
    CHECK(done.side == zc::side::out);
    CHECK(done.moved == 0);
    if (in.bytes) {
      const auto kept = done.remainder.bytes();
      const std::string left(reinterpret_cast<const char*>(kept.data()), kept.size());
      CHECK(left == expected.substr(0, left.size()));
    }
    return;
  }
  CHECK(done.error == std::error_code());
  CHECK(done.reason <= zc::stop_reason::end_of_file);
  CHECK(done.remainder.empty());
  if (in.bytes) CHECK(done.moved == expected.size());
  if (!out.arrived) return;
  const std::string got = out.arrived(done.moved);
  CHECK(got.size() == done.moved);
  if (in.bytes) {
    CHECK((got == expected));
  } else if (in.nbytes == zc::to_end) {
    CHECK(same_text(from.name, got, read_plainly(from)));
  }
}

}  // namespace

TEST_CASE("splice: every source to every target gives read's bytes or the named error") {
  for (const source_kind& from : sources()) {
    for (const target_kind& to : targets()) {
      for (const zc::route route : support::routes) check_pair(from, to, route, false);
      check_pair(from, to, zc::route::automatic, true);
    }
  }
}

TEST_CASE("splice: what cannot splice is copied without being asked, and says so") {
  for (const source_kind& from : sources()) {
    if (from.splices) continue;
    source in = from.make();
    if (in.error != 0) continue;
    CAPTURE(from.name);
    const zc::fd out = support::empty_file();
    const zc::transfer done = support::transfer(in.fd.get(), out.get(), {.nbytes = in.nbytes});
    CHECK(done.route == zc::route::copy);
    CHECK_FALSE(done.error);
  }
}

TEST_CASE("splice: an O_DIRECT file is written and read in aligned ranges") {
  const support::temporary_directory directory;
  const std::string path = directory.path() / "direct";
  const zc::fd out = support::open_file(path, O_RDWR | O_CREAT | O_DIRECT);
  const zc::fd aligned = support::file_of(1 << 20);
  CHECK(support::transfer(aligned.get(), out.get()).moved == 1 << 20);
  const zc::fd look = support::open_file(path, O_RDONLY);
  CHECK(support::are_bytes_at(support::contents(look.get()), 0));

  for (const zc::route route : {zc::route::automatic, zc::route::copy}) {
    for (const std::uint64_t nbytes : {4096u, 8192u, 69'632u}) {
      CAPTURE(route);
      CAPTURE(nbytes);
      CHECK(support::transfer(aligned.get(), out.get(), {.nbytes = nbytes, .route = route}).moved ==
            nbytes);
    }
  }

  const zc::transfer back = support::transfer(out.get(), aligned.get(), {.offset = 4096});
  CHECK(back.moved == (1 << 20) - 4096);
  CHECK(support::are_bytes_at(support::contents(aligned.get()).substr(0, back.moved), 4096));
}

TEST_CASE("splice: an O_DIRECT file is read and written at its position, byte for byte") {
  for (const zc::route route : {zc::route::automatic, zc::route::copy}) {
    for (const bool to_direct : {false, true}) {
      CAPTURE(route);
      CAPTURE(to_direct);
      const support::temporary_directory directory;
      const std::string path = directory.path() / "direct";
      const zc::fd direct = support::open_file(path, O_RDWR | O_CREAT | O_DIRECT);
      const zc::fd look = support::open_file(path, O_RDWR);
      const zc::fd plain = support::file_of(to_direct ? 307'200 : 0);
      // The end of the file is in the middle of a block.
      if (!to_direct) support::write_all(look.get(), support::bytes_at(0, 303'000));
      const std::uint64_t end = to_direct ? 307'200 : 303'000;
      ::lseek(direct.get(), 4096, SEEK_SET);
      const zc::transfer done =
          to_direct ? support::transfer(plain.get(), direct.get(),
                                        {.out_offset = zc::file_position, .route = route})
                    : support::transfer(direct.get(), plain.get(),
                                        {.offset = zc::file_position, .route = route});
      const std::uint64_t moved = to_direct ? end : end - 4096;
      CHECK_FALSE(done.error);
      CHECK(done.moved == moved);
      CHECK(::lseek(direct.get(), 0, SEEK_CUR) == static_cast<off_t>(4096 + moved));
      const std::string got = support::contents(to_direct ? look.get() : plain.get());
      const std::size_t skipped = to_direct ? 4096 : 0;
      CHECK(got.size() == skipped + moved);
      CHECK(support::are_bytes_at(got.substr(skipped), to_direct ? 0 : 4096));
    }
  }
}

TEST_CASE("splice: nonblock takes whole blocks of an O_DIRECT file, whatever room the target has") {
  const support::temporary_directory directory;
  const zc::fd in = support::open_file(directory.path() / "direct", O_RDWR | O_CREAT | O_DIRECT);
  const zc::fd whole = support::file_of(61'440);
  REQUIRE(support::transfer(whole.get(), in.get()).moved == 61'440);
  for (const zc::route route : {zc::route::automatic, zc::route::copy}) {
    // The room that they make is no multiple of a block, or less than one.
    for (const int buffer : {100'000, 4096, 2304}) {
      CAPTURE(route);
      CAPTURE(buffer);
      const support::ends pair = support::unix_pair(SOCK_NONBLOCK);
      REQUIRE(::setsockopt(pair.first.get(), SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer) == 0);
      std::string got;
      zc::context context;
      for (std::uint64_t at = 0; at < 61'440;) {
        zc::transfer done = context.run(zc::try_splice(in.get(), pair.first.get(),
                                                       {.offset = static_cast<std::int64_t>(at),
                                                        .flags = zc::splice_flags::nonblock,
                                                        .route = route}));
        REQUIRE_FALSE(done.error);
        REQUIRE(support::conserved(done));
        REQUIRE(done.taken > 0);
        CHECK(done.taken % 4096 == 0);
        at += done.taken;
        got += support::read_some(pair.second.get(), done.moved);
        const auto left = done.remainder.bytes();
        got.append(reinterpret_cast<const char*>(left.data()), left.size());
      }
      CHECK(got.size() == 61'440);
      CHECK(support::are_bytes_at(got, 0));
    }
  }
}

TEST_CASE("splice: part of a block of an O_DIRECT file is read into memory that holds the whole") {
  // A child, as what is written beyond its end may be anyone's; the C library notices when it is
  // freed.
  const auto body = [] {
    const support::temporary_directory directory;
    const zc::fd in = support::open_file(directory.path() / "direct", O_RDWR | O_CREAT | O_DIRECT);
    const zc::fd whole = support::file_of(16'384);
    if (support::transfer(whole.get(), in.get()).moved != 16'384) return 1;
    for (const std::uint64_t nbytes : {1u, 4095u, 4097u, 5162u, 8191u, 8193u, 12'289u, 16'383u}) {
      const zc::fd out = support::empty_file();
      const zc::transfer done = support::transfer(in.get(), out.get(), {.nbytes = nbytes});
      if (done.moved != nbytes || done.reason != zc::stop_reason::complete) return 2;
      if (!support::are_bytes_at(support::contents(out.get()), 0)) return 3;
    }
    return 0;
  };
  CHECK(support::exited_with(support::in_child(body), 0));
}

TEST_SUITE_END();
