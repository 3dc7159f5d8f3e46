// A program outside of zc's tree: what an installed zc, or a subproject, must be enough for.

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <zc/zc.hpp>

int main() {
  std::string from = "/tmp/zc-outside-XXXXXX";
  std::string to = from;
  const zc::fd in(::mkstemp(from.data()));
  const zc::fd out(::mkstemp(to.data()));
  ::unlink(from.c_str());
  ::unlink(to.c_str());

  const std::string text(100'000, 'z');
  if (::write(in.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) return 1;

  const auto moved = zc::run(zc::splice(in.get(), out.get()));

  std::string copy(text.size() + 1, '\0');
  const ssize_t got = ::pread(out.get(), copy.data(), copy.size(), 0);
  copy.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  if (moved != text.size() || copy != text) {
    std::fprintf(stderr, "moved %llu bytes, found %zd\n", static_cast<unsigned long long>(moved),
                 got);
    return 1;
  }
  std::puts("outside: ok");
}
