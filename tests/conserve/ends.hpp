#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "conserve/schedule.hpp"
#include "zc/fd.hpp"

namespace conserve {

/// A descriptor for zc, and what else there is of the same file.
struct end {
  zc::fd ours;
  zc::fd spare;  // a duplicate
  zc::fd look;   // of a file: opened once more, for reading without O_DIRECT's rules
  zc::fd peer;   // of anything else: its other end
};

/// Salts for what a lane's source holds and what its target held before.
unsigned source_salt(const schedule& all, std::size_t lane);
unsigned background_salt(const schedule& all, std::size_t lane);

/// `bytes` are those of the source from `position` on. For what has no known contents always true.
bool are_source_bytes(const lane& of, unsigned salt, const std::string& proc_text,
                      std::string_view bytes, std::uint64_t position);

/// Throws std::system_error where the machine has no such thing. Files are made in `workspace` and
/// have no name afterwards.
end make_source(const lane& of, unsigned salt, const std::filesystem::path& workspace);
end make_target(const lane& of, unsigned background, const std::filesystem::path& workspace);

/// The text of the file of /proc that stands for all of them.
std::string proc_text();

/// Whether a kind can be had here: /tmp may know no O_DIRECT, and a file system needs root.
bool can_make(kind of, const std::filesystem::path& workspace);

}  // namespace conserve
