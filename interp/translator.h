// The translator: a sink of the typed walk that emits threaded code in one pass. Included by translate*.cc only.
//
// The operand stack is virtual: an entry is at home (its fixed frame slot), an alias of a local, or a constant, and is
// brought home only where control flow joins, where a call or bulk operation wants its arguments in a row, or where the
// local it names is about to change. Comparisons, tests and their negations fuse with the branch that follows, results of
// simple instructions are written straight into the local that the next instruction sets, copies go in pairs. All of it
// looks at the last emitted instructions only, and only when no branch can land behind them (fence).
//
// At every label all entries below and the label's own values are at home, so that branches only move values when
// the heights differ.
//
// translate.cc: entry, safepoints, families of simple instructions, the rule table; translate_control.cc: labels,
// branches, calls, exceptions; translate_rules.cc: everything else.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "engine/wasm/func_walk.h"
#include "interp/ops.h"
#include "interp/store.h"

namespace parallax::interp {

using wasm::Instr;
using wasm::InstrTypes;
using wasm::LabelKind;
using wasm::Opcode;
using wasm::ValType;
using wasm::WalkView;

enum class Where : uint8_t { kHome, kLocal, kConst };

struct Entry {
  Where where = Where::kHome;
  ValType type;
  uint32_t home = 0;
  uint32_t local = 0;  // kLocal: slot
  uint64_t bits = 0;   // kConst
  uint32_t width() const { return slot_count(type); }
};

struct Fixup {
  enum class Kind : uint8_t { kBranch, kTable, kCatch } kind = Kind::kBranch;
  uint32_t ins = 0;  // kBranch, and what kTable's distances count from
  int32_t* table_entry = nullptr;
  CatchTarget* catch_target = nullptr;
  uint32_t next = ~0u;  // of the same label, in fixups_
};

struct Control {
  LabelKind kind = LabelKind::kBlock;
  bool dead = false;
  uint32_t base_entries = 0;                 // virtual stack below the parameters
  uint32_t base_slot = 0;                    // home of the first value that a branch carries
  std::span<const ValType> params, results;  // as the walk's label has them: they stay until it ends
  uint32_t begin = 0;                        // first instruction inside
  uint32_t fixups = ~0u;                     // the last of its branches that wait for the end, in fixups_
  uint32_t else_branch = ~0u;
  std::unique_ptr<TryRange> range;
  uint32_t exn_slot = ~0u;  // legacy catch: where the caught exception is kept

  std::span<const ValType> branch_types() const { return kind == LabelKind::kLoop ? params : results; }
};

// A branch condition: handlers for both outcomes, and their operands.
struct Condition {
  BranchHandlers handlers;
  uint32_t b = 0, c = 0;
  uint64_t imm = 0;

  Condition negated() const {
    return {.handlers = {handlers.unless, handlers.when, handlers.unless_loop, handlers.when_loop},
            .b = b,
            .c = c,
            .imm = imm};
  }
};

// What grows during a translation. Translations of one thread hand it on, empty: most functions are so small that making
// the buffers would cost more than filling them.
struct TranslatorBuffers {
  Code code_;  // instructions and safepoints are written here, and copied when their number is known
  std::vector<Entry> stack_;
  std::vector<uint32_t> refs_;  // positions of the entries of reference type
  std::vector<Control> controls_;
  std::vector<Fixup> fixups_;
  std::vector<uint32_t> local_slots_;
  std::vector<ValType> locals_;

  void clear();
  bool is_small() const;
};

class Translator : private TranslatorBuffers {
 public:
  static constexpr bool kWantsEvents = true;

  Translator(Store& store, const Func& func);
  ~Translator();

  Result<> on_begin(const WalkView& view);
  Result<> on_instr(const Instr& instr, const InstrTypes& types, const WalkView& view);
  Result<> on_finish(const WalkView&) { return {}; }

  std::unique_ptr<Code> take();

 private:
  using Rule = void (Translator::*)(const Instr&, const InstrTypes&, const WalkView&);
  static const std::array<Rule, wasm::kOpcodeCount>& rules();

  // --- Emission ---
  uint32_t here() const { return static_cast<uint32_t>(code_.ins.size()); }
  uint32_t emit(Ins ins) {
    code_.ins.push_back(ins);
    code_.offsets.push_back(offset_);
    fence();
    return here() - 1;
  }
  // Code may be reached from elsewhere here, or the last instruction is to be left alone.
  void fence() {
    last_def_ = false;
    last_copy_ = false;
    asked_length_ = 0;
  }
  // The instruction just emitted writes slot `a` and nothing else: the next one may redirect or remove it.
  void mark_def() { last_def_ = true; }
  void emit_constant(uint32_t slot, uint64_t bits) { emit({.handler = op_const, .a = slot, .imm = bits}); }
  void emit_copy(uint32_t to, uint32_t from, uint32_t width) {
    if (to == from) return;
    if (width == 2) {
      emit({.handler = op_copy2, .a = to, .b = from});
    } else if (last_copy_) {
      Ins& last = code_.ins.back();
      last.handler = op_copy_copy;
      last.c = to;
      last.d = static_cast<int32_t>(from);
      fence();
    } else {
      emit({.handler = op_copy, .a = to, .b = from});
      last_copy_ = true;
    }
  }
  // The instructions just emitted, `length` of them, answer a question that a branch can ask by itself.
  void mark_asked(const Condition& condition, uint32_t length = 1) {
    asked_ = condition;
    asked_length_ = length;
  }
  // As the last one, whose operands are its b and c.
  void mark_asked(const BranchHandlers& handlers) {
    const Ins& last = code_.ins.back();
    mark_asked({.handlers = handlers, .b = last.b, .c = last.c, .imm = last.imm});
  }
  // Whether the value at home is the answer of that question.
  bool is_asked(const Entry& entry) const {
    return asked_length_ != 0 && last_def_ && code_.ins.back().a == entry.home;
  }
  template <class T>
  static uint64_t address(const T* pointer) {
    return reinterpret_cast<uint64_t>(pointer);
  }

  // --- Virtual stack ---
  uint32_t next_home() const { return stack_.empty() ? operand_base_ : stack_.back().home + stack_.back().width(); }
  Entry& push(Entry entry) {
    // Few entries are away from home at any time, so that looking through them (local.set) has a bound.
    if (stack_.size() - flushed_ >= kMaxAway) bring_home(stack_[flushed_++]);
    entry.home = next_home();
    high_water_ = std::max(high_water_, entry.home + entry.width());
    if (entry.type.is_ref()) refs_.push_back(static_cast<uint32_t>(stack_.size()));
    stack_.push_back(entry);
    return stack_.back();
  }
  void shrink(size_t entries) {
    stack_.resize(entries);
    while (!refs_.empty() && refs_.back() >= entries) refs_.pop_back();
    flushed_ = std::min(flushed_, entries);
  }
  uint32_t push_home(ValType type) { return push({.where = Where::kHome, .type = type}).home; }
  Entry pop() {
    const Entry entry = stack_.back();
    shrink(stack_.size() - 1);
    return entry;
  }
  void pop_many(size_t n) { shrink(stack_.size() - n); }
  // Where the popped entry can be read; constants are brought home for it.
  uint32_t slot_of(const Entry& entry) {
    if (entry.where == Where::kLocal) return entry.local;
    if (entry.where == Where::kConst) emit_constant(entry.home, entry.bits);
    return entry.home;
  }
  uint32_t pop_slot() { return slot_of(pop()); }
  void bring_home(Entry& entry) {
    if (entry.where == Where::kConst) emit_constant(entry.home, entry.bits);
    if (entry.where == Where::kLocal) emit_copy(entry.home, entry.local, entry.width());
    entry.where = Where::kHome;
  }
  void flush_all() {
    for (size_t i = flushed_; i < stack_.size(); ++i) bring_home(stack_[i]);
    flushed_ = stack_.size();
  }
  // The top n entries stand in a row afterwards; the slot of the first (or of the next one, when n is 0).
  uint32_t flush_top(size_t n) {
    for (size_t i = stack_.size() - n; i < stack_.size(); ++i) bring_home(stack_[i]);
    return n == 0 ? next_home() : stack_[stack_.size() - n].home;
  }
  void flush_aliases_of(uint32_t local_slot) {
    for (size_t i = flushed_; i < stack_.size(); ++i) {
      if (stack_[i].where == Where::kLocal && stack_[i].local == local_slot) bring_home(stack_[i]);
    }
  }
  void reset_stack(size_t entries, std::span<const ValType> pushed) {
    shrink(entries);
    for (const ValType type : pushed) push_home(type);
    flushed_ = stack_.size();
  }
  // Records the references in the first `entries` entries for the instruction that is emitted next (and for the hook in
  // front of it, when there is one).
  void safepoint(size_t entries);
  void record_safepoint(size_t entries);

  // --- Control ---
  Control& control(uint32_t depth) { return controls_[controls_.size() - 1 - depth]; }
  void bind(const Control& label);
  void bind_branch(uint32_t ins) {
    code_.ins[ins].d = static_cast<int32_t>(here() - ins);
    fence();
  }
  void aim(Control& target, Fixup fixup);
  bool needs_moves(const Control& target) const;
  void emit_moves(const Control& target) { emit_moves(target, target.branch_types().size()); }
  void emit_moves(const Control& target, size_t n);
  void emit_jump(Control& target) {
    aim(target, {.ins = emit({.handler = target.kind == LabelKind::kLoop ? op_jump_loop : op_jump})});
  }
  Condition pop_condition();
  // Jumps by a distance to be filled in.
  uint32_t emit_branch(const Condition& condition, bool to_loop) {
    return emit({.handler = to_loop ? condition.handlers.when_loop : condition.handlers.when,
                 .b = condition.b,
                 .c = condition.c,
                 .imm = condition.imm});
  }
  void conditional_branch(Control& target, const Condition& condition);
  void emit_return();
  Control& open(LabelKind kind, const WalkView& view);
  void close(Control& closed, bool falls_through);
  bool control_instr(const Instr& instr, const InstrTypes& types, const WalkView& view);
  void open_label(LabelKind kind, const Instr& instr, const WalkView& view);
  void aim_catches(std::span<const wasm::Catch> clauses, TryRange& range);
  void begin_else(bool falls_through);
  void begin_legacy_catch(const Instr& instr, bool falls_through);
  void close_label(const Instr& instr, bool falls_through);

  // --- Generic families ---
  void define(Ins ins, ValType type) {
    ins.a = push_home(type);
    emit(ins);
    mark_def();
  }
  // Pops `operands` into b, c, d (deepest first) and pushes one result into a.
  void simple(Handler handler, size_t operands, ValType result, uint64_t imm = 0);
  // As simple, but without result; operands in a, b, c.
  void effect(Handler handler, size_t operands, uint64_t imm = 0);
  // Operands in a row at a.
  void bulk(Handler handler, size_t operands, uint64_t imm = 0, uint32_t b = 0, uint32_t c = 0);
  void calls(Handler handler, const TypeInfo& type, Ins ins, bool tail);
  void allocate(Handler handler, size_t operands, const TypeInfo& type, Ins ins);

  const TypeInfo& type_info(uint32_t type_index) { return store_.infos().get(module_.type_ids[type_index]); }
  const TypeInfo& tag_info(uint32_t tag) { return *instance_.tags[tag]->type; }
  uint32_t local_slot(uint32_t local) const { return local_slots_[local]; }
  uint64_t cast_site(ValType type);
  void cast(Handler handler, const Instr& instr, ValType result);
  void i31_get(Handler plain, Handler with_cast);

  // --- Rules: one per instruction, or for a whole family (numeric, memory_access) ---
  // clang-format off
#define RULES(X)                                                                                                       \
  X(nop) X(drop) X(select) X(local_get) X(local_set) X(local_tee) X(global_get) X(global_set) X(table_get)             \
  X(table_set) X(table_size) X(table_grow) X(table_fill) X(table_copy) X(table_init) X(elem_drop) X(memory_size)       \
  X(memory_grow) X(memory_fill) X(memory_copy) X(memory_init) X(data_drop) X(i32_const) X(v128_const) X(ref_null)      \
  X(ref_is_null) X(ref_func) X(ref_eq) X(ref_as_non_null) X(ref_i31) X(i31_get_s) X(i31_get_u) X(ref_test)             \
  X(ref_cast) X(convert) X(struct_new) X(struct_new_default) X(struct_get) X(struct_set) X(array_new)                  \
  X(array_new_default) X(array_new_fixed) X(array_new_data) X(array_new_elem) X(array_get) X(array_set)                \
  X(array_len) X(array_fill) X(array_copy) X(array_init_data) X(array_init_elem) X(call) X(call_indirect)              \
  X(call_ref) X(return_call) X(return_call_indirect) X(return_call_ref) X(unreachable) X(throw_tag) X(throw_ref)       \
  X(rethrow) X(br) X(br_if) X(br_table) X(ret) X(br_on_null) X(br_on_non_null) X(br_on_cast) X(numeric) X(memory_access)
// clang-format on
#define DECLARE(name) void rule_##name(const Instr&, const InstrTypes&, const WalkView&);
  RULES(DECLARE)
#undef DECLARE

  Store& store_;
  const Func& func_;
  Instance& instance_;
  const wasm::Module& module_;
  static constexpr size_t kMaxAway = 256;
  size_t flushed_ = 0;  // entries below are at home
  uint32_t operand_base_ = 0;
  uint32_t high_water_ = 0;
  wasm::WasmOffset offset_ = 0;
  bool last_def_ = false;
  bool last_copy_ = false;     // the last instruction is op_copy
  uint32_t asked_length_ = 0;  // so many instructions at the end compute asked_; 0: it says nothing
  Condition asked_;
};

}  // namespace parallax::interp
