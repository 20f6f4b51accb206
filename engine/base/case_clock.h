// CaseClock: a stopwatch that the stages of a case hand to each other, for benchmarks of campaigns.
//
//   CaseClock clock;  clock.start();  ... cases ...  clock.stop();  clock.cell(lane, CaseStage::kRun).nanoseconds
//
// Code of a stage holds an InStage while it works; one inside another takes over, so every moment belongs to one stage. A
// lane says for whom: 0 for all, then one per executor of the case. Without a running clock, which is always but in
// benchmarks, an InStage costs one test of a thread's variable. Time is processor time of the thread, so that other
// programs do not count; looking at it costs a system call, which whoever reports times takes off again (Cell::looks).
#pragma once

#include <array>
#include <cstdint>

#include "engine/base/thread_clock.h"

namespace parallax {

enum class CaseStage : uint8_t {
#define STAGE(id, name, summary) id,
#include "engine/base/stages.def"
#undef STAGE
};
inline constexpr size_t kCaseStages = 0
#define STAGE(id, name, summary) +1
#include "engine/base/stages.def"
#undef STAGE
    ;
struct CaseStageInfo {
  const char* name;
  const char* summary;
};
// ORDER: matches CaseStage.
inline constexpr std::array<CaseStageInfo, kCaseStages> kCaseStageTable = {{
#define STAGE(id, name, summary) {name, summary},
#include "engine/base/stages.def"
#undef STAGE
}};

class CaseClock {
 public:
  static constexpr uint32_t kLanes = 5;
  struct Cell {
    uint64_t nanoseconds = 0;
    uint64_t times = 0;  // entered
    uint64_t looks = 0;  // at the clock, within `nanoseconds`
  };

  // From now on the stages of this thread are measured by this clock, until stop(). One clock at a time.
  void start() {
    since_ = thread_nanoseconds();
    current() = this;
  }
  void stop() {
    enter(CaseStage::kOther);
    current() = nullptr;
  }
  const Cell& cell(uint32_t lane, CaseStage stage) const { return cells_[lane][static_cast<size_t>(stage)]; }
  void set_lane(uint32_t lane) {
    enter(stage_);
    lane_ = lane < kLanes ? lane : kLanes - 1;
  }

  // The clock of this thread, if one runs.
  static CaseClock*& current() {
    static constinit thread_local CaseClock* clock = nullptr;
    return clock;
  }

  // Answers the stage before.
  CaseStage enter(CaseStage next) {
    const uint64_t now = thread_nanoseconds();
    Cell& cell = cells_[lane_][static_cast<size_t>(stage_)];
    cell.nanoseconds += now - since_;
    ++cell.looks;
    since_ = now;
    const CaseStage before = stage_;
    stage_ = next;
    return before;
  }
  void count(CaseStage stage) { ++cells_[lane_][static_cast<size_t>(stage)].times; }

 private:
  std::array<std::array<Cell, kCaseStages>, kLanes> cells_{};
  uint64_t since_ = 0;
  uint32_t lane_ = 0;
  CaseStage stage_ = CaseStage::kOther;
};

class InStage {
 public:
  explicit InStage(CaseStage stage) : clock_(CaseClock::current()) {
    if (clock_ == nullptr) [[likely]]
      return;
    clock_->count(stage);
    outer_ = clock_->enter(stage);
  }
  ~InStage() {
    if (clock_ != nullptr) [[unlikely]]
      clock_->enter(outer_);
  }
  // The rest belongs to `stage`.
  void next(CaseStage stage) {
    if (clock_ == nullptr) [[likely]]
      return;
    clock_->count(stage);
    clock_->enter(stage);
  }
  InStage(const InStage&) = delete;
  InStage& operator=(const InStage&) = delete;

 private:
  CaseClock* clock_;
  CaseStage outer_ = CaseStage::kOther;
};

}  // namespace parallax
