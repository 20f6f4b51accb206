// Driver of translation: the sink's entry points, the table of handlers, locals and the scan of loops.
#include "engine/jit/translate.h"

#include <algorithm>
#include <array>

#include "engine/base/check.h"
#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "engine/jit/translate_state.h"
#include "engine/wasm/func_walk_rules.h"

namespace parallax::jit {

using wasm::ImmKind;
using wasm::Instr;
using wasm::InstrTypes;
using wasm::Opcode;
using wasm::WalkView;

Translator::Translator() : state_(std::make_unique<State>()) {}
Translator::~Translator() = default;

Result<> Translator::translate(const wasm::Module& module, wasm::FuncIndex func, const TranslateOptions& options,
                               ir::Func& out) {
  out.reset(module, func);
  out.poll_at_budget = options.poll_at_budget;
  ir::Builder builder(out);
  state_->b_ = &builder;
  state_->start(module, func, options, out);
  return wasm::walk_func(module, func, options.features, *state_);
}

void Translator::State::start(const wasm::Module& module, wasm::FuncIndex func, const TranslateOptions& options,
                              ir::Func& out) {
  module_ = &module;
  func_index_ = func;
  options_ = &options;
  func_ = &out;
  reachable_ = true;
  stack_.clear();
  controls_.clear();
  edges_.clear();
  edge_values_.clear();
  snaps_.clear();
  catches_.clear();
  saved_.clear();
  entries_spent_ = 0;
  log_.clear();
  next_mark_ = 1;
  mark_ = 0;
  loops_scanned_ = false;
  next_loop_ = 0;
  loops_.clear();
  assigned_.clear();
  loop_locals_.clear();
  stamp_ = 0;
}

// --- Table of handlers -------------------------------------------------------------------------------------------

namespace {

constexpr bool ends_with_colon(const char* signature) {
  char last = 0;
  for (; *signature != '\0'; ++signature) last = *signature;
  return last == ':';
}

}  // namespace

// Computations, loads and stores are found by their row in opcodes.def; all others are listed.
Translator::State::Handler Translator::State::handler_of(Opcode op) {
  struct Row {
    Opcode op;
    Handler handler;
  };
  using S = State;
  static constexpr Row kRows[] = {
      {Opcode::Unreachable, &S::on_unreachable},
      {Opcode::Nop, &S::on_nop},
      {Opcode::Block, &S::on_block},
      {Opcode::Loop, &S::on_loop},
      {Opcode::If, &S::on_if},
      {Opcode::Else, &S::on_else},
      {Opcode::End, &S::on_end},
      {Opcode::Try, &S::on_try},
      {Opcode::Catch, &S::on_catch},
      {Opcode::CatchAll, &S::on_catch},
      {Opcode::Delegate, &S::on_delegate},
      {Opcode::Rethrow, &S::on_rethrow},
      {Opcode::TryTable, &S::on_try_table},
      {Opcode::Throw, &S::on_throw},
      {Opcode::ThrowRef, &S::on_throw_ref},
      {Opcode::Br, &S::on_br},
      {Opcode::BrIf, &S::on_br_if},
      {Opcode::BrTable, &S::on_br_table},
      {Opcode::Return, &S::on_return},
      {Opcode::BrOnNull, &S::on_br_on_null},
      {Opcode::BrOnNonNull, &S::on_br_on_non_null},
      {Opcode::BrOnCast, &S::on_br_on_cast},
      {Opcode::BrOnCastFail, &S::on_br_on_cast},
      {Opcode::Call, &S::on_call},
      {Opcode::CallIndirect, &S::on_call_indirect},
      {Opcode::CallRef, &S::on_call_ref},
      {Opcode::ReturnCall, &S::on_return_call},
      {Opcode::ReturnCallIndirect, &S::on_return_call_indirect},
      {Opcode::ReturnCallRef, &S::on_return_call_ref},
      {Opcode::Drop, &S::on_drop},
      {Opcode::Select, &S::on_select},
      {Opcode::SelectTyped, &S::on_select},
      {Opcode::I32Const, &S::on_const},
      {Opcode::I64Const, &S::on_const},
      {Opcode::F32Const, &S::on_const},
      {Opcode::F64Const, &S::on_const},
      {Opcode::V128Const, &S::on_const},
      {Opcode::LocalGet, &S::on_local_get},
      {Opcode::LocalSet, &S::on_local_set},
      {Opcode::LocalTee, &S::on_local_tee},
      {Opcode::GlobalGet, &S::on_simple},
      {Opcode::GlobalSet, &S::on_simple},
      {Opcode::TableGet, &S::on_simple},
      {Opcode::TableSet, &S::on_simple},
      {Opcode::TableInit, &S::on_simple},
      {Opcode::ElemDrop, &S::on_simple},
      {Opcode::TableCopy, &S::on_simple},
      {Opcode::TableGrow, &S::on_simple},
      {Opcode::TableSize, &S::on_simple},
      {Opcode::TableFill, &S::on_simple},
      {Opcode::MemorySize, &S::on_simple},
      {Opcode::MemoryGrow, &S::on_simple},
      {Opcode::MemoryInit, &S::on_simple},
      {Opcode::DataDrop, &S::on_simple},
      {Opcode::MemoryCopy, &S::on_simple},
      {Opcode::MemoryFill, &S::on_simple},
      {Opcode::RefIsNull, &S::on_simple},
      {Opcode::RefEq, &S::on_simple},
      {Opcode::RefNull, &S::on_ref_null},
      {Opcode::RefFunc, &S::on_ref_func},
      {Opcode::RefAsNonNull, &S::on_as_non_null},
      {Opcode::RefTest, &S::on_ref_test},
      {Opcode::RefTestNull, &S::on_ref_test},
      {Opcode::RefCast, &S::on_ref_cast},
      {Opcode::RefCastNull, &S::on_ref_cast},
      {Opcode::AnyConvertExtern, &S::on_convert},
      {Opcode::ExternConvertAny, &S::on_convert},
      {Opcode::RefI31, &S::on_ref_i31},
      {Opcode::I31GetS, &S::on_i31_get},
      {Opcode::I31GetU, &S::on_i31_get},
      {Opcode::StructNew, &S::on_struct_new},
      {Opcode::StructNewDefault, &S::on_struct_new_default},
      {Opcode::StructGet, &S::on_struct_get},
      {Opcode::StructGetS, &S::on_struct_get},
      {Opcode::StructGetU, &S::on_struct_get},
      {Opcode::StructSet, &S::on_struct_set},
      {Opcode::ArrayNew, &S::on_array_new},
      {Opcode::ArrayNewDefault, &S::on_array_new_default},
      {Opcode::ArrayNewFixed, &S::on_array_new_fixed},
      {Opcode::ArrayNewData, &S::on_array_new_segment},
      {Opcode::ArrayNewElem, &S::on_array_new_segment},
      {Opcode::ArrayGet, &S::on_array_get},
      {Opcode::ArrayGetS, &S::on_array_get},
      {Opcode::ArrayGetU, &S::on_array_get},
      {Opcode::ArraySet, &S::on_array_set},
      {Opcode::ArrayLen, &S::on_array_len},
      {Opcode::ArrayFill, &S::on_array_bulk},
      {Opcode::ArrayCopy, &S::on_array_bulk},
      {Opcode::ArrayInitData, &S::on_array_bulk},
      {Opcode::ArrayInitElem, &S::on_array_bulk},
  };
  struct Signature {
    const char* text;
    ImmKind immediates;
  };
  static constexpr Signature kSignatures[] = {
#define OPCODE(id, prefix, code, text, immediates, signature, effects, feature) {signature, ImmKind::immediates},
#include "engine/wasm/opcodes.def"
#undef OPCODE
  };
  static constexpr auto kHandlers = [] {
    std::array<Handler, wasm::kOpcodeCount> handlers{};
    for (const Row& row : kRows) handlers[static_cast<size_t>(row.op)] = row.handler;
    for (size_t i = 0; i < wasm::kOpcodeCount; ++i) {
      const Signature& row = kSignatures[i];
      if (handlers[i] != nullptr) continue;
      switch (row.immediates) {
        case ImmKind::MemArg:
        case ImmKind::MemArgLane: handlers[i] = ends_with_colon(row.text) ? &S::on_store : &S::on_load; break;
        case ImmKind::None:
        case ImmKind::Lane:
        case ImmKind::Shuffle:
          if (row.text[0] != '*') handlers[i] = &S::on_compute;
          break;
        default: break;
      }
    }
    return handlers;
  }();
  static constexpr bool kComplete = [] {
    for (const Handler handler : kHandlers) {
      if (handler == nullptr) return false;
    }
    return true;
  }();
  static_assert(kComplete, "an opcode has no translation handler");
  return kHandlers[static_cast<size_t>(op)];
}

// --- The sink -----------------------------------------------------------------------------------------------------

Result<> Translator::State::on_begin(const WalkView& view) {
  const BlockId entry = func_->add_block();
  continue_at(entry);
  b_->set_offset(module_->funcs[func_index_.index()].body.begin);
  local_types_.assign(view.locals().begin(), view.locals().end());
  local_.assign(local_types_.size(), ValueId());
  local_mark_.assign(local_types_.size(), 0);
  candidate_stamp_.assign(local_types_.size(), 0);
  candidate_index_.resize(local_types_.size());
  const size_t params = view.type().params.size();
  for (size_t i = 0; i < params; ++i) local_[i] = func_->add_param(entry, local_types_[i]);
  b_->budget();
  // Declared locals come in runs of one type: one zero a run.
  for (size_t i = params; i < local_types_.size(); ++i) {
    const bool same = i > params && local_types_[i] == local_types_[i - 1];
    if (local_types_[i].is_defaultable()) local_[i] = same ? local_[i - 1] : zero_of(local_types_[i]);
  }
  Control func;
  func.kind = wasm::LabelKind::kFunc;
  controls_.push_back(func);
  return {};
}

Result<> Translator::State::on_instr(const Instr& instr, const InstrTypes& types, const WalkView& view) {
  const bool control = (wasm::info(instr.op).effects & wasm::kControl) != 0;
  if (!reachable_ && !control) return {};
  b_->set_offset(instr.offset);
  return (this->*handler_of(instr.op))({instr, types, view});
}

Result<> Translator::State::on_finish(const WalkView&) {
  CHECK(controls_.empty() && !reachable_, "I3: translation of function {} ended inside a label", func_index_.raw);
  return {};
}

// --- Locals and loops ---------------------------------------------------------------------------------------------

Translator::State::ValueId Translator::State::zero_of(ir::Type type) {
  return type.is_ref() ? b_->null(type.heap()) : b_->constant(type, 0);
}

// Planted fault SM4: the operand stack forgets what the local held.
void Translator::State::forget_overwritten(ValueId old, ValueId value) {
  const bool held = old.valid() && func_->type(old).is_ref() && func_->type(old) == func_->type(value) &&
                    std::ranges::find(stack_, old) != stack_.end();
  if (held && fault_fires(Fault::kSM4)) std::ranges::replace(stack_, old, value);
}

void Translator::State::set_local(uint32_t local, ValueId value) {
  if (local_mark_[local] != mark_) {
    log_.push_back({local, local_mark_[local], local_[local]});
    local_mark_[local] = mark_;
  }
  if (g_fault.active == Fault::kSM4) [[unlikely]]
    forget_overwritten(local_[local], value);
  local_[local] = value;
}

std::span<const Translator::State::ValueId> Translator::State::pop_many(size_t count) {
  popped_.assign(stack_.end() - static_cast<ptrdiff_t>(count), stack_.end());
  stack_.resize(stack_.size() - count);
  return popped_;
}

Result<> Translator::State::spend_entries(size_t count) {
  entries_spent_ += count;
  if (entries_spent_ <= kMaxEdgeEntries) return {};
  return fail(ErrorCode::kLimit, module_->funcs[func_index_.index()].body.begin,
              text::format("function {} needs more than {} edge arguments", func_index_.raw, kMaxEdgeEntries));
}

// Fills loops_ and assigned_ from the first loop to the end of the body.
Result<> Translator::State::scan_loops(wasm::WasmOffset first_loop) {
  loops_scanned_ = true;
  constexpr uint32_t kNoLoop = ~0u;
  std::vector<uint32_t>& open = numbers_;
  open.clear();
  const wasm::Range body = module_->funcs[func_index_.index()].body;
  return wasm::scan_instrs(*module_, {first_loop, body.end}, options_->features, [&](const Instr& instr) -> Result<> {
    switch (wasm::info(instr.op).immediates) {
      case ImmKind::Block:
      case ImmKind::TryTable:
        open.push_back(instr.op == Opcode::Loop ? static_cast<uint32_t>(loops_.size()) : kNoLoop);
        if (instr.op == Opcode::Loop) loops_.push_back({static_cast<uint32_t>(assigned_.size()), 0});
        break;
      default: break;
    }
    if (instr.op == Opcode::LocalSet || instr.op == Opcode::LocalTee) assigned_.push_back(instr.a);
    if ((instr.op == Opcode::End || instr.op == Opcode::Delegate) && !open.empty()) {
      if (open.back() != kNoLoop) loops_[open.back()].end = static_cast<uint32_t>(assigned_.size());
      open.pop_back();
    }
    return {};
  });
}

}  // namespace parallax::jit
