// Gate: every rewrite of every pass asks here first, so that a failure can be bisected to one rewrite.
//
// One query is one rewrite. `limit` lets only the first n rewrites of a run happen; `disabled` switches off whole passes.
// Counting is by order of asking, hence deterministic for one module and one order of compilation.
#pragma once

#include <cstdint>

#include "engine/ir/func.h"

namespace parallax::opt {

enum class PassId : uint8_t {
#define PASS(id, name, function, level, summary) id,
#include "engine/opt/passes.def"
#undef PASS
};
inline constexpr uint32_t kPassCount = 0
#define PASS(id, name, function, level, summary) +1
#include "engine/opt/passes.def"
#undef PASS
    ;

class Gate {
 public:
  static constexpr uint64_t kNoLimit = ~uint64_t{0};

  uint64_t limit = kNoLimit;  // rewrites that may happen; later ones are refused
  uint32_t disabled = 0;      // bit per PassId
  // Told of every query when set: function, pass, number of the rewrite, the value rewritten, the answer.
  void (*listener)(void* context, wasm::FuncIndex func, PassId pass, uint64_t number, ir::ValueId value,
                   bool allowed) = nullptr;
  void* listener_context = nullptr;

  bool enabled(PassId pass) const { return (disabled >> static_cast<uint32_t>(pass) & 1u) == 0; }
  // Set by the runner before each pass.
  void enter(wasm::FuncIndex func, PassId pass) {
    func_ = func;
    pass_ = pass;
  }
  bool allow(ir::ValueId value) {
    const uint64_t number = asked++;
    const bool allowed = number < limit;
    allowed_by_pass[static_cast<uint32_t>(pass_)] += allowed ? 1 : 0;
    if (listener != nullptr) listener(listener_context, func_, pass_, number, value, allowed);
    return allowed;
  }

  uint64_t asked = 0;
  uint64_t allowed_by_pass[kPassCount] = {};

 private:
  wasm::FuncIndex func_;
  PassId pass_{};
};

}  // namespace parallax::opt
