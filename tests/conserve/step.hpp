#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "conserve/peers.hpp"
#include "conserve/schedule.hpp"
#include "zc/context.hpp"
#include "zc/task.hpp"
#include "zc/transfer.hpp"

namespace conserve {

/// What was seen of one transfer, from all sides, when everything about it was over.
struct observed {
  int completions = 0;
  zc::transfer done;
  bool counted = true;  // false: it ended by an exception without counts
  std::string exception;
  std::chrono::nanoseconds took{};
  std::uint64_t progress_moved = 0;

  bool in_flags_kept = false;   // of the descriptors' status flags
  bool out_flags_kept = false;  //
  std::int64_t in_position = -1;
  std::int64_t out_position = -1;

  std::uint64_t fed = 0;
  std::string received;
  bool reader_closed = false;
  bool reader_starved = false;

  std::string left_in_source;  // of a stream, read afterwards
  bool source_intact = true;   // of a file
  std::string target_problem;  // of a file: what is wrong with its contents

  std::string delivered;            // the remainder, by try_splice(remainder)
  std::string delivery_problem;     //
  bool bystanders_touched = false;  // the files that were put over the descriptors by dup2
};

/// What was seen of a step.
struct observation {
  std::vector<observed> lanes;
  std::string proc_text;
  std::size_t pipes_lent = 0;
  std::string left_over;  // descriptors, threads and signals that were not there before
};

/// A context; tests beside this one may switch io_uring off for a moment.
std::unique_ptr<zc::context> make_context(zc::context_options options);

/// Runs `work` on such a context, beside its peers. Where they have not ended within `bound` it
/// prints `plan` and aborts. Says what pipes were still lent at the end.
std::string run_beside(peers& others, zc::context_options options,
                       const std::function<zc::task<>()>& work, std::chrono::seconds bound,
                       const std::string& plan);

/// Runs the transfers of a schedule in this process, which may not be the same afterwards: see
/// process_limit. Files are made in `workspace`.
observation run_step(const schedule& all, const std::filesystem::path& workspace);

}  // namespace conserve
