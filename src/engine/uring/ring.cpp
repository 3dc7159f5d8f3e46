#include "engine/uring/ring.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <fstream>

#include "sys/own_descriptor.hpp"
#include "sys/proc.hpp"
#include "sys/tsan.hpp"

namespace zc::detail {

namespace {

bool seccomp_filters() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("Seccomp:", 0) == 0) return line.find('2') != std::string::npos;
  }
  return false;
}

[[noreturn]] void throw_ring_error(int error_number, const char* call) {
  throw std::system_error(error_number, std::system_category(), call);
}

/// A seccomp filter may let io_uring_setup(2) through and not the two other calls. Neither of these
/// does anything, and the kernel's own answer is success, or EBADFD of a ring that is disabled yet.
int forbidden_call(int ring) noexcept {
  const auto forbidden = [](long outcome) { return outcome < 0 && errno != EBADFD; };
  std::array<std::byte, sizeof(io_uring_probe)> none{};
  if (forbidden(::syscall(__NR_io_uring_enter, ring, 0, 0, 0, nullptr, 0)) ||
      forbidden(::syscall(__NR_io_uring_register, ring, IORING_REGISTER_PROBE, none.data(), 0))) {
    return errno;
  }
  return 0;
}

std::size_t sqes_bytes(const io_uring& ring) noexcept {
  return *ring.sq.kring_entries * sizeof(io_uring_sqe);
}

}  // namespace

std::string explain_setup_failure(int error_number) {
  switch (error_number) {
    case ENOSYS:
      if (seccomp_filters()) {
        return "zc: io_uring is hidden by a seccomp filter (a container's default profile does "
               "that): allow io_uring_setup, io_uring_enter and io_uring_register in it";
      }
      return "zc: this kernel has no io_uring: zc needs Linux 6.1 or newer, built with "
             "CONFIG_IO_URING";
    case EPERM:
      switch (number_in("/proc/sys/kernel/io_uring_disabled").value_or(0)) {
        case 2:
          return "zc: io_uring is switched off for everyone: sysctl kernel.io_uring_disabled is 2; "
                 "set it to 0";
        case 1:
          return "zc: io_uring is switched off for this user: sysctl kernel.io_uring_disabled is "
                 "1; set it to 0, or add the user to the group of kernel.io_uring_group";
        default:
          return "zc: io_uring is forbidden, most likely by a seccomp filter (a container's "
                 "default "
                 "profile does that): allow io_uring_setup, io_uring_enter and io_uring_register "
                 "in it";
      }
    case EACCES:
      return "zc: io_uring is forbidden by a security module (SELinux, AppArmor, a BPF program) or "
             "a seccomp filter: the audit log says by which; allow io_uring_setup, io_uring_enter "
             "and io_uring_register to this program in it";
    case EOPNOTSUPP:
      return "zc: io_uring is not supported here: a seccomp filter or a sandbox answers in the "
             "kernel's stead; allow io_uring_setup, io_uring_enter and io_uring_register in it, or "
             "run on Linux 6.1 or newer itself";
    case ENOMEM:
      return "zc: no memory for an io_uring of this size: raise RLIMIT_MEMLOCK (ulimit -l) on "
             "kernels before 5.12, the memory cgroup's limit on newer ones, or ask for fewer "
             "context_options::entries";
    case EMFILE:
    case ENFILE:
      return "zc: no descriptor left for an io_uring: raise RLIMIT_NOFILE (ulimit -n) or "
             "fs.file-max";
    case EINVAL:
      return "zc: the kernel does not know this kind of io_uring: zc needs Linux 6.1 or newer";
    default:
      return "zc: io_uring_setup failed as Linux itself does not let it fail: look for a seccomp "
             "filter, a security module or a sandbox that forbids io_uring to this program";
  }
}

ring::ring(const context_options& options) : workers_(options.workers), maker_(::gettid()) {
  std::uint32_t flags = 0;
  const int error = set_up_with_fallback(flags, [&](std::uint32_t tried) {
    io_uring_params params{};
    // CLAMP: more entries than the kernel allows become as many as it allows.
    params.flags = tried | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
    const std::uint32_t entries = options.entries > 0 ? options.entries : 1;
    params.cq_entries = entries < (1u << 20) ? 4 * entries : entries;
    return io_uring_queue_init_params(entries, &ring_, &params);
  });
  if (error < 0) throw_ring_error(-error, explain_setup_failure(-error).c_str());
  fd own = own_descriptor(fd(ring_.ring_fd));
  int why_not = own ? 0 : errno;
  ring_.ring_fd = ring_.enter_ring_fd = own.release();
  if (why_not == 0) why_not = forbidden_call(ring_.ring_fd);
  if (why_not != 0) {
    io_uring_queue_exit(&ring_);
    throw_ring_error(why_not, explain_setup_failure(why_not).c_str());
  }
  tsan_mapped(ring_.sq.ring_ptr, ring_.sq.ring_sz);
  tsan_mapped(ring_.sq.sqes, sqes_bytes(ring_));
}

ring::~ring() {
  tsan_unmapped(ring_.sq.ring_ptr, ring_.sq.ring_sz);
  tsan_unmapped(ring_.sq.sqes, sqes_bytes(ring_));
  io_uring_queue_exit(&ring_);
}

void ring::enable() {
  if (enabled_) return;
  if ((ring_.flags & IORING_SETUP_R_DISABLED) != 0) {
    // Not io_uring_enable_rings(): the shared liburing 2.3 does not export it.
    if (::syscall(__NR_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0) <
        0) {
      throw_ring_error(errno, "zc: io_uring_register(ENABLE_RINGS)");
    }
  }
  enabled_ = true;
}

io_uring_sqe* ring::make_room() {
  if (interposer_ != nullptr && !interposer_->has_room()) [[unlikely]]
    return nullptr;
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  if (sqe != nullptr) return sqe;
  enter(do_not_wait);
  return io_uring_get_sqe(&ring_);
}

bool ring::kernel_has_work() const noexcept {
  if ((ring_.flags & IORING_SETUP_TASKRUN_FLAG) == 0) return true;
  const unsigned flags = __atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED);
  return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

int ring::wait_at_most(std::chrono::nanoseconds at_most) noexcept {
  // The kernel adds its clock's time to this, and does not look whether that is too much.
  at_most = std::min<std::chrono::nanoseconds>(at_most, std::chrono::hours(24));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(at_most);
  __kernel_timespec limit{seconds.count(), (at_most - seconds).count()};
  io_uring_cqe* first = nullptr;
  return io_uring_submit_and_wait_timeout(&ring_, &first, 1, &limit, nullptr);
}

void ring::enter(std::chrono::nanoseconds at_most) {
  int result = 0;
  bool wait = at_most > do_not_wait;
  if (interposer_ != nullptr) [[unlikely]] {
    show_submissions();
    result = interposer_->enter(wait);
  }
  if (result == 0) {
    if (!wait) {
      if (io_uring_sq_ready(&ring_) == 0 && !kernel_has_work()) return;
      result = io_uring_submit_and_get_events(&ring_);
    } else {
      result = at_most == for_ever ? io_uring_submit_and_wait(&ring_, 1) : wait_at_most(at_most);
    }
  }
  if (result >= 0) return;
  switch (-result) {
    case EINTR:  // a signal
    case ETIME:
    case EAGAIN:  // no memory for a submission now
    case EBUSY:   // the kernel wants completions taken first
      return;
    default:
      throw_ring_error(-result, "zc: io_uring_enter");
  }
}

void ring::interpose(interposer* by) noexcept {
  interposer_ = by;
  shown_ = ring_.sq.sqe_tail;
}

void ring::show_submissions() noexcept {
  for (; shown_ != ring_.sq.sqe_tail; ++shown_) {
    interposer_->submit(ring_.sq.sqes[shown_ & *ring_.sq.kring_mask]);
  }
}

bool ring::supports(int opcode) {
  io_uring_probe* probe = io_uring_get_probe_ring(&ring_);
  if (probe == nullptr) return false;
  const bool supported = io_uring_opcode_supported(probe, opcode) != 0;
  io_uring_free_probe(probe);
  return supported;
}

}  // namespace zc::detail
