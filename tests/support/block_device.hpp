#pragma once

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>

#include <string>

#include "support/descriptors.hpp"
#include "zc/fd.hpp"

namespace support {

/// A block device of 1 MiB in memory, while it lives. False where there can be none.
class block_device {
 public:
  block_device() : backing_(file_of(size)) {
    const zc::fd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
    // Another process may take the free one first.
    for (int i = 0; i < 10 && control && !attached_; ++i) {
      const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
      if (number < 0) return;
      device_ = zc::fd(::open(("/dev/loop" + std::to_string(number)).c_str(), O_RDWR | O_CLOEXEC));
      attached_ = device_ && ::ioctl(device_.get(), LOOP_SET_FD, backing_.get()) == 0;
    }
  }
  block_device(const block_device&) = delete;
  block_device& operator=(const block_device&) = delete;
  ~block_device() {
    if (attached_) ::ioctl(device_.get(), LOOP_CLR_FD);
  }

  static constexpr std::size_t size = 1 << 20;

  explicit operator bool() const noexcept { return attached_; }
  int get() const noexcept { return device_.get(); }

 private:
  zc::fd backing_;
  zc::fd device_;
  bool attached_ = false;
};

}  // namespace support
