// The shared library in a program that loads it late and lets go of it.

#include <dlfcn.h>
#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "support/process.hpp"

TEST_SUITE_BEGIN("unit");

TEST_CASE("library: once loaded it stays, as a thread of its own may outlive every context") {
  const std::filesystem::path here = std::filesystem::read_symlink("/proc/self/exe");
  const std::string library = here.parent_path().parent_path() / "src" / "libzcsplice.so";
  const int status = support::in_child([&library] {
    void* const loaded = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (loaded == nullptr) return 1;
    if (::dlclose(loaded) != 0) return 2;
    return ::dlopen(library.c_str(), RTLD_NOW | RTLD_NOLOAD) != nullptr ? 0 : 3;
  });
  CHECK(support::exited_with(status, 0));
}

TEST_SUITE_END();
