#include "conserve/step.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <stop_token>
#include <thread>

#include "conserve/ends.hpp"
#include "conserve/expect.hpp"
#include "conserve/limits.hpp"
#include "conserve/peers.hpp"
#include "conserve/planted_fault.hpp"
#include "support/descriptors.hpp"
#include "support/process.hpp"
#include "zc/zc.hpp"

namespace conserve {

namespace {

using namespace std::chrono_literals;

/// One transfer of the step while it runs.
struct lane_run {
  lane plan;
  std::size_t index = 0;
  unsigned salt = 0;
  unsigned background = 0;
  end in;
  end out;
  zc::fd in_bystander;
  zc::fd out_bystander;
  zc::fd rescue;  // where the remainder is delivered
  std::stop_source stop;
  zc::progress progress;
  int in_flags = 0;
  int out_flags = 0;
  peers* others = nullptr;
  observed seen;
};

zc::splice_options options_of(lane_run& run) {
  const lane& plan = run.plan;
  zc::splice_options made;
  made.offset = plan.offset;
  made.nbytes = plan.nbytes;
  made.flags = static_cast<zc::splice_flags>(plan.flags);
  made.out_offset = plan.out_offset;
  made.route = plan.route;
  made.progress = &run.progress;
  return made;
}

/// What a number of bytes from the throwing call means.
zc::stop_reason reason_of(const lane& plan, std::uint64_t moved) {
  const std::uint64_t known = is_file(plan.from) ? wanted(plan, 0) : plan.nbytes;
  return moved == known ? zc::stop_reason::complete : zc::stop_reason::end_of_file;
}

zc::transfer transfer_of(zc::transfer_error& error) {
  zc::transfer done;
  done.moved = error.moved();
  done.taken = error.taken();
  done.side = error.side();
  done.remainder = std::move(error.remainder());
  if (error.code() == std::errc::operation_canceled) {
    done.reason = zc::stop_reason::cancelled;
  } else if (error.code() == std::errc::timed_out) {
    done.reason = zc::stop_reason::timed_out;
  } else if (error.code() == std::errc::resource_unavailable_try_again) {
    done.reason = zc::stop_reason::would_block;
  } else {
    done.reason = zc::stop_reason::failed;
    done.error = error.code();
  }
  return done;
}

template <class T>
zc::task<T> bounded(lane_run& run, zc::task<T> work) {
  if (run.plan.deadline_us != 0) {
    work = zc::timeout(std::chrono::microseconds(run.plan.deadline_us), std::move(work));
  }
  if (run.plan.cancel_us != 0) work = zc::with_stop(run.stop.get_token(), std::move(work));
  co_return co_await std::move(work);
}

zc::task<> transfer_throwing(lane_run& run) {
  try {
    const zc::known_source in(run.in.ours.get());
    const zc::known_target out(run.out.ours.get());
    zc::task<std::uint64_t> moving = run.plan.known
                                         ? zc::splice(in, out, options_of(run))
                                         : zc::splice(in.get(), out.get(), options_of(run));
    const std::uint64_t moved = co_await bounded(run, std::move(moving));
    run.seen.done.moved = run.seen.done.taken = moved;
    run.seen.done.reason = reason_of(run.plan, moved);
  } catch (zc::transfer_error& error) {
    run.seen.done = transfer_of(error);
  } catch (const std::system_error& error) {
    run.seen.counted = false;
    run.seen.exception = error.what();
  }
}

/// What follows a completion at once, in the same turn of the loop.
void after(lane_run& run) {
  ++run.seen.completions;
  run.seen.in_flags_kept = ::fcntl(run.in.ours.get(), F_GETFL) == run.in_flags;
  run.seen.out_flags_kept = ::fcntl(run.out.ours.get(), F_GETFL) == run.out_flags;
  run.seen.progress_moved = run.progress.moved;
  if (run.plan.dup2) {
    ::dup3(run.in_bystander.get(), run.in.ours.get(), O_CLOEXEC);
    ::dup3(run.out_bystander.get(), run.out.ours.get(), O_CLOEXEC);
  }
  if (is_file(run.plan.to)) run.seen.out_position = ::lseek(run.out.spare.get(), 0, SEEK_CUR);
  if (is_file(run.plan.from)) run.seen.in_position = ::lseek(run.in.spare.get(), 0, SEEK_CUR);
  // The end, for a reader that can see it.
  if (is_socket(run.plan.to)) ::shutdown(run.out.spare.get(), SHUT_WR);
  if (run.plan.to == kind::pipe) {
    run.out.spare = zc::fd();
    if (!run.plan.dup2) run.out.ours = zc::fd();
  }
  run.others->lane_ended(run.index, run.seen.done.moved);
}

zc::task<> transfer_lane(lane_run& run) {
  if (run.plan.start_us != 0) co_await zc::sleep_for(std::chrono::microseconds(run.plan.start_us));
  run.others->lane_begins(run.index);
  const auto began = steady::now();
  if (run.plan.throwing) {
    co_await transfer_throwing(run);
  } else {
    const zc::known_source in(run.in.ours.get());
    const zc::known_target out(run.out.ours.get());
    zc::task<zc::transfer> moving = run.plan.known
                                        ? zc::try_splice(in, out, options_of(run))
                                        : zc::try_splice(in.get(), out.get(), options_of(run));
    run.seen.done = co_await bounded(run, std::move(moving));
  }
  run.seen.took = steady::now() - began;
  after(run);
}

zc::task<> transfer_all(std::vector<std::unique_ptr<lane_run>>& runs) {
  std::vector<zc::task<>> tasks;
  tasks.reserve(runs.size());
  for (const auto& each : runs) tasks.push_back(transfer_lane(*each));
  co_await zc::when_all(std::move(tasks));
}

/// Delivers what could not be delivered, with its bytes kept for the check.
zc::task<> deliver_remainders(std::vector<std::unique_ptr<lane_run>>& runs) {
  for (const auto& each : runs) {
    lane_run& run = *each;
    const std::size_t size = run.seen.done.remainder.size();
    if (size == 0) continue;
    const auto bytes = run.seen.done.remainder.bytes();
    run.seen.delivered.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const zc::transfer done =
        co_await zc::try_splice(std::move(run.seen.done.remainder), run.rescue.get());
    if (done.moved != size || done.taken != size ||
        support::contents(run.rescue.get()) != run.seen.delivered) {
      run.seen.delivery_problem = "the remainder was not delivered as it is";
    }
  }
}

void arrange_events(lane_run& run, peers& others) {
  const lane& plan = run.plan;
  const auto arrange = [&](std::uint32_t after_us, std::function<void()> what,
                           std::function<bool()> when = {}) {
    others.arrange(
        {run.index, std::chrono::microseconds(after_us), std::move(what), std::move(when), false});
  };
  if (plan.cancel_us != 0) arrange(plan.cancel_us, [&run] { run.stop.request_stop(); });
  const auto at = static_cast<std::uint32_t>(plan.event_at);
  // A file that changes before the call has looked at it is another file.
  const auto has_looked = [&run] { return run.progress.total != 0; };
  switch (plan.event) {
    case event::shut_in:
      arrange(at, [&run] { ::shutdown(run.in.spare.get(), SHUT_RD); });
      break;
    case event::shut_out:
      arrange(at, [&run] { ::shutdown(run.out.spare.get(), SHUT_WR); });
      break;
    case event::truncate:
      arrange(
          at,
          [&run] {
            [[maybe_unused]] const int cut =
                ::ftruncate(run.in.spare.get(), static_cast<off_t>(run.plan.event_bytes));
          },
          has_looked);
      break;
    case event::grow:
      arrange(
          at,
          [&run] {
            const std::string more = support::bytes_at(
                run.plan.size, static_cast<std::size_t>(run.plan.event_bytes), run.salt);
            [[maybe_unused]] const ssize_t wrote = ::pwrite(
                run.in.spare.get(), more.data(), more.size(), static_cast<off_t>(run.plan.size));
          },
          has_looked);
      break;
    default:
      break;
  }
}

void prepare(lane_run& run, peers& others, const std::filesystem::path& workspace) {
  run.others = &others;
  run.in = make_source(run.plan, run.salt, workspace);
  run.out = make_target(run.plan, run.background, workspace);
  run.rescue = support::empty_file();
  if (run.plan.dup2) {
    run.in_bystander = support::file_of(5000, 77);
    run.out_bystander = support::file_of(5000, 77);
  }
  run.in_flags = ::fcntl(run.in.ours.get(), F_GETFL);
  run.out_flags = ::fcntl(run.out.ours.get(), F_GETFL);
  peers::pair& pair = others[run.index];
  pair.in.plan = pair.out.plan = run.plan;
  pair.in.salt = run.salt;
  pair.in.fd = std::move(run.in.peer);
  pair.out.fd = std::move(run.out.peer);
  pair.in.done = !has_peer(run.plan.from);
  pair.out.done = !has_peer(run.plan.to);
}

/// Reads what is left of a stream that was fed so much, and not more than a byte too many.
std::string drain(lane_run& run, std::uint64_t fed) {
  std::string all;
  const std::uint64_t taken = run.seen.done.taken;
  const std::uint64_t expected = fed > taken ? fed - taken : 0;
  support::set_nonblocking(run.in.spare.get(), true);
  std::string buffer(1 << 20, '\0');
  const auto until = steady::now() + 10s;
  while (all.size() <= expected && steady::now() < until) {
    // Where all is there that should be, one look tells whether there is more.
    pollfd one{run.in.spare.get(), POLLIN, 0};
    const int ready = ::poll(&one, 1, all.size() < expected ? 100 : 0);
    if (ready == 0 && all.size() >= expected) break;
    const ssize_t got = ::read(run.in.spare.get(), buffer.data(), buffer.size());
    if (got > 0) {
      all.append(buffer, 0, static_cast<std::size_t>(got));
    } else if (got == 0 || errno != EAGAIN || all.size() >= expected) {
      break;
    }
  }
  return all;
}

bool is_source_intact(const lane_run& run) {
  const lane& plan = run.plan;
  if (plan.event == event::truncate || plan.event == event::grow) return true;
  struct stat about {};
  const std::uint64_t base = base_of(plan.from);
  if (::fstat(run.in.spare.get(), &about) < 0) return false;
  if (static_cast<std::uint64_t>(about.st_size) != base + plan.size) return false;
  std::string bytes(static_cast<std::size_t>(plan.size), '\0');
  if (::pread(run.in.look.get(), bytes.data(), bytes.size(), static_cast<off_t>(base)) !=
      static_cast<ssize_t>(bytes.size())) {
    return false;
  }
  return support::are_bytes_at(bytes, base, run.salt);
}

/// What is wrong with the contents of a target file.
std::string problem_in(const lane_run& run, const std::string& proc) {
  const lane& plan = run.plan;
  const std::uint64_t begin = out_start_of(plan);
  const std::uint64_t moved = run.seen.done.moved;
  struct stat about {};
  ::fstat(run.out.look.get(), &about);
  const std::uint64_t size = static_cast<std::uint64_t>(about.st_size);
  const std::uint64_t expected = moved > 0 ? std::max(plan.out_size, begin + moved) : plan.out_size;
  if (size != expected) {
    return "it has " + std::to_string(size) + " bytes, not " + std::to_string(expected);
  }
  // Of a far target the neighbourhood is enough.
  const std::uint64_t from = plan.to == kind::sparse && begin > 65536 ? begin - 65536 : 0;
  if (from >= size) return "";
  std::string bytes(static_cast<std::size_t>(size - from), '\0');
  std::size_t got = 0;
  while (got < bytes.size()) {
    const ssize_t some = ::pread(run.out.look.get(), &bytes[got], bytes.size() - got,
                                 static_cast<off_t>(from + got));
    if (some <= 0) return "it cannot be read";
    got += static_cast<std::size_t>(some);
  }
  const std::uint64_t arrived_at =
      std::min<std::uint64_t>(begin - std::min(begin, from), bytes.size());
  const std::string_view all = bytes;
  const std::string_view arrived = moved > 0 ? all.substr(arrived_at, moved) : "";
  if (!are_source_bytes(plan, run.salt, proc, arrived, start_of(plan))) {
    return "its bytes are not the source's";
  }
  for (std::uint64_t i = from; i < size; ++i) {
    if (i >= begin && i < begin + moved) {
      i = begin + moved - 1;
      continue;
    }
    const char before = i < plan.out_size ? support::byte_at(i, run.background) : '\0';
    // A write with O_DIRECT that fails may have written blocks all the same; what it was to write
    // is in the remainder, or still in the source.
    if (plan.to == kind::direct && run.seen.done.reason > zc::stop_reason::end_of_file &&
        i >= begin &&
        are_source_bytes(plan, run.salt, proc, {&bytes[i - from], 1}, start_of(plan) + i - begin)) {
      continue;
    }
    if (bytes[i - from] != before) {
      return "byte " + std::to_string(i) + ", which was not to be written, has changed";
    }
  }
  return "";
}

bool is_touched(const zc::fd& bystander) {
  return ::lseek(bystander.get(), 0, SEEK_CUR) != 0 ||
         support::contents(bystander.get()) != support::bytes_at(0, 5000, 77);
}

void look_at_results(lane_run& run, peers& others, const std::string& proc) {
  observed& seen = run.seen;
  peers::pair& pair = others[run.index];
  seen.fed = pair.in.fed;
  seen.received = std::move(pair.out.bytes);
  seen.reader_closed = pair.out.closed;
  seen.reader_starved = pair.out.starved;
  if (has_peer(run.plan.from)) seen.left_in_source = drain(run, seen.fed);
  if (is_file(run.plan.from)) seen.source_intact = is_source_intact(run);
  if (is_file(run.plan.to)) seen.target_problem = problem_in(run, proc);
  if (run.plan.dup2) {
    seen.bystanders_touched = is_touched(run.in_bystander) || is_touched(run.out_bystander);
  }
}

std::map<int, std::string> open_now() {
  std::map<int, std::string> all;
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const auto target = std::filesystem::read_symlink(each.path(), gone);
    if (!gone) all[std::stoi(each.path().filename())] = target;
  }
  return all;
}

/// What is there now and was not before. Threads take a moment to leave.
std::string left_over(const std::map<int, std::string>& before, std::size_t threads) {
  const auto until = steady::now() + 5s;
  for (;;) {
    std::string text;
    for (const auto& [number, target] : open_now()) {
      // The directory that is being listed.
      if (before.count(number) == 0 && target.find("/proc/") != 0) {
        text += " descriptor " + std::to_string(number) + " (" + target + ")";
      }
    }
    const std::size_t now = support::user_threads();
    if (now != threads) text += " threads: " + std::to_string(now);
    if (text.empty() || steady::now() > until) return text;
    std::this_thread::sleep_for(2ms);
  }
}

std::string pending_signals() {
  sigset_t pending;
  ::sigpending(&pending);
  std::string text;
  if (::sigismember(&pending, SIGPIPE) == 1) text += " SIGPIPE pending";
  if (::sigismember(&pending, SIGXFSZ) == 1) text += " SIGXFSZ pending";
  return text;
}

}  // namespace

std::unique_ptr<zc::context> make_context(zc::context_options options) {
  const auto until = steady::now() + 10s;
  for (;;) {
    try {
      return std::make_unique<zc::context>(options);
    } catch (const std::system_error& error) {
      if (error.code() != std::errc::operation_not_permitted || steady::now() > until) throw;
      std::this_thread::sleep_for(20ms);
    }
  }
}

std::string run_beside(peers& others, zc::context_options options,
                       const std::function<zc::task<>()>& work, std::chrono::seconds bound,
                       const std::string& plan) {
  const std::unique_ptr<zc::context> context = make_context(options);
  others.arrange({0,
                  bound,
                  [&plan] {
                    std::fprintf(stderr, "hangs: %s\n", plan.c_str());
                    std::abort();
                  },
                  {}});
  others.start();
  context->run(work());
  others.join();
  const std::size_t lent = pipes_lent(*context);
  return lent == 0 ? std::string() : " pipes lent: " + std::to_string(lent);
}

observation run_step(const schedule& all, const std::filesystem::path& workspace) {
  observation seen;
  seen.proc_text = proc_text();
  support::start_first_thread();
  const auto before = open_now();
  const std::size_t threads = support::user_threads();
  {
    std::vector<std::unique_ptr<lane_run>> runs;
    peers others(all.lanes.size());
    for (std::size_t i = 0; i < all.lanes.size(); ++i) {
      auto run = std::make_unique<lane_run>();
      run->plan = all.lanes[i];
      run->index = i;
      run->salt = source_salt(all, i);
      run->background = background_salt(all, i);
      prepare(*run, others, workspace);
      runs.push_back(std::move(run));
    }
    {
      std::unique_ptr<process_limit> limited;
      // Descriptors run out for the transfers, not for the context itself.
      if (all.limit == limit::plain_user) limited = std::make_unique<process_limit>(all);
      const std::unique_ptr<zc::context> owned = make_context({.entries = all.entries,
                                                               .pipes = all.pipes,
                                                               .pipe_bytes = all.pipe_bytes,
                                                               .workers = all.workers});
      zc::context& context = *owned;
      if (all.limit != limit::plain_user) limited = std::make_unique<process_limit>(all);
      {
        const planted_fault fault(context, all.fault, all.fault_at);
        for (const auto& each : runs) arrange_events(*each, others);
        others.start();
        context.run(transfer_all(runs));
      }
      limited.reset();
      context.run(deliver_remainders(runs));
      others.join();
      seen.pipes_lent = pipes_lent(context);
      seen.left_over += pending_signals();
    }
    for (const auto& each : runs) {
      look_at_results(*each, others, seen.proc_text);
      seen.lanes.push_back(std::move(each->seen));
    }
  }
  seen.left_over += left_over(before, threads);
  return seen;
}

}  // namespace conserve
