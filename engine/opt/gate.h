// Gate: every rewrite of every pass asks here first, so that a failure can be bisected to one rewrite.
//
// One query is one rewrite. `limit` lets only the first n rewrites of a run happen; `disabled` switches off whole passes.
// Counting is by order of asking, hence deterministic for one module and one order of compilation.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/ir/func.h"

namespace parallax::opt {

enum class PassId : uint8_t {
#define PASS(id, name, function, level, needs, summary) id,
#include "engine/opt/passes.def"
#undef PASS
};
inline constexpr uint32_t kPassCount = 0
#define PASS(id, name, function, level, needs, summary) +1
#include "engine/opt/passes.def"
#undef PASS
    ;

// A set of passes, a bit per PassId.
using PassSet = uint64_t;
static_assert(kPassCount <= 64);
constexpr PassSet bit(PassId pass) { return PassSet{1} << static_cast<uint32_t>(pass); }

enum class Rewrite : uint8_t {
#define REWRITE(id, name, summary) id,
#include "engine/opt/rewrites.def"
#undef REWRITE
};
inline constexpr uint32_t kRewriteCount = 0
#define REWRITE(id, name, summary) +1
#include "engine/opt/rewrites.def"
#undef REWRITE
    ;

struct RewriteInfo {
  const char* name;
  const char* summary;
};
extern const RewriteInfo kRewriteTable[kRewriteCount];
inline const RewriteInfo& info(Rewrite rewrite) { return kRewriteTable[static_cast<size_t>(rewrite)]; }

class Gate {
 public:
  static constexpr uint64_t kNoLimit = ~uint64_t{0};

  uint64_t limit = kNoLimit;  // rewrites that may happen; later ones are refused
  PassSet disabled = 0;
  // One query, as a listener hears of it.
  struct Query {
    wasm::FuncIndex func;
    PassId pass;
    Rewrite rewrite;
    uint64_t number;    // counted from 0
    ir::ValueId value;  // what is rewritten; for branches their condition
    bool allowed;
  };
  void (*listener)(void* context, const Query& query) = nullptr;
  void* listener_context = nullptr;

  bool enabled(PassId pass) const { return (disabled & bit(pass)) == 0; }
  // Set by the runner before each pass.
  void enter(wasm::FuncIndex func, PassId pass) {
    func_ = func;
    pass_ = pass;
  }
  bool allow(Rewrite rewrite, ir::ValueId value) {
    const uint64_t number = asked++;
    const bool allowed = number < limit;
    if (allowed) {
      ++this->allowed;
      ++by_rewrite[static_cast<uint32_t>(rewrite)];
    }
    if (listener != nullptr) listener(listener_context, {func_, pass_, rewrite, number, value, allowed});
    return allowed;
  }

  uint64_t asked = 0;
  uint64_t allowed = 0;
  uint64_t by_rewrite[kRewriteCount] = {};  // allowed ones

 private:
  wasm::FuncIndex func_;
  PassId pass_{};
};

}  // namespace parallax::opt
