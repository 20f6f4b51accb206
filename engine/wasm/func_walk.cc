// The typed walk: reading and dispatch, operand and label stacks. The rules are in rules/*.h.
#include "engine/wasm/func_walk.h"

#include <algorithm>

#include "engine/base/check.h"
#include "engine/base/text.h"
#include "engine/wasm/limits.h"
#include "engine/wasm/opcode_lookup.h"
#include "engine/wasm/rules/control.h"
#include "engine/wasm/rules/exceptions.h"
#include "engine/wasm/rules/references.h"
#include "engine/wasm/rules/variables.h"
#include "engine/wasm/walk_core.h"
#include "engine/wasm/walk_fast.h"

namespace parallax::wasm {
namespace {

// Instructions that a constant expression may use (specification, "Constant Expressions").
constexpr auto kConstant = [] {
  std::array<bool, kOpcodeCount> table{};
  for (const Opcode op :
       {Opcode::End,           Opcode::I32Const,         Opcode::I64Const,        Opcode::F32Const,
        Opcode::F64Const,      Opcode::V128Const,        Opcode::RefNull,         Opcode::RefFunc,
        Opcode::RefI31,        Opcode::GlobalGet,        Opcode::I32Add,          Opcode::I32Sub,
        Opcode::I32Mul,        Opcode::I64Add,           Opcode::I64Sub,          Opcode::I64Mul,
        Opcode::StructNew,     Opcode::StructNewDefault, Opcode::ArrayNew,        Opcode::ArrayNewDefault,
        Opcode::ArrayNewFixed, Opcode::AnyConvertExtern, Opcode::ExternConvertAny}) {
    table[static_cast<size_t>(op)] = true;
  }
  return table;
}();

constexpr bool needs_extended_const(Opcode op) {
  return op == Opcode::I32Add || op == Opcode::I32Sub || op == Opcode::I32Mul || op == Opcode::I64Add ||
         op == Opcode::I64Sub || op == Opcode::I64Mul;
}

// Which immediates name the memory; all that do not matter are one, to have fewer instances.
constexpr ImmKind memory_place(ImmKind kind) {
  return kind == ImmKind::Memory || kind == ImmKind::DataMemory ? kind : ImmKind::MemArg;
}

constexpr ValType type_of_letter(char letter, ValType address) {
  switch (letter) {
    case 'i': return kI32;
    case 'l': return kI64;
    case 'f': return kF32;
    case 'd': return kF64;
    case 'v': return kV128;
    default: return address;
  }
}

}  // namespace

template <bool kEvents>
WalkCore<kEvents>::WalkCore(const Module& module, const Features& features)
    : WalkView(module), store_(module.store.get()), reader_(module, Range{}, features), features_(features) {
  CHECK(module.naming == TypeNaming::kCanonical && store_ != nullptr, "I7: walk of a module without canonical types");
}

WALK(void)::rebind(const Module& module, const Features& features) {
  CHECK(module.naming == TypeNaming::kCanonical && module.store != nullptr,
        "I7: walk of a module without canonical types");
  module_ = &module;
  store_ = module.store.get();
  features_ = features;
  reader_.rebind(module, features);
  without_default_.clear();
  type_ = nullptr;
  instr_ = {};
}

WALK(bool)::is_small() const {
  constexpr size_t kMost = 16 * 1024;
  return module_->bytes.size() < (size_t{1} << 20) && stack_.capacity() < kMost && locals_.capacity() < kMost;
}

// --- Beginning and end -----------------------------------------------------------------------------------------------

WALK(void)::start_code(Range code, std::span<const ValType> results) {
  reader_.restart(*module_, code);
  stack_.set_size(0);
  labels_.clear();
  hidden_.clear();
  init_undo_.clear();
  singles_ = 0;
  reachable_ = true;
  instr_.offset = code.begin;
  labels_.push_back({.kind = LabelKind::kFunc, .offset = code.begin, .results = results});
  hidden_.push_back({});
}

WALK(bool)::begin_func(FuncIndex func) {
  func_ = func;
  constant_ = false;
  visible_globals_ = static_cast<uint32_t>(module_->globals.size());
  type_ = &module_->func_type(func);
  start_code(module_->funcs[func.index()].body, type_->results);
  locals_.assign(type_->params.begin(), type_->params.end());
  unset_.assign(locals_.size(), 0);
  if (module_->funcs[func.index()].body.size() > kMaxFuncBody) {
    in().fail(ErrorCode::kLimit, in().offset(), text::format("function body of more than {} bytes", kMaxFuncBody));
  }
  const uint32_t groups = in().count();
  uint64_t total = 0;
  for (uint32_t i = 0; i < groups && in().ok(); ++i) {
    const WasmOffset at = in().offset();
    const uint32_t count = in().u32();
    const ValType type = read_val_type(in(), reader_.scope());
    total += count;
    if (total > UINT32_MAX) in().malformed(at, "too many locals");
    if (!in().ok() || total > kMaxLocals) continue;  // the rest is still looked at: malformed goes before limits
    locals_.insert(locals_.end(), count, type);
    unset_.insert(unset_.end(), count, type.is_defaultable() ? 0 : 1);
  }
  if (total > kMaxLocals) in().fail(ErrorCode::kLimit, in().offset(), text::format("too many locals: {}", total));
  return in().ok();
}

WALK(bool)::begin_const_expr(ConstExpr expr, ValType expected, uint32_t visible_globals) {
  func_ = FuncIndex();
  constant_ = true;
  visible_globals_ = visible_globals;
  const_type_.results.assign(1, expected);
  type_ = &const_type_;
  locals_.clear();
  unset_.clear();
  start_code(expr, const_type_.results);
  return true;
}

WALK(bool)::run() {
  const bool can_be_fast = !kEvents && FastWalk::admits(features_);
  while (!labels_.empty()) {
    if constexpr (!kEvents) {
      if (can_be_fast) FastWalk::run(*this);
    }
    if (!step()) return false;
  }
  return true;
}

WALK(Result<>)::finish() {
  if (in().ok() && done() && !in().at_end())
    in().malformed(in().offset(), "section size mismatch: code goes on after its end");
  return in().result();
}

// --- One instruction -------------------------------------------------------------------------------------------------

WALK(bool)::step() {
  if constexpr (kEvents) {
    popped_.clear();
    pushed_.clear();
    types_ = {.reachable = reachable_};
  }
  reader_.read_opcode(instr_);
  if (constant_) require_constant();
  dispatch();
  return finish_event();
}

WALK(void)::require_constant() {
  const bool admitted = kConstant[static_cast<size_t>(instr_.op)] &&
                        (!needs_extended_const(instr_.op) || features_.has(Feature::kExtendedConst));
  if (!admitted) invalid(text::format("constant expression required: {} is not constant", info(instr_.op).text));
}

WALK(bool)::finish_event() {
  if (!in().ok()) return false;
  if constexpr (kEvents) {
    std::reverse(popped_.begin(), popped_.end());
    types_.popped = popped_;
    types_.pushed = pushed_;
  }
  return true;
}

// One case for each row of the table: reads the immediates, then applies the fixed signature or the rule. After a mistake
// in reading, the operation is one without immediates, so that only rules that rely on theirs need to ask.
WALK(void)::dispatch() {
  switch (instr_.op) {
#define OPCODE(id, prefix, code, text, immediates, signature, effects, feature)     \
  case Opcode::id:                                                                  \
    if constexpr (Feature::feature != Feature::kMvp) {                              \
      if (!reader_.admits(Feature::feature)) return reader_.reject_feature(instr_); \
    }                                                                               \
    if constexpr (ImmKind::immediates != ImmKind::None) {                           \
      read<ImmKind::immediates>();                                                  \
      if (!in().ok()) return;                                                       \
    }                                                                               \
    if constexpr (Letters(signature).is_fixed()) {                                  \
      return fixed<memory_place(ImmKind::immediates), signature>();                 \
    } else {                                                                        \
      return on(Op<Opcode::id>{});                                                  \
    }
#include "engine/wasm/opcodes.def"
#undef OPCODE
  }
}

template <bool kEvents>
template <ImmKind kind, Letters letters>
[[gnu::noinline]] void WalkCore<kEvents>::fixed() {
  constexpr std::string_view kText(letters.text);
  constexpr size_t kColon = kText.find(':');
  ValType address = kI32;
  if constexpr (kText.find('p') != kText.npos) {
    address = memory_address(kind == ImmKind::Memory       ? instr_.a
                             : kind == ImmKind::DataMemory ? instr_.b
                                                           : instr_.mem.memory.raw);
  }
  for (size_t i = kColon; i-- > 0;) pop(type_of_letter(kText[i], address));
  for (size_t i = kColon + 1; i < kText.size(); ++i) push(type_of_letter(kText[i], address));
}

// Reads immediates and checks what depends on them alone: that indices name something.
template <bool kEvents>
template <ImmKind kind>
void WalkCore<kEvents>::read() {
  reader_.read_immediates<kind>(instr_);
  if (!in().ok()) return;
  const Module& m = *module_;
  if constexpr (kind == ImmKind::Local) known(instr_.a, locals_.size(), "local");
  if constexpr (kind == ImmKind::Func) known(instr_.a, m.funcs.size(), "function");
  if constexpr (kind == ImmKind::Global) known(instr_.a, visible_globals_, "global");
  if constexpr (kind == ImmKind::Table) known(instr_.a, m.tables.size(), "table");
  if constexpr (kind == ImmKind::Memory) known_memory(instr_.a);
  if constexpr (kind == ImmKind::Tag) known(instr_.a, m.tags.size(), "tag");
  if constexpr (kind == ImmKind::Data) known_data(instr_.a);
  if constexpr (kind == ImmKind::Elem) known(instr_.a, m.elems.size(), "elem segment");
  if constexpr (kind == ImmKind::MemArg || kind == ImmKind::MemArgLane) check_mem_arg();
  if constexpr (kind == ImmKind::DataMemory) known_memory(instr_.b) && known_data(instr_.a);
  if constexpr (kind == ImmKind::MemoryMemory) known_memory(instr_.a) && known_memory(instr_.b);
  if constexpr (kind == ImmKind::TableElem) {
    known(instr_.a, m.tables.size(), "table") && known(instr_.b, m.elems.size(), "elem segment");
  }
  if constexpr (kind == ImmKind::TableTable) {
    known(instr_.a, m.tables.size(), "table") && known(instr_.b, m.tables.size(), "table");
  }
  if constexpr (kind == ImmKind::Lane || kind == ImmKind::MemArgLane) {
    const uint8_t lanes = detail::kShapes[static_cast<size_t>(instr_.op)].lanes;
    if (instr_.lane >= lanes) invalid(text::format("invalid lane index {} of {}", instr_.lane, lanes));
  }
  if constexpr (kind == ImmKind::Shuffle) {
    for (const uint8_t lane : instr_.v128) {
      if (lane >= 32) invalid(text::format("invalid lane index {} of 32", lane));
    }
  }
}

WALK(void)::check_mem_arg() {
  if (!known_memory(instr_.mem.memory.raw)) return;
  const uint8_t natural = detail::kShapes[static_cast<size_t>(instr_.op)].access_log2;
  if (instr_.mem.align_log2 > natural) {
    return invalid(text::format("alignment must not be larger than natural: 2**{} for {} bytes", instr_.mem.align_log2,
                                1u << natural));
  }
  if (instr_.mem.offset > UINT32_MAX && !module_->memories[instr_.mem.memory.index()].type.limits.is_64) {
    invalid(text::format("offset out of range: {:#x} in a memory with 32-bit addresses", instr_.mem.offset));
  }
}

WALK(void)::unknown(uint64_t index, size_t count, const char* what) {
  invalid(text::format("unknown {} {}: there are {}", what, index, count));
}

WALK(bool)::known_memory(uint32_t index) { return known(index, module_->memories.size(), "memory"); }

// In code, data segments are counted by the data count section, which stands before it.
WALK(bool)::known_data(uint32_t index) {
  if (!module_->data_count.has_value()) {
    in().malformed(instr_.offset, "data count section required");
    return false;
  }
  return known(index, *module_->data_count, "data segment");
}

// --- Operand stack ---------------------------------------------------------------------------------------------------

WALK(void)::too_many_operands() {
  in().fail(ErrorCode::kLimit, instr_.offset, text::format("operand stack of more than {} values", kMaxOperands));
}

WALK(void)::push_all(std::span<const ValType> types) {
  if (stack_.size() + types.size() > kMaxOperands) return too_many_operands();
  stack_.append(types);
  if constexpr (kEvents) pushed_.insert(pushed_.end(), types.begin(), types.end());
}

WALK(ValType)::pop() {
  ValType type = kBottom;
  if (stack_.size() > labels_.back().height) [[likely]] {
    type = stack_.back();
    stack_.pop_back();
  } else if (!labels_.back().unreachable) {
    mismatch_of("instruction requires a value but stack has []");
  }
  if constexpr (kEvents) popped_.push_back(type);
  return type;
}

// Nothing is left in the block: fine behind a branch only.
WALK(ValType)::pop_below(ValType expected) {
  if (!labels_.back().unreachable) mismatch("instruction", {&expected, 1});
  if constexpr (kEvents) popped_.push_back(kBottom);
  return kBottom;
}

WALK(void)::check_popped(ValType type, ValType expected) {
  if (!store_->matches(type, expected)) mismatch("instruction", {&expected, 1});
}

WALK(ValType)::pop_ref() {
  const ValType type = pop();
  if (type.is_bottom()) return kBottomRef;
  if (type.is_ref()) return type;
  mismatch_of(text::format("instruction requires [ref] but stack has [{}]", to_string(type)));
  return kBottomRef;
}

WALK(bool)::all_match(std::span<const ValType> sub, std::span<const ValType> super) const {
  return sub.size() == super.size() &&
         std::equal(sub.begin(), sub.end(), super.begin(), [this](ValType a, ValType b) { return matches(a, b); });
}

// Whether the topmost values have these types; below the label's height an unreachable end supplies any.
WALK(bool)::top_matches(std::span<const ValType> types) const {
  const Label& label = labels_.back();
  const size_t have = std::min(stack_.size() - label.height, types.size());
  if (have < types.size() && !label.unreachable) return false;
  const auto values = stack_.values().last(have);
  return all_match(values, types.last(have));
}

WALK(void)::pop_all(std::span<const ValType> types) {
  if (!top_matches(types)) [[unlikely]]
    mismatch("instruction", types);
  const size_t have = std::min(stack_.size() - labels_.back().height, types.size());
  if constexpr (kEvents) {
    const auto popped = stack_.values().last(have);
    popped_.insert(popped_.end(), popped.rbegin(), popped.rend());
    popped_.insert(popped_.end(), types.size() - have, kBottom);
  }
  stack_.set_size(stack_.size() - have);
}

WALK(void)::pass_branch_values(const Label& label) {
  const auto types = label.branch_types();
  pop_all(types);
  push_all(types);
}

WALK(void)::become_unreachable() {
  stack_.set_size(labels_.back().height);
  labels_.back().unreachable = true;
  reachable_ = false;
}

// --- Labels ----------------------------------------------------------------------------------------------------------

// The types of a single result, as a list that stays where it is until the walk of this code ends.
WALK(std::span<const ValType>)::single(ValType type) {
  static constexpr ValType kNumbers[] = {kI32, kI64, kF32, kF64, kV128};
  if (!type.is_ref()) return {&kNumbers[static_cast<size_t>(type.kind())], 1};
  constexpr size_t kPage = 128;
  if (singles_ == single_pages_.size() * kPage) single_pages_.emplace_back(kPage);
  ValType& place = single_pages_[singles_ / kPage][singles_ % kPage];
  ++singles_;
  place = type;
  return {&place, 1};
}

WALK(typename WalkCore<kEvents>::Signature)::block_signature(const BlockType& type) {
  switch (type.kind) {
    case BlockTypeKind::kEmpty: return {};
    case BlockTypeKind::kValue: return {{}, single(type.value)};
    case BlockTypeKind::kFunc: break;
  }
  const SubType* found = func_type(type.type);
  if (found == nullptr) return {};
  return {found->params, found->results};
}

WALK(void)::open(LabelKind kind, Signature signature) {
  pop_all(signature.params);
  if (labels_.size() > kMaxControlDepth) {
    return in().fail(ErrorCode::kLimit, instr_.offset, text::format("more than {} nested blocks", kMaxControlDepth));
  }
  labels_.push_back({.kind = kind,
                     .offset = instr_.offset,
                     .params = signature.params,
                     .results = signature.results,
                     .height = static_cast<uint32_t>(stack_.size()),
                     .reachable_at_entry = reachable_});
  hidden_.push_back({.init_height = static_cast<uint32_t>(init_undo_.size())});
  push_all(signature.params);
}

WALK(void)::close() {
  const Label& label = labels_.back();
  const size_t have = stack_.size() - label.height;
  if (have > label.results.size() || !top_matches(label.results)) [[unlikely]]
    mismatch("block", label.results);
  pop_all(label.results);
  stack_.set_size(label.height);
  closed_ = label;
  closed_hidden_ = hidden_.back();
  labels_.pop_back();
  hidden_.pop_back();
  undo_initialisations(closed_hidden_.init_height);
  if constexpr (kEvents) {
    types_.closed = &closed_;
    types_.falls_through = reachable_;
  }
}

WALK(void)::reopen(LabelKind kind) {
  labels_.push_back(closed_);
  labels_.back().kind = kind;
  labels_.back().unreachable = false;
  hidden_.push_back(closed_hidden_);
  hidden_.back().end_reached |= reachable_;
  reachable_ = closed_.reachable_at_entry;
}

WALK(const Label*)::branch_target(uint32_t depth) {
  if (!known(depth, labels_.size(), "label")) return nullptr;
  mark_branch(depth);
  return &label_at(depth);
}

// --- Errors ----------------------------------------------------------------------------------------------------------

WALK(void)::mismatch_of(std::string message) {
  if (!in().ok()) return;
  invalid(text::format("type mismatch: {} ({})", message, info(instr_.op).text));
}

// Shows as many values as are required, or everything in the block when values are left over.
WALK(void)::mismatch(std::string_view what, std::span<const ValType> required) {
  if (!in().ok()) return;
  const size_t have = stack_.size() - labels_.back().height;
  const size_t shown = what == "block" ? have : std::min(have, required.size());
  mismatch_of(text::format("{} requires {} but stack has {}", what, list(required), list(stack_.values().last(shown))));
}

// --- Cores to be used again -------------------------------------------------------------------------------------------

namespace {

template <bool kEvents>
std::vector<std::unique_ptr<WalkCore<kEvents>>>& idle_cores() {
  static thread_local std::vector<std::unique_ptr<WalkCore<kEvents>>> cores;
  return cores;
}

}  // namespace

template <bool kEvents>
LeasedWalk<kEvents>::LeasedWalk(const Module& module, const Features& features) {
  auto& idle = idle_cores<kEvents>();
  if (idle.empty()) {
    core_ = std::make_unique<WalkCore<kEvents>>(module, features);
    return;
  }
  core_ = std::move(idle.back());
  idle.pop_back();
  core_->rebind(module, features);
}

template <bool kEvents>
LeasedWalk<kEvents>::~LeasedWalk() {
  constexpr size_t kMostIdle = 4;
  auto& idle = idle_cores<kEvents>();
  if (idle.size() < kMostIdle && core_->is_small()) idle.push_back(std::move(core_));
}

template class WalkCore<false>;
template class WalkCore<true>;
template class LeasedWalk<false>;
template class LeasedWalk<true>;

}  // namespace parallax::wasm
