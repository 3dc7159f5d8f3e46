#include "zc/splice_paths.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/descriptors.hpp"
#include "support/process.hpp"
#include "support/scripted_kernel.hpp"
#include "support/transfers.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"

namespace zc {

static doctest::String toString(path_call value) {
  constexpr std::array<const char*, 5> names{"none", "open_in", "open_out", "splice", "close_out"};
  return names[static_cast<std::size_t>(value)];
}

}  // namespace zc

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;

namespace {

void write_file(const std::filesystem::path& path, std::string_view bytes) {
  const zc::fd file = support::open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
  support::write_all(file.get(), bytes);
}

std::string read_file(const std::filesystem::path& path) {
  const zc::fd file = support::open_file(path, O_RDONLY);
  return support::contents(file.get());
}

/// A directory with files named by number, and where their copies go.
class tree {
 public:
  explicit tree(std::size_t files, std::size_t bytes = 1000) : bytes_(bytes) {
    std::filesystem::create_directory(source());
    std::filesystem::create_directory(target());
    for (std::size_t i = 0; i < files; ++i) write_file(source() / std::to_string(i), content(i));
  }

  std::filesystem::path source() const { return directory_.path() / "source"; }
  std::filesystem::path target() const { return directory_.path() / "target"; }

  zc::path_job job(std::size_t i) const {
    zc::path_job one;
    one.in = source() / std::to_string(i);
    one.out = target() / std::to_string(i);
    return one;
  }
  std::vector<zc::path_job> jobs(std::size_t count) const {
    std::vector<zc::path_job> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back(job(i));
    return all;
  }

  bool arrived(std::size_t i) const {
    return read_file(target() / std::to_string(i)) == content(i);
  }

 private:
  std::string content(std::size_t i) const {
    return support::bytes_at(0, bytes_ + i, static_cast<unsigned>(i));
  }

  std::size_t bytes_;
  support::temporary_directory directory_;
};

std::size_t count(const std::vector<zc::path_transfer>& of, zc::stop_reason reason) {
  return static_cast<std::size_t>(std::count_if(
      of.begin(), of.end(), [&](const zc::path_transfer& each) { return each.reason == reason; }));
}

zc::path_transfer run_one(const zc::path_job& job) {
  std::vector<zc::path_transfer> all = zc::run(zc::splice_paths(std::vector<zc::path_job>{job}));
  REQUIRE(all.size() == 1);
  return std::move(all.front());
}

}  // namespace

TEST_CASE("splice_paths: every file arrives, results are in order, nothing stays open") {
  for (const std::size_t in_flight : {1u, 16u, 1000u}) {
    CAPTURE(in_flight);
    const tree files(60);
    const std::size_t before = support::open_descriptors();
    const std::vector<zc::path_transfer> done =
        zc::run(zc::splice_paths(files.jobs(60), {.in_flight = in_flight}));
    CHECK(support::open_descriptors() == before);
    REQUIRE(done.size() == 60);
    for (std::size_t i = 0; i < 60; ++i) {
      CAPTURE(i);
      REQUIRE(done[i].reason == zc::stop_reason::complete);
      REQUIRE(done[i].moved == 1000 + i);
      REQUIRE(done[i].call == zc::path_call::none);
      REQUIRE(files.arrived(i));
    }
  }
}

TEST_CASE("splice_paths: an error says which call failed, and on which path") {
  const tree files(1);
  zc::path_job missing = files.job(0);
  missing.in = files.source() / "missing";
  zc::path_transfer done = run_one(missing);
  CHECK(done.reason == zc::stop_reason::failed);
  CHECK(done.error == std::errc::no_such_file_or_directory);
  CHECK(done.side == zc::side::in);
  CHECK(done.call == zc::path_call::open_in);
  CHECK(zc::describe(missing, done) == "openat: " + missing.in + ": No such file or directory");
  CHECK_FALSE(std::filesystem::exists(missing.out));  // the target is not touched

  zc::path_job directory = files.job(0);
  directory.in = files.source();
  done = run_one(directory);
  CHECK(done.error == std::errc::is_a_directory);
  CHECK(done.call == zc::path_call::open_in);
  CHECK_FALSE(std::filesystem::exists(directory.out));

  zc::path_job nowhere = files.job(0);
  nowhere.out = files.target() / "missing" / "0";
  done = run_one(nowhere);
  CHECK(done.error == std::errc::no_such_file_or_directory);
  CHECK(done.side == zc::side::out);
  CHECK(done.call == zc::path_call::open_out);
  CHECK(zc::describe(nowhere, done) == "openat: " + nowhere.out + ": No such file or directory");

  zc::path_job beyond = files.job(0);
  beyond.options.offset = 5000;
  done = run_one(beyond);
  CHECK(done.error == std::errc::value_too_large);
  CHECK(done.call == zc::path_call::splice);
  CHECK(zc::describe(beyond, done).find("splice: " + beyond.in) == 0);

  done = run_one(files.job(0));
  CHECK(done.reason == zc::stop_reason::complete);
  CHECK(zc::describe(files.job(0), done).empty());
}

TEST_CASE("splice_paths: a full disk is the splice's error, with exact counts, and all is closed") {
  const tree files(1, 100'000);
  const support::small_filesystem full(16 * 1024);
  zc::path_job job = files.job(0);
  job.out = full.path() / "0";
  const std::size_t before = support::open_descriptors();
  const zc::path_transfer done = run_one(job);
  CHECK(support::open_descriptors() == before);
  CHECK(done.error == std::errc::no_space_on_device);
  CHECK(done.side == zc::side::out);
  CHECK(done.call == zc::path_call::splice);
  CHECK(done.moved == 16 * 1024);
  CHECK(support::conserved(done));
}

TEST_CASE("splice_paths: a close of the target that fails is a failed job") {
  const tree files(1, 100'000);  // too large to be copied on a thread
  zc::context context;
  // Answered, but not done: the descriptor would stay. So the test closes it itself.
  support::scripted_kernel failing(
      {.what = support::fault::kind::error, .error = EIO, .opcode = IORING_OP_CLOSE});
  failing.stand_before(context);
  const std::vector<zc::path_transfer> done = context.run(zc::splice_paths(files.jobs(1)));
  REQUIRE(done.size() == 1);
  CHECK(done[0].reason == zc::stop_reason::failed);
  CHECK(done[0].error == std::errc::io_error);
  CHECK(done[0].side == zc::side::out);
  CHECK(done[0].call == zc::path_call::close_out);
  CHECK(done[0].moved == 100'000);
  CHECK(zc::describe(files.job(0), done[0]) ==
        "close: " + files.job(0).out + ": Input/output error");
  const std::filesystem::path target = std::filesystem::canonical(files.job(0).out);
  int left = -1;
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(each, gone) == target)
      left = std::stoi(each.path().filename());
  }
  REQUIRE(left >= 0);
  ::close(left);
}

TEST_CASE("splice_paths: relative paths start from the directories, flags and mode are as given") {
  const tree files(1);
  const zc::fd source = support::open_file(files.source(), O_PATH | O_DIRECTORY);
  const zc::fd target = support::open_file(files.target(), O_PATH | O_DIRECTORY);
  zc::path_job job;
  job.in = "0";
  job.out = "copy";
  job.in_at = source.get();
  job.out_at = target.get();
  job.mode = 0640;
  const mode_t umask_before = ::umask(0);
  CHECK(run_one(job).reason == zc::stop_reason::complete);
  ::umask(umask_before);
  struct stat about {};
  REQUIRE(::stat((files.target() / "copy").c_str(), &about) == 0);
  CHECK((about.st_mode & 07777u) == 0640);

  job.out_flags |= O_EXCL;
  zc::path_transfer done = run_one(job);
  CHECK(done.error == std::errc::file_exists);
  CHECK(done.call == zc::path_call::open_out);
  CHECK(read_file(files.target() / "copy").size() == 1000);

  job.out = "other";
  job.out_flags = O_WRONLY;
  done = run_one(job);
  CHECK(done.error == std::errc::no_such_file_or_directory);
}

TEST_CASE("splice_paths: what a target had is gone, unless it is not to be truncated") {
  const tree files(1);
  const zc::path_job job = files.job(0);
  write_file(job.out, std::string(5000, 'x'));
  CHECK(run_one(job).moved == 1000);
  CHECK(files.arrived(0));

  write_file(job.out, std::string(5000, 'x'));
  zc::path_job within = job;
  within.out_flags = O_WRONLY;
  CHECK(run_one(within).moved == 1000);
  const std::string mixed = read_file(job.out);
  CHECK(mixed.size() == 5000);
  CHECK(support::are_bytes_at(std::string_view(mixed).substr(0, 1000), 0));
  CHECK(mixed.substr(1000) == std::string(4000, 'x'));

  // Appended, and truncated without being created.
  within.out_flags = O_WRONLY | O_APPEND;
  CHECK(run_one(within).moved == 1000);
  CHECK(read_file(job.out).size() == 6000);
  within.out_flags = O_WRONLY | O_TRUNC;
  CHECK(run_one(within).moved == 1000);
  CHECK(files.arrived(0));
}

TEST_CASE("splice_paths: what is there is overwritten without /proc too, as in a chroot(2)") {
  const int status = support::in_child([] {
    if (::unshare(CLONE_NEWNS) < 0) return 77;  // needs root, and may be refused even so
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) return 77;
    const tree files(1);
    write_file(files.job(0).out, std::string(5000, 'x'));
    if (::mount("none", "/proc", "tmpfs", 0, nullptr) < 0) return 1;
    return run_one(files.job(0)).moved == 1000 && files.arrived(0) ? 0 : 2;
  });
  if (support::exited_with(status, 77)) {
    MESSAGE("skipped: mounts are refused here");
    return;
  }
  CHECK(support::exited_with(status, 0));
}

TEST_CASE("splice_paths: a target that is the source is refused instead of truncated") {
  const tree files(1);
  zc::path_job job = files.job(0);
  std::filesystem::create_hard_link(job.in, files.target() / "link");
  std::filesystem::create_symlink(job.in, files.target() / "symlink");
  for (const std::string& name :
       {job.in, (files.target() / "link").string(), (files.target() / "symlink").string()}) {
    CAPTURE(name);
    job.out = name;
    const zc::path_transfer done = run_one(job);
    CHECK(done.error == std::errc::invalid_argument);
    CHECK(done.call == zc::path_call::open_out);
    CHECK(read_file(job.in).size() == 1000);
  }
}

TEST_CASE("splice_paths: an empty path is the descriptor beside it, which stays open") {
  const tree files(1);
  const support::ends socket = support::unix_pair();
  zc::path_job send = files.job(0);
  send.out.clear();
  send.out_at = socket.first.get();
  CHECK(run_one(send).moved == 1000);
  CHECK(support::are_bytes_at(support::read_some(socket.second.get(), 1000), 0));

  support::write_all(socket.second.get(), support::bytes_at(0, 700));
  ::shutdown(socket.second.get(), SHUT_WR);
  zc::path_job receive = files.job(0);
  receive.in.clear();
  receive.in_at = socket.first.get();
  const zc::path_transfer received = run_one(receive);
  CHECK(received.moved == 700);
  CHECK(support::are_bytes_at(read_file(receive.out), 0));
  CHECK(::fcntl(socket.first.get(), F_GETFD) >= 0);

  receive.in_at = -1;
  const zc::path_transfer done = run_one(receive);
  CHECK(done.error == std::errc::bad_file_descriptor);
  CHECK(zc::describe(receive, done) == "openat: descriptor -1: Bad file descriptor");
}

TEST_CASE("splice_paths: without descriptors for all at once, fewer run at once, and none fails") {
  const tree files(100);
  const int status = support::in_child([&] {
    zc::context context({.pipes = 2});
    const auto open = static_cast<rlim_t>(support::open_descriptors());
    // Room for some pairs of files, and pipes: not for 64 of them.
    for (const rlim_t room : {5u, 8u, 21u}) {
      const support::limit few(RLIMIT_NOFILE, open + room);
      const std::vector<zc::path_transfer> done =
          context.run(zc::splice_paths(files.jobs(100), {.in_flight = 64}));
      if (count(done, zc::stop_reason::complete) != 100) return 1;
      for (std::size_t i = 0; i < 100; ++i) {
        if (done[i].moved != 1000 + i) return 2;
      }
    }
    return 0;
  });
  CHECK(support::exited_with(status, 0));
  for (std::size_t i = 0; i < 100; ++i) REQUIRE(files.arrived(i));
}

TEST_CASE("splice_paths: without descriptors for even one job, each says so") {
  const tree files(5);
  const int status = support::in_child([&] {
    zc::context context;
    std::vector<zc::fd> taken;
    const support::limit few(RLIMIT_NOFILE, 64);
    for (;;) {
      zc::fd one(::dup(0));
      if (!one) break;
      taken.push_back(std::move(one));
    }
    taken.pop_back();  // room for a source, not for its target
    const std::vector<zc::path_transfer> done = context.run(zc::splice_paths(files.jobs(5)));
    for (const zc::path_transfer& each : done) {
      if (each.reason != zc::stop_reason::failed) return 1;
      if (each.error != std::errc::too_many_files_open) return 2;
      if (each.call != zc::path_call::open_out && each.call != zc::path_call::open_in) return 3;
    }
    return done.size() == 5 ? 0 : 4;
  });
  CHECK(support::exited_with(status, 0));
}

TEST_CASE("splice_paths: where descriptors come back, as many as before run at once again") {
  zc::detail::descriptor_budget budget(2);
  const tree files(1, 100'000);  // too large to be copied on a thread
  const auto many = [&](int times) -> zc::task<> {
    for (int i = 0; i < times; ++i) {
      const zc::path_transfer done = co_await budget.carry(files.job(0));
      CHECK(done.reason == zc::stop_reason::complete);
    }
  };
  zc::context context;
  support::scripted_kernel kernel({.what = support::fault::kind::error,
                                   .error = EMFILE,
                                   .at = 1,  // while another one runs
                                   .opcode = IORING_OP_OPENAT});
  kernel.stand_before(context);
  context.run(zc::when_all(many(1), many(1)));
  CHECK(kernel.met());
  CHECK(budget.limit() == 1);
  context.run(many(300));
  CHECK(budget.limit() == 2);
}

TEST_CASE("splice_paths: a deadline leaves nothing open and says what each did") {
  const tree files(3);
  const std::filesystem::path fifo = files.source() / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  const zc::fd writer = support::open_file(fifo, O_RDWR);  // so that its end does not come
  support::write_all(writer.get(), support::bytes_at(0, 300));
  std::vector<zc::path_job> jobs = files.jobs(3);
  jobs[1].in = fifo;
  const std::size_t before = support::open_descriptors();
  // Long enough for the first job and what the second one can do, on a busy machine too.
  const std::vector<zc::path_transfer> done =
      zc::run(zc::timeout(1s * support::slowdown(), zc::splice_paths(jobs, {.in_flight = 1})));
  CHECK(support::open_descriptors() == before);
  REQUIRE(done.size() == 3);
  CHECK(done[0].reason == zc::stop_reason::complete);
  CHECK(done[1].reason == zc::stop_reason::timed_out);
  CHECK(done[1].moved == 300);
  CHECK(done[2].reason == zc::stop_reason::timed_out);
  CHECK(done[2].moved == 0);
  CHECK_FALSE(std::filesystem::exists(jobs[2].out));
}

TEST_CASE("splice_paths: whatever step is cancelled, all that was opened is closed") {
  const tree files(2);
  write_file(files.job(0).out, "there");
  for (int step = 0; step < 24; ++step) {
    CAPTURE(step);
    const std::size_t before = support::open_descriptors();
    {
      zc::context context;
      std::vector<zc::path_transfer> done;
      support::scripted_kernel kernel;
      kernel.stand_before(context);
      kernel.before_step([&](int at) {
        if (at == step) context.stop();
      });
      done = context.run(zc::splice_paths(files.jobs(2), {.in_flight = 1}));
      REQUIRE(done.size() == 2);
      for (const zc::path_transfer& each : done) {
        CHECK(each.reason != zc::stop_reason::failed);
        CHECK(support::conserved(each));
      }
    }
    CHECK(support::open_descriptors() == before);
  }
}

TEST_CASE("splice_paths: from a callback, with names that belong to the job") {
  struct named : zc::path_job {
    std::size_t number = 0;
  };
  const tree files(50);
  std::size_t at = 0;
  const auto next = [&]() -> zc::task<std::optional<named>> {
    co_await zc::yield();
    if (at == 60) co_return std::nullopt;
    named one;
    static_cast<zc::path_job&>(one) = files.job(at);
    one.number = at++;
    co_return one;
  };
  std::size_t failed = 0;
  const auto done = [&](named&& job, zc::path_transfer&& result) {
    if (job.number < 50) {
      CHECK(result.moved == 1000 + job.number);
      CHECK(files.arrived(job.number));
    } else {
      CHECK(zc::describe(job, result) == "openat: " + job.in + ": No such file or directory");
      ++failed;
    }
  };
  const zc::batch_result all = zc::run(zc::splice_paths(next, done, {.in_flight = 7}));
  CHECK(all.jobs == 60);
  CHECK(all.failed == 10);
  CHECK(failed == 10);
  CHECK(all.reason == zc::stop_reason::complete);
}

TEST_CASE("splice_paths: jobs that all end at once hold up nobody and need no stack") {
  int left = 20'000;
  const auto next = [&]() -> std::optional<zc::path_job> {
    if (left == 0) return {};
    --left;
    zc::path_job closed;
    closed.in_at = -1;  // instead of a path: nothing is opened, so nothing is waited for
    return closed;
  };
  int failed = 0;
  const auto done = [&](const zc::path_job&, const zc::path_transfer& result) {
    failed += result.error == std::errc::bad_file_descriptor ? 1 : 0;
  };
  int rounds = 0;
  const auto others = [&]() -> zc::task<> {
    while (failed < 20'000) {
      ++rounds;
      co_await zc::yield();
    }
  };
  zc::run(zc::when_all(others(), zc::splice_paths(next, done)));
  // A turn has 512 attempts, of which a job takes one or two.
  CHECK(rounds >= 20'000 / 1100);
}

TEST_CASE("splice_paths: small files into new ones take the ring no op") {
  const tree files(200);
  zc::context context;
  support::scripted_kernel kernel(
      {.what = support::fault::kind::error, .error = EIO, .opcode = IORING_OP_OPENAT});
  kernel.stand_before(context);
  const std::size_t before = support::open_descriptors();
  const std::vector<zc::path_transfer> done = context.run(zc::splice_paths(files.jobs(200)));
  CHECK(support::open_descriptors() == before);
  CHECK_FALSE(kernel.met());
  for (std::size_t i = 0; i < 200; ++i) {
    REQUIRE(done[i].reason == zc::stop_reason::complete);
    REQUIRE(done[i].moved == 1000 + i);
    REQUIRE(done[i].route == zc::route::direct);
    REQUIRE(support::conserved(done[i]));
    REQUIRE(files.arrived(i));
  }
}

TEST_CASE("splice_paths: files of all sizes around what is small arrive together") {
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{64 * 1024 - 3}}) {
    const tree files(7, bytes);
    for (const zc::path_transfer& each : zc::run(zc::splice_paths(files.jobs(7)))) {
      CHECK(each.reason == zc::stop_reason::complete);
    }
    for (std::size_t i = 0; i < 7; ++i) CHECK(files.arrived(i));
  }
}

TEST_CASE("splice_paths: a file that says it is empty and is not arrives whole") {
  const tree files(1);
  zc::path_job job = files.job(0);
  job.in = "/proc/version";
  const zc::path_transfer done = run_one(job);
  CHECK(done.reason == zc::stop_reason::end_of_file);
  const std::string expected = support::read_all(support::open_file(job.in, O_RDONLY).get());
  CHECK(done.moved == expected.size());
  CHECK(read_file(job.out) == expected);
}

TEST_CASE("splice_paths: a full disk is a small file's error too, with exact counts") {
  const tree files(1, 30'000);
  const support::small_filesystem full(16 * 1024);
  zc::path_job job = files.job(0);
  job.out = full.path() / "0";
  const zc::path_transfer done = run_one(job);
  CHECK(done.error == std::errc::no_space_on_device);
  CHECK(done.side == zc::side::out);
  CHECK(done.call == zc::path_call::splice);
  CHECK(done.moved == 16 * 1024);
  CHECK(support::conserved(done));
}

TEST_CASE("splice_paths: a frame that goes waits for what a thread copies for it") {
  class nobody final : public zc::detail::joiner {
    std::coroutine_handle<> child_done(zc::detail::promise_base&) noexcept override {
      return std::noop_coroutine();
    }
  };
  const tree files(100);
  const std::size_t before = support::open_descriptors();
  {
    zc::context context;
    const auto work = [&]() -> zc::task<> {
      const zc::detail::environment here = co_await zc::detail::this_environment{};
      for (const int turns : {0, 1, 2, 5, 20}) {
        CAPTURE(turns);
        for (std::size_t i = 0; i < 100; ++i) std::filesystem::remove(files.job(i).out);
        const std::vector<zc::path_job> jobs = files.jobs(100);
        zc::detail::descriptor_budget budget(100);
        nobody parent;
        std::vector<zc::task<zc::path_transfer>> copies;
        for (const zc::path_job& each : jobs) copies.push_back(budget.carry(each));
        for (const auto& each : copies) each.promise().start_in(here, parent);
        for (int i = 0; i < turns; ++i) co_await zc::yield();
        // In another order than they have come.
        while (!copies.empty()) {
          copies.erase(copies.begin() + static_cast<std::ptrdiff_t>(copies.size() / 2));
        }
      }
      // What follows finds nothing of them in its way.
      for (std::size_t i = 0; i < 100; ++i) std::filesystem::remove(files.job(i).out);
      for (const zc::path_transfer& each : co_await zc::splice_paths(files.jobs(100))) {
        CHECK(each.reason == zc::stop_reason::complete);
      }
    };
    context.run(work());
  }
  CHECK(support::open_descriptors() == before);
}

TEST_CASE("splice_paths: of no jobs gives no results, and 0 at a time is refused") {
  CHECK(zc::run(zc::splice_paths(std::vector<zc::path_job>())).empty());
  CHECK_THROWS_AS(zc::run(zc::splice_paths(std::vector<zc::path_job>(1), {.in_flight = 0})),
                  std::invalid_argument);
}

TEST_SUITE_END();
