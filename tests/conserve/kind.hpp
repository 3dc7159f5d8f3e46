#pragma once

#include <array>
#include <cstdint>

namespace conserve {

/// What a descriptor at either end of a transfer is.
enum class kind : std::uint8_t {
  file,         // on the disk that the temporary directory is on
  append,       // the same, O_APPEND; a target
  direct,       // the same, O_DIRECT
  memfd,        // in memory
  sealed,       // in memory, against writing; a target
  full_disk,    // on a file system of its own with little room; a target, needs root
  sparse,       // in memory, a hole up to 64 KiB before 4 GiB
  pipe,         //
  tty_slave,    // a pseudo-terminal in raw mode
  tty_master,   //
  tcp,          // over loopback
  unix_stream,  //
  seqpacket,    // AF_UNIX
  datagram,     // AF_UNIX
  zero,         // /dev/zero
  urandom,      // /dev/urandom
  null,         // /dev/null
  full,         // /dev/full; a target
  proc,         // a file of /proc; a source
  eventfd,      // a source
};

inline constexpr std::array<const char*, 20> kind_names{
    "file",      "append",       "direct",     "memfd",     "sealed", "full_disk", "sparse",
    "pipe",      "tty",          "tty_master", "tcp",       "unix",   "seqpacket", "datagram",
    "/dev/zero", "/dev/urandom", "/dev/null",  "/dev/full", "proc",   "eventfd"};

constexpr bool is_source(kind of) {
  return of != kind::append && of != kind::sealed && of != kind::full_disk && of != kind::full;
}
constexpr bool is_target(kind of) {
  return of != kind::urandom && of != kind::proc && of != kind::eventfd;
}

/// A regular file with a size and a position.
constexpr bool is_file(kind of) { return of <= kind::sparse; }
constexpr bool is_tty(kind of) { return of == kind::tty_slave || of == kind::tty_master; }
constexpr bool has_messages(kind of) { return of == kind::seqpacket || of == kind::datagram; }
constexpr bool is_socket(kind of) { return of >= kind::tcp && of <= kind::datagram; }
/// Somebody is at its other end.
constexpr bool has_peer(kind of) { return of >= kind::pipe && of <= kind::datagram; }
/// What is written to it is gone.
constexpr bool swallows(kind of) { return of == kind::zero || of == kind::null; }
/// It takes an offset; the devices ignore it.
constexpr bool has_offset(kind of) { return is_file(of) || (of >= kind::zero && of <= kind::proc); }
/// Whether its reader can be told that no more will come, with all that was sent before still
/// there.
constexpr bool can_end(kind of) { return has_peer(of) && !is_tty(of) && of != kind::datagram; }

/// Where the bytes of a sparse file begin; before it is nothing but a hole.
inline constexpr std::uint64_t sparse_base = (std::uint64_t{1} << 32) - 64 * 1024;
constexpr std::uint64_t base_of(kind of) { return of == kind::sparse ? sparse_base : 0; }

}  // namespace conserve
