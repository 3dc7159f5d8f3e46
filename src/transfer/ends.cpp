#include "transfer/ends.hpp"

namespace zc::detail {

namespace {

/// The descriptor where it is kept; null where its place is another's.
template <class Known, std::size_t Size>
const Known* find(std::array<Known, Size>& kept, int fd) noexcept {
  Known& place = kept[static_cast<unsigned>(fd) % Size];
  if (place.get() < 0) place = Known(fd);
  return place.get() == fd ? &place : nullptr;
}

}  // namespace

ends batch_looks::between(int in, int out) noexcept {
  ends both(in, out);
  if (const known_source* const from = find(sources_, in)) both.known_in = &from->about_;
  if (const known_target* const to = find(targets_, out)) both.known_out = &to->about_;
  return both;
}

}  // namespace zc::detail
