#include "small_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "not_kept.hpp"
#include "wire.hpp"
#include "zc/fd.hpp"

namespace ship {

namespace {

// How long a cancelled session, and one that waits for a thread, may have to wait.
constexpr std::chrono::milliseconds time_limit{50};
constexpr std::size_t hole_bytes = 4096;

bool has_zeros_for_a_hole(std::string_view contents) {
  for (std::size_t at = 0; at < contents.size(); at += hole_bytes) {
    if (contents.substr(at, hole_bytes).find_first_not_of('\0') == std::string_view::npos) {
      return true;
    }
  }
  return false;
}

/// Whether it is the file that the tree was looked at with, unchanged since.
bool is_as_it_was(const entry& what, const struct stat& now) {
  return S_ISREG(now.st_mode) && (now.st_mode & 07777) == what.mode &&
         static_cast<std::uint64_t>(now.st_size) == what.size &&
         now.st_mtim.tv_sec == what.modified.seconds &&
         static_cast<std::uint32_t>(now.st_mtim.tv_nsec) == what.modified.nanoseconds;
}

class reader {
 public:
  explicit reader(small_files& into) : into_(into) {}
  reader(const reader&) = delete;
  reader& operator=(const reader&) = delete;
  ~reader() { into_.extended_attributes = lost_.extended_attributes; }

  /// Adds one file to the frame, if it is what it should be.
  bool read(const entry& what) {
    const std::size_t slash = what.path.rfind('/');
    const bool in_root = slash == std::string::npos;
    if (!in_root && !open_parent(what.root, std::string_view(what.path).substr(0, slash))) {
      return false;
    }
    const char* const name = in_root ? what.path.c_str() : what.path.c_str() + slash + 1;
    // O_NONBLOCK: what was a file may be a FIFO without a writer now.
    const zc::fd file(::openat(in_root ? what.root : parent_.get(), name,
                               O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file) return false;
    const std::size_t before = into_.frame.size();
    wire::item item;
    item.mode = what.mode;
    item.modified = what.modified;
    item.size = what.size;
    item.path = what.path;
    wire::append_small_file(into_.frame, item, {});
    const bool whole = append_contents(file.get(), what);
    if (!whole) into_.frame.resize(before);
    return whole;
  }

 private:
  bool open_parent(int root, std::string_view path) {
    if (parent_ && root == parent_root_ && path == parent_path_) return true;
    parent_root_ = root;
    parent_path_ = path;
    parent_ = zc::fd(::openat(root, parent_path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    return static_cast<bool>(parent_);
  }

  bool append_contents(int file, const entry& what) {
    const std::size_t begin = into_.frame.size();
    const std::size_t size = what.size;
    // One byte more would show that there is more.
    into_.frame.resize(begin + size + 1);
    // Takes nothing out of what is no file any more.
    const ssize_t got = ::pread(file, into_.frame.data() + begin, size + 1, 0);
    into_.frame.resize(begin + size);
    if (got < 0 || static_cast<std::size_t>(got) != size) return false;
    struct stat about {};
    // It has not changed since before it was read, so what was read is of one piece.
    if (::fstat(file, &about) < 0 || !is_as_it_was(what, about)) return false;
    const bool may_have_holes = about.st_blocks * 512 < about.st_size;
    if (may_have_holes && has_zeros_for_a_hole(std::string_view(into_.frame).substr(begin))) {
      return false;
    }
    lost_.look_at_attributes(file);
    return true;
  }

  small_files& into_;
  not_kept lost_;
  int parent_root_ = -1;
  std::string parent_path_;
  zc::fd parent_;
};

}  // namespace

bool is_small(const entry& what) {
  return what.is == entry::type::file && what.size <= wire::small_file_limit_bytes;
}

std::size_t count_that_fit(std::span<const entry> entries) {
  std::size_t count = 0;
  std::size_t bytes = 0;
  while (count < entries.size() && is_small(entries[count])) {
    bytes += wire::small_file_bytes(entries[count].path.size(), entries[count].size);
    if (bytes > wire::small_files_limit_bytes) break;
    ++count;
  }
  return count;
}

void read_small_files(std::span<const entry* const> files, small_files& into) {
  into.frame.reserve(wire::header_size_bytes + wire::small_files_limit_bytes + 1);
  into.frame.clear();
  into.bytes.clear();
  const std::size_t begun = wire::begin_small_files(into.frame);
  reader reading(into);
  const auto until = std::chrono::steady_clock::now() + time_limit;
  for (const entry* each : files) {
    into.bytes.push_back(reading.read(*each) ? each->size : small_files::not_read);
    if (std::chrono::steady_clock::now() >= until) break;
  }
  if (into.frame.size() == begun) {
    into.frame.clear();
  } else {
    wire::end_small_files(into.frame, begun);
  }
}

}  // namespace ship
