#include "failures.hpp"

#include <cerrno>
#include <cstdio>
#include <utility>

#include "progress_line.hpp"
#include "terminal/printable.hpp"

namespace ship {

namespace {

constexpr std::size_t remembered_limit = 1000;

void print(const std::string& subject, const std::string& reason) {
  clear_progress_line();
  std::fprintf(stderr, "ship: %s: %s\n", terminal::printable(subject).c_str(),
               terminal::printable(reason).c_str());
}

}  // namespace

void failures::add(failure what) {
  count_ += what.count;
  const auto same = what.alike ? alike_.find(what.reason) : alike_.end();
  if (same != alike_.end()) {
    remembered_[same->second].count += what.count;
    remembered_[same->second].untold += what.untold;
  } else if (remembered_.size() < remembered_limit) {
    remember(std::move(what));
  } else {
    forgotten_untold_ += what.untold;
  }
}

void failures::remember(failure what) {
  if (what.path.empty()) {
    print(std::to_string(what.count) + " more", what.reason);
  } else {
    print(what.path, what.reason);
  }
  if (what.alike) alike_.insert_or_assign(what.reason, remembered_.size());
  remembered_.push_back(std::move(what));
  if (remembered_.size() == remembered_limit) {
    std::fputs("ship: more failures are counted, but not shown\n", stderr);
  }
}

std::vector<failure> failures::untold() const {
  std::vector<failure> found;
  for (const failure& each : remembered_) {
    if (each.untold == 0) continue;
    found.push_back(each);
    found.back().count = each.untold;
  }
  if (forgotten_untold_ > 0) found.push_back({"", "not told one by one", forgotten_untold_});
  return found;
}

void failures::print_counts() const {
  for (const failure& each : remembered_) {
    if (each.count > 1 && !each.path.empty()) {
      print(std::to_string(each.count - 1) + " more", each.reason);
    }
  }
}

bool concerns_all(int error) { return error == EROFS || error == ENOSPC || error == EDQUOT; }

}  // namespace ship
