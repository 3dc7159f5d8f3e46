#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "access_log.hpp"
#include "answer.hpp"
#include "commons.hpp"
#include "head_scan.hpp"
#include "input.hpp"
#include "outlet.hpp"
#include "patience.hpp"
#include "request.hpp"
#include "request_body.hpp"
#include "zc/fd.hpp"
#include "zc/task.hpp"

namespace file_server {

/// One client: its requests, one after the other.
class connection {
 public:
  connection(zc::fd client, commons& with);
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  ~connection();

  /// Serves them to the last one. Throws std::system_error: ECANCELED.
  zc::task<> run();

 private:
  zc::task<> serve();
  /// Resumes when the client has kept it waiting for too long, or when it is to end.
  zc::task<bool> watch();

  /// Takes the PROXY header off its beginning. False where there is none.
  zc::task<bool> hear_who_it_is();
  /// False where no head will come.
  zc::task<bool> receive_head();
  /// Whether there is a head, or what is none: see refused_.
  bool has_head();
  zc::task<bool> receive_more();
  /// False when there can be no request after this one.
  zc::task<bool> answer_next();
  zc::task<bool> drop_body(request_body left);
  void time_out();
  /// Has close(2) drop what the client has not taken, and tell it so.
  void reset() noexcept;
  void log(const log_entry& asked, status code, std::uint64_t bytes) const;

  bool stopping() const noexcept { return with_.stop.stop_requested(); }

  zc::fd client_;
  commons& with_;
  std::string peer_;  // for the log
  input input_;
  outlet outlet_;
  patience patience_;
  head_scan scan_;
  std::optional<status> refused_;
  bool has_answered_ = false;
  bool closes_at_once_ = false;
};

}  // namespace file_server
