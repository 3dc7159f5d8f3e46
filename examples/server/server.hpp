#pragma once

#include <memory>
#include <stop_token>

#include "server/descriptors.hpp"
#include "server/metrics.hpp"
#include "server/options.hpp"
#include "zc/fd.hpp"
#include "zc/task.hpp"

/// What servers have in common: where they listen, how many threads they have, and how they end.
namespace server {

/// What the connections of one thread share. Made, used and destroyed on that thread, inside of its
/// context.
class site {
 public:
  virtual ~site() = default;
  /// A descriptor that a connection needs besides its own, taken before it is accepted: it is not
  /// accepted before there are both. None, where it needs none. Throws std::system_error: EMFILE
  /// and the like, which is waited for.
  virtual zc::fd prepare() { return {}; }
  /// Serves one connection to its end, with what prepare() gave for it. Throws nothing but
  /// ECANCELED.
  virtual zc::task<> handle(zc::fd client, zc::fd spare) = 0;
};

/// A server, as what runs it sees it.
class program {
 public:
  virtual ~program() = default;
  /// For each thread, on that thread, by several at once. `stop` is requested when the server is
  /// asked to end: what only waits may then end by itself (zc::with_stop), but who was let in
  /// shortly before may not yet have had their say, and a few more come.
  virtual std::unique_ptr<site> make_site(std::stop_token stop) = 0;
  /// At SIGUSR1, while connections go on, and at the end.
  virtual void report() {}
  /// At SIGHUP, on the first thread: what was opened at the start is to be opened anew.
  virtual void reload() {}
  /// For --metrics, while connections go on.
  virtual void add_metrics(metrics& /*to*/) {}
};

/// Listens, says so on standard output ("listening on HOST:PORT"), and serves until SIGINT, SIGTERM
/// or SIGQUIT. Then it lets nobody in any more, serves who has come, and lets what runs finish
/// within the grace; a second signal ends that at once. What happens to the server as a whole is
/// said on standard error, under `name`. Throws where it cannot begin.
void run(const char* name, program& what, const options& given, const room& with);

}  // namespace server
