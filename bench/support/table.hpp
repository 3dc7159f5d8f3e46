#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bench {

/// What a row of a table is: only baselines are candidates for the best one to compare zc with.
enum class kind { baseline, zc, zc_forced };

/// The numbers of one table: contenders in rows, what was measured in columns, rounds in cells.
class table {
 public:
  struct column {
    std::string name;  // with its unit
    bool less_is_better = true;
    int decimals = 2;
  };

  /// `name` is one word, for files; `title` a heading. `geometric_mean`: the ratios have a last
  /// column, their geometric mean over the others.
  table(std::string name, std::string title, std::vector<column> columns,
        bool geometric_mean = false);

  /// What the baselines are: "the best by hand" in the names of the rows of ratios.
  void compare_with(std::string best) { best_ = std::move(best); }

  /// One round's number. Rows appear in the order in which they were first named.
  void add(const std::string& row, kind what, std::size_t column, double value);

  /// Markdown: the median and (smallest..largest) of each cell, the best baseline of each column in
  /// bold; for each row of zc's own choice how it compares with that one, round by round.
  std::string markdown() const;

  /// The same as JSON, with every number.
  std::string json() const;

  bool has(const std::string& row_name) const;

  /// How a row compares with the best baseline of a column, and their geometric mean over all
  /// columns, each round by round.
  std::vector<double> ratios(const std::string& row_name, std::size_t at_column) const;
  std::vector<double> mean_ratios(const std::string& row_name) const;

  const std::string& name() const { return name_; }

 private:
  using cell = std::vector<double>;
  struct row {
    std::string name;
    kind what;
    std::vector<cell> cells;
  };

  std::optional<std::size_t> best_baseline(std::size_t column) const;
  cell ratios(const row& of, std::size_t column) const;
  cell mean_ratios(const row& of) const;
  const row& find(const std::string& row_name) const;
  std::string show(const cell& of, int decimals) const;

  std::string name_;
  std::string title_;
  std::vector<column> columns_;
  bool geometric_mean_;
  std::string best_ = "the best by hand";
  std::vector<row> rows_;
};

/// The number in the middle; of an even count, the lower of the two.
double median(std::vector<double> of);

/// Prints the tables with what they were measured on, and writes `json_file` if it is not empty.
void publish(const std::vector<table>& tables, unsigned rounds, const std::string& json_file);

}  // namespace bench
