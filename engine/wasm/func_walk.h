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
// view; for `else`, `end`, `catch`, `catch_all`, `delegate` the closed label is described by InstrTypes::closed and
// (except for else) is no longer in the view. Labels of catch clauses count from outside their try_table: in its event
// they are view.label(clause.label + 1). Instructions in unreachable code are reported too, with
// InstrTypes::reachable false: translators skip them but must count blocks (control instructions are always reported).
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "engine/base/result.h"
#include "engine/wasm/module.h"

namespace parallax::wasm {

class InstrReader;

enum class LabelKind : uint8_t { kFunc, kBlock, kLoop, kIf, kElse, kTryTable, kTry, kCatch, kCatchAll };

struct Label {
  LabelKind kind = LabelKind::kBlock;
  WasmOffset offset = 0;  // of the instruction that opened it
  std::span<const ValType> params;
  std::span<const ValType> results;
  uint32_t height = 0;             // operand stack height below its params
  bool reachable_at_entry = true;  // false: the construct stands in dead code
  bool unreachable = false;        // the current end of its code is stack-polymorphic
  bool branched_to = false;        // some reachable branch targets it (for loops: a back edge seen so far)
  // Types a branch to this label carries.
  std::span<const ValType> branch_types() const { return kind == LabelKind::kLoop ? params : results; }
};

// What one instruction did to the operand stack.
struct InstrTypes {
  // Control can reach the instruction. Stricter than typing: code behind the end of a block that is neither fallen
  // out of nor branched to is typed like live code, yet not reachable.
  bool reachable = true;
  std::span<const ValType> popped;  // deepest first; kBottom where the stack was polymorphic
  std::span<const ValType> pushed;  // deepest first
  const Label* closed = nullptr;    // else, end, catch, catch_all, delegate: the label that ended (before the change)
  bool falls_through = false;       // with `closed`: control reached this point from above
  // Branches (br, br_if, br_table, br_on_*, catches): types carried are view.label(depth).branch_types(). Conditional
  // ones pop these values and push them back.
};

// Operand stacks higher than this are rejected (ErrorCode::kLimit), so that memory stays linear in the code.
inline constexpr uint32_t kMaxOperands = 1'000'000;

// The operand stack: like a vector, with room above the top that may be written before it belongs to it.
class OperandStack {
 public:
  size_t size() const { return size_; }
  size_t capacity() const { return values_.capacity(); }
  ValType* data() { return values_.data(); }
  const ValType* data() const { return values_.data(); }
  ValType back() const { return values_[size_ - 1]; }
  std::span<const ValType> values() const { return std::span(values_).first(size_); }
  void push_back(ValType type) {
    if (size_ == values_.size()) [[unlikely]]
      ensure_room(1);
    values_[size_++] = type;
  }
  void pop_back() { --size_; }
  void append(std::span<const ValType> types) {
    ensure_room(types.size());
    std::copy(types.begin(), types.end(), values_.data() + size_);
    size_ += types.size();
  }
  void ensure_room(size_t count) {
    if (values_.size() - size_ < count) values_.resize(std::max(values_.size() * 2, size_ + count));
  }
  // Requires: at most the current size, or so many values were written into the room.
  void set_size(size_t size) { size_ = size; }

 private:
  std::vector<ValType> values_;  // the room included
  size_t size_ = 0;
};

// Read-only view of the walk's state for sinks. Spans are valid until the next instruction.
class WalkView {
 public:
  const Module& module() const { return *module_; }
  // Invalid for constant expressions.
  FuncIndex func() const { return func_; }
  const SubType& type() const { return *type_; }
  // Parameters, then declared locals.
  std::span<const ValType> locals() const { return locals_; }
  // Operand stack, deepest first, after the instruction.
  std::span<const ValType> stack() const { return stack_.values(); }
  // Labels, outermost (kFunc) first; label(0) is the innermost.
  std::span<const Label> labels() const { return labels_; }
  const Label& label(uint32_t depth) const { return labels_[labels_.size() - 1 - depth]; }

 protected:
  explicit WalkView(const Module& module) : module_(&module) {}

  const Module* module_;
  FuncIndex func_;
  const SubType* type_ = nullptr;
  std::vector<ValType> locals_;
  OperandStack stack_;
  std::vector<Label> labels_;
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
// The same to the end of a reader, which can be restarted elsewhere: for many short pieces of code.
template <class Visit>
Result<> scan_instrs(InstrReader& reader, Visit&& visit);

}  // namespace parallax::wasm
