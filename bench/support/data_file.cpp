#include "data_file.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "measure.hpp"
#include "require.hpp"

namespace bench {

namespace {

constexpr std::size_t piece_bytes = 256 * 1024;

std::uint64_t word_at(std::uint64_t offset) {
  return (offset / sizeof(std::uint64_t) + 1) * 0x9E3779B97F4A7C15U;
}

void write_pattern(int file, std::uint64_t size) {
  std::vector<std::byte> piece(std::min<std::uint64_t>(piece_bytes, size));
  for (std::uint64_t at = 0; at < size;) {
    const std::size_t count = std::min<std::uint64_t>(piece.size(), size - at);
    fill_pattern(std::span(piece).first(count), at);
    write_all(file, std::span(piece).first(count));
    at += count;
  }
}

}  // namespace

void fill_pattern(std::span<std::byte> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const std::uint64_t word = word_at(offset);
    const std::size_t into = offset % sizeof word;
    const std::size_t count = std::min(sizeof word - into, bytes.size());
    std::memcpy(bytes.data(), std::as_bytes(std::span(&word, 1)).data() + into, count);
    bytes = bytes.subspan(count);
    offset += count;
  }
}

bool is_pattern(std::span<const std::byte> bytes, std::uint64_t offset) {
  std::vector<std::byte> wanted(bytes.size());
  fill_pattern(wanted, offset);
  return std::equal(bytes.begin(), bytes.end(), wanted.begin());
}

void write_file(const std::string& path, std::uint64_t size) {
  const zc::fd file(
      require(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), path.c_str()));
  write_pattern(file.get(), size);
}

zc::fd make_file(const std::string& directory, std::uint64_t size) {
  static unsigned made = 0;
  const std::string path =
      directory + "/zc-bench-" + std::to_string(::getpid()) + "-" + std::to_string(made++);
  write_file(path, size);
  zc::fd file(require(::open(path.c_str(), O_RDONLY | O_CLOEXEC), path.c_str()));
  require(::unlink(path.c_str()), "unlink");
  // Else writing it to the disk would fall into someone's measurement.
  require(::fsync(file.get()), "fsync");
  make_hot(file.get(), 0, size);
  require_equal(resident_bytes(file.get()), size, "bytes of a hot file in the page cache");
  return file;
}

zc::fd make_memory_file(std::uint64_t size) {
  zc::fd file(require(::memfd_create("zc-bench", MFD_CLOEXEC), "memfd_create"));
  write_pattern(file.get(), size);
  return file;
}

std::string filesystem_of(int fd) {
  struct statfs about {};
  require(::fstatfs(fd, &about), "fstatfs");
  switch (static_cast<unsigned long>(about.f_type)) {
    case EXT4_SUPER_MAGIC:
      return "ext4";
    case TMPFS_MAGIC:
      return "tmpfs";
    case XFS_SUPER_MAGIC:
      return "XFS";
    case BTRFS_SUPER_MAGIC:
      return "btrfs";
    case OVERLAYFS_SUPER_MAGIC:
      return "overlayfs";
    case FUSE_SUPER_MAGIC:
      return "FUSE";
    case PROC_SUPER_MAGIC:
      return "procfs";
    default:
      return "file system " + std::to_string(about.f_type);
  }
}

void make_hot(int file, std::uint64_t begin, std::uint64_t bytes) {
  std::vector<std::byte> piece(piece_bytes);
  for (const std::uint64_t end = begin + bytes; begin < end;) {
    const std::size_t count = std::min<std::uint64_t>(piece.size(), end - begin);
    const ssize_t got =
        require(::pread(file, piece.data(), count, static_cast<off_t>(begin)), "pread");
    if (got == 0) return;
    begin += static_cast<std::uint64_t>(got);
  }
}

void make_cold(int file) {
  // Dirty pages stay.
  require(::fsync(file), "fsync");
  const int error = ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  if (error != 0) throw std::system_error(error, std::generic_category(), "posix_fadvise");
}

std::uint64_t resident_bytes(int file) {
  const std::uint64_t size = size_of(file);
  if (size == 0) return 0;
  void* const mapping = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
  if (mapping == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  const std::uint64_t page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages((size + page - 1) / page);
  const int asked = ::mincore(mapping, size, pages.data());
  ::munmap(mapping, size);
  require(asked, "mincore");
  const auto count = std::count_if(pages.begin(), pages.end(),
                                   [](unsigned char each) { return (each & 1U) != 0; });
  return std::min(size, static_cast<std::uint64_t>(count) * page);
}

std::uint64_t size_of(int file) {
  struct stat about {};
  require(::fstat(file, &about), "fstat");
  return static_cast<std::uint64_t>(about.st_size);
}

}  // namespace bench
