// What a run of the benchmarks gave: samples by program and side, and what is read off them.
//
// A side is an executor of ours or a peer. Times of a cell are medians over the rounds; a ratio is the side's time divided by
// the baseline's, so less than 1 is faster. Means over programs are geometric and take only programs that both sides could
// run; how many those are stands beside them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/suite/measure.h"

namespace parallax::bench {

enum class Metric : uint8_t { kSteady, kFirst, kStartup };
const char* to_string(Metric metric);

struct Cell {
  std::vector<Sample> samples;  // one per round
  std::optional<Error> error;   // the first; a cell with an error has no times
};

struct Side {
  std::string name;
  std::string version;  // peers
  bool ours = true;
  std::vector<Cell> cells;  // by program
};

struct Results {
  std::string machine;  // processor and number of them
  uint32_t rounds = 0;  // completed
  Timing timing;
  std::vector<const Program*> programs;
  std::vector<Side> sides;
  size_t baseline = 0;
};

// Microseconds by round; empty when the cell has an error or does not know.
std::vector<double> times(const Cell& cell, Metric metric);
std::optional<double> median_of(const Cell& cell, Metric metric);
// Time of the side divided by the baseline's.
std::optional<double> ratio(const Results& results, size_t side, size_t program, Metric metric);

struct Mean {
  double ratio = 0;
  size_t programs = 0;
};
// Over the programs of a family, or of all.
std::optional<Mean> mean_ratio(const Results& results, size_t side, std::optional<Family> family, Metric metric);
// The largest spread of a side's steady times over the rounds.
double largest_spread(const Side& side);

// Failed: a wrong checksum anywhere, or an error of an executor of ours. What a peer cannot run is no failure.
bool failed(const Results& results);
// Lines that say which cells have no times, and why.
std::vector<std::string> remarks(const Results& results);

// Processor name and count.
std::string machine_class();

// The table for a terminal, and as Markdown with ratios in every cell.
std::string print_table(const Results& results);
std::string print_markdown(const Results& results);
// Ratios of steady states by program and side on a logarithmic axis, as one self-contained SVG file.
std::string plot_svg(const Results& results);

}  // namespace parallax::bench
