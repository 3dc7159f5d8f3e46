#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "small_files.hpp"
#include "stream.hpp"
#include "summary.hpp"
#include "tree.hpp"
#include "unmade.hpp"
#include "wire.hpp"
#include "zc/fd.hpp"
#include "zc/task.hpp"
#include "zc/transfer.hpp"

namespace ship {

/// The sender's half of one connection: items go out one after another, and the receiver's results
/// come back in the same order.
///
/// A phase is some items and a checkpoint (or bye): `run_phase(items)` sends them and ends when all
/// their results are in. A connection that fails is lost for good, with what was on its way;
/// everything here then does nothing. Not movable, as tasks refer to it.
class lane {
 public:
  /// What fails is in `into`, and directories that the receiver could not make in `unmade`.
  lane(zc::fd socket, summary& into, unmade_directories& unmade);
  lane(const lane&) = delete;
  lane& operator=(const lane&) = delete;

  /// Who receives.
  const std::string& peer() const noexcept { return peer_; }

  bool lost() const noexcept { return !lost_because_.empty(); }

  /// Bytes of bodies that went out.
  std::uint64_t bytes_sent() const noexcept { return bytes_sent_ + body_.moved.load(); }

  /// Greets the receiver; throws what is wrong if it does not welcome the session.
  zc::task<> greet(const wire::hello& what);

  zc::task<> send_directory(const entry& what);
  zc::task<> send_attributes(const entry& what);
  zc::task<> send_link(const entry& what);
  zc::task<> send_file(const entry& what);
  /// Small files that stand one after another in the tree, of which one frame has room for all.
  zc::task<> send_small_files(std::span<const entry> files);
  /// Tells the receiver what it cannot know of.
  zc::task<> send_failures(std::vector<failure> what);

  /// Sends what `items` sends, then a `last` frame; results are taken meanwhile.
  zc::task<> run_phase(zc::task<> items, wire::kind last);

 private:
  /// Tells whether a file is still what it was.
  struct version {
    explicit version(const struct ::statx& about) noexcept;
    version() noexcept = default;
    bool operator==(const version&) const noexcept = default;

    std::uint64_t inode = 0;
    std::uint64_t size = 0;
    std::int64_t seconds = 0;
    std::uint32_t nanoseconds = 0;
  };
  struct sent_item {
    const entry* what;  // null for failures, a checkpoint or bye
    wire::kind kind;
    bool complete = true;     // a file is complete after its end frame
    bool reported = false;    // its failure is known on this side already
    bool is_copy = false;     // of a file: what was sent shares nothing with it
    std::uint64_t bytes = 0;  // of a file
    lane::version version{};  // of a file, when it was opened
  };

  zc::task<> send_items(zc::task<> items, wire::kind last);
  zc::task<> take_results();
  void take_result(const wire::outcome& result);
  void fail(const sent_item& item, const wire::outcome& result);
  void count_file(const sent_item& item);
  zc::task<> unless_lost(zc::task<> work);
  void lose(const std::string& because);

  bool is_below_unmade(const entry& what);
  void take_read(const std::vector<std::uint64_t>& bytes);
  void fail_before_sending(const entry& what, const std::string& reason);
  zc::task<> flush(bool more);
  zc::task<> flush_when_full();
  zc::task<std::string> send_contents(int file, wire::item about, bool may_have_holes,
                                      std::uint64_t& sent_bytes);
  zc::task<std::string> send_until_end(int file, wire::item about, std::uint64_t& sent_bytes);
  zc::task<bool> send_body(int file, std::uint64_t offset, std::uint64_t nbytes);

  zc::fd socket_;
  frame_reader answers_;
  std::string peer_;
  summary& summary_;
  unmade_directories& unmade_;
  zc::progress body_;
  std::uint64_t bytes_sent_ = 0;
  std::string unsized_;              // what was read of a file that does not tell its size
  small_files small_;                // those that go out now
  std::string outbox_;               // frames that wait for the next flush
  std::deque<sent_item> awaited_;    // items whose results are still to come
  std::deque<const entry*> unread_;  // small files that are to be sent
  std::deque<const entry*> apart_;   // small files to be sent as if they were large
  std::string lost_because_;
};

}  // namespace ship
