// Devirtualisation: calls through references and tables become direct ones, so that they can be inlined.
//
// Known for certain: the reference is a RefFunc, or the table is one that nothing can change (callees.h) and is small:
// the index then selects among direct calls, and the traps of the call are branches of the same selection.
// Guessed: of the functions that ref.func may name few have the type. Then the reference is compared with each; the
// general call stays as the last resort, so the guess may be wrong.
//
// The functions that a table holds and that may be named are those of the instance that is compiled for; the order of
// comparisons is that of the module.
#include "engine/base/faults.h"
#include "engine/base/scratch.h"
#include "engine/opt/passes.h"
#include "engine/opt/splice.h"

namespace parallax::opt {

namespace {

using ir::BlockId;
using ir::Func;
using ir::Inst;
using ir::InstId;
using ir::Op;
using ir::Type;
using ir::ValueId;
using wasm::TrapKind;

constexpr size_t kMaxGuesses = 4;
constexpr size_t kMaxSelected = 24;  // elements of a table that a switch selects from
constexpr size_t kMaxSites = 200;    // in one function

class Devirtualise {
 public:
  explicit Devirtualise(PassContext& context)
      : context_(context), func_(context.func), gate_(context.gate), splicer_(context.func) {}

  void run() {
    if (context_.callees == nullptr) return;
    gather();
    for (size_t n = sites_.size(); n-- > 0;) expand(sites_[n]);
    if (!splicer_.changed()) return;
    context_.control_changed = true;
    splicer_.finish();
  }

 private:
  static bool through_reference(Op op) { return op == Op::CallRef || op == Op::ReturnCallRef; }
  static bool through_table(Op op) { return op == Op::CallIndirect || op == Op::ReturnCallIndirect; }
  ValueId callee_operand(InstId i) const { return func_.arg(i, func_.inst(i).args_count - 1); }

  void gather() {
    for (const BlockId b : context_.cfg.rpo()) {
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) {
        const Op op = func_.inst(i).op;
        if (through_reference(op) && !known(i) && is_guessed(i)) sites_.push_back(i);
        if (through_table(op) && is_selected(i)) sites_.push_back(i);
        if (sites_.size() == kMaxSites) return;
      }
    }
  }

  bool ask(Rewrite rewrite, InstId i) {
    const Inst& inst = func_.inst(i);
    return gate_.allow(rewrite, inst.results_count != 0 ? inst.first_result : ValueId());
  }

  // --- A reference that is known, to a function that is declared with the call's type: behind a cast that cannot succeed, or
  // of an import that is more than it is declared to be, it may be another one.
  bool known(InstId i) {
    ValueId ref = callee_operand(i);
    const Inst* def = func_.def(ref);
    while (def != nullptr && (def->op == Op::NullCheck || def->op == Op::Cast || def->op == Op::Refine)) {
      ref = func_.arg(func_.value(ref).inst, 0);
      def = func_.def(ref);
    }
    if (def == nullptr || def->op != Op::RefFunc) return false;
    const wasm::TypeId declared = func_.module().funcs[def->a].type_id;
    if (declared != wasm::TypeId(func_.inst(i).a) || !ask(Rewrite::kCallKnown, i)) return false;
    make_direct(i, def->a);
    return true;
  }

  void make_direct(InstId i, uint32_t callee) {
    args_of(i);
    func_.set_args(i, args_);
    func_.become(i, is_tail_call(func_.inst(i).op) ? Op::ReturnCall : Op::Call);
    Inst& inst = func_.edit(i);
    inst.a = callee;
    inst.b = 0;
  }

  // Its arguments without the callee.
  void args_of(InstId i) {
    args_.clear();
    for (uint32_t n = 0; n + 1 < func_.inst(i).args_count; ++n) args_.push_back(func_.arg(i, n));
  }

  // --- Deciding.
  bool is_guessed(InstId i) {
    return !context_.callees->named(wasm::TypeId(func_.inst(i).a), kMaxGuesses).empty() &&
           ask(Rewrite::kGuessCallee, i);
  }

  bool is_selected(InstId i) {
    const Inst& inst = func_.inst(i);
    const size_t size = context_.callees->constant_table(wasm::TableIndex(inst.b)).size();
    return size != 0 && size <= kMaxSelected && func_.type(callee_operand(i)) == wasm::kI32 &&
           ask(Rewrite::kSelectCallee, i);
  }

  // --- Expanding.
  void expand(InstId i) {
    call_ = func_.inst(i);
    operand_ = callee_operand(i);
    args_of(i);
    types_.clear();
    for (uint32_t n = 0; n < call_.results_count; ++n) types_.push_back(func_.type(func_.result(i, n)));
    place_ = splicer_.open(i);
    through_reference(call_.op) ? guess() : select();
  }

  void guess() {
    BlockId at = place_.block;
    for (const wasm::FuncIndex callee : context_.callees->named(wasm::TypeId(call_.a), kMaxGuesses)) {
      if (fault_fires(Fault::kDEV1)) return direct(at, callee.raw);
      const Type i32 = wasm::kI32;
      const InstId test = splicer_.append(at, {.op = Op::FuncIs, .a = callee.raw, .offset = call_.offset},
                                          std::span(&operand_, 1), std::span(&i32, 1));
      const ValueId condition = func_.result(test);
      const BlockId targets[] = {splicer_.new_block(), splicer_.new_block()};
      splicer_.append(at, {.op = Op::Branch, .offset = call_.offset}, std::span(&condition, 1), {}, targets);
      direct(targets[0], callee.raw);
      at = targets[1];
    }
    general(at);
  }

  void select() {
    const auto table = context_.callees->constant_table(wasm::TableIndex(call_.b));
    targets_.clear();
    made_.clear();
    for (const Callees::Element element : table) targets_.push_back(block_for(element));
    targets_.push_back(block_for({Callees::Element::kOutside}));
    splicer_.append(place_.block, {.op = Op::Switch, .offset = call_.offset}, std::span(&operand_, 1), {}, targets_);
  }

  // The block that does what calling this element does; one for equal elements.
  BlockId block_for(Callees::Element element) {
    for (const Made& made : made_) {
      if (made.element == element) return made.block;
    }
    const BlockId block = splicer_.new_block();
    made_.push_back({element, block});
    if (element.func == Callees::Element::kOutside) {
      trap(block, TrapKind::kUndefinedElement);
    } else if (element.func == Callees::Element::kNull) {
      trap(block, TrapKind::kUninitializedElement);
    } else if (element.func == Callees::Element::kForeign) {
      general(block);
    } else if (matches(element.func)) {
      direct(block, element.func);
    } else {
      trap(block, TrapKind::kIndirectCallTypeMismatch);
    }
    return block;
  }

  bool matches(uint32_t func) const {
    const wasm::TypeId type = func_.module().funcs[func].type_id;
    return func_.types().matches(wasm::HeapType::concrete(type), wasm::HeapType::concrete(call_.a));
  }

  void trap(BlockId at, TrapKind kind) {
    splicer_.append(at, {.op = Op::Trap, .trap = kind, .offset = call_.offset}, {});
  }

  void direct(BlockId at, uint32_t callee) {
    Inst proto = call_;
    proto.op = is_tail_call(call_.op) ? Op::ReturnCall : Op::Call;
    proto.a = callee;
    proto.b = 0;
    call(at, proto, args_);
  }

  void general(BlockId at) {
    with_operand_ = args_;
    with_operand_.push_back(operand_);
    call(at, call_, with_operand_);
  }

  void call(BlockId at, const Inst& proto, std::span<const ValueId> args) {
    if (is_tail_call(proto.op)) {
      splicer_.append(at, proto, args);
      return;
    }
    const InstId made = splicer_.call(at, proto, args, types_, place_.handler);
    results_.clear();
    for (uint32_t n = 0; n < types_.size(); ++n) results_.push_back(func_.result(made, n));
    splicer_.jump(at, place_.after, results_, call_.offset);
  }

  struct Made {
    Callees::Element element;
    BlockId block;
  };

  PassContext& context_;
  Func& func_;
  Gate& gate_;
  Splicer splicer_;
  Scratch<InstId> sites_;

  // Of the call being expanded.
  Inst call_;
  ValueId operand_;
  OpenCall place_;
  Scratch<ValueId> args_;
  Scratch<ValueId> with_operand_;
  Scratch<ValueId> results_;
  Scratch<Type> types_;
  Scratch<BlockId> targets_;
  Scratch<Made> made_;
};

}  // namespace

Result<> devirtualise(PassContext& context) {
  Devirtualise(context).run();
  return {};
}

}  // namespace parallax::opt
