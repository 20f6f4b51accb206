// Session: cases judged one after another, cheaper when the next one has the same modules.
//
// Then the modules are not loaded again, and the store of each executor goes on where it can: rewound, it is as new and
// keeps what it compiled (runtime::Store::rewind, interp::rewind_interpreter). Verdicts are those of judge(): what came
// before is not seen. A store that something was found in, or about which nothing could be said, is never used again.
#pragma once

#include <memory>
#include <vector>

#include "fuzz/oracle/judge.h"
#include "fuzz/oracle/observe.h"

namespace parallax::fuzz {

class Session {
 public:
  Verdict judge(const Case& subject, const JudgeOptions& options);
  // Of the case judged last; requires that its modules were loaded.
  const std::vector<Step>& plan() const { return loaded_.plan; }
  bool is_loaded() const { return !loaded_.modules.empty(); }
  // Forgets modules and stores.
  void end();

  struct Counts {
    uint64_t cases = 0;
    uint64_t loaded = 0;   // of them, those whose modules were loaded
    uint64_t stores = 0;   // made
    uint64_t rewound = 0;  // instead of being made
  };
  const Counts& counts() const { return counts_; }

  // --- For the judgement: the store of executor `i`, and what becomes of it.
  Result<std::unique_ptr<wasm::Embedding>> take(size_t i, const ExecutorSpec& spec);
  void keep(size_t i, const ExecutorSpec& spec, std::unique_ptr<wasm::Embedding> store);

 private:
  struct Kept {
    ExecutorSpec spec;
    std::unique_ptr<wasm::Embedding> store;
  };
  Counts counts_;
  std::vector<std::vector<uint8_t>> modules_;  // bytes of what is loaded
  LoadedCase loaded_;
  std::vector<Kept> kept_;  // by position
};

}  // namespace parallax::fuzz
