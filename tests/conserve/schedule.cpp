#include "conserve/schedule.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <type_traits>

#include "conserve/expect.hpp"

namespace conserve {

namespace {

const auto& names_of(kind) { return kind_names; }
const auto& names_of(ending) { return ending_names; }
const auto& names_of(event) { return event_names; }
const auto& names_of(limit) { return limit_names; }
const auto& names_of(fault) { return fault_names; }
const auto& names_of(zc::route) { return route_names; }

template <class Value>
std::string text_of(Value value) {
  if constexpr (std::is_enum_v<Value>) {
    return names_of(value)[static_cast<std::size_t>(value)];
  } else {
    return std::to_string(value);
  }
}

template <class Value>
bool parse(std::string_view text, Value& value) {
  if constexpr (std::is_enum_v<Value>) {
    const auto& names = names_of(value);
    const auto found = std::find(names.begin(), names.end(), text);
    value = static_cast<Value>(found - names.begin());
    return found != names.end();
  } else if constexpr (std::is_same_v<Value, bool>) {
    value = text == "1";
    return value || text == "0";
  } else {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size();
  }
}

using words = std::vector<std::string>;

/// `name=value` for each field of one lane, or of the schedule itself.
words words_of(const lane& of) {
  words all;
  each_lane_field(of, [&](const char* name, const auto& value) {
    all.push_back(std::string(name) + '=' + text_of(value));
  });
  return all;
}

words words_of(const schedule& of) {
  words all;
  each_schedule_field(of, [&](const char* name, const auto& value) {
    all.push_back(std::string(name) + '=' + text_of(value));
  });
  return all;
}

template <class Of>
void add_changes(std::string& line, const Of& of) {
  const words all = words_of(of);
  const words usual = words_of(Of());
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i] == usual[i]) continue;
    if (!line.empty()) line += ' ';
    line += all[i];
  }
}

template <class Walk>
bool assign(Walk walk, std::string_view wanted, std::string_view text) {
  bool good = false;
  walk([&](const char* name, auto& value) {
    if (wanted == name) good = parse(text, value);
  });
  return good;
}

void normalise_sizes(lane& of) {
  const auto at_most = [](auto& value, std::uint64_t most) {
    if (value > most) value = static_cast<std::decay_t<decltype(value)>>(most);
  };
  if (of.from == kind::eventfd) of.size = 8;
  if (is_tty(of.from) || is_tty(of.to)) at_most(of.size, 20'000);
  const bool endless = of.from == kind::zero || of.from == kind::urandom;
  if (endless && of.nbytes != zc::to_end) of.size = of.nbytes;
  // One byte at a time takes its time; so do small buffers, on loopback's timers.
  at_most(of.size, std::max<std::uint64_t>(of.feed_bytes, 1) * 3000);
  if (has_peer(of.to)) at_most(of.size, std::max<std::uint64_t>(of.read_bytes, 1) * 3000);
  if (of.in_buffer != 0 || of.out_buffer != 0) at_most(of.size, 200'000);
  if (of.feed_pause_us > 0 && has_peer(of.from)) {
    at_most(of.size, std::max<std::uint64_t>(of.feed_bytes, 1) * 60);
  }
  if (of.read_pause_us > 0 && has_peer(of.to)) {
    at_most(of.size, std::max<std::uint64_t>(of.read_bytes, 1) * 60);
  }
  if (endless) of.nbytes = of.size;
  of.feed_bytes = std::max<std::uint32_t>(of.feed_bytes, 1);
  of.read_bytes = std::max<std::uint32_t>(of.read_bytes, 1);
  // A message has to fit into the socket it is sent on, and the pieces that zc makes too.
  if (has_messages(of.from)) {
    at_most(of.feed_bytes, 60'000);
    of.in_buffer = 0;
  }
  if (has_messages(of.to)) of.out_buffer = 0;
}

/// All of a sparse file is for nobody who would keep it.
void normalise_sparse(lane& of) {
  constexpr std::uint64_t earliest = sparse_base - (1 << 20);
  if (of.from != kind::sparse || swallows(of.to)) return;
  if (of.offset == zc::file_position) {
    if (of.in_position < earliest) of.in_position = sparse_base;
  } else if (of.offset >= 0 && static_cast<std::uint64_t>(of.offset) < earliest) {
    of.offset = static_cast<std::int64_t>(sparse_base);
  }
}

void normalise_event(lane& of) {
  if (!applies(of.event, of)) of.event = event::none;
  if (of.event == event::none) of.event_at = 0;
  if (of.event != event::truncate && of.event != event::grow) of.event_bytes = 0;
  if (of.event == event::truncate) of.event_bytes = std::min(of.event_bytes, of.size);
}

void normalise_rest(lane& of) {
  if (!has_peer(of.from)) {
    of.in_buffer = 0;
    of.ending = ending::half_close;
    of.feed_bytes = lane().feed_bytes;
    of.feed_pause_us = 0;
    of.in_nonblock = false;
  }
  if (!has_peer(of.to)) {
    of.out_buffer = 0;
    of.read_bytes = lane().read_bytes;
    of.read_pause_us = 0;
    of.out_nonblock = false;
  }
  if (is_tty(of.from) || is_tty(of.to)) {
    if (is_tty(of.from)) of.in_buffer = 0;
    if (is_tty(of.to)) of.out_buffer = 0;
  }
  if (!is_file(of.from)) of.in_position = 0;
  if (!is_file(of.to)) of.out_size = of.out_position = 0;
  // The file system counts in pages.
  of.out_room =
      of.to == kind::full_disk ? std::max<std::uint64_t>(of.out_room / 4096, 1) * 4096 : 0;
  // What is there before must fit.
  if (of.to == kind::full_disk || of.to == kind::sealed) of.out_size = of.out_position = 0;
  // Only its end is looked at.
  if (of.to == kind::sparse) of.out_size = 0;
}

}  // namespace

bool applies(event what, const lane& to) {
  switch (what) {
    case event::none:
      return true;
    case event::feeder_stalls:
      return has_peer(to.from);
    case event::reader_stalls:
    case event::reader_closes:
      return has_peer(to.to);
    case event::reader_resets:
      return to.to == kind::tcp;
    case event::shut_in:
      return is_socket(to.from);
    case event::shut_out:
      return is_socket(to.to);
    case event::truncate:
    case event::grow:
      return to.from == kind::file || to.from == kind::memfd;
  }
  return false;
}

std::string to_line(const schedule& of) {
  std::string line;
  add_changes(line, of);
  for (const lane& each : of.lanes) {
    line += line.empty() ? "lane" : " lane";
    add_changes(line, each);
  }
  return line;
}

schedule from_line(std::string_view line) {
  schedule made;
  std::istringstream words{std::string(line)};
  for (std::string word; words >> word;) {
    if (word == "lane") {
      made.lanes.emplace_back();
      continue;
    }
    const std::size_t equals = word.find('=');
    const std::string_view name = std::string_view(word).substr(0, equals);
    const std::string_view text =
        equals == std::string::npos ? "" : std::string_view(word).substr(equals + 1);
    const auto walk = [&](auto visit) {
      if (made.lanes.empty()) {
        each_schedule_field(made, visit);
      } else {
        each_lane_field(made.lanes.back(), visit);
      }
    };
    if (!assign(walk, name, text)) throw std::invalid_argument("not understood: " + word);
  }
  return made;
}

void normalise(schedule& what) {
  if (what.limit == limit::none) what.limit_at = 0;
  if (what.fault == fault::none) what.fault_at = 0;
  for (lane& each : what.lanes) {
    if (!is_source(each.from)) each.from = kind::memfd;
    if (!is_target(each.to)) each.to = kind::memfd;
    // Growing the source would meet the same limit.
    if (what.limit == limit::file_size && each.event == event::grow) each.event = event::none;
    normalise_sizes(each);
    normalise_sparse(each);
    normalise_event(each);
    normalise_rest(each);
    if (may_wait_for_ever(each) && each.cancel_us == 0 && each.deadline_us == 0) {
      each.deadline_us = 20'000;
    }
  }
}

}  // namespace conserve
