#include "bench/suite/contributions.h"

#include <algorithm>

#include "engine/base/text.h"
#include "fuzz/executors/executors.h"

namespace parallax::bench {

namespace {

// "simplify_again" is "simplify" run again.
std::string family_of(std::string_view pass) {
  for (const std::string_view again : {"_again", "_refined", "_late", "_early"}) {
    if (pass.ends_with(again)) pass.remove_suffix(again.size());
  }
  return std::string(pass);
}

std::string cell(const std::optional<Mean>& mean) { return mean ? text::format("{:.3f}", mean->ratio) : "-"; }

// The program that is slowest without the pass, with its ratio.
std::string most_affected(const Results& results, size_t side) {
  std::string name = "-";
  double worst = 0;
  for (size_t program = 0; program < results.programs.size(); ++program) {
    const auto one = ratio(results, side, program, Metric::kSteady);
    if (!one || *one <= worst) continue;
    worst = *one;
    name = text::format("{} {:.2f}", results.programs[program]->name, *one);
  }
  return name;
}

}  // namespace

std::vector<Contribution> contributions(uint8_t level) {
  const std::string all = text::format("jit:O{}", level);
  std::vector<Contribution> rows{{"", all}};
  for (const fuzz::PassName& pass : fuzz::optional_passes(level)) {
    const std::string family = family_of(pass.name);
    const auto known = std::ranges::find(rows, family, &Contribution::pass);
    if (known == rows.end()) {
      rows.push_back({family, text::format("{}:passes=-{}", all, pass.name)});
    } else {
      known->spec += text::format("-{}", pass.name);
    }
  }
  rows.push_back({"all", all + ":passes=none"});
  return rows;
}

std::string print_contributions(const Results& results, const std::vector<Contribution>& rows, bool markdown) {
  const char* const line = markdown ? "| {} | {} | {} | {} | {} |\n" : "{:<18} {:>8} {:>8} {:>8}  {}\n";
  std::string out = text::format(fmt::runtime(line), "without", "numbers", "objects", "mean", "most affected");
  if (markdown) out += "|---|---:|---:|---:|---|\n";
  for (size_t side = 1; side < rows.size(); ++side) {
    const auto mean = [&](std::optional<Family> family) {
      return cell(mean_ratio(results, side, family, Metric::kSteady));
    };
    out += text::format(fmt::runtime(line), rows[side].pass, mean(Family::kScalar), mean(Family::kGc),
                        mean(std::nullopt), most_affected(results, side));
  }
  return out;
}

}  // namespace parallax::bench
