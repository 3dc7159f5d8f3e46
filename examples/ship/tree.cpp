#include "tree.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include "directory.hpp"
#include "terminal/printable.hpp"

namespace ship {

namespace {

// Sent before the others, so that the last connection to finish has not only just begun.
constexpr std::uint64_t huge_bytes = 64 * 1024 * 1024;

std::string errno_text(int error) { return std::system_category().message(error); }

class walker {
 public:
  walker(tree& found, summary& into) : found_(found), into_(into) {}

  void walk_contents(int root, const char* path, const std::string& prefix) {
    std::vector<std::string> directories;
    try {
      const zc::fd here = open_directory(root, path);
      into_.not_kept.look_at_attributes(here.get());
      for (const std::string& name : names_in(here.get(), ".")) {
        // What a receiver has unfinished is not for anybody else.
        if (wire::is_temporary_name(name)) continue;
        std::string each = prefix + name;
        if (look_at(here.get(), name.c_str(), root, each)) directories.push_back(std::move(each));
      }
    } catch (const std::system_error& error) {
      into_.fail({.path = prefix.empty() ? path : prefix,
                  .reason = errno_text(error.code().value()),
                  .untold = 1});
    }
    // With no descriptor open for those above them, however deep they are.
    for (const std::string& each : directories) walk_contents(root, each.c_str(), each + "/");
  }

  void walk(int root, const std::string& path) {
    if (look_at(root, path.c_str(), root, path)) walk_contents(root, path.c_str(), path + "/");
  }

 private:
  /// `name` in `directory` is what `path` leads to from `root`. Whether it is a directory.
  bool look_at(int directory, const char* name, int root, const std::string& path) {
    struct stat about {};
    if (::fstatat(directory, name, &about, AT_SYMLINK_NOFOLLOW) < 0) {
      into_.fail({.path = path, .reason = errno_text(errno), .untold = 1});
      return false;
    }
    if (path.size() > wire::path_limit_bytes - 1) {
      into_.fail({.path = path, .reason = errno_text(ENAMETOOLONG), .untold = 1});
      return false;
    }
    into_.not_kept.look_at(about);
    entry one;
    one.root = root;
    one.mode = about.st_mode & 07777;
    one.modified = {about.st_mtim.tv_sec, static_cast<std::uint32_t>(about.st_mtim.tv_nsec)};
    one.path = path;
    if (S_ISDIR(about.st_mode)) {
      one.is = entry::type::directory;
      found_.directories.push_back(std::move(one));
      return true;
    }
    if (S_ISLNK(about.st_mode)) {
      one.is = entry::type::link;
      found_.others.push_back(std::move(one));
    } else if (S_ISREG(about.st_mode)) {
      one.size = static_cast<std::uint64_t>(about.st_size);
      found_.bytes += one.size;
      ++found_.files;
      found_.others.push_back(std::move(one));
    } else {
      into_.fail(
          {.path = path, .reason = "not a regular file, directory or symbolic link", .untold = 1});
    }
    return false;
  }

  tree& found_;
  summary& into_;
};

/// `a/b/` is {"a", "b"}; `a/.`, `..` and `/` have no name of their own.
std::pair<std::string, std::string> parent_and_name(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const std::size_t slash = path.rfind('/');
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") return {path, ""};
  if (slash == std::string::npos) return {".", name};
  return {slash == 0 ? "/" : path.substr(0, slash), name};
}

void refuse_same_names(const tree& found) {
  std::set<std::string_view> seen;
  for (const auto* list : {&found.directories, &found.others}) {
    for (const entry& each : *list) {
      if (!seen.insert(each.path).second) {
        throw std::invalid_argument("two paths to send would both become " +
                                    terminal::printable(each.path));
      }
    }
  }
}

}  // namespace

tree look_at(const std::vector<std::string>& paths, summary& into) {
  tree found;
  walker walking(found, into);
  for (const std::string& path : paths) {
    const auto [parent, name] = parent_and_name(path);
    zc::fd root(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root) {
      into.fail({.path = path, .reason = errno_text(errno), .untold = 1});
    } else if (wire::is_temporary_name(name)) {
      into.fail({.path = path, .reason = "is a receiver's temporary file", .untold = 1});
    } else if (name.empty()) {
      walking.walk_contents(root.get(), ".", "");
    } else {
      walking.walk(root.get(), name);
    }
    if (root) found.roots.push_back(std::move(root));
  }
  // In one walk each name comes once.
  if (paths.size() > 1) refuse_same_names(found);
  std::stable_partition(found.others.begin(), found.others.end(),
                        [](const entry& each) { return each.size >= huge_bytes; });
  return found;
}

}  // namespace ship
