#include "bench/suite/results.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "bench/suite/statistics.h"
#include "engine/base/text.h"

namespace parallax::bench {

namespace {

bool is_wrong(const Error& error) { return error.message.starts_with(kWrongChecksum); }

}  // namespace

const char* to_string(Metric metric) {
  switch (metric) {
    case Metric::kSteady: return "steady state";
    case Metric::kFirst: return "first call";
    case Metric::kStartup: return "start-up";
  }
  return "";
}

std::vector<double> times(const Cell& cell, Metric metric) {
  std::vector<double> all;
  if (cell.error) return all;
  for (const Sample& sample : cell.samples) {
    const std::optional<double> us = metric == Metric::kSteady  ? sample.steady_us
                                     : metric == Metric::kFirst ? sample.first_us
                                                                : sample.startup_us;
    if (us) all.push_back(*us);
  }
  return all;
}

std::optional<double> median_of(const Cell& cell, Metric metric) {
  std::vector<double> all = times(cell, metric);
  if (all.empty()) return std::nullopt;
  return median(std::move(all));
}

std::optional<double> ratio(const Results& results, size_t side, size_t program, Metric metric) {
  const auto own = median_of(results.sides[side].cells[program], metric);
  const auto base = median_of(results.sides[results.baseline].cells[program], metric);
  if (!own || !base || *own <= 0 || *base <= 0) return std::nullopt;
  return *own / *base;
}

std::optional<Mean> mean_ratio(const Results& results, size_t side, std::optional<Family> family, Metric metric) {
  std::vector<double> ratios;
  for (size_t i = 0; i < results.programs.size(); ++i) {
    if (family && results.programs[i]->family != *family) continue;
    if (const auto one = ratio(results, side, i, metric)) ratios.push_back(*one);
  }
  if (ratios.empty()) return std::nullopt;
  return Mean{geometric_mean(ratios), ratios.size()};
}

double largest_spread(const Side& side) {
  double largest = 0;
  for (const Cell& cell : side.cells) {
    const std::vector<double> all = times(cell, Metric::kSteady);
    if (!all.empty()) largest = std::max(largest, spread(all));
  }
  return largest;
}

bool failed(const Results& results) {
  for (const Side& side : results.sides) {
    for (const Cell& cell : side.cells) {
      if (cell.error && (side.ours || is_wrong(*cell.error))) return true;
    }
  }
  return false;
}

std::vector<std::string> remarks(const Results& results) {
  std::vector<std::string> lines;
  for (const Side& side : results.sides) {
    for (size_t i = 0; i < side.cells.size(); ++i) {
      if (!side.cells[i].error) continue;
      lines.push_back(text::format("{} on {}: {}", results.programs[i]->name, side.name, side.cells[i].error->message));
    }
  }
  return lines;
}

std::string machine_class() {
  std::ifstream file("/proc/cpuinfo");
  std::string name = "unknown processor";
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    if (const size_t at = line.find(": "); at != std::string::npos) name = line.substr(at + 2);
    break;
  }
  return text::format("{}, {} processors", name, ::sysconf(_SC_NPROCESSORS_ONLN));
}

}  // namespace parallax::bench
