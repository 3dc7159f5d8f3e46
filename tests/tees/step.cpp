#include "tees/step.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>

#include "conserve/ends.hpp"
#include "conserve/peers.hpp"
#include "conserve/step.hpp"
#include "support/descriptors.hpp"
#include "support/process.hpp"
#include "zc/zc.hpp"

namespace tees {

namespace {

using namespace std::chrono_literals;
using conserve::event;
using conserve::lane;
using conserve::peers;
using conserve::steady;

// Whatever should have ended by now never will.
constexpr auto patience = 20s;

/// One tee while it runs. It has a lane for each target; the first feeds the source.
struct tee_run {
  const tee_plan* plan = nullptr;
  const std::filesystem::path* workspace = nullptr;
  std::size_t first_lane = 0;
  conserve::end source;
  std::vector<conserve::end> targets;
  std::vector<int> flags;
  zc::progress progress;
  std::stop_source stop;
  std::stop_source give_up;
  peers* others = nullptr;
  seen_tee seen;

  peers::pair& at(std::size_t target) { return (*others)[first_lane + target]; }
  std::vector<int> flags_now() const {
    std::vector<int> now{::fcntl(source.ours.get(), F_GETFL)};
    for (const conserve::end& each : targets) now.push_back(::fcntl(each.ours.get(), F_GETFL));
    return now;
  }
};

void prepare_target(tee_run& run, std::size_t index) {
  const lane& plan = run.plan->targets[index];
  run.targets.push_back(conserve::make_target(plan, 0, *run.workspace));
  peers::pair& pair = run.at(index);
  pair.in.plan = run.plan->source;
  pair.in.done = true;
  pair.out.plan = plan;
  pair.out.fd = std::move(run.targets.back().peer);
  pair.out.done = !conserve::has_peer(plan.to);
  if (plan.event != event::shut_out) return;
  const int out = run.targets.back().spare.get();
  run.others->arrange({run.first_lane + index,
                       std::chrono::microseconds(plan.event_at),
                       [out] { ::shutdown(out, SHUT_WR); },
                       {}});
}

void prepare(tee_run& run, unsigned salt) {
  run.source = conserve::make_source(run.plan->source, salt, *run.workspace);
  for (std::size_t i = 0; i < run.plan->targets.size(); ++i) prepare_target(run, i);
  conserve::feeder& feeder = run.at(0).in;
  feeder.salt = salt;
  feeder.fd = std::move(run.source.peer);
  feeder.done = !conserve::has_peer(run.plan->source.from);
  run.flags = run.flags_now();
  const auto at = [&run](std::chrono::microseconds after, std::function<void()> what) {
    run.others->arrange({run.first_lane, after, std::move(what), {}});
  };
  if (run.plan->cancel_us != 0) {
    at(std::chrono::microseconds(run.plan->cancel_us), [&run] { run.stop.request_stop(); });
  }
  at(patience, [&run] {
    run.seen.gave_up = true;
    run.give_up.request_stop();
  });
}

zc::task<std::vector<zc::transfer>> bounded(tee_run& run) {
  const tee_plan& plan = *run.plan;
  std::vector<int> outs;
  for (const conserve::end& each : run.targets) outs.push_back(each.ours.get());
  zc::task<std::vector<zc::transfer>> work =
      zc::tee(run.source.ours.get(), std::move(outs),
              {.offset = plan.offset,
               .nbytes = plan.nbytes,
               .flags = static_cast<zc::splice_flags>(plan.flags),
               .out_offset = plan.out_offset,
               .progress = &run.progress});
  if (plan.deadline_us != 0) {
    work = zc::timeout(std::chrono::microseconds(plan.deadline_us), std::move(work));
  }
  if (plan.cancel_us != 0) work = zc::with_stop(run.stop.get_token(), std::move(work));
  return zc::with_stop(run.give_up.get_token(), std::move(work));
}

zc::task<> tee_one(tee_run& run) {
  if (run.plan->start_us != 0) {
    co_await zc::sleep_for(std::chrono::microseconds(run.plan->start_us));
  }
  for (std::size_t i = 0; i < run.targets.size(); ++i) {
    run.others->lane_begins(run.first_lane + i);
  }
  const auto began = steady::now();
  zc::task<std::vector<zc::transfer>> work = bounded(run);
  std::vector<zc::transfer> done = co_await std::move(work);
  run.seen.took = steady::now() - began;
  run.seen.flags_kept = run.flags == run.flags_now();
  run.seen.progress = run.progress.moved;
  run.seen.targets.resize(run.targets.size());
  for (std::size_t i = 0; i < run.targets.size(); ++i) {
    // The end, for a peer that can see it.
    conserve::end& target = run.targets[i];
    if (conserve::is_socket(run.plan->targets[i].to)) ::shutdown(target.ours.get(), SHUT_WR);
    if (run.plan->targets[i].to == kind::pipe) {
      target.ours = zc::fd();
      target.spare = zc::fd();
    }
    run.others->lane_ended(run.first_lane + i, done[i].moved);
    run.seen.targets[i].done = std::move(done[i]);
  }
}

zc::task<> tee_all(std::vector<std::unique_ptr<tee_run>>& runs) {
  std::vector<zc::task<>> tasks;
  for (const auto& each : runs) tasks.push_back(tee_one(*each));
  co_await zc::when_all(std::move(tasks));
}

/// Reads what is left of a source, and looks for more than that.
std::string drain(int fd, std::uint64_t expected) {
  support::set_nonblocking(fd, true);
  std::string all;
  std::string buffer(1 << 20, '\0');
  while (all.size() <= expected) {
    pollfd one{fd, POLLIN, 0};
    if (::poll(&one, 1, all.size() < expected ? 10'000 : 0) <= 0) break;
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got <= 0) break;
    all.append(buffer, 0, static_cast<std::size_t>(got));
  }
  return all;
}

std::string written(const tee_run& run, std::size_t target) {
  const std::string all = support::contents(run.targets[target].look.get());
  const auto begin = static_cast<std::size_t>(run.plan->out_offset);
  return all.size() > begin ? all.substr(begin) : "";
}

void look_at_results(tee_run& run) {
  std::uint64_t taken = 0;
  for (std::size_t i = 0; i < run.targets.size(); ++i) {
    seen_target& seen = run.seen.targets[i];
    conserve::reader& reader = run.at(i).out;
    seen.received =
        conserve::is_file(run.plan->targets[i].to) ? written(run, i) : std::move(reader.bytes);
    seen.closed = reader.closed;
    seen.starved = reader.starved;
    taken = std::max(taken, seen.done.taken);
  }
  if (!conserve::has_peer(run.plan->source.from)) return;
  run.seen.fed = run.at(0).in.fed;
  run.seen.left_in_source =
      drain(run.source.ours.get(), run.seen.fed > taken ? run.seen.fed - taken : 0);
}

}  // namespace

unsigned salt_of(const plan& all, std::size_t tee) {
  return all.salt * 64 + static_cast<unsigned>(tee) + 1;
}

observation run(const plan& all) {
  observation seen;
  const support::temporary_directory workspace;
  const std::size_t descriptors = support::open_descriptors();
  {
    std::size_t lanes = 0;
    for (const tee_plan& each : all.tees) lanes += each.targets.size();
    peers others(lanes);
    std::vector<std::unique_ptr<tee_run>> runs;
    lanes = 0;
    for (std::size_t i = 0; i < all.tees.size(); ++i) {
      runs.push_back(std::make_unique<tee_run>());
      tee_run& made = *runs.back();
      made.plan = &all.tees[i];
      made.workspace = &workspace.path();
      made.first_lane = lanes;
      made.others = &others;
      lanes += made.plan->targets.size();
      prepare(made, salt_of(all, i));
    }
    seen.left_over = conserve::run_beside(
        others, {.entries = all.entries, .pipes = all.pipes, .pipe_bytes = all.pipe_bytes},
        [&runs] { return tee_all(runs); }, 2 * patience, to_text(all));
    for (const auto& each : runs) {
      look_at_results(*each);
      seen.tees.push_back(std::move(each->seen));
    }
  }
  const std::size_t now = support::open_descriptors();
  if (now != descriptors) seen.left_over += " descriptors: " + std::to_string(now - descriptors);
  return seen;
}

}  // namespace tees
