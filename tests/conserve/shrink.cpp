#include "conserve/shrink.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <tuple>
#include <type_traits>

namespace conserve {

namespace {

template <class Value>
constexpr bool is_number = std::is_integral_v<Value> && !std::is_same_v<Value, bool>;

/// How much there is to read in a schedule: lanes, then fields, then figures.
std::tuple<std::size_t, std::size_t, double> weight_of(const schedule& what) {
  std::size_t fields = 0;
  double figures = 0;
  const auto weigh = [&](const auto& value, const auto& usual) {
    if (value == usual) return;
    ++fields;
    if constexpr (is_number<std::decay_t<decltype(value)>>) {
      figures += std::abs(static_cast<double>(value));
    } else {
      figures += static_cast<double>(value);
    }
  };
  const auto weigh_all = [&](const auto& of, auto each_field, const auto& usual) {
    each_field(of, [&](std::string_view name, const auto& value) {
      each_field(usual, [&](std::string_view other, const auto& plain) {
        if constexpr (std::is_same_v<decltype(value), decltype(plain)>) {
          if (name == other) weigh(value, plain);
        }
      });
    });
  };
  weigh_all(
      what, [](const auto& of, auto visit) { each_schedule_field(of, visit); }, schedule());
  for (const lane& each : what.lanes) {
    weigh_all(
        each, [](const auto& of, auto visit) { each_lane_field(of, visit); }, lane());
  }
  return {what.lanes.size(), fields, figures};
}

/// Simpler values for one field.
template <class Value>
std::vector<Value> simpler_values(const Value& value, const Value& usual) {
  std::vector<Value> all;
  if (value == usual) return all;
  all.push_back(usual);
  if constexpr (std::is_same_v<Value, kind>) {
    for (const kind each : {kind::file, kind::pipe, kind::unix_stream, kind::tcp}) {
      if (each < value) all.push_back(each);
    }
  } else if constexpr (is_number<Value>) {
    const auto add = [&](Value next) {
      if (next != value && next != usual) all.push_back(next);
    };
    if (value > 0) {
      add(0);
      add(1);
      add(static_cast<Value>(value / 2));
      if (value > 8192) add(static_cast<Value>(value / 4096 * 4096));
      add(static_cast<Value>(value - value / 4));
      add(static_cast<Value>(value - 1));
    }
  }
  return all;
}

void add_without_lanes(const schedule& what, std::vector<schedule>& all) {
  for (std::size_t count = what.lanes.size() / 2; count > 0; count /= 2) {
    for (std::size_t first = 0; first + count <= what.lanes.size(); first += count) {
      schedule next = what;
      const auto begin = next.lanes.begin() + static_cast<std::ptrdiff_t>(first);
      next.lanes.erase(begin, begin + static_cast<std::ptrdiff_t>(count));
      all.push_back(std::move(next));
    }
  }
}

/// For each field of `what`, and each simpler value, what `set(name, value)` makes of it.
template <class Of, class Walk, class Make>
void add_simpler_fields(const Of& what, const Of& usual, Walk walk, Make make) {
  walk(what, [&](std::string_view name, const auto& value) {
    walk(usual, [&](std::string_view other, const auto& plain) {
      if constexpr (std::is_same_v<decltype(value), decltype(plain)>) {
        if (name != other || name == "fault") return;
        using field = std::decay_t<decltype(value)>;
        for (const field next : simpler_values(value, plain)) {
          Of changed = what;
          walk(changed, [&](std::string_view third, auto& slot) {
            if constexpr (std::is_same_v<std::decay_t<decltype(slot)>, field>) {
              if (third == name) slot = next;
            }
          });
          make(changed);
        }
      }
    });
  });
}

/// The first thing that went wrong, without its figures.
std::string kind_of(const std::string& problems) {
  std::string first = problems.substr(0, problems.find('\n'));
  first.erase(std::remove_if(first.begin(), first.end(),
                             [](unsigned char c) { return std::isdigit(c) != 0; }),
              first.end());
  return first.substr(0, 30);
}

}  // namespace

std::vector<schedule> simpler_than(const schedule& what) {
  std::vector<schedule> all;
  add_without_lanes(what, all);
  add_simpler_fields(
      what, schedule(), [](auto& of, auto visit) { each_schedule_field(of, visit); },
      [&](const schedule& next) { all.push_back(next); });
  for (std::size_t i = 0; i < what.lanes.size(); ++i) {
    add_simpler_fields(
        what.lanes[i], lane(), [](auto& of, auto visit) { each_lane_field(of, visit); },
        [&](const lane& next) {
          all.push_back(what);
          all.back().lanes[i] = next;
        });
  }
  for (schedule& each : all) normalise(each);
  const auto weight = weight_of(what);
  all.erase(std::remove_if(all.begin(), all.end(),
                           [&](const schedule& each) { return !(weight_of(each) < weight); }),
            all.end());
  return all;
}

shrunk shrink(const schedule& failing, const std::string& problems, guard& by, int tries,
              std::chrono::seconds budget, const std::function<bool(const schedule&)>& enough) {
  const auto until = std::chrono::steady_clock::now() + budget;
  const auto in_time = [&] { return std::chrono::steady_clock::now() < until; };
  shrunk result{failing, problems};
  const std::string wanted = kind_of(problems);
  const auto fails = [&](const schedule& candidate, int times) {
    for (int i = 0; i < times && in_time(); ++i) {
      ++result.runs;
      const verdict seen = by.run(candidate);
      if (seen.problems.empty() || kind_of(seen.problems) != wanted) continue;
      result.problems = seen.problems;
      return true;
    }
    return false;
  };
  result.reproduced = fails(failing, 4 * tries);
  if (!result.reproduced) return result;
  const auto is_enough = [&] { return enough && enough(result.shortest); };
  for (bool progress = true; progress && in_time() && !is_enough();) {
    progress = false;
    for (const schedule& candidate : simpler_than(result.shortest)) {
      if (!fails(candidate, tries)) continue;
      result.shortest = candidate;
      progress = true;
      break;
    }
  }
  return result;
}

}  // namespace conserve
