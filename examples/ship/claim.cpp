#include "claim.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <map>
#include <system_error>
#include <utility>
#include <vector>

#include "beneath.hpp"
#include "directory.hpp"
#include "terminal/printable.hpp"
#include "wire.hpp"

namespace ship {

namespace {

std::error_code last_error() { return {errno, std::system_category()}; }

std::string random_name() {
  std::uint64_t secret = 0;
  if (::getrandom(&secret, sizeof secret, 0) != static_cast<ssize_t>(sizeof secret)) {
    throw std::system_error(last_error(), "getrandom");
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), ".ship-%016llx", static_cast<unsigned long long>(secret));
  return text.data();
}

std::string contents_of(int file) {
  std::string all;
  std::array<char, 4096> some{};
  for (;;) {
    const ssize_t got = ::pread(file, some.data(), some.size(), static_cast<off_t>(all.size()));
    if (got <= 0) return all;
    all.append(some.data(), static_cast<std::size_t>(got));
  }
}

/// `0555 path`, or `- path` where nothing is owed any more, and a zero byte.
std::string record_of(std::string_view what, std::string_view path) {
  std::string record(what);
  record += ' ';
  record += path;
  record += '\0';
  return record;
}

/// The last record for a path counts.
mode_debts parse_records(std::string_view records) {
  mode_debts owed;
  for (std::size_t end = records.find('\0'); end != std::string_view::npos;
       records.remove_prefix(end + 1), end = records.find('\0')) {
    const std::string_view record = records.substr(0, end);
    const std::size_t space = record.find(' ');
    if (space == std::string_view::npos) continue;
    const std::string path(record.substr(space + 1));
    owed.erase(path);
    std::uint32_t mode = 0;
    const char* const end_of_mode = record.data() + space;
    if (std::from_chars(record.data(), end_of_mode, mode, 8).ptr == end_of_mode) {
      owed.emplace(path, mode);
    }
  }
  return owed;
}

/// The innermost first, as a mode may shut the door to what is below. A directory that is not there
/// any more is owed nothing.
void give_modes(int root, const mode_debts& owed) {
  for (auto each = owed.rbegin(); each != owed.rend(); ++each) {
    const zc::result<zc::fd> opened = open_beneath(root, each->first, O_RDONLY);
    if (opened) ::fchmod(opened->get(), each->second & 03777);
  }
}

/// The files of claims whose receivers are gone, by name; locked.
std::map<std::string, zc::fd> claims_of_the_dead(int root) {
  std::map<std::string, zc::fd> found;
  for (const std::string& name : names_in(root, ".")) {
    if (!wire::is_temporary_name(name) || name.rfind('-') != name.find('-')) continue;
    zc::fd file(::openat(root, name.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat about {};
    // Somebody else's might owe what that one may not change.
    const bool is_ours = file && ::fstat(file.get(), &about) == 0 && S_ISREG(about.st_mode) &&
                         about.st_uid == ::geteuid() && about.st_nlink == 1;
    if (is_ours && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0) {
      found.emplace(name, std::move(file));
    }
  }
  return found;
}

bool is_left(const std::map<std::string, zc::fd>& dead, const std::string& name) {
  return wire::is_temporary_name(name) && dead.contains(name.substr(0, name.rfind('-')));
}

/// How many there were.
std::size_t remove_files(int root, const std::map<std::string, zc::fd>& dead) {
  std::size_t removed = 0;
  std::vector<std::string> to_visit{"."};
  while (!to_visit.empty()) {
    const std::string path = std::exchange(to_visit.back(), {});
    to_visit.pop_back();
    try {
      const zc::fd here = open_beneath(root, path, O_RDONLY).value();
      for (const std::string& name : names_in(here.get(), ".")) {
        struct stat about {};
        if (::fstatat(here.get(), name.c_str(), &about, AT_SYMLINK_NOFOLLOW) < 0) continue;
        if (S_ISDIR(about.st_mode)) to_visit.emplace_back(path).append("/").append(name);
        if (!S_ISDIR(about.st_mode) && is_left(dead, name) &&
            ::unlinkat(here.get(), name.c_str(), 0) == 0) {
          ++removed;
        }
      }
    } catch (const std::system_error& error) {
      std::fprintf(stderr, "ship: cannot look for what was left in %s: %s\n",
                   terminal::printable(path).c_str(), error.code().message().c_str());
    }
  }
  return removed;
}

}  // namespace

claim::claim(int root) : root_(root) {
  while (!take(root)) {
  }
}

/// False where somebody has taken it for a dead one's before it was locked.
bool claim::take(int root) {
  name_ = random_name();
  const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_APPEND | O_CLOEXEC;
  file_ = zc::fd(::openat(root, name_.c_str(), flags, 0600));
  // Who may not write here may still do so below.
  if (!file_) return errno != EEXIST;
  // Where files cannot be locked nobody takes this for a dead one's either.
  if (::flock(file_.get(), LOCK_EX | LOCK_NB) < 0) return errno != EWOULDBLOCK;
  struct stat about {};
  return ::fstat(file_.get(), &about) == 0 && about.st_nlink > 0;
}

claim::~claim() {
  settle();
  if (file_) ::unlinkat(root_, name_.c_str(), 0);
}

std::error_code claim::owe_mode(std::string_view path, std::uint32_t mode) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%04o", mode);
  if (const std::error_code failed = note(record_of(text.data(), path))) return failed;
  owed_.insert_or_assign(std::string(path), mode);
  return {};
}

void claim::settle_mode(std::string_view path) {
  const auto owed = owed_.find(path);
  if (owed == owed_.end()) return;
  owed_.erase(owed);
  if (owed_.empty()) {
    forget_notes();
    return;
  }
  // A full disk costs no more than that the next receiver gives the mode again, if this one is
  // killed.
  [[maybe_unused]] const std::error_code failed = note(record_of("-", path));
}

/// All of a record or nothing: the next one would continue half of it.
std::error_code claim::note(std::string_view record) {
  if (!file_) return {};
  const off_t size = noted_bytes_ + static_cast<off_t>(record.size());
  while (!record.empty()) {
    const ssize_t written = ::write(file_.get(), record.data(), record.size());
    if (written < 0) {
      const std::error_code failed = last_error();
      return ::ftruncate(file_.get(), noted_bytes_) < 0 ? last_error() : failed;
    }
    record.remove_prefix(static_cast<std::size_t>(written));
  }
  noted_bytes_ = size;
  return {};
}

void claim::settle() {
  if (owed_.empty()) return;
  give_modes(root_, owed_);
  owed_.clear();
  forget_notes();
}

void claim::forget_notes() {
  if (file_ && ::ftruncate(file_.get(), 0) == 0) noted_bytes_ = 0;
}

void clean_up_after_the_dead(int root) {
  const std::map<std::string, zc::fd> dead = claims_of_the_dead(root);
  if (dead.empty()) return;
  const std::size_t removed = remove_files(root, dead);
  for (const auto& [name, file] : dead) {
    give_modes(root, parse_records(contents_of(file.get())));
    ::unlinkat(root, name.c_str(), 0);
  }
  std::fprintf(stderr, "ship: removed %zu files that a receiver had left unfinished\n", removed);
}

}  // namespace ship
