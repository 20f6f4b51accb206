// One function in SSA form: blocks with parameters, instructions, values, all in dense arrays by strong id.
//
// A Func is made for one WebAssembly function of one validated module and is reused for the next by reset(): arrays keep
// their memory, because compile time is fuzzing throughput.
//
// Shape.  The entry block is BlockId 0; its parameters are the function's. `order()` lists the live blocks, entry first.
// A block's instructions form a doubly linked list; the last one is its terminator: an operation with kTerminator, or a
// call with two targets {normal, landing} (an "invoke"). Only Jump passes arguments; the targets of Branch, Switch and
// invokes have no parameters. A landing block has exactly one predecessor, no parameters, and CaughtExn first; the
// normal target of an invoke has exactly one predecessor and no parameters, and there the invoke's results are live.
//
// Replacing.  replace(a, b) is the choke point of every rewrite: all uses of `a` become uses of `b`. It demands
// type(b) <: type(a) (I3) and records a violation in `failure`, which the pipeline turns into a compile error. Uses are
// forwarded lazily: args() and arg() are up to date only after commit(), which the pipeline calls after every pass;
// resolve() follows forwarding in between.                                                          [establishes I3]
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/ir/type.h"
#include "engine/wasm/embed.h"
#include "engine/wasm/instr.h"
#include "engine/wasm/module.h"

namespace parallax::ir {

using ValueId = Id<struct ValueIdTag>;
using InstId = Id<struct InstIdTag>;
using BlockId = Id<struct BlockIdTag>;
using SlotId = Id<struct SlotIdTag>;

enum class Op : uint8_t {
#define IR_OP(id, text, immediates, operands, results, flags) id,
#include "engine/ir/ops.def"
#undef IR_OP
};
inline constexpr size_t kOpCount = 0
#define IR_OP(id, text, immediates, operands, results, flags) +1
#include "engine/ir/ops.def"
#undef IR_OP
    ;

// What a function may contain: operations by kind, and what no kind of operation tells alone. Answers whether a pass can do
// anything at all before it walks.
enum class Trait : uint8_t {
  kParams,    // a block other than the entry that has or had parameters
  kFloat,     // a scalar floating-point value
  kDivision,  // an integer division or remainder of 32 bits
};
class Contents {
 public:
  constexpr Contents() = default;
  constexpr Contents(std::initializer_list<Op> ops) {
    for (const Op op : ops) note(op);
  }
  static constexpr Contents everything() {
    Contents made;
    made.bits_[0] = made.bits_[1] = ~uint64_t{0};
    return made;
  }
  constexpr Contents with(Trait trait) const {
    Contents made = *this;
    made.note(trait);
    return made;
  }
  constexpr void note(Op op) { bits_[static_cast<size_t>(op) / 64] |= uint64_t{1} << static_cast<size_t>(op) % 64; }
  constexpr void note(Trait trait) { bits_[1] |= uint64_t{1} << (63 - static_cast<size_t>(trait)); }
  constexpr bool meets(const Contents& with) const {
    return (bits_[0] & with.bits_[0]) != 0 || (bits_[1] & with.bits_[1]) != 0;
  }

 private:
  uint64_t bits_[2] = {};
};
static_assert(kOpCount <= 120, "operations and traits share 128 bits");

// What an operation does besides computing its results.
enum Flag : uint16_t {
  kTerminator = 1,
  kTraps = 2,       // may end in a trap
  kReads = 4,       // depends on mutable state
  kWrites = 8,      // changes mutable state
  kSafepoint = 16,  // may collect
  kExits = 32,      // may end in exhaustion or another exit that is no trap
  kThrows = 64,     // may throw
  kPinned = 128,    // stays where it is
};

struct OpInfo {
  const char* text;
  const char* immediates;
  const char* operands;
  const char* results;
  uint16_t flags;
};
extern const OpInfo kOpTable[kOpCount];
inline const OpInfo& info(Op op) { return kOpTable[static_cast<size_t>(op)]; }
// The column of flags on its own, because every pass looks at it for every instruction. ORDER: matches Op.
inline constexpr uint16_t kOpFlags[kOpCount] = {
#define IR_OP(id, text, immediates, operands, results, flags) flags,
#include "engine/ir/ops.def"
#undef IR_OP
};

// One instruction. Which immediates mean something is said by its row in ops.def.
struct Inst {
  Op op = Op::Const;
  wasm::TrapKind trap = wasm::TrapKind::kUnreachable;
  uint8_t sense = 0;
  wasm::Opcode opcode = wasm::Opcode::Nop;
  uint32_t a = 0;
  uint32_t b = 0;
  Type type = kNone;
  uint64_t imm = 0;
  uint64_t high = 0;
  wasm::WasmOffset offset = 0;  // of the WebAssembly instruction it was made for: traps, traces, stack maps
  // Maintained by Func; read through it.
  BlockId block{};  // invalid: removed
  InstId prev{};
  InstId next{};
  uint32_t args_begin = 0;
  uint32_t args_count = 0;
  uint32_t targets_begin = 0;
  uint32_t targets_count = 0;
  ValueId first_result{};  // results are consecutive
  uint32_t results_count = 0;
  uint32_t map = kNoMap;  // safepoints, after the safepoint pass: index of the stack map

  static constexpr uint32_t kNoMap = ~0u;
};

struct Value {
  Type type = kNone;
  Rep rep = Rep::kNone;
  BlockId block{};     // of a block parameter; else invalid
  InstId inst{};       // of a result; else invalid
  uint32_t index = 0;  // which parameter or result
};

struct Block {
  InstId first{};
  InstId last{};
  uint32_t params_begin = 0;
  uint32_t params_count = 0;
  bool landing = false;
  bool loop_head = false;  // has or had back edges (translation knows); a hint for layout
  bool live = true;        // false: removed
};

class Func {
 public:
  // Starts an empty function for `func` of a validated module (TypeNaming::kCanonical), which must outlive it.
  void reset(const wasm::Module& module, wasm::FuncIndex func);

  const wasm::Module& module() const { return *module_; }
  const wasm::TypeStore& types() const { return *module_->store; }
  wasm::FuncIndex index() const { return index_; }
  const wasm::SubType& signature() const { return module_->func_type(index_); }

  // Compile for zeal: every Budget is a safepoint that may collect.
  bool poll_at_budget = false;

  // --- Reading ---------------------------------------------------------------------------------------------------
  static constexpr BlockId kEntry{0};
  std::span<const BlockId> order() const { return order_; }
  size_t block_count() const { return blocks_.size(); }  // ids below it, removed ones included
  size_t inst_count() const { return insts_.size(); }
  size_t value_count() const { return values_.size(); }

  const Block& block(BlockId b) const { return blocks_[b.index()]; }
  const Inst& inst(InstId i) const { return insts_[i.index()]; }
  const Value& value(ValueId v) const { return values_[v.index()]; }
  Type type(ValueId v) const { return values_[v.index()].type; }
  Rep rep(ValueId v) const { return values_[v.index()].rep; }

  std::span<const ValueId> params(BlockId b) const {
    return std::span(pool_).subspan(blocks_[b.index()].params_begin, blocks_[b.index()].params_count);
  }
  std::span<const ValueId> args(InstId i) const {
    return std::span(pool_).subspan(insts_[i.index()].args_begin, insts_[i.index()].args_count);
  }
  std::span<const BlockId> targets(InstId i) const {
    return std::span(targets_).subspan(insts_[i.index()].targets_begin, insts_[i.index()].targets_count);
  }
  ValueId arg(InstId i, size_t n) const { return resolve(pool_[insts_[i.index()].args_begin + n]); }
  ValueId result(InstId i, size_t n = 0) const { return ValueId(insts_[i.index()].first_result.raw + uint32_t(n)); }
  InstId terminator(BlockId b) const { return blocks_[b.index()].last; }
  // Everything that was ever in the function, so perhaps more than is in it now.
  const Contents& contents() const { return contents_; }
  // The instruction that defines `v`, or null for a block parameter.
  const Inst* def(ValueId v) const { return value(v).inst.valid() ? &inst(value(v).inst) : nullptr; }

  uint16_t flags(const Inst& inst) const {
    uint16_t flags = kOpFlags[static_cast<size_t>(inst.op)];
    if (inst.op == Op::Compute && (wasm::info(inst.opcode).effects & wasm::kTraps) != 0) flags |= kTraps;
    if (inst.op == Op::Budget && poll_at_budget) flags |= kSafepoint;
    return flags;
  }
  bool is_terminator(const Inst& inst) const {
    return (kOpFlags[static_cast<size_t>(inst.op)] & kTerminator) != 0 || inst.targets_count != 0;
  }
  bool is_invoke(const Inst& inst) const {
    return inst.targets_count == 2 && (kOpFlags[static_cast<size_t>(inst.op)] & kTerminator) == 0;
  }
  bool is_safepoint(const Inst& inst) const { return (flags(inst) & kSafepoint) != 0; }

  // --- Home slots and stack maps ---------------------------------------------------------------------------------
  // Homes of the frame. Values that are never live at the same time share one.
  size_t slot_count() const { return slot_count_; }
  SlotId add_slot() { return SlotId(slot_count_++); }
  // The live slots at a safepoint, ascending. Requires that the instruction has a map.
  std::span<const SlotId> stack_map(const Inst& inst) const {
    const MapRange range = maps_[inst.map];
    return std::span(map_slots_).subspan(range.begin, range.count);
  }
  void set_stack_map(InstId inst, std::span<const SlotId> slots);
  // Whether the safepoint pass has run: home operations and maps are present and must be right.
  bool has_maps = false;

  // --- Building and rewriting --------------------------------------------------------------------------------------
  BlockId add_block();
  ValueId add_param(BlockId block, Type type);
  // Makes an instruction from the immediates in `proto`, not yet in any block.
  InstId make(const Inst& proto, std::span<const ValueId> args, std::span<const Type> results,
              std::span<const BlockId> targets = {});
  void append(BlockId block, InstId inst);
  void insert_before(InstId position, InstId inst);
  void insert_after(InstId position, InstId inst);
  // At the block's start (after CaughtExn in a landing block).
  void insert_first(BlockId block, InstId inst);
  // Unlinks an instruction; its results must have no uses left.
  void remove(InstId inst);
  void remove_block(BlockId block);
  // Moves all instructions of `from` to the end of `to`, and removes `from`.
  void splice(BlockId to, BlockId from);
  // Makes a block of what stands behind `inst` in its block, which is left without a terminator.
  BlockId split_after(InstId inst);
  // Requires the same blocks in another order, the entry first.
  void set_order(std::span<const BlockId> order) { order_.assign(order.begin(), order.end()); }
  // Drops removed blocks from order().
  void compact_order();
  void set_args(InstId inst, std::span<const ValueId> args);
  void set_arg(InstId inst, size_t n, ValueId value) { pool_[insts_[inst.index()].args_begin + n] = value; }
  void set_targets(InstId inst, std::span<const BlockId> targets);
  void set_params(BlockId block, std::span<const ValueId> params);
  // Narrows the type of a value in place. Like replace: `type` must match the old one, else a failure is recorded.
  void narrow(ValueId value, Type type);
  // Makes another operation of an instruction, with the immediates that it has.
  void become(InstId i, Op op) {
    insts_[i.index()].op = op;
    contents_.note(op);
  }
  // For edits that keep the shape: immediates of an instruction (its operation by become), flags of a block.
  Inst& edit(InstId i) { return insts_[i.index()]; }
  Block& edit(BlockId b) { return blocks_[b.index()]; }

  void replace(ValueId a, ValueId b);
  ValueId resolve(ValueId v) const {
    while (v.raw < forward_.size() && forward_[v.index()].valid()) v = forward_[v.index()];
    return v;
  }
  // Applies all replacements to all operands. Linear; nothing to do when there was none.
  void commit();

  // First violation recorded by replace or narrow.
  std::optional<Error> failure;
  // Where the inliner stopped, so that a later run takes up there: the size that it began with, how much it added, and the
  // instructions that it has looked at, which are those below `seen`.
  struct Inlined {
    uint32_t original = 0;
    uint32_t grown = 0;
    uint32_t seen = 0;
  } inlined;

  // Counts calls of replace; names a rewrite in messages.
  uint32_t rewrites = 0;

 private:
  friend struct FuncAccess;  // parse.cc: keeps ids as written
  struct MapRange {
    uint32_t begin;
    uint32_t count;
  };
  void record_failure(const char* what, ValueId a, Type was, Type now);
  Value& add_value(const Value& value);

  const wasm::Module* module_ = nullptr;
  wasm::FuncIndex index_;
  std::vector<Block> blocks_;
  std::vector<BlockId> order_;
  std::vector<Inst> insts_;
  std::vector<Value> values_;
  std::vector<ValueId> pool_;  // operands and parameters
  std::vector<BlockId> targets_;
  std::vector<ValueId> forward_;  // sized on first replace
  Contents contents_;
  uint32_t slot_count_ = 0;
  std::vector<MapRange> maps_;
  std::vector<SlotId> map_slots_;
};

// Calls body(InstId) for every instruction of a block; the body may remove the one it is given or insert before it.
template <class Body>
void for_each_inst(const Func& func, BlockId block, Body&& body) {
  for (InstId i = func.block(block).first; i.valid();) {
    const InstId next = func.inst(i).next;
    body(i);
    i = next;
  }
}

}  // namespace parallax::ir
