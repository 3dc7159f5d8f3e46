#include "zc/fd.hpp"

#include <unistd.h>

namespace zc {

fd::~fd() {
  if (raw_ >= 0) ::close(raw_);
}

}  // namespace zc
