#include "examples/other_servers.hpp"

#include <stdexcept>
#include <system_error>

#include "examples/process_view.hpp"
#include "examples/ship_support.hpp"
#include "examples/tcp_relay_support.hpp"

namespace support {

namespace {

constexpr const char* nginx_begin = R"(
daemon off;
master_process off;
error_log stderr;
events { worker_connections 1000; }
http {
  access_log off;
  sendfile on;
)";

constexpr const char* haproxy_begin = R"(
global
  nbthread 1
  maxconn 1000
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
)";

/// Where nginx may write, all in one directory.
std::string nginx_paths(const std::string& at) {
  std::string all = "  client_body_temp_path " + at + ";\n";
  for (const char* each : {"proxy", "fastcgi", "uwsgi", "scgi"}) {
    all += "  " + std::string(each) + "_temp_path " + at + ";\n";
  }
  return all;
}

std::string with_port(std::string text, const std::string& address) {
  const std::size_t at = text.find("PORT");
  return text.replace(at, 4, address.substr(address.rfind(':') + 1));
}

std::string made(const std::filesystem::path& path, const std::string& text) {
  make_file(path, text);
  return path;
}

void wait_for(const program& process, const std::string& address) {
  const bool listens = comes_true([&] {
    try {
      reach(address);
      return true;
    } catch (const std::system_error&) {
      return false;
    }
  });
  if (!listens) throw std::runtime_error(address + " is not served: " + process.complaints());
}

}  // namespace

std::string free_address() { return backend().address(); }

nginx::nginx(const std::string& root, const std::string& server)
    : address_(free_address()),
      process_({installed("nginx"), "-e", "stderr", "-c",
                made(at_.path() / "nginx.conf", "pid " + at_.path().string() + "/pid;\n" +
                                                    nginx_begin + nginx_paths(at_.path()) +
                                                    "  server {\n    root " + root + ";\n" +
                                                    with_port(server, address_) + "  }\n}\n")}) {
  wait_for(process_, address_);
}

haproxy::haproxy(const std::string& address, const std::string& sections)
    : process_({installed("haproxy"), "-db", "-f",
                made(at_.path() / "haproxy.cfg", haproxy_begin + sections)}) {
  wait_for(process_, address);
}

}  // namespace support
