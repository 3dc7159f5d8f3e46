#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <system_error>

#include "zc/fd.hpp"

namespace ship {

/// Modes that directories are to have, by path: what is in one comes after it.
using mode_debts = std::map<std::string, std::uint32_t, std::less<>>;

/// What one receiver has unfinished in its directory: files under temporary names, and directories
/// whose modes would not let it in.
///
/// It is a file in that directory, locked (flock(2)) while the receiver lives: so the next one can
/// tell what was left by one that was killed from what is in use. Its name is what the temporary
/// names begin with; in it are the modes that are still owed. Gone with the object.
class claim {
 public:
  /// `root` is the directory, and lives as long. Without the right to write there, nothing is left
  /// for the next one to find.
  explicit claim(int root);
  claim(const claim&) = delete;
  claim& operator=(const claim&) = delete;
  ~claim();

  /// A name that no peer can guess, and no other file of this claim has. Thread-safe.
  std::string temporary_name() { return name_ + "-" + std::to_string(named_++); }

  /// A directory is to have this mode in the end, whatever happens until then.
  std::error_code owe_mode(std::string_view path, std::uint32_t mode);
  bool owes_mode(std::string_view path) const { return owed_.contains(path); }
  /// It has the mode that it is to have.
  void settle_mode(std::string_view path);
  /// Gives what is owed, once nobody works there any more.
  void settle();

 private:
  bool take(int root);
  std::error_code note(std::string_view record);
  void forget_notes();

  int root_;
  zc::fd file_;
  std::string name_;
  std::atomic<std::uint64_t> named_ = 0;
  off_t noted_bytes_ = 0;
  mode_debts owed_;
};

/// Removes what receivers that were killed have left in this directory and below, and gives
/// directories the modes that those owed. Nothing that a living one uses. Says on standard error
/// what it did. Blocks, for long where there is something to be found in a large tree.
void clean_up_after_the_dead(int root);

}  // namespace ship
