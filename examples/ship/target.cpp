#include "target.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "beneath.hpp"
#include "zc/op/close.hpp"
#include "zc/op/fsync.hpp"
#include "zc/op/mkdirat.hpp"
#include "zc/op/openat.hpp"
#include "zc/op/renameat.hpp"

namespace ship {

namespace {

std::error_code last_error() { return {errno, std::system_category()}; }

constexpr std::uint32_t directory_mode_mask = 03777;

}  // namespace

std::array<timespec, 2> placer::times_of(const wire::item& about) {
  std::array<timespec, 2> times{};
  times[0].tv_nsec = UTIME_OMIT;
  times[1].tv_sec = about.modified.seconds;
  times[1].tv_nsec = static_cast<long>(about.modified.nanoseconds);
  return times;
}

std::string placer::name_in(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

target::target(const std::string& directory, target_options options) : options_(options) {
  const mode_t mask = ::umask(0);
  if (::mkdir(directory.c_str(), 0777 & ~mask) < 0 && errno != EEXIST) {
    throw std::system_error(last_error(), "cannot make the directory " + directory);
  }
  root_ = zc::fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root_) throw std::system_error(last_error(), "cannot open the directory " + directory);
  clean_up_after_the_dead(root_.get());
  claim_.emplace(root_.get());
}

part_file::part_file(part_file&& other) noexcept
    : file(std::move(other.file)),
      directory_(other.directory_),
      name_(std::exchange(other.name_, {})) {}

part_file& part_file::operator=(part_file&& other) noexcept {
  remove();
  file = std::move(other.file);
  directory_ = other.directory_;
  name_ = std::exchange(other.name_, {});
  return *this;
}

std::error_code part_file::grow_to(std::uint64_t size) const {
  return ::ftruncate(file.get(), static_cast<off_t>(size)) < 0 ? last_error() : std::error_code();
}

void part_file::remove() noexcept {
  file = zc::fd();
  // Not an op: this also runs when everything has been cancelled.
  if (!name_.empty()) ::unlinkat(directory_, name_.c_str(), 0);
  name_.clear();
}

zc::result<int> placer::parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  const std::string_view parent = path.substr(0, slash == std::string_view::npos ? 0 : slash);
  if (parent != parent_path_) {
    habits_.reset();
    parent_path_.clear();
    if (!parent.empty()) {
      zc::result<zc::fd> opened = open_beneath(target_.root(), std::string(parent), O_PATH);
      if (!opened) return opened.error();
      parent_ = std::move(opened).value();
    }
    parent_path_ = parent;
  }
  return parent.empty() ? target_.root() : parent_.get();
}

zc::task<std::error_code> placer::make_directory(const wire::item& about) {
  const zc::result<int> parent = parent_of(about.path);
  if (!parent) co_return parent.error();
  const std::string name = name_in(about.path);
  const std::uint32_t mode = about.mode & directory_mode_mask;
  // Until all is in it.
  const std::uint32_t open_mode = mode | S_IRWXU;
  const zc::result<void> made = co_await zc::op::mkdirat(*parent, name.c_str(), open_mode);
  std::error_code failed = made.error();
  if (failed == std::errc::file_exists) failed = make_writable(about);
  ship::claim& owing = target_.claim();
  // An earlier session may owe it another one.
  if (!failed && (mode != open_mode || owing.owes_mode(about.path))) {
    failed = owing.owe_mode(about.path, mode);
  }
  co_return failed;
}

std::error_code placer::make_writable(const wire::item& about) const {
  const zc::result<zc::fd> opened = open_beneath(target_.root(), about.path, O_RDONLY);
  if (!opened) return opened.error();
  struct stat found {};
  if (::fstat(opened->get(), &found) < 0) return last_error();
  if ((found.st_mode & S_IRWXU) == S_IRWXU) return {};
  return ::fchmod(opened->get(), (found.st_mode & 07777) | S_IRWXU) < 0 ? last_error()
                                                                        : std::error_code();
}

zc::task<std::error_code> placer::set_attributes(const wire::item& about) {
  const zc::result<zc::fd> opened = open_beneath(target_.root(), about.path, O_RDONLY);
  if (!opened) co_return opened.error();
  const std::array<timespec, 2> times = times_of(about);
  if (::fchmod(opened->get(), about.mode & directory_mode_mask) < 0) co_return last_error();
  target_.claim().settle_mode(about.path);
  if (::futimens(opened->get(), times.data()) < 0) co_return last_error();
  if (!target_.durable()) co_return std::error_code();
  const zc::result<void> synced = co_await zc::op::fsync(opened->get());
  co_return synced.error();
}

zc::task<std::error_code> placer::make_link(const wire::item& about) {
  const zc::result<int> parent = parent_of(about.path);
  if (!parent) co_return parent.error();
  const std::string name = name_in(about.path);
  if (const std::error_code taken = refuse_taken(*parent, name)) co_return taken;
  const std::string temporary = target_.claim().temporary_name();
  if (::symlinkat(about.target.c_str(), *parent, temporary.c_str()) < 0) co_return last_error();
  part_file part(zc::fd(), *parent, temporary);
  const std::array<timespec, 2> times = times_of(about);
  if (::utimensat(*parent, temporary.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) < 0) {
    co_return last_error();
  }
  co_return co_await give_name(part, *parent, name);
}

zc::task<zc::result<part_file>> placer::begin_file(const wire::item& about) {
  const zc::result<int> parent = parent_of(about.path);
  if (!parent) co_return parent.error();
  if (const std::error_code taken = refuse_taken(*parent, name_in(about.path))) co_return taken;
  const std::string name = target_.claim().temporary_name();
  zc::result<zc::fd> opened = co_await zc::op::openat(
      *parent, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (!opened) co_return opened.error();
  co_return part_file(std::move(opened).value(), *parent, name);
}

zc::task<std::error_code> placer::publish(part_file& part, const wire::item& about) {
  const std::array<timespec, 2> times = times_of(about);
  if (::fchmod(part.file.get(), about.mode & file_mode_mask) < 0) co_return last_error();
  if (::futimens(part.file.get(), times.data()) < 0) co_return last_error();
  if (target_.durable()) {
    const zc::result<void> synced = co_await zc::op::fsync(part.file.get());
    if (!synced) co_return synced.error();
  }
  // Network file systems tell of a failed write only here.
  const zc::result<void> closed = co_await zc::op::close(part.file.release());
  if (!closed) co_return closed.error();
  const zc::result<int> parent = parent_of(about.path);
  if (!parent) co_return parent.error();
  const std::string name = name_in(about.path);
  co_return co_await give_name(part, *parent, name);
}

std::error_code placer::refuse_taken(int parent, const std::string& name) const {
  struct stat found {};
  const bool taken =
      !target_.overwrite() && ::fstatat(parent, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0;
  return taken ? std::make_error_code(std::errc::file_exists) : std::error_code();
}

zc::task<std::error_code> placer::give_name(part_file& part, int parent,
                                            const std::string& name) const {
  const zc::result<void> renamed =
      co_await zc::op::renameat(parent, part.name().c_str(), parent, name.c_str(), naming_flags());
  co_return end_naming(part, parent, name, renamed.error());
}

unsigned placer::naming_flags() const { return target_.overwrite() ? 0 : RENAME_NOREPLACE; }

std::error_code placer::end_naming(part_file& part, int parent, const std::string& name,
                                   std::error_code failed) const {
  if (!failed) {
    part.published();
    return {};
  }
  if (naming_flags() == 0 || failed != std::errc::invalid_argument) return failed;
  // The file system knows no such flag, but no second name for what has one either.
  if (::linkat(parent, part.name().c_str(), parent, name.c_str(), 0) < 0) return last_error();
  part.remove();
  return {};
}

zc::task<std::error_code> placer::finish() {
  if (!target_.durable()) co_return std::error_code();
  const zc::result<void> synced = co_await zc::op::fsync(target_.root());
  co_return synced.error();
}

}  // namespace ship
