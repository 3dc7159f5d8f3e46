#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <type_traits>

namespace bench {

/// Pins the calling thread, and the threads it makes, to one core. Cores are counted among those
/// that this process may use, and from the beginning again where there are not as many.
///
/// The ring's workers do not inherit it (io_uring_register_iowq_aff(3) would pin them): they are
/// where the kernel puts them, for every contender alike.
void pin_to(unsigned core);

/// How many cores this process may use.
unsigned cores();

/// Lets this process have as many descriptors as it may: thousands of connections want them. How
/// many that is.
std::uint64_t raise_descriptor_limit();

struct cost {
  double seconds = 0;
  double cpu_seconds = 0;  // of all threads of this process, the ring's workers included
};

/// Counts from its construction.
class stopwatch {
 public:
  stopwatch();
  cost read() const;

 private:
  std::chrono::steady_clock::time_point since_;
  double cpu_seconds_;
};

/// CPU time of the processes that this one has waited for, and of theirs.
double children_cpu_seconds();

/// Runs `work` in a child process and waits for it. The `size` bytes at `answer` are the child's
/// when this returns; throws where the child failed, after the child has said why on stderr.
///
/// Every measurement has a process of its own: no thread, pipe, page of memory or worker of one
/// contender is there for the next one.
void in_child(const std::function<void()>& work, void* answer, std::size_t size);

/// The same for work with a value.
template <class Work>
auto in_child(const Work& work) {
  using value = std::invoke_result_t<const Work&>;
  static_assert(std::is_trivially_copyable_v<value>);
  value answer{};
  in_child([&] { answer = work(); }, &answer, sizeof answer);
  return answer;
}

/// A child process that runs beside this one, on the given core. It dies with its parent.
class helper_process {
 public:
  helper_process(unsigned core, const std::function<void()>& work);
  helper_process(const helper_process&) = delete;
  helper_process& operator=(const helper_process&) = delete;
  /// Ends the process if it still runs.
  ~helper_process();
  /// Waits for its end; throws if it failed.
  void join();

 private:
  int pid_;
};

/// write(2) and read(2) of all of `bytes`; throws where that fails or the stream ends.
void write_all(int fd, std::span<const std::byte> bytes);
void read_all(int fd, std::span<std::byte> bytes);

template <class Value>
void write_value(int fd, const Value& value) {
  write_all(fd, std::as_bytes(std::span(&value, 1)));
}
template <class Value>
Value read_value(int fd) {
  Value value{};
  read_all(fd, std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

}  // namespace bench
