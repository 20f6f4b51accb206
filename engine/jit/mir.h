// Machine IR: x86-64 instructions over virtual registers, in SSA form with block parameters.
//
// lower.h makes it, regalloc/ gives every operand a location, x64/emit.h writes the bytes. Virtual registers are defined
// once (as an instruction's D operand, as a block parameter, or as a constant: constants have no defining instruction and
// are materialised wherever they are needed). i32 and reference values are zero-extended to 64 bits in their register:
// every operation that defines one must see to it. Of a scalar float in a vector register only the low part means
// anything.
//
// All arrays are dense and keep their memory between functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/base/ids.h"
#include "engine/gc/object.h"
#include "engine/jit/x64/regs.h"
#include "engine/wasm/instr.h"
#include "engine/wasm/traps.h"

namespace parallax::jit {

using VReg = Id<struct VRegTag>;
using MBlockId = Id<struct MBlockTag>;
using MInstId = Id<struct MInstTag>;
using EdgeId = Id<struct EdgeTag>;
using CallId = Id<struct CallTag>;

enum class MOp : uint8_t {
#define MOP(id, text, shape, flags) id,
#include "engine/jit/mops.def"
#undef MOP
};

enum MOpFlag : uint8_t { kTerm = 1, kCall = 2, kCommutes = 4, kTrapping = 8 };

struct MOpInfo {
  const char* text;
  const char* shape;
  uint8_t flags;
};
inline constexpr MOpInfo kMOpTable[] = {
#define MOP(id, text, shape, flags) {text, shape, flags},
#include "engine/jit/mops.def"
#undef MOP
};
constexpr const MOpInfo& info(MOp op) { return kMOpTable[static_cast<size_t>(op)]; }

// Conditions of jumps and sets. The float ones need two flags.
enum class Cond : uint8_t { kE, kNe, kL, kGe, kLe, kG, kB, kAe, kBe, kA, kFloatEq, kFloatNe };
Cond negate(Cond cond);
// The condition for exchanged operands. Not for float conditions other than Eq and Ne.
Cond swap_operands(Cond cond);

enum class CmpForm : uint8_t {
  kNone,
  kRegReg,      // cmp a, b
  kRegImm,      // cmp a, imm   (imm fits 32 bits signed)
  kRegMem,      // cmp a, [mem]
  kMemImm,      // cmp [mem], imm
  kTestReg,     // test a, a
  kTestImm,     // test a, imm
  kTestRegReg,  // test a, b
  kFloat,       // ucomis a, b
  kFloatMem,    // ucomis a, [mem]
};

// Operand size. Floats have their own, so that one field selects the instruction.
enum class Width : uint8_t { k8, k16, k32, k64, kF32, kF64, kV128 };

enum class AluOp : uint8_t { kAdd, kSub, kAnd, kOr, kXor, kMul };
enum class ShiftOp : uint8_t { kShl, kShr, kSar, kRol, kRor };
enum class BitOp : uint8_t { kReset, kIsolate };  // of the lowest set bit: x & (x - 1), x & -x
enum class DivOp : uint8_t { kDivS, kDivU, kRemS, kRemU };
enum class ExtendOp : uint8_t { kS8To32, kS16To32, kS8To64, kS16To64, kS32To64, kU8, kU16, kU32 };
// Into a vector register: what is above the loaded bytes becomes zero.
enum class LoadOp : uint8_t { kS8To32, kS16To32, kS8To64, kS16To64, kS32To64, kU8, kU16, k32, k64, kF32, kF64, kV128 };
enum class FAluOp : uint8_t { kAdd, kSub, kMul, kDiv };
enum class RoundOp : uint8_t { kNearest, kFloor, kCeil, kTrunc };  // ORDER: roundsd's immediate

// Divide: which checks the operands still need.
inline constexpr int64_t kDivCheckZero = 1;
inline constexpr int64_t kDivCheckMinusOne = 2;

enum class MemBase : uint8_t { kNone, kVReg, kHeap, kStore, kHome };

// [base + index * scale + disp]. The virtual registers stand among the instruction's operands: base first when it is
// kVReg, then the index.
struct Mem {
  MemBase base = MemBase::kNone;
  bool has_index = false;
  uint8_t scale_log2 = 0;
  uint8_t guard = 0;  // 1 + MemoryIndex: may fault in that guarded memory, and does when out of bounds
  int32_t disp = 0;   // kHome: the home slot's number
};
constexpr uint32_t mem_operands(const Mem& mem) {
  return (mem.base == MemBase::kVReg ? 1u : 0u) + (mem.has_index ? 1u : 0u);
}

enum class Role : uint8_t {
  kUse,
  kDef,       // written after all uses were read: may share a register with a use that ends here
  kDefEarly,  // written while uses are still needed
  kTemp,
};
enum class Where : uint8_t {
  kReg,    // any register of the class, not among the instruction's clobbers
  kFixed,  // this register
  kSame,   // a kDef that takes the register of the first use
  kAny,    // a use in a register or a spill slot
};

struct Operand {
  VReg vreg;  // temporaries have one too (of their class)
  Role role = Role::kUse;
  Where where = Where::kReg;
  PReg fixed = kNoReg;
};

struct MInst {
  MOp op = MOp::Copy;
  Width width = Width::k32;
  uint8_t sub = 0;  // AluOp, ShiftOp, LoadOp, ... by op
  Cond cond = Cond::kE;
  CmpForm form = CmpForm::kNone;
  uint8_t flag =
      0;  // by op: source width, signedness, saturation (lower.cc and emit.cc agree, see mir.h's notes below)
  wasm::TrapKind trap = wasm::TrapKind::kUnreachable;
  Mem mem;
  uint16_t operand_count = 0;
  uint32_t operands_begin = 0;
  RegSet clobbers = 0;  // besides what kCall clobbers
  uint32_t aux = 0;     // CallId; home slots; ValType bits of type tests; row of vectors.def
  wasm::WasmOffset offset = 0;
  int64_t imm = 0;
};
// MInst::flag by op:
//   FromInt, ToInt: bit 0 = unsigned, bit 1 = 64-bit integer, bit 2 = saturating; width is the float's
//   FMinMax: 0 min, 1 max.  FAbsNeg: 0 abs, 1 neg.  FResize: width is the result's
//   StructAlloc: aux is the call of the slow path, imm what AllocImm packs
//   ArrayAlloc: likewise; `bytes` and `charge` are those of one element; D is defined early
struct AllocImm {
  uint32_t type = 0;
  uint32_t bytes = 0;
  uint32_t charge = 0;

  // What inline allocation can say: a header and a charge in 32 signed bits each.
  bool fits() const {
    return type < 1u << 23 && bytes < 1u << 24 && charge < 1u << 15 && charge <= gc::kChargePerByte * bytes;
  }
  int64_t pack() const { return static_cast<int64_t>(uint64_t{type} << 40 | uint64_t{bytes} << 16 | charge); }
  static AllocImm unpack(int64_t imm) {
    const auto bits = static_cast<uint64_t>(imm);
    return {static_cast<uint32_t>(bits >> 40), static_cast<uint32_t>(bits >> 16) & 0xffffffu,
            static_cast<uint32_t>(bits) & 0xffffu};
  }
};
// MInst::imm of float operations: a NaN may stay as the machine made it.
inline constexpr int64_t kFreeNan = 1;
//   TypeTest, TypeCheck, BranchType: imm says what the operand's type excludes
inline constexpr int64_t kNeverNull = 1;
inline constexpr int64_t kNeverI31 = 2;
inline constexpr int64_t kNeverHost = 4;
inline constexpr uint8_t kConvUnsigned = 1;
inline constexpr uint8_t kConv64 = 2;
inline constexpr uint8_t kConvSaturate = 4;

struct MBlock {
  uint32_t first = 0;  // instructions [first, end), the last one is the terminator
  uint32_t end = 0;
  uint32_t params_begin = 0;
  uint32_t params_count = 0;
  uint32_t edges_begin = 0;  // out-edges, in the terminator's order; edges to landing blocks are not among them
  uint32_t edges_count = 0;
  bool landing = false;
  MBlockId exception_target;  // landing block of a call in this block, if any
};

struct MEdge {
  MBlockId from;
  MBlockId to;
  uint32_t args_begin = 0;
  uint32_t args_count = 0;
};

// A call in compiled code: what its return address means.
struct MCall {
  static constexpr uint32_t kNoBuiltin = ~0u;
  uint32_t builtin = kNoBuiltin;  // CallBuiltin
  const void* entry = nullptr;    // CallFunc, TailFunc: FuncEntry*
  uint32_t map_begin = 0;         // live home slots, in MFunc::map_slots
  uint32_t map_count = 0;
  MBlockId landing;  // where an exception continues, if here
};

// Bytes that a value takes in the frame: v128 is the only wide kind.
enum class Room : uint8_t { k8, k16 };

struct VRegInfo {
  RegClass cls = RegClass::kGpr;
  bool is_const = false;
  Room room = Room::k8;
  uint64_t bits = 0;  // is_const: the value
  uint64_t high = 0;  // and its upper half, when wide
};

class MFunc {
 public:
  void reset();

  VReg add_vreg(RegClass cls, Room room = Room::k8) {
    vregs_.push_back({.cls = cls, .room = room});
    return VReg(vregs_.size() - 1);
  }
  VReg add_const(RegClass cls, uint64_t bits) {
    vregs_.push_back({.cls = cls, .is_const = true, .bits = bits});
    return VReg(vregs_.size() - 1);
  }
  VReg add_wide_const(uint64_t bits, uint64_t high) {
    vregs_.push_back({.cls = RegClass::kXmm, .is_const = true, .room = Room::k16, .bits = bits, .high = high});
    return VReg(vregs_.size() - 1);
  }

  // Blocks are numbered in emission order; block 0 is the entry. A block's instructions are appended between its
  // begin_block and the next one's.
  MBlockId add_block() {
    blocks_.emplace_back();
    return MBlockId(blocks_.size() - 1);
  }
  void add_param(MBlockId block, VReg param);  // all parameters of one block in a row
  void begin_block(MBlockId block);
  void end_block(MBlockId block);
  // Appends; the operands are those given to `operand` since the last append.
  MInst& append(const MInst& inst);
  void operand(const Operand& op) { operands_.push_back(op); }
  void use(VReg v, Where where = Where::kReg) { operands_.push_back({v, Role::kUse, where, kNoReg}); }
  void use_fixed(VReg v, PReg reg) { operands_.push_back({v, Role::kUse, Where::kFixed, reg}); }
  void def(VReg v, Where where = Where::kReg) { operands_.push_back({v, Role::kDef, where, kNoReg}); }
  void def_early(VReg v) { operands_.push_back({v, Role::kDefEarly, Where::kReg, kNoReg}); }
  void def_fixed(VReg v, PReg reg) { operands_.push_back({v, Role::kDef, Where::kFixed, reg}); }
  void temp(RegClass cls) { operands_.push_back({add_vreg(cls), Role::kTemp, Where::kReg, kNoReg}); }
  // Out-edge of the block being built, with arguments.
  EdgeId add_edge(MBlockId from, MBlockId to, std::span<const VReg> args = {});
  CallId add_call(const MCall& call) {
    calls_.push_back(call);
    return CallId(calls_.size() - 1);
  }

  std::span<const MBlock> blocks() const { return blocks_; }
  const MBlock& block(MBlockId b) const { return blocks_[b.index()]; }
  MBlock& edit(MBlockId b) { return blocks_[b.index()]; }
  std::span<const MInst> insts() const { return insts_; }
  const MInst& inst(uint32_t i) const { return insts_[i]; }
  std::span<const Operand> operands(const MInst& inst) const {
    return {operands_.data() + inst.operands_begin, inst.operand_count};
  }
  // Exchanges the first two uses of a commuting instruction.
  void commute(const MInst& inst);
  size_t operand_count() const { return operands_.size(); }
  std::span<const VReg> params(const MBlock& b) const { return {params_.data() + b.params_begin, b.params_count}; }
  std::span<const MEdge> edges() const { return edges_; }
  std::span<const MEdge> edges(const MBlock& b) const { return {edges_.data() + b.edges_begin, b.edges_count}; }
  std::span<const VReg> args(const MEdge& e) const { return {edge_args_.data() + e.args_begin, e.args_count}; }
  const MCall& call(uint32_t i) const { return calls_[i]; }
  std::span<const MCall> calls() const { return calls_; }
  size_t vreg_count() const { return vregs_.size(); }
  const VRegInfo& vreg(VReg v) const { return vregs_[v.index()]; }
  bool is_call(const MInst& inst) const { return (info(inst.op).flags & kCall) != 0; }
  RegSet clobbers(const MInst& inst) const { return is_call(inst) ? kAllRegs : inst.clobbers; }
  // The landing block of a call, or an invalid id.
  MBlockId landing(const MInst& inst) const {
    return is_call(inst) && inst.aux < calls_.size() ? calls_[inst.aux].landing : MBlockId();
  }

  uint32_t home_slots = 0;
  std::vector<uint32_t> map_slots;  // of all calls

  std::string print() const;

 private:
  std::vector<MBlock> blocks_;
  std::vector<MInst> insts_;
  std::vector<Operand> operands_;
  std::vector<VReg> params_;
  std::vector<MEdge> edges_;
  std::vector<VReg> edge_args_;
  std::vector<VRegInfo> vregs_;
  std::vector<MCall> calls_;
  uint32_t pending_operands_ = 0;  // start of the operands of the next append
};

std::string print(const MFunc& func, const MInst& inst);

}  // namespace parallax::jit
