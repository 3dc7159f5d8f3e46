#include "examples/file_server_support.hpp"

#include <doctest/doctest.h>
#include <signal.h>

#include <chrono>
#include <sstream>

#include "examples/process_view.hpp"
#include "examples/ship_support.hpp"

namespace support {

namespace fs = std::filesystem;

namespace {

std::vector<std::string> command(const fs::path& root, const std::vector<std::string>& more) {
  std::vector<std::string> all{"file_server", "--root", root, "--listen", "127.0.0.1:0"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

fs::path new_directory(const fs::path& path) {
  fs::create_directory(path);
  return path;
}

}  // namespace

file_server::file_server(const std::vector<std::string>& more, program::options given)
    : root_(new_directory(at_.path() / "root")),
      process_(command(root_, more), given),
      address_(process_.address()),
      own_sockets_(descriptors_of(process_.id()).sockets) {}

file_server::~file_server() {
  if (stopped_) return;
  const program::result ended = stop(SIGTERM);
  CHECK(ended.code == 0);
  CHECK(complaints_in(ended) == "");
}

fs::path file_server::add(const std::string& name, std::size_t nbytes) {
  return add(name, bytes_at(0, nbytes));
}

fs::path file_server::add(const std::string& name, std::string_view bytes) {
  fs::path path = root_ / name;
  make_file(path, bytes);
  fs::last_write_time(path, fs::last_write_time(path) - std::chrono::hours(24));
  return path;
}

http_answer file_server::get(std::string_view target, std::string_view fields) const {
  http_client client(address_);
  return client.ask(request("GET", target, fields));
}

std::size_t file_server::clients() const {
  return descriptors_of(process_.id()).sockets - own_sockets_;
}

bool file_server::comes_to_clients(std::size_t count) const {
  return comes_true([&] { return clients() == count; });
}

program::result file_server::finish() {
  stopped_ = true;
  return process_.finish();
}

program::result file_server::stop(int signal) {
  process_.signal(signal);
  return finish();
}

std::string complaints_in(const program::result& of) {
  std::string found;
  std::istringstream text(of.err);
  for (std::string line; std::getline(text, line);) {
    if (line.find(": draining, ") == std::string::npos) found += line + "\n";
  }
  return found;
}

std::string request(std::string_view method, std::string_view target, std::string_view fields) {
  std::string made(method);
  made.append(" ").append(target).append(" HTTP/1.1\r\nHost: localhost\r\n");
  return made.append(fields).append("\r\n");
}

program::result curl(std::vector<std::string> arguments) {
  // Nothing of the user's: no settings, no proxy.
  const std::vector<std::string> always{installed("curl"), "--disable", "--silent",
                                        "--show-error",    "--noproxy", "*",
                                        "--max-time",      "50"};
  arguments.insert(arguments.begin(), always.begin(), always.end());
  return run_program(std::move(arguments));
}

}  // namespace support
