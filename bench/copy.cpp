// P5: files to files in the page cache: one of 1 GiB, a sparse one, and a tree of small ones.
//
//   bench-copy --rounds 7
//
// Beside cp(1) and loops by hand. What was copied is compared in the first round, and removed
// before the disk has seen it: this measures the copying, not the disk.

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "baseline/copy_file.hpp"
#include "support/arguments.hpp"
#include "support/data_file.hpp"
#include "support/measure.hpp"
#include "support/require.hpp"
#include "support/rounds.hpp"
#include "support/table.hpp"
#include "zc/zc.hpp"

namespace {

namespace fs = std::filesystem;
using bench::kind;

/// Copies the file or tree `from` to `to`, which is not there yet.
using copier = std::function<void(const std::string& from, const std::string& to)>;

struct measured {
  bench::cost cost;
  double allocated_mib = 0;
};

void run_command(std::vector<std::string> words) {
  std::vector<char*> raw;
  for (std::string& each : words) raw.push_back(each.data());
  raw.push_back(nullptr);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, raw[0], nullptr, nullptr, raw.data(), environ);
  if (error != 0) throw std::system_error(error, std::generic_category(), words[0]);
  int status = 0;
  bench::require(::waitpid(child, &status, 0), "waitpid");
  if (status != 0) throw std::runtime_error(words[0] + " failed");
}

zc::fd open_source(const std::string& path) {
  return zc::fd(bench::require(::open(path.c_str(), O_RDONLY | O_CLOEXEC), path.c_str()));
}
zc::fd open_target(const std::string& path) {
  constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
  return zc::fd(bench::require(::open(path.c_str(), flags, 0644), path.c_str()));
}

/// A copier of one file from a function on two descriptors.
template <class Copy>
copier between_descriptors(Copy copy) {
  return [copy](const std::string& from, const std::string& to) {
    const zc::fd in = open_source(from);
    const zc::fd out = open_target(to);
    copy(in.get(), out.get());
  };
}

zc::task<> copy_by_zc(int in, int out, zc::route by) {
  co_await zc::splice(in, out, {.route = by});
}

copier zc_copier(zc::route by) {
  return between_descriptors([by](int in, int out) { zc::run(copy_by_zc(in, out, by)); });
}

/// One file of a tree, by ops.
zc::task<> copy_path(const std::string& from, const std::string& to) {
  const zc::fd in = (co_await zc::op::openat(AT_FDCWD, from.c_str(), O_RDONLY | O_CLOEXEC)).value();
  zc::fd out =
      (co_await zc::op::openat(AT_FDCWD, to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644))
          .value();
  co_await zc::splice(in.get(), out.get());
  (co_await zc::op::close(out.release())).value();
}

/// The same where opening may block the thread, as it does in the loops by hand.
zc::task<> copy_opened(const std::string& from, const std::string& to) {
  const zc::fd in = open_source(from);
  const zc::fd out = open_target(to);
  co_await zc::splice(in.get(), out.get());
}

using copy_one = zc::task<> (*)(const std::string&, const std::string&);

/// The tree, in the order in which directories give their entries.
class tree_walk {
 public:
  tree_walk(const std::string& from, std::string to)
      : from_(from), to_(std::move(to)), next_(from_) {
    fs::create_directory(to_);
  }

  /// The next file and where it goes; makes directories on the way. False at the end.
  bool next(std::string& from, std::string& to) {
    for (; next_ != fs::recursive_directory_iterator(); ++next_) {
      from = next_->path().string();
      to = to_ + from.substr(from_.size());
      if (!next_->is_directory()) {
        ++next_;
        return true;
      }
      fs::create_directory(to);
    }
    return false;
  }

 private:
  std::string from_;
  std::string to_;
  fs::recursive_directory_iterator next_;
};

zc::task<> copy_lane(tree_walk& files, copy_one copy) {
  std::string from;
  std::string to;
  while (files.next(from, to)) co_await copy(from, to);
}

zc::task<> copy_tree_by_zc(const std::string& from, const std::string& to, copy_one copy) {
  constexpr unsigned at_a_time = 16;
  tree_walk files(from, to);
  zc::scope lanes;
  for (unsigned lane = 0; lane < at_a_time; ++lane) lanes.spawn(copy_lane(files, copy));
  co_await lanes.join();
}

copier zc_tree_copier(copy_one copy) {
  return [copy](const std::string& from, const std::string& to) {
    zc::run(copy_tree_by_zc(from, to, copy));
  };
}

void require_same_file(const std::string& one, const std::string& other) {
  const zc::fd a = open_source(one);
  const zc::fd b = open_source(other);
  bench::require_equal(bench::size_of(b.get()), bench::size_of(a.get()), "size of a copy");
  std::vector<std::byte> from_a(256 * 1024);
  std::vector<std::byte> from_b(from_a.size());
  for (off_t at = 0;;) {
    const auto got = bench::require(::pread(a.get(), from_a.data(), from_a.size(), at), "pread");
    if (got == 0) return;
    bench::require_equal(static_cast<unsigned long long>(
                             ::pread(b.get(), from_b.data(), static_cast<std::size_t>(got), at)),
                         static_cast<unsigned long long>(got), "bytes of a copy");
    if (!std::equal(from_a.begin(), from_a.begin() + got, from_b.begin())) {
      throw std::runtime_error(other + " has other bytes than " + one);
    }
    at += got;
  }
}

void require_same(const std::string& from, const std::string& to) {
  if (!fs::is_directory(from)) return require_same_file(from, to);
  for (const auto& each : fs::recursive_directory_iterator(from)) {
    if (!each.is_regular_file()) continue;
    require_same_file(each.path(), to + each.path().string().substr(from.size()));
  }
}

std::uintmax_t bytes_in(const std::string& path) {
  if (!fs::is_directory(path)) return fs::file_size(path);
  std::uintmax_t sum = 0;
  for (const auto& each : fs::recursive_directory_iterator(path)) {
    if (each.is_regular_file()) sum += each.file_size();
  }
  return sum;
}

double allocated_mib(const std::string& path) {
  struct stat about {};
  bench::require(::stat(path.c_str(), &about), path.c_str());
  return static_cast<double>(about.st_blocks) * 512 / (1 << 20);
}

measured measure(const std::string& from, const copier& copy, bool check) {
  const std::string to = from + ".copy";
  fs::remove_all(to);
  const auto found = bench::in_child([&]() -> measured {
    bench::pin_to(0);
    const double children = bench::children_cpu_seconds();
    const bench::stopwatch since;
    copy(from, to);
    bench::cost spent = since.read();
    spent.cpu_seconds += bench::children_cpu_seconds() - children;
    return {spent, allocated_mib(to)};
  });
  bench::require_equal(bytes_in(to), bytes_in(from), "bytes of all that was copied");
  if (check) require_same(from, to);
  fs::remove_all(to);
  return found;
}

/// A directory of its own for the test data, removed with it.
class work_directory {
 public:
  explicit work_directory(const std::string& parent)
      : path_(parent + "/zc-bench-copy-" + std::to_string(::getpid())) {
    fs::create_directory(path_);
  }
  work_directory(const work_directory&) = delete;
  work_directory& operator=(const work_directory&) = delete;
  ~work_directory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string operator/(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// 1 MiB of data in each 16 MiB.
void write_sparse_file(const std::string& path, std::uint64_t size) {
  const zc::fd file = open_target(path);
  std::vector<std::byte> piece(1 << 20);
  for (std::uint64_t at = 0; at < size; at += 16 << 20) {
    bench::fill_pattern(piece, at);
    bench::require(::pwrite(file.get(), piece.data(), piece.size(), static_cast<off_t>(at)),
                   "pwrite");
  }
  bench::require(::ftruncate(file.get(), static_cast<off_t>(size)), "ftruncate");
}

/// Files of 1 to 64 KiB, a hundred to a directory.
void write_tree(const std::string& path, unsigned files) {
  fs::create_directory(path);
  std::uint32_t random = 1;
  for (unsigned number = 0; number < files; ++number) {
    const std::string directory = path + "/" + std::to_string(number / 100);
    if (number % 100 == 0) fs::create_directory(directory);
    random = random * 1664525 + 1013904223;
    bench::write_file(directory + "/" + std::to_string(number),
                      1024 + (random >> 8U) % (63 * 1024));
  }
}

std::vector<bench::contender<measured>> file_contenders(const std::string& from) {
  std::vector<bench::contender<measured>> all;
  const auto add = [&](const char* name, kind is, const copier& copy) {
    all.push_back({name, is, [=](bool check) { return measure(from, copy, check); }});
  };
  add("cp", kind::baseline, [](const std::string& in, const std::string& out) {
    run_command({"cp", in, out});
  });
  add("copy_file_range", kind::baseline, between_descriptors(baseline::copy_by_copy_file_range));
  add("read and write, 256 KiB", kind::baseline, between_descriptors([](int in, int out) {
        std::vector<std::byte> buffer(256 * 1024);
        baseline::copy_by_read_and_write(in, out, buffer);
      }));
  add("zc", kind::zc, zc_copier(zc::route::automatic));
  add("zc, direct", kind::zc_forced, zc_copier(zc::route::direct));
  add("zc, ring", kind::zc_forced, zc_copier(zc::route::ring));
  add("zc, copy", kind::zc_forced, zc_copier(zc::route::copy));
  return all;
}

std::vector<bench::contender<measured>> tree_contenders(const std::string& from) {
  std::vector<bench::contender<measured>> all;
  const auto add = [&](const char* name, kind is, const copier& copy) {
    all.push_back({name, is, [=](bool check) { return measure(from, copy, check); }});
  };
  add("cp -r", kind::baseline, [](const std::string& in, const std::string& out) {
    run_command({"cp", "-r", in, out});
  });
  add("copy_file_range", kind::baseline, baseline::copy_tree_by_copy_file_range);
  add("read and write, 64 KiB", kind::baseline, baseline::copy_tree_by_read_and_write);
  add("zc", kind::zc, zc_tree_copier(copy_path));
  add("zc, opened by open(2)", kind::zc, zc_tree_copier(copy_opened));
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t mib = 1024;
  unsigned files = 5000;
  return bench::run_program(
      argc, argv, "Files to files, by zc, by cp and by hand.",
      [&](CLI::App& app) {
        app.add_option("--mib", mib, "size of the large files in MiB")->capture_default_str();
        app.add_option("--files", files, "how many small ones")->capture_default_str();
      },
      [&](const bench::arguments& given) {
        if (given.quick) mib = std::min<std::uint64_t>(mib, 128), files = std::min(files, 500U);
        const work_directory work(given.directory);
        const std::string size = std::to_string(mib) + " MiB";
        bench::write_file(work / "dense", mib << 20U);
        write_sparse_file(work / "sparse", mib << 20U);
        write_tree(work / "tree", files);
        // Else the disk would be busy with it meanwhile.
        ::sync();

        bench::table large("copy", "P5: file to file, " + size + ", hot",
                           {{"s", true, 3},
                            {"CPU s", true, 3},
                            {"a sixteenth of it data: s", true, 3},
                            {"CPU s", true, 3},
                            {"MiB allocated", true, 0}});
        bench::take_turns(given.rounds, file_contenders(work / "dense"),
                          [&](const auto& who, const measured& of) {
                            large.add(who.name, who.what, 0, of.cost.seconds);
                            large.add(who.name, who.what, 1, of.cost.cpu_seconds);
                          });
        bench::take_turns(given.rounds, file_contenders(work / "sparse"),
                          [&](const auto& who, const measured& of) {
                            large.add(who.name, who.what, 2, of.cost.seconds);
                            large.add(who.name, who.what, 3, of.cost.cpu_seconds);
                            large.add(who.name, who.what, 4, of.allocated_mib);
                          });
        bench::table tree("copy-tree",
                          "P5: a tree of " + std::to_string(files) + " files of 1 to 64 KiB, hot",
                          {{"s", true, 3}, {"CPU s", true, 3}});
        bench::take_turns(given.rounds, tree_contenders(work / "tree"),
                          [&](const auto& who, const measured& of) {
                            tree.add(who.name, who.what, 0, of.cost.seconds);
                            tree.add(who.name, who.what, 1, of.cost.cpu_seconds);
                          });
        bench::publish({large, tree}, given.rounds, given.json);
      });
}
