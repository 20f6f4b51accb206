// Driver of the baseline compiler: the sink's entry points, the table of handlers, the frame, cold parts.
#include "engine/jit/baseline/compile.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "engine/base/check.h"
#include "engine/base/text.h"
#include "engine/jit/baseline/state.h"
#include "engine/wasm/func_walk_rules.h"

namespace parallax::jit {

using runtime::Builtin;
using runtime::StoreContext;
using wasm::ImmKind;
using wasm::Opcode;

BaselineCompiler::BaselineCompiler(x64::Emitter& emitter) : state_(std::make_unique<Baseline>(emitter)) {}
BaselineCompiler::~BaselineCompiler() = default;

Result<const uint8_t*> BaselineCompiler::compile(const BaselineInput& input, CodeSpace& space, CallSites& sites) {
  return state_->compile(input, space, sites);
}

// Stands for the frame's size until that is known. A multiple of 16 that occurs nowhere else.
static constexpr uint32_t kUnknownFrame = 0x05a5a5a0;
static constexpr uint32_t kMaxFrame = 256 * 1024;

// --- Table of handlers -------------------------------------------------------------------------------------------

namespace {

using B = Baseline;

struct Named {
  Opcode op;
  B::Handler handler;
};
// Scalar operations are found by their row in lower_compute.cc, accesses and vectors by their immediates.
constexpr Named kNamed[] = {
    {Opcode::Unreachable, &B::on_unreachable},
    {Opcode::Nop, &B::on_nop},
    {Opcode::Block, &B::on_block},
    {Opcode::Loop, &B::on_loop},
    {Opcode::If, &B::on_if},
    {Opcode::Else, &B::on_else},
    {Opcode::End, &B::on_end},
    {Opcode::Try, &B::on_try},
    {Opcode::Catch, &B::on_catch},
    {Opcode::CatchAll, &B::on_catch},
    {Opcode::Delegate, &B::on_delegate},
    {Opcode::Rethrow, &B::on_rethrow},
    {Opcode::TryTable, &B::on_try_table},
    {Opcode::Throw, &B::on_throw},
    {Opcode::ThrowRef, &B::on_throw_ref},
    {Opcode::Br, &B::on_br},
    {Opcode::BrIf, &B::on_br_if},
    {Opcode::BrTable, &B::on_br_table},
    {Opcode::Return, &B::on_return},
    {Opcode::BrOnNull, &B::on_br_on_null},
    {Opcode::BrOnNonNull, &B::on_br_on_non_null},
    {Opcode::BrOnCast, &B::on_br_on_cast},
    {Opcode::BrOnCastFail, &B::on_br_on_cast},
    {Opcode::Call, &B::on_call},
    {Opcode::CallIndirect, &B::on_call_indirect},
    {Opcode::CallRef, &B::on_call_ref},
    {Opcode::ReturnCall, &B::on_return_call},
    {Opcode::ReturnCallIndirect, &B::on_return_call_indirect},
    {Opcode::ReturnCallRef, &B::on_return_call_ref},
    {Opcode::Drop, &B::on_drop},
    {Opcode::Select, &B::on_select},
    {Opcode::SelectTyped, &B::on_select},
    {Opcode::I32Const, &B::on_const},
    {Opcode::I64Const, &B::on_const},
    {Opcode::F32Const, &B::on_const},
    {Opcode::F64Const, &B::on_const},
    {Opcode::V128Const, &B::on_v128_const},
    {Opcode::LocalGet, &B::on_local_get},
    {Opcode::LocalSet, &B::on_local_set},
    {Opcode::LocalTee, &B::on_local_tee},
    {Opcode::GlobalGet, &B::on_global_get},
    {Opcode::GlobalSet, &B::on_global_set},
    {Opcode::TableGet, &B::on_table_get},
    {Opcode::TableSet, &B::on_table_set},
    {Opcode::TableSize, &B::on_table_size},
    {Opcode::TableInit, &B::on_table_bulk},
    {Opcode::ElemDrop, &B::on_table_bulk},
    {Opcode::TableCopy, &B::on_table_bulk},
    {Opcode::TableGrow, &B::on_table_bulk},
    {Opcode::TableFill, &B::on_table_bulk},
    {Opcode::MemorySize, &B::on_memory_size},
    {Opcode::MemoryGrow, &B::on_memory_grow},
    {Opcode::MemoryInit, &B::on_memory_bulk},
    {Opcode::DataDrop, &B::on_memory_bulk},
    {Opcode::MemoryCopy, &B::on_memory_bulk},
    {Opcode::MemoryFill, &B::on_memory_bulk},
    {Opcode::RefIsNull, &B::on_ref_is_null},
    {Opcode::RefEq, &B::on_ref_eq},
    {Opcode::RefNull, &B::on_ref_null},
    {Opcode::RefFunc, &B::on_ref_func},
    {Opcode::RefAsNonNull, &B::on_as_non_null},
    {Opcode::RefTest, &B::on_ref_test},
    {Opcode::RefTestNull, &B::on_ref_test},
    {Opcode::RefCast, &B::on_ref_cast},
    {Opcode::RefCastNull, &B::on_ref_cast},
    {Opcode::AnyConvertExtern, &B::on_convert},
    {Opcode::ExternConvertAny, &B::on_convert},
    {Opcode::RefI31, &B::on_ref_i31},
    {Opcode::I31GetS, &B::on_i31_get},
    {Opcode::I31GetU, &B::on_i31_get},
    {Opcode::StructNew, &B::on_struct_new},
    {Opcode::StructNewDefault, &B::on_struct_new},
    {Opcode::StructGet, &B::on_struct_get},
    {Opcode::StructGetS, &B::on_struct_get},
    {Opcode::StructGetU, &B::on_struct_get},
    {Opcode::StructSet, &B::on_struct_set},
    {Opcode::ArrayNew, &B::on_array_new},
    {Opcode::ArrayNewDefault, &B::on_array_new},
    {Opcode::ArrayNewFixed, &B::on_array_new_fixed},
    {Opcode::ArrayNewData, &B::on_array_new_segment},
    {Opcode::ArrayNewElem, &B::on_array_new_segment},
    {Opcode::ArrayGet, &B::on_array_get},
    {Opcode::ArrayGetS, &B::on_array_get},
    {Opcode::ArrayGetU, &B::on_array_get},
    {Opcode::ArraySet, &B::on_array_set},
    {Opcode::ArrayLen, &B::on_array_len},
    {Opcode::ArrayFill, &B::on_array_bulk},
    {Opcode::ArrayCopy, &B::on_array_bulk},
    {Opcode::ArrayInitData, &B::on_array_bulk},
    {Opcode::ArrayInitElem, &B::on_array_bulk},
};
constexpr Opcode kTakeConditions[] = {Opcode::BrIf, Opcode::If, Opcode::Select, Opcode::I32Eqz};

B::Handler scalar_handler(ComputeKind kind) {
  switch (kind) {
    case ComputeKind::kNone: return nullptr;
    case ComputeKind::kAlu:
    case ComputeKind::kSub: return &B::on_alu;
    case ComputeKind::kShift: return &B::on_shift;
    case ComputeKind::kDivide: return &B::on_divide;
    case ComputeKind::kCompareInt: return &B::on_compare_int;
    case ComputeKind::kEqz: return &B::on_eqz;
    case ComputeKind::kCompareFloat: return &B::on_compare_float;
    case ComputeKind::kCountBits: return &B::on_count_bits;
    case ComputeKind::kExtend: return &B::on_extend;
    case ComputeKind::kAlias: return &B::on_alias;
    case ComputeKind::kFAlu: return &B::on_float_alu;
    case ComputeKind::kFSqrt:
    case ComputeKind::kFResize: return &B::on_float_unary;
    case ComputeKind::kFMinMax: return &B::on_float_min_max;
    case ComputeKind::kFAbsNeg: return &B::on_float_abs_neg;
    case ComputeKind::kFCopysign: return &B::on_float_copysign;
    case ComputeKind::kFRound: return &B::on_float_round;
    case ComputeKind::kFromInt: return &B::on_from_int;
    case ComputeKind::kToInt: return &B::on_to_int;
    case ComputeKind::kToXmm:
    case ComputeKind::kToGpr: return &B::on_reinterpret;
  }
  return nullptr;
}

std::array<B::Row, wasm::kOpcodeCount> make_rows() {
  std::array<B::Row, wasm::kOpcodeCount> rows{};
  for (const Named& named : kNamed) rows[static_cast<size_t>(named.op)].handler = named.handler;
  for (const Opcode op : kTakeConditions) rows[static_cast<size_t>(op)].takes_condition = true;
  for (size_t i = 0; i < wasm::kOpcodeCount; ++i) {
    B::Row& row = rows[i];
    const wasm::OpcodeInfo& info = wasm::kOpcodeTable[i];
    row.is_control = (info.effects & wasm::kControl) != 0;
    row.compute = compute_row(static_cast<Opcode>(i));
    if (row.handler == nullptr) row.handler = scalar_handler(row.compute.kind);
    if (row.handler != nullptr) continue;
    const bool is_store = std::string_view(info.signature).back() == ':';
    const bool is_access = info.immediates == ImmKind::MemArg || info.immediates == ImmKind::MemArgLane;
    row.handler = !is_access ? &B::on_numeric : is_store ? &B::on_store : &B::on_load;
    CHECK(is_access ||
              (info.signature[0] != '*' && (info.immediates == ImmKind::None || info.immediates == ImmKind::Lane ||
                                            info.immediates == ImmKind::Shuffle)),
          "I3: the baseline compiler knows nothing of {}", info.text);
  }
  return rows;
}

}  // namespace

const Baseline::Row* Baseline::rows() {
  static const std::array<Row, wasm::kOpcodeCount> table = make_rows();
  return table.data();
}

// --- The frame -----------------------------------------------------------------------------------------------------

void Baseline::store_params(std::span<const ValType> params) {
  ArgAssigner assigner;
  for (uint32_t i = 0; i < params.size(); ++i) {
    const Local& local = locals_[i];
    const auto from = assigner.next(class_of(local.rep));
    const Addr to = slot_of(local.rep, local.slot);
    if (from.reg != kNoReg) {
      store(to, local.rep, from.reg);
      remember_local(i, from.reg);
      continue;
    }
    const PReg scratch = class_of(local.rep) == RegClass::kGpr ? kScratchGpr : kScratchXmm;
    const size_t offset = offsetof(StoreContext, arg_area) + sizeof(runtime::Slot) * from.slot;
    load(scratch, local.rep, {.base = kStoreReg, .disp = static_cast<int32_t>(offset)});
    store(to, local.rep, scratch);
  }
  if (!in_.armed) return;
  for (uint32_t i = 0; i < params.size(); ++i) {
    if (locals_[i].rep == Rep::kRef && locals_[i].reg != kNoReg) armed_check(locals_[i].reg, params[i]);
  }
}

// Bytes from `at` on. r10 and r12 carry no parameter.
void Baseline::zero(const Addr& at, uint32_t bytes) {
  constexpr uint32_t kUnrolled = 128;
  if (bytes == 0) return;
  code_.xorps(kScratchXmm, kScratchXmm);
  uint32_t done = 0;
  if (bytes > kUnrolled) {
    done = bytes & ~15u;
    code_.lea(kR10, at, true);
    code_.lea(kR12, at.at(static_cast<int32_t>(done)), true);
    const uint32_t again = code_.here();
    code_.store_v128({.base = kR10}, kScratchXmm);
    code_.alu_imm(0, kR10, 16, true);
    code_.alu(7, kR10, kR12, true);
    code_.jcc_to(Cc::kB, again);
  }
  for (; done + 16 <= bytes; done += 16) code_.store_v128(at.at(static_cast<int32_t>(done)), kScratchXmm);
  if (done < bytes) code_.store_f64(at.at(static_cast<int32_t>(done)), kScratchXmm);
}

void Baseline::budget() {
  bridge({.op = MOp::Budget}, {});
  if (in_.poll_at_budget) builtin(Builtin::SafepointPoll, {}, true);
}

Result<> Baseline::on_begin(const wasm::WalkView& view) {
  const auto types = view.locals();
  const size_t params = view.type().params.size();
  locals_.resize(types.size());
  uint32_t zeroed_num = 0, zeroed_ref = 0;
  for (size_t i = 0; i < types.size(); ++i) {
    if (i == params) {
      zeroed_num = num_top_;
      zeroed_ref = ref_top_;
    }
    Local& local = locals_[i];
    local = {.rep = i > 0 && types[i] == types[i - 1] ? locals_[i - 1].rep : rep_of(types[i]), .type = types[i]};
    if (local.rep == Rep::kRef) {
      ref_slots_.push_back(ref_top_);
      local.slot = ref_top_++;
    } else {
      local.slot = num_top_;
      num_top_ += local.rep == Rep::kV128 ? 2 : 1;
    }
  }
  num_max_ = num_top_;
  ref_max_ = ref_top_;
  if (num_top_ + ref_top_ > kMaxFrame / 8) refuse("frame");
  Control func;
  func.kind = wasm::LabelKind::kFunc;
  func.num_base = num_top_;
  func.ref_base = ref_top_;
  controls_.push_back(func);

  em_.frame_ = {.exists = true, .depth = true, .bytes = kUnknownFrame};
  const uint32_t begin = code_.here();
  em_.prologue();
  frame_sizes_.push_back({begin, code_.here()});
  store_params(types.first(params));
  if (types.size() > params) {
    zero(number_slot(zeroed_num), 8 * (num_top_ - zeroed_num));
    if (ref_top_ != zeroed_ref) zero(home_slot(ref_top_ - 1), 8 * (ref_top_ - zeroed_ref));
  }
  budget();
  return ended_;
}

// --- The sink ------------------------------------------------------------------------------------------------------

void Baseline::refuse(const char* what) {
  if (ended_)
    ended_ = fail(ErrorCode::kUnsupported, offset_, text::format("too large for the baseline compiler: {}", what));
}

// Chaos: values and what registers remember go to memory at places of its choice.
void Baseline::perturb() {
  chaos_ = chaos_ * 6364136223846793005u + 1442695040888963407u;
  const auto choice = static_cast<uint32_t>(chaos_ >> 59);
  if (choice == 0) flush(entries_.size());
  if (choice == 1) forget_locals();
  if (choice == 2) flush_registers(entries_.size() / 2);
  rotor_ = static_cast<uint32_t>(chaos_ >> 40) % kRegCount;
}

Result<> Baseline::on_instr(const wasm::Instr& instr, const wasm::InstrTypes& types, const wasm::WalkView& view) {
  const Row& row = rows_[static_cast<size_t>(instr.op)];
  if (!reachable_ && !row.is_control) return {};
  row_ = &row;
  offset_ = instr.offset;
  held_ = 0;
  if (in_.listing) em_.a_.note(text::format("; @{:#x} {}", instr.offset, wasm::info(instr.op).text));
  if (top_is_condition()) {
    if (row.takes_condition) {
      hold_condition();
    } else {
      settle();
      held_ = 0;
    }
  } else if (chaos_ != 0) {
    perturb();
  }
  (this->*row.handler)({instr, types, view});
  if (code_.full()) [[unlikely]]
    return code_space_is_full();
  return ended_;
}

Result<> Baseline::on_finish(const wasm::WalkView&) {
  CHECK(controls_.empty() && !reachable_, "I3: a compilation ended inside a label");
  return {};
}

// --- Cold parts ----------------------------------------------------------------------------------------------------

// Sites of one instruction and kind share their cold part.
uint32_t& Baseline::trap_chain(wasm::TrapKind kind) {
  if (traps_.empty() || traps_.back().kind != kind || traps_.back().offset != offset_) {
    traps_.push_back({.kind = kind, .offset = offset_});
  }
  return traps_.back().chain;
}

void Baseline::cold_parts() {
  for (ColdNan& nan : nans_) {
    code_.bind(nan.chain);
    load_const(nan.reg, nan.wide ? Rep::kF64 : Rep::kF32, nan.wide ? 0x7ff8000000000000u : 0x7fc00000u);
    code_.jmp_to(nan.back);
  }
  // The sites bring their offset in eax to one end per kind.
  tails_.assign(tails_.size(), 0);
  for (ColdTrap& trap : traps_) {
    const auto kind = static_cast<size_t>(trap.kind);
    if (tails_.size() <= kind) tails_.resize(kind + 1, 0);
    code_.bind(trap.chain);
    code_.imm(kRax, uint64_t{trap.offset});
    code_.jmp(tails_[kind]);
  }
  for (size_t kind = 0; kind < tails_.size(); ++kind) {
    if (tails_[kind] == 0) continue;
    code_.bind(tails_[kind]);
    em_.a_.jmp(em_.trap_label(static_cast<wasm::TrapKind>(kind)));
  }
  for (Table& table : tables_) {
    const uint32_t at = code_.here();
    code_.bind(table.chain);
    for (uint32_t i = 0; i < table.count; ++i) code_.data32(table_targets_[table.begin + i] - at);
  }
}

Result<> Baseline::finish_frame() {
  const uint64_t bytes =
      (static_cast<uint64_t>(-home_offset(0) - 8) + 8 * (uint64_t{ref_max_} + num_max_) + 15) & ~15ull;
  if (bytes > kMaxFrame) refuse("frame");
  TRY(ended_);
  for (const Region& region : frame_sizes_) {
    code_.patch(region.begin, region.end, kUnknownFrame, static_cast<uint32_t>(bytes));
  }
  mf_.home_slots = ref_max_;
  for (auto& pending : em_.pending_sites_) pending.site.homes = ref_max_;
  return {};
}

Result<const uint8_t*> Baseline::compile(const BaselineInput& input, CodeSpace& space, CallSites& sites) {
  in_ = input;
  instance_ = input.entry->ctx->instance;
  module_ = instance_->module.get();
  rows_ = rows();
  notes_sites_ = input.entry->ctx->store->jit_words[runtime::kOriginWord] != 0;
  mf_.reset();
  mf_.add_vreg(RegClass::kGpr);  // the name of all operands
  mf_.map_slots.clear();
  locations_.locs.clear();
  ended_ = {};
  reachable_ = true;
  offset_ = module_->funcs[input.entry->func_index].body.begin;
  entries_.clear();
  first_reg_ = first_lazy_ = map_work_ = 0;
  num_top_ = ref_top_ = num_max_ = ref_max_ = 0;
  ref_slots_.clear();
  used_ = held_ = cached_ = 0;
  chaos_ = input.chaos_seed;
  controls_.clear();
  saved_.clear();
  catches_.clear();
  traps_.clear();
  nans_.clear();
  tables_.clear();
  table_targets_.clear();
  frame_sizes_.clear();
  code_.start();
  em_.start({.func = &mf_,
             .allocation = &locations_,
             .types = input.types,
             .stubs = input.stubs,
             .entry = input.entry,
             .guard_sites = input.guard_sites,
             .cpu = input.cpu,
             .fault = input.fault,
             .validate = input.validate},
            space, sites);
  // What a module may use was decided when it was loaded.
  TRY(wasm::walk_func(*module_, wasm::FuncIndex(input.entry->func_index), {.bits = ~0u}, *this));
  cold_parts();
  TRY(finish_frame());
  if (code_.full()) return code_space_is_full();
  return em_.finish();
}

}  // namespace parallax::jit
