// Callees: what the passes ask about the rest of the module, and about the instance that is compiled for.
//
// Translation and instances stand above the passes (engine/jit), so the inliner gets bodies, and the devirtualiser the
// contents of tables, through this interface: JitCompiler and the IR evaluator bring translator and instance behind it,
// tests bring texts.
#pragma once

#include <optional>
#include <span>

#include "engine/ir/func.h"

namespace parallax::opt {

class Callees {
 public:
  virtual ~Callees() = default;
  // The IR of a function of the module that is compiled, which is not imported, as translation leaves it: no pass has
  // run. Null when there is none (too large to translate). Valid until the next call.
  virtual const ir::Func* body(wasm::FuncIndex func) = 0;
  // How many instructions it has: what the inliner asks about many functions of which it takes few. None: no body.
  virtual std::optional<size_t> size(wasm::FuncIndex func) {
    const ir::Func* found = body(func);
    return found == nullptr ? std::nullopt : std::optional(found->inst_count());
  }

  // The functions of the module that references of this type may name, in order; none when there are more than `most`.
  // Others may be named too (functions of other modules).
  virtual std::span<const wasm::FuncIndex> named(wasm::TypeId type, size_t most) {
    (void)type, (void)most;
    return {};
  }

  // An element of a table of functions: a FuncIndex of the module, or one of these.
  struct Element {
    static constexpr uint32_t kNull = ~0u;
    static constexpr uint32_t kForeign = ~1u;  // a function of somebody else
    static constexpr uint32_t kOutside = ~2u;  // for users: what stands behind the last element
    uint32_t func = kNull;
    friend bool operator==(const Element&, const Element&) = default;
  };
  // What a table of functions holds, if nothing can ever change it while code of this instance runs; empty otherwise.
  // Valid until the next call.
  virtual std::span<const Element> constant_table(wasm::TableIndex table) {
    (void)table;
    return {};
  }
};

}  // namespace parallax::opt
