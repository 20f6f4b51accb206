// Bytes to an embedder of several stores, played on both executors against a model (fuzz/generators/scenario).
#include <cstddef>
#include <cstdint>

#include "engine/base/check.h"
#include "engine/base/choices.h"
#include "fuzz/generators/scenario/scenario.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace parallax;
  ChoiceStream choices({data, size});
  const fuzz::ScenarioVerdict verdict = fuzz::judge_scenario(fuzz::make_scenario(choices));
  CHECK(verdict.judge.empty(), "I8: scenario: {}: {}", verdict.judge, verdict.text);
  return 0;
}
