#include "conserve/ends.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "support/descriptors.hpp"

namespace conserve {

namespace {

constexpr const char* proc_path = "/proc/filesystems";

int checked(int outcome, const char* call) {
  if (outcome < 0) throw std::system_error(errno, std::system_category(), call);
  return outcome;
}

zc::fd duplicate(const zc::fd& of) {
  return zc::fd(checked(::fcntl(of.get(), F_DUPFD_CLOEXEC, 0), "dup"));
}

/// A file without a name, on the workspace's disk.
zc::fd disk_file(const std::filesystem::path& workspace, int flags) {
  const std::filesystem::path path = workspace / ("conserve-" + std::to_string(::getpid()));
  zc::fd file = support::open_file(path, O_RDWR | O_CREAT | O_EXCL | flags);
  std::filesystem::remove(path);
  return file;
}

/// A file on a file system of its own that holds `room` bytes, and is nowhere in the tree.
zc::fd file_on_small_disk(std::uint64_t room) {
  const zc::fd context(checked(::fsopen("tmpfs", FSOPEN_CLOEXEC), "fsopen"));
  // 0 would mean: no limit.
  const std::string size = std::to_string(std::max<std::uint64_t>(room, 4096));
  checked(::fsconfig(context.get(), FSCONFIG_SET_STRING, "size", size.c_str(), 0), "fsconfig");
  checked(::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0), "fsconfig");
  const zc::fd disk(checked(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0), "fsmount"));
  return zc::fd(checked(::openat(disk.get(), "out", O_RDWR | O_CREAT | O_CLOEXEC, 0600), "openat"));
}

void write_at(int file, std::string_view bytes, std::uint64_t at) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (wrote < 0) throw std::system_error(errno, std::system_category(), "pwrite");
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
    at += static_cast<std::uint64_t>(wrote);
  }
}

void seek(int file, std::uint64_t at) {
  if (::lseek(file, static_cast<off_t>(at), SEEK_SET) < 0) {
    throw std::system_error(errno, std::system_category(), "lseek");
  }
}

zc::fd open_again(const zc::fd& file, int flags) {
  return support::open_file("/proc/self/fd/" + std::to_string(file.get()), flags);
}

zc::fd memory_file() {
  return zc::fd(checked(::memfd_create("conserve", MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd"));
}

/// A file with its contents, opened as its kind wants it.
zc::fd file_of(kind is, std::uint64_t base, std::uint64_t size, unsigned salt, std::uint64_t room,
               const std::filesystem::path& workspace) {
  const bool on_disk = is == kind::file || is == kind::append || is == kind::direct;
  zc::fd made = is == kind::full_disk ? file_on_small_disk(room)
                : on_disk             ? disk_file(workspace, 0)
                                      : memory_file();
  if (base > 0) checked(::ftruncate(made.get(), static_cast<off_t>(base)), "ftruncate");
  write_at(made.get(), support::bytes_at(base, size, salt), base);
  if (is == kind::sealed) checked(::fcntl(made.get(), F_ADD_SEALS, F_SEAL_WRITE), "F_ADD_SEALS");
  if (is == kind::append) return open_again(made, O_RDWR | O_APPEND);
  if (is == kind::direct) return open_again(made, O_RDWR | O_DIRECT);
  return made;
}

support::ends socket_pair(int type) {
  std::array<int, 2> raw{};
  checked(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, raw.data()), "socketpair");
  return {zc::fd(raw[0]), zc::fd(raw[1])};
}

void set_buffer(int socket, int which, std::uint32_t bytes) {
  const int value = static_cast<int>(bytes);
  checked(::setsockopt(socket, SOL_SOCKET, which, &value, sizeof value), "setsockopt");
}

/// Both ends of something with a peer: the one to read from first.
support::ends stream(kind is, std::uint32_t buffer) {
  switch (is) {
    case kind::pipe: {
      support::ends pair = support::make_pipe();
      if (buffer != 0) ::fcntl(pair.second.get(), F_SETPIPE_SZ, static_cast<int>(buffer));
      return pair;
    }
    case kind::tty_slave: {
      support::ends pair = support::pty_pair();
      std::swap(pair.first, pair.second);
      return pair;
    }
    case kind::tty_master:
      return support::pty_pair();
    case kind::tcp:
      return support::tcp_pair();
    case kind::unix_stream:
      return socket_pair(SOCK_STREAM);
    case kind::seqpacket:
      return socket_pair(SOCK_SEQPACKET);
    default:
      return socket_pair(SOCK_DGRAM);
  }
}

void limit_buffers(kind is, int from, int to, std::uint32_t bytes) {
  if (!is_socket(is) || bytes == 0) return;
  set_buffer(from, SO_SNDBUF, bytes);
  set_buffer(to, SO_RCVBUF, bytes);
}

}  // namespace

unsigned source_salt(const schedule& all, std::size_t lane) {
  return all.salt * 64 + static_cast<unsigned>(lane) * 2;
}
unsigned background_salt(const schedule& all, std::size_t lane) {
  return source_salt(all, lane) + 1;
}

bool are_source_bytes(const lane& of, unsigned salt, const std::string& proc_text,
                      std::string_view bytes, std::uint64_t position) {
  if (bytes.empty()) return true;
  switch (of.from) {
    case kind::urandom:
      return true;
    case kind::zero:
      return bytes.find_first_not_of('\0') == std::string_view::npos;
    case kind::proc:
      return position < proc_text.size() && proc_text.compare(position, bytes.size(), bytes) == 0;
    case kind::eventfd:
      return position < 8 &&
             bytes == std::string_view("\7\0\0\0\0\0\0\0", 8).substr(position, bytes.size());
    default:
      break;
  }
  const std::uint64_t base = base_of(of.from);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::uint64_t at = position + i;
    const char right = at < base ? '\0' : support::byte_at(at, salt);
    if (bytes[i] == right) continue;
    // Pages on their way are shared with the file: what is cut off reads as zeros (G10).
    const bool cut_off = of.event == event::truncate && at >= of.event_bytes;
    if (!cut_off || bytes[i] != '\0') return false;
  }
  return true;
}

end make_source(const lane& of, unsigned salt, const std::filesystem::path& workspace) {
  end made;
  if (is_file(of.from)) {
    made.ours = file_of(of.from, base_of(of.from), of.size, salt, 0, workspace);
    seek(made.ours.get(), of.in_position);
    made.look = open_again(made.ours, O_RDONLY);
  } else if (has_peer(of.from)) {
    support::ends pair = stream(of.from, of.in_buffer);
    limit_buffers(of.from, pair.second.get(), pair.first.get(), of.in_buffer);
    support::set_nonblocking(pair.first.get(), of.in_nonblock);
    support::set_nonblocking(pair.second.get(), true);
    made.ours = std::move(pair.first);
    made.peer = std::move(pair.second);
  } else if (of.from == kind::eventfd) {
    made.ours = zc::fd(checked(::eventfd(7, EFD_CLOEXEC), "eventfd"));
  } else {
    const char* path =
        of.from == kind::proc ? proc_path : kind_names[static_cast<std::size_t>(of.from)];
    made.ours = support::open_file(path, O_RDONLY);
  }
  made.spare = duplicate(made.ours);
  return made;
}

end make_target(const lane& of, unsigned background, const std::filesystem::path& workspace) {
  end made;
  if (is_file(of.to)) {
    made.ours = file_of(of.to, 0, of.out_size, background, of.out_room, workspace);
    seek(made.ours.get(), of.out_position);
    made.look = open_again(made.ours, O_RDONLY);
  } else if (has_peer(of.to)) {
    support::ends pair = stream(of.to, of.out_buffer);
    limit_buffers(of.to, pair.second.get(), pair.first.get(), of.out_buffer);
    support::set_nonblocking(pair.second.get(), of.out_nonblock);
    support::set_nonblocking(pair.first.get(), true);
    made.ours = std::move(pair.second);
    made.peer = std::move(pair.first);
  } else {
    made.ours = support::open_file(kind_names[static_cast<std::size_t>(of.to)], O_WRONLY);
  }
  made.spare = duplicate(made.ours);
  return made;
}

std::string proc_text() { return support::read_all(support::open_file(proc_path, O_RDONLY).get()); }

bool can_make(kind of, const std::filesystem::path& workspace) {
  lane one;
  (is_source(of) ? one.from : one.to) = of;
  one.out_room = 4096;
  try {
    if (is_source(of)) {
      make_source(one, 0, workspace);
    } else {
      make_target(one, 0, workspace);
    }
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

}  // namespace conserve
