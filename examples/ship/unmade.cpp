#include "unmade.hpp"

namespace ship {

void unmade_directories::add(std::string_view path) {
  if (paths_.size() < limit && !hold(path)) paths_.emplace(path);
}

bool unmade_directories::hold(std::string_view path) const {
  if (paths_.empty()) return false;
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
       slash = path.find('/', slash + 1)) {
    if (paths_.contains(path.substr(0, slash))) return true;
  }
  return false;
}

}  // namespace ship
