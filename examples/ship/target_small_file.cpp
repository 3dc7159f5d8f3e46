#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "target.hpp"

// Small files, one after another on a thread that may block.

namespace ship {

namespace {

// How long a cancelled session, and one that waits for a thread, may have to wait.
constexpr std::chrono::milliseconds time_limit{50};

std::error_code last_error() { return {errno, std::system_category()}; }

std::error_code write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return last_error();
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

std::vector<std::error_code> placer::place(std::span<const wire::small_file> files) {
  std::vector<std::error_code> done;
  done.reserve(files.size());
  const auto until = std::chrono::steady_clock::now() + time_limit;
  for (const wire::small_file& each : files) {
    done.push_back(place(each));
    if (std::chrono::steady_clock::now() >= until) break;
  }
  return done;
}

std::error_code placer::place(const wire::small_file& file) {
  const zc::result<int> parent = parent_of(file.about.path);
  if (!parent) return parent.error();
  const std::string name = name_in(file.about.path);
  if (const std::error_code taken = refuse_taken(*parent, name)) return taken;
  if (!habits_) habits_ = habits_of(*parent);
  if (habits_->makes_unnamed) {
    const std::error_code failed = place_unnamed(file, *parent, name);
    // Only a file with a name can take the place of another.
    if (habits_->makes_unnamed && failed != std::errc::file_exists) return failed;
  }
  const std::string temporary = target_.claim().temporary_name();
  zc::fd opened(::openat(*parent, temporary.c_str(),
                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                         file.about.mode & file_mode_mask));
  if (!opened) return last_error();
  part_file part(std::move(opened), *parent, temporary);
  if (const std::error_code failed = fill(part.file.get(), file)) return failed;
  // Network file systems tell of a failed write only here.
  if (::close(part.file.release()) < 0) return last_error();
  const bool renamed =
      ::renameat2(*parent, temporary.c_str(), *parent, name.c_str(), naming_flags()) == 0;
  return end_naming(part, *parent, name, renamed ? std::error_code() : last_error());
}

/// Makes a file that has a name only once it is whole: nothing is left of it if all ends before,
/// and there is one name less to make. Where the directory is not able to: makes_unnamed is false
/// from then on.
std::error_code placer::place_unnamed(const wire::small_file& file, int parent,
                                      const std::string& name) {
  const zc::fd opened(
      ::openat(parent, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, file.about.mode & file_mode_mask));
  if (!opened) {
    const std::error_code failed = last_error();
    habits_->makes_unnamed = failed != std::errc::operation_not_supported;
    return failed;
  }
  if (const std::error_code failed = fill(opened.get(), file)) return failed;
  if (::linkat(opened.get(), "", parent, name.c_str(), AT_EMPTY_PATH) == 0) return {};
  const std::error_code failed = last_error();
  // Before Linux 6.10 only with CAP_DAC_READ_SEARCH.
  habits_->makes_unnamed = failed != std::errc::no_such_file_or_directory;
  return failed;
}

std::error_code placer::fill(int file, const wire::small_file& what) const {
  if (const std::error_code failed = write_all(file, what.contents)) return failed;
  if (habits_->changes_modes && ::fchmod(file, what.about.mode & file_mode_mask) < 0) {
    return last_error();
  }
  if (::futimens(file, times_of(what.about).data()) < 0) return last_error();
  return target_.durable() && ::fsync(file) < 0 ? last_error() : std::error_code();
}

placer::habits placer::habits_of(int directory) {
  habits found;
  // The calls for descriptors refuse one that is open as a path only.
  const std::string path = "/proc/self/fd/" + std::to_string(directory);
  const ssize_t acl = ::getxattr(path.c_str(), "system.posix_acl_default", nullptr, 0);
  found.changes_modes = acl >= 0 || (errno != ENODATA && errno != EOPNOTSUPP);
  struct statfs about {};
  // File systems that never tell of a failed write when a file is closed: it has its name by then.
  found.makes_unnamed = ::fstatfs(directory, &about) == 0 &&
                        (about.f_type == TMPFS_MAGIC || about.f_type == EXT4_SUPER_MAGIC ||
                         about.f_type == XFS_SUPER_MAGIC || about.f_type == BTRFS_SUPER_MAGIC);
  return found;
}

}  // namespace ship
