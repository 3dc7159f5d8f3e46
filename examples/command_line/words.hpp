#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "command_line/command_line.hpp"
#include "zc/host_port.hpp"

namespace command_line {

/// A word that a command line has to have, and where it goes. Into a vector: all that follow, of
/// which there may be none.
struct word {
  const char* name;  // for --help
  const char* about;
  std::variant<std::string*, std::vector<std::string>*, zc::host_port*> given;
};

/// Reads a command line of these words alone, in this order; the only option is --help. Empty where
/// the program is to go on.
std::optional<explanation> read_words(const char* about, std::initializer_list<word> all, int argc,
                                      const char* const* argv);

}  // namespace command_line
