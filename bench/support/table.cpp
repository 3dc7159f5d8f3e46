#include "table.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "machine.hpp"

namespace bench {

namespace {

std::string number(double value, int decimals) {
  std::string text(64, '\0');
  const int length = std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  text.resize(static_cast<std::size_t>(std::max(length, 0)));
  return text;
}

nlohmann::ordered_json as_json(const std::vector<double>& samples) {
  if (samples.empty()) return nullptr;
  const auto [least, most] = std::minmax_element(samples.begin(), samples.end());
  return {{"median", median(samples)}, {"min", *least}, {"max", *most}, {"samples", samples}};
}

const char* name_of(kind what) {
  switch (what) {
    case kind::baseline:
      return "baseline";
    case kind::zc:
      return "zc";
    case kind::zc_forced:
      return "zc_forced";
  }
  return "";
}

}  // namespace

double median(std::vector<double> of) {
  if (of.empty()) throw std::logic_error("the median of nothing");
  const auto middle = of.begin() + static_cast<std::ptrdiff_t>((of.size() - 1) / 2);
  std::nth_element(of.begin(), middle, of.end());
  return *middle;
}

table::table(std::string name, std::string title, std::vector<column> columns, bool geometric_mean)
    : name_(std::move(name)),
      title_(std::move(title)),
      columns_(std::move(columns)),
      geometric_mean_(geometric_mean) {}

void table::add(const std::string& row_name, kind what, std::size_t at_column, double value) {
  auto at = std::find_if(rows_.begin(), rows_.end(),
                         [&](const row& each) { return each.name == row_name; });
  if (at == rows_.end()) {
    at = rows_.insert(at, {row_name, what, std::vector<cell>(columns_.size())});
  }
  at->cells.at(at_column).push_back(value);
}

std::optional<std::size_t> table::best_baseline(std::size_t at_column) const {
  std::optional<std::size_t> best;
  double best_median = 0;
  for (std::size_t at = 0; at < rows_.size(); ++at) {
    const cell& samples = rows_[at].cells[at_column];
    if (rows_[at].what != kind::baseline || samples.empty()) continue;
    const double here = median(samples);
    const bool better =
        columns_[at_column].less_is_better ? here < best_median : here > best_median;
    if (!best || better) {
      best = at;
      best_median = here;
    }
  }
  return best;
}

table::cell table::ratios(const row& of, std::size_t at_column) const {
  const auto best = best_baseline(at_column);
  if (!best) return {};
  const cell& theirs = rows_[*best].cells[at_column];
  const cell& ours = of.cells[at_column];
  cell found;
  for (std::size_t round = 0; round < std::min(ours.size(), theirs.size()); ++round) {
    if (theirs[round] > 0) found.push_back(ours[round] / theirs[round]);
  }
  return found;
}

table::cell table::mean_ratios(const row& of) const {
  cell logarithms;
  double columns = 0;
  for (std::size_t index = 0; index < columns_.size(); ++index) {
    const cell here = ratios(of, index);
    if (here.empty()) continue;  // was not measured
    logarithms.resize(columns == 0 ? here.size() : std::min(logarithms.size(), here.size()));
    for (std::size_t round = 0; round < logarithms.size(); ++round) {
      logarithms[round] += std::log(here[round]);
    }
    ++columns;
  }
  for (double& each : logarithms) each = std::exp(each / columns);
  return logarithms;
}

const table::row& table::find(const std::string& row_name) const {
  const auto at = std::find_if(rows_.begin(), rows_.end(),
                               [&](const row& each) { return each.name == row_name; });
  if (at == rows_.end()) throw std::logic_error("no row " + row_name);
  return *at;
}

bool table::has(const std::string& row_name) const {
  return std::any_of(rows_.begin(), rows_.end(),
                     [&](const row& each) { return each.name == row_name; });
}

std::vector<double> table::ratios(const std::string& row_name, std::size_t at_column) const {
  return ratios(find(row_name), at_column);
}

std::vector<double> table::mean_ratios(const std::string& row_name) const {
  return mean_ratios(find(row_name));
}

std::string table::show(const cell& of, int decimals) const {
  if (of.empty()) return "";
  const auto [least, most] = std::minmax_element(of.begin(), of.end());
  return number(median(of), decimals) + " (" + number(*least, decimals) + ".." +
         number(*most, decimals) + ")";
}

std::string table::markdown() const {
  std::string text = "### " + title_ + "\n\n|  |";
  for (const column& each : columns_) text += " " + each.name + " |";
  if (geometric_mean_) text += " geometric mean |";
  text += "\n|---|";
  for (std::size_t at = 0; at < columns_.size(); ++at) text += "---|";
  if (geometric_mean_) text += "---|";
  text += "\n";
  for (std::size_t at = 0; at < rows_.size(); ++at) {
    text += "| " + rows_[at].name + " |";
    for (std::size_t index = 0; index < columns_.size(); ++index) {
      const std::string shown = show(rows_[at].cells[index], columns_[index].decimals);
      const bool best = !shown.empty() && best_baseline(index) == at;
      // Not by operator+: GCC 12 warns of an overlap that cannot be.
      text.append(best ? " **" : " ").append(shown).append(best ? "** |" : " |");
    }
    text += geometric_mean_ ? " |\n" : "\n";
  }
  for (const row& each : rows_) {
    if (each.what != kind::zc) continue;
    text += "| *" + each.name + " / " + best_ + "* |";
    for (std::size_t index = 0; index < columns_.size(); ++index) {
      text.append(" ").append(show(ratios(each, index), 2)).append(" |");
    }
    if (geometric_mean_) text.append(" ").append(show(mean_ratios(each), 2)).append(" |");
    text += "\n";
  }
  return text;
}

std::string table::json() const {
  nlohmann::ordered_json root{{"name", name_}, {"title", title_}};
  for (const column& each : columns_) {
    root["columns"].push_back({{"name", each.name}, {"less_is_better", each.less_is_better}});
  }
  for (const row& each : rows_) {
    nlohmann::ordered_json out{{"name", each.name}, {"kind", name_of(each.what)}};
    for (std::size_t index = 0; index < columns_.size(); ++index) {
      out["cells"].push_back(as_json(each.cells[index]));
      if (each.what != kind::baseline) out["ratios"].push_back(as_json(ratios(each, index)));
    }
    if (geometric_mean_ && each.what != kind::baseline) {
      out["mean_ratio"] = as_json(mean_ratios(each));
    }
    root["rows"].push_back(std::move(out));
  }
  return root.dump();
}

void publish(const std::vector<table>& tables, unsigned rounds, const std::string& json_file) {
  const std::string machine = describe_machine() + ", " + std::to_string(rounds) + " rounds";
  for (const table& each : tables) std::printf("%s\n", each.markdown().c_str());
  std::printf("%s.\n\n", machine.c_str());
  std::fflush(stdout);
  if (json_file.empty()) return;
  nlohmann::ordered_json all{{"machine", machine}};
  for (const table& each : tables) {
    all["tables"].push_back(nlohmann::ordered_json::parse(each.json()));
  }
  std::ofstream file(json_file);
  file << all.dump(1) << '\n';
  if (!file.flush()) throw std::runtime_error("cannot write " + json_file);
}

}  // namespace bench
