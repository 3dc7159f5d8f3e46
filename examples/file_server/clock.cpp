#include "clock.hpp"

#include <time.h>

#include <utility>

namespace file_server {

void clock::look() {
  const seconds now = ::time(nullptr);
  if (std::exchange(now_, now) == now) return;
  text date(date_);
  add_date(date, now);
}

}  // namespace file_server
