#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "server/metrics.hpp"
#include "zc/relay.hpp"
#include "zc/transfer.hpp"

namespace tcp_relay {

/// What became of a connection.
enum class outcome : std::uint8_t {
  ended,              // both sides have said their last
  refused,            // no address of the upstream took it
  connect_timed_out,  // the last of them did not answer
  bad_header,         // what it began with is no PROXY header, or it took too long
  idle,               // for longer than the idle timeout
  client_reset,       // or gone otherwise, in the middle
  upstream_reset,
  cancelled,  // at the end of the grace
  failed,     // for want of memory or descriptors
};
inline constexpr std::size_t outcomes = 9;

outcome outcome_of(const zc::relay_result& done) noexcept;

/// What connections did, summed.
struct totals {
  std::uint64_t accepted = 0;
  std::uint64_t active = 0;
  std::array<std::uint64_t, outcomes> by_outcome{};
  std::uint64_t bytes_to_upstream = 0;
  std::uint64_t bytes_to_client = 0;

  std::uint64_t of(outcome what) const noexcept {
    return by_outcome[static_cast<std::size_t>(what)];
  }
};

/// One line, without its end.
std::string for_people(const totals& all);
std::string for_programs(const totals& all);
/// For Prometheus.
void add_metrics(server::metrics& to, const totals& all);

/// What one thread's connections do. Any thread may ask at any time.
class statistics {
 public:
  /// A connection for as long as it is one, and what its relay has moved so far.
  class visit {
   public:
    explicit visit(statistics& in);
    visit(const visit&) = delete;
    visit& operator=(const visit&) = delete;
    ~visit();

    zc::progress to_upstream;
    zc::progress to_client;
    outcome what = outcome::cancelled;  // unless something else becomes of it

   private:
    friend class statistics;
    std::uint32_t at_;  // in running_
    statistics& in_;
  };

  void add_to(totals& all) const;

 private:
  mutable std::mutex lock_;
  totals gone_;  // but `active`
  std::vector<visit*> running_;
};

}  // namespace tcp_relay
