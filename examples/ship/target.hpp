#pragma once

#include <time.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "claim.hpp"
#include "wire.hpp"
#include "zc/fd.hpp"
#include "zc/result.hpp"
#include "zc/task.hpp"

namespace ship {

struct target_options {
  bool durable = false;   // what is published is on the disk
  bool overwrite = true;  // what has the name of what arrives is replaced
};

/// The directory that everything goes into, and nothing leaves.
class target {
 public:
  /// Makes the directory if it is not there, and cleans up after receivers that were killed. The
  /// process's umask is none from then on: what is made has the mode that the sender gives it.
  target(const std::string& directory, target_options options);

  int root() const noexcept { return root_.get(); }
  bool durable() const noexcept { return options_.durable; }
  bool overwrite() const noexcept { return options_.overwrite; }

  ship::claim& claim() noexcept { return *claim_; }

 private:
  zc::fd root_;
  target_options options_;
  std::optional<ship::claim> claim_;
};

/// A file while it arrives, under a temporary name: removed unless it was published.
class part_file {
 public:
  part_file() noexcept = default;
  part_file(zc::fd opened, int directory, std::string name) noexcept
      : file(std::move(opened)), directory_(directory), name_(std::move(name)) {}
  part_file(part_file&& other) noexcept;
  part_file& operator=(part_file&& other) noexcept;
  ~part_file() { remove(); }

  /// Adds zeros at its end, which take no room where the file system can do so.
  std::error_code grow_to(std::uint64_t size) const;

  const std::string& name() const noexcept { return name_; }
  void remove() noexcept;
  void published() noexcept { name_.clear(); }

  zc::fd file;

 private:
  int directory_ = -1;
  std::string name_;
};

/// Puts items of one connection in their place. No symbolic link is followed on the way there,
/// whoever made it.
class placer {
 public:
  explicit placer(target& where) noexcept : target_(where) {}

  zc::task<std::error_code> make_directory(const wire::item& about);
  zc::task<std::error_code> set_attributes(const wire::item& about);
  zc::task<std::error_code> make_link(const wire::item& about);

  /// A file to be filled; not where one would only be refused its name. Publish or destroy it
  /// before the next item.
  zc::task<zc::result<part_file>> begin_file(const wire::item& about);
  /// Gives a complete file its mode, time and name.
  zc::task<std::error_code> publish(part_file& part, const wire::item& about);

  /// Puts the first of `files` in their places, as many as a fraction of a second allows: at least
  /// one. Gives what became of each. Blocks, and may run on another thread than the rest.
  std::vector<std::error_code> place(std::span<const wire::small_file> files);

  /// Has the names in the target directory itself on the disk, if that was asked for.
  zc::task<std::error_code> finish();

 private:
  // Set-user-id and its like are for the owner to give, and the owner is not kept.
  static constexpr std::uint32_t file_mode_mask = 0777;
  static std::array<timespec, 2> times_of(const wire::item& about);
  static std::string name_in(std::string_view path);

  /// The directory that `path` is in, until the next call.
  zc::result<int> parent_of(std::string_view path);
  zc::task<std::error_code> give_name(part_file& part, int parent, const std::string& name) const;
  unsigned naming_flags() const;
  std::error_code end_naming(part_file& part, int parent, const std::string& name,
                             std::error_code failed) const;
  std::error_code place(const wire::small_file& file);
  std::error_code fill(int file, const wire::small_file& what) const;
  /// What holds for all files in one directory.
  struct habits {
    bool changes_modes = true;   // what is made there may not have the mode that it was made with
    bool makes_unnamed = false;  // what is made there needs no name before it is whole
  };
  static habits habits_of(int directory);
  std::error_code place_unnamed(const wire::small_file& file, int parent, const std::string& name);
  std::error_code refuse_taken(int parent, const std::string& name) const;
  std::error_code make_writable(const wire::item& about) const;

  target& target_;
  std::string parent_path_;  // empty: the target directory itself
  zc::fd parent_;
  std::optional<habits> habits_;  // of the directory that the last item is in, once it was asked
};

}  // namespace ship
