#include "bench/suite/cases.h"

#include <algorithm>

#include "engine/base/process_memory.h"
#include "engine/base/text.h"
#include "engine/jit/compiler.h"
#include "fuzz/mutators/vary.h"
#include "fuzz/oracle/session.h"

namespace parallax::bench {

namespace {

// What a look at the clock costs.
double nanoseconds_per_look() {
  constexpr int kLooks = 20'000;
  const uint64_t begin = thread_nanoseconds();
  for (int i = 0; i < kLooks; ++i) thread_nanoseconds();
  return static_cast<double>(thread_nanoseconds() - begin) / kLooks;
}

uint64_t bytes_of(const fuzz::Case& subject) {
  uint64_t bytes = 0;
  for (const std::vector<uint8_t>& module : subject.modules) bytes += module.size();
  return bytes;
}

// Executors follow from a case's number as in a campaign.
uint64_t executor_seed(uint64_t seed, uint64_t index) { return seed ^ index * 0x9e3779b97f4a7c15ull; }

void count(const fuzz::Verdict& verdict, CaseTimes& times) {
  ++times.judged;
  times.inconclusive += verdict.kind == fuzz::VerdictKind::kInconclusive;
  times.findings += verdict.kind == fuzz::VerdictKind::kFinding;
}

// Judges case `index` and its variations; false when it is not one of those to be measured.
Result<bool> one(const CaseOptions& options, uint64_t index, fuzz::Session& session, CaseTimes& times,
                 CaseClock& clock) {
  clock.start();
  auto subject = fuzz::generate_at(options.generator, options.seed, index);
  clock.stop();
  if (!subject) return false;
  const uint64_t bytes = bytes_of(*subject);
  if (options.around != 0 && (bytes < options.around * 3 / 4 || bytes > options.around * 5 / 4)) return false;
  if (!options.executors.empty()) subject->configuration.executors = options.executors;
  const auto executors = TRY(fuzz::executors_of(*subject, executor_seed(options.seed, index)));
  clock.start();
  const fuzz::JudgeOptions judging{.executors = executors};
  fuzz::Verdict verdict = options.schedules > 1 ? session.judge(*subject, judging) : fuzz::judge(*subject, judging);
  times.bytes += bytes;
  ++times.loaded;
  count(verdict, times);
  const std::vector<fuzz::Step> plan = session.plan();
  for (uint32_t k = 1; k < options.schedules && verdict.kind == fuzz::VerdictKind::kAgreed; ++k) {
    const fuzz::Case varied = fuzz::vary(*subject, plan, executors, executor_seed(options.seed + k, index));
    verdict = session.judge(varied, {.executors = TRY(fuzz::executors_of(varied, 0))});
    count(verdict, times);
  }
  session.end();
  clock.stop();
  return true;
}

}  // namespace

Result<CaseTimes> measure_cases(const CaseOptions& options) {
  // Tables, pools and caches fill at first.
  constexpr uint64_t kWarm = 50;
  // Of so many cases one at least must be of the size that is asked for.
  constexpr uint64_t kMostTries = 50;
  CaseTimes times, warm;
  keep_freed_memory();
  const double look = nanoseconds_per_look();
  // With schedules, one number gives several cases.
  const uint64_t most = kMostTries * (options.cases + kWarm);
  const auto is_enough = [&] { return warm.judged >= kWarm && times.judged >= options.cases; };
  uint64_t functions = 0, rewound = 0;
  fuzz::Session session;
  for (uint64_t index = 0; !is_enough() && index < most; ++index) {
    const bool warming = warm.judged < kWarm;
    CaseClock clock;
    if (!TRY(one(options, index, session, warming ? warm : times, clock))) continue;
    if (warming) {
      functions = jit::JitCompiler::of_thread().functions;
      rewound = session.counts().rewound;
      continue;
    }
    for (uint32_t lane = 0; lane < CaseClock::kLanes; ++lane) {
      for (size_t stage = 0; stage < kCaseStages; ++stage) {
        const CaseClock::Cell& cell = clock.cell(lane, static_cast<CaseStage>(stage));
        times.us[lane][stage] +=
            std::max(0.0, static_cast<double>(cell.nanoseconds) - look * static_cast<double>(cell.looks)) / 1000;
      }
    }
  }
  if (times.judged == 0) return fail(ErrorCode::kUsage, 0, "no case of that size was generated");
  times.functions = jit::JitCompiler::of_thread().functions - functions;
  times.rewound = session.counts().rewound - rewound;
  for (auto& lane : times.us) {
    for (double& us : lane) {
      times.seconds += us / 1e6;
      us /= static_cast<double>(times.judged);
    }
  }
  return times;
}

std::string print_cases(const CaseOptions& options, const CaseTimes& times, bool markdown) {
  const auto judged = static_cast<double>(times.judged);
  std::string out = text::format(
      "{}: {} cases of {:.0f} bytes judged, {} inconclusive, {} findings, {:.1f} functions compiled per case\n",
      fuzz::to_string(options.generator), times.judged,
      static_cast<double>(times.bytes) / static_cast<double>(times.loaded), times.inconclusive, times.findings,
      static_cast<double>(times.functions) / judged);
  if (options.schedules > 1) {
    out += text::format("  {} of them with modules of their own, the others variations; {} stores rewound\n",
                        times.loaded, times.rewound);
  }
  const auto line = [&](std::string_view name, const std::array<std::string, CaseClock::kLanes>& cells) {
    out += markdown ? text::format("| {} |", name) : text::format("{:<12}", name);
    for (const std::string& cell : cells) out += markdown ? text::format(" {} |", cell) : text::format(" {:>9}", cell);
    out += "\n";
  };
  const auto numbers = [](const std::array<double, CaseClock::kLanes>& us) {
    std::array<std::string, CaseClock::kLanes> cells;
    for (size_t lane = 0; lane < cells.size(); ++lane) {
      if (us[lane] >= 0.05) cells[lane] = text::format("{:.1f}", us[lane]);
    }
    return cells;
  };
  if (markdown) out += "\n";
  line("us per case", {"shared", "first", "second", "third", "fourth"});
  if (markdown) out += "|---|---|---|---|---|---|\n";
  std::array<double, CaseClock::kLanes> sums{};
  for (size_t stage = 0; stage < kCaseStages; ++stage) {
    std::array<double, CaseClock::kLanes> row{};
    double sum = 0;
    for (uint32_t lane = 0; lane < CaseClock::kLanes; ++lane) {
      row[lane] = times.us[lane][stage];
      sums[lane] += row[lane];
      sum += row[lane];
    }
    if (sum >= 0.05) line(kCaseStageTable[stage].name, numbers(row));
  }
  line("together", numbers(sums));
  out += text::format("{}{:.1f} us = {:.0f} judged cases per second of processor time\n", markdown ? "\n" : "",
                      times.seconds * 1e6 / judged, times.cases_per_second());
  return out;
}

}  // namespace parallax::bench
