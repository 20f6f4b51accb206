// FuncWalk: one typed walk over a function body or constant expression; decodes, validates, and drives a sink.
//
// Validator, interpreter translator and JIT translator are sinks of the same walk, so that typing exists once
// (rules in func_walk_rules.h, one rule per instruction of the table with signature "*").
//
// The sink sees every instruction in order, after it was found valid:
//
//   struct Sink {
//     static constexpr bool kWantsEvents = true;   // false: pure validation, on_* are never called
//     Result<> on_begin(const WalkView&);          // after the locals are known, before the first instruction
//     Result<> on_instr(const Instr&, const InstrTypes&, const WalkView&);
//     Result<> on_finish(const WalkView&);
//   };
//
// on_instr is called *after* the walk applied the instruction's effect to its own stacks, with what was popped and
// pushed in InstrTypes. Control: for block, loop, if and try_table the new label is already the innermost one in the
// view; for `else`, `end`, `catch`, `delegate` the closed label is described by InstrTypes::closed and (except for else)
// is no longer in the view. Instructions in unreachable code are reported too, with InstrTypes::reachable false:
// translators skip them but must count blocks (control instructions are always reported).
#pragma once

#include <span>
#include <vector>

#include "engine/base/result.h"
#include "engine/wasm/module.h"

namespace parallax::wasm {

enum class LabelKind : uint8_t { kFunc, kBlock, kLoop, kIf, kElse, kTryTable, kTry, kCatch, kCatchAll };

struct Label {
  LabelKind kind = LabelKind::kBlock;
  WasmOffset offset = 0;             // of the instruction that opened it
  std::span<const ValType> params;
  std::span<const ValType> results;
  uint32_t height = 0;               // operand stack height below its params
  bool reachable_at_entry = true;    // false: the construct stands in dead code
  bool unreachable = false;          // the current end of its code is stack-polymorphic
  bool branched_to = false;          // some reachable branch targets it (for loops: a back edge seen so far)
  // Types a branch to this label carries.
  std::span<const ValType> branch_types() const { return kind == LabelKind::kLoop ? params : results; }
};

// What one instruction did to the operand stack.
struct InstrTypes {
  bool reachable = true;              // control reaches the instruction
  std::span<const ValType> popped;    // deepest first; kBottom where the stack was polymorphic
  std::span<const ValType> pushed;    // deepest first
  const Label* closed = nullptr;      // else, end, catch, catch_all, delegate: the label that ended (before the change)
  bool falls_through = false;         // with `closed`: control reached this point from above
  // Branches (br, br_if, br_table, br_on_*, catches): types carried are view.label(depth).branch_types().
};

// Read-only view of the walk's state for sinks. Spans are valid until the next instruction.
class WalkView {
 public:
  virtual ~WalkView() = default;
  virtual const Module& module() const = 0;
  // Invalid for constant expressions.
  virtual FuncIndex func() const = 0;
  virtual const SubType& type() const = 0;
  // Parameters, then declared locals.
  virtual std::span<const ValType> locals() const = 0;
  // Operand stack, deepest first, after the instruction.
  virtual std::span<const ValType> stack() const = 0;
  // Labels, outermost (kFunc) first; label(0) is the innermost.
  virtual std::span<const Label> labels() const = 0;
  const Label& label(uint32_t depth) const { return labels()[labels().size() - 1 - depth]; }
};

// Walks the body of `func`. Returns the first error. Instantiated for each sink in that sink's own .cc, which includes
// func_walk_rules.h.
template <class Sink>
Result<> walk_func(const Module& module, FuncIndex func, const Features& features, Sink& sink);

// Walks a constant expression that must give one value of `expected`; only instructions that the specification calls
// constant are admitted, and only globals below `visible_globals`.
template <class Sink>
Result<> walk_const_expr(const Module& module, ConstExpr expr, ValType expected, uint32_t visible_globals,
                         const Features& features, Sink& sink);

// Reads instructions without typing: for printers, scanners, mutators. Immediates are as written (TypeNaming of the
// module decides the numbers in types). Calls visit(const Instr&) -> Result<>.
template <class Visit>
Result<> scan_instrs(const Module& module, Range code, const Features& features, Visit&& visit);

}  // namespace parallax::wasm
