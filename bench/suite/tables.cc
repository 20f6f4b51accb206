// Results as a table: for a terminal, and as Markdown.
#include <algorithm>

#include "bench/suite/results.h"
#include "engine/base/text.h"

namespace parallax::bench {

namespace {

using Row = std::vector<std::string>;

std::string ms(double us) { return us < 1000 ? text::format("{:.3f}", us / 1000) : text::format("{:.2f}", us / 1000); }

std::string mean_cell(const std::optional<Mean>& mean) {
  return mean ? text::format("{:.2f}x", mean->ratio) : std::string("-");
}

// Name, one cell per side.
Row program_row(const Results& results, size_t program, bool with_ratio) {
  Row row{results.programs[program]->name};
  for (size_t side = 0; side < results.sides.size(); ++side) {
    const auto time = median_of(results.sides[side].cells[program], Metric::kSteady);
    std::string cell = time ? ms(*time) : "-";
    const auto relative = ratio(results, side, program, Metric::kSteady);
    if (with_ratio && relative && side != results.baseline) cell += text::format(" ({:.2f}x)", *relative);
    row.push_back(std::move(cell));
  }
  return row;
}

Row mean_row(const Results& results, std::string_view name, std::optional<Family> family, Metric metric) {
  Row row{std::string(name)};
  for (size_t side = 0; side < results.sides.size(); ++side)
    row.push_back(mean_cell(mean_ratio(results, side, family, metric)));
  return row;
}

Row count_row(const Results& results) {
  Row row{"programs compared"};
  for (size_t side = 0; side < results.sides.size(); ++side) {
    const auto mean = mean_ratio(results, side, std::nullopt, Metric::kSteady);
    row.push_back(text::format("{}", mean ? mean->programs : 0));
  }
  return row;
}

Row spread_row(const Results& results) {
  Row row{"largest spread"};
  for (const Side& side : results.sides) row.push_back(text::format("{:.0f}%", largest_spread(side) * 100));
  return row;
}

Row header(const Results& results) {
  Row row{"ms per call"};
  for (const Side& side : results.sides) row.push_back(side.name);
  return row;
}

std::vector<Row> mean_rows(const Results& results) {
  std::vector<Row> rows;
  for (const Family family : {Family::kScalar, Family::kGc}) {
    rows.push_back(mean_row(results, text::format("mean of {}", to_string(family)), family, Metric::kSteady));
  }
  rows.push_back(mean_row(results, "mean of all", std::nullopt, Metric::kSteady));
  rows.push_back(mean_row(results, "start-up", std::nullopt, Metric::kStartup));
  rows.push_back(mean_row(results, "first call", std::nullopt, Metric::kFirst));
  rows.push_back(count_row(results));
  rows.push_back(spread_row(results));
  return rows;
}

std::string explanation(const Results& results) {
  return text::format(
      "{}; {} rounds, medians of milliseconds per call in the steady state; means are geometric, as multiples of the "
      "time\n"
      "of {} (less is faster); start-up is bytes to instance, first call at the tiny scale.\n",
      results.machine, results.rounds, results.sides[results.baseline].name);
}

}  // namespace

std::string print_table(const Results& results) {
  std::vector<Row> rows{header(results)};
  for (size_t i = 0; i < results.programs.size(); ++i) rows.push_back(program_row(results, i, false));
  const std::vector<Row> means = mean_rows(results);
  const size_t first_mean = rows.size();
  rows.insert(rows.end(), means.begin(), means.end());
  std::vector<size_t> widths(rows.front().size());
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (size_t r = 0; r < rows.size(); ++r) {
    if (r == 1 || r == first_mean) {
      size_t total = 0;
      for (const size_t width : widths) total += width + 2;
      out += std::string(total - 2, '-') + "\n";
    }
    out += text::format("{:<{}}", rows[r][0], widths[0]);
    for (size_t i = 1; i < rows[r].size(); ++i) out += text::format("  {:>{}}", rows[r][i], widths[i]);
    out += "\n";
  }
  return out + "\n" + explanation(results);
}

std::string print_markdown(const Results& results) {
  std::string out;
  const auto add = [&](const Row& row) {
    for (const std::string& cell : row) out += "| " + cell + " ";
    out += "|\n";
  };
  add(header(results));
  out += "|---|";
  for (size_t i = 0; i < results.sides.size(); ++i) out += "---:|";
  out += "\n";
  for (size_t i = 0; i < results.programs.size(); ++i) add(program_row(results, i, true));
  for (const Row& row : mean_rows(results)) add(row);
  out += "\n" + explanation(results);
  for (const Side& side : results.sides) {
    if (!side.version.empty()) out += text::format("* {}: version {}\n", side.name, side.version);
  }
  return out;
}

}  // namespace parallax::bench
