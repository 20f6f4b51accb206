// For tests of passes: a function from text through the pipeline, and what to look for in the result.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "engine/base/faults.h"
#include "engine/ir/test_module.h"
#include "engine/opt/pipeline.h"

namespace parallax::opt {

// The function of IR text at this level, verified after every pass.
inline ir::Func optimised_func(const std::string& text, const wasm::Module& module, Level level = Level::kO2) {
  ir::Func func = ir::func_of(text, module);
  Pipeline pipeline;
  const auto result = pipeline.run(func, {.level = level, .verify = true});
  EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().to_string());
  return func;
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

inline size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

// Chooses a fault for one test.
class WithFault {
 public:
  explicit WithFault(const char* name) { EXPECT_TRUE(choose_fault(name)); }
  ~WithFault() { g_fault = FaultState{}; }
};

}  // namespace parallax::opt
