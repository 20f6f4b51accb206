// WalkCore: the typed walk itself, one instruction per step.
//
// Follows the validation algorithm of the specification's appendix: an operand stack of types, a label stack, code
// after a branch is stack-polymorphic. Beyond typing it keeps what translators need: whether control can really reach an
// instruction, and what was popped and pushed. Instantiated twice, in func_walk.cc: with events, and without them as the
// fast validator. The rules of instructions with signature "*" stand in rules/*.h, by family; a missing one does not
// link. Rules report mistakes through the reader's sticky error and may go on computing nonsense afterwards: the walk
// stops before the next instruction.
//
// Cost: linear in the code, with a factor of at most the number of values a call or label carries (kMaxParams).
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/wasm/func_walk.h"
#include "engine/wasm/instr_reader.h"

namespace parallax::wasm {

// A signature of the opcode table as a template argument, so that each distinct one becomes one function.
template <size_t n>
struct Letters {
  char text[n];
  constexpr Letters(const char (&from)[n]) { std::copy(from, from + n, text); }  // NOLINT: implicit on purpose
  constexpr bool is_fixed() const { return text[0] != '*'; }
};

// Names the rule of one opcode.
template <Opcode op>
struct Op {};

class FastWalk;

template <bool kEvents>
class WalkCore : public WalkView {
 public:
  WalkCore(const Module& module, const Features& features);
  // Turns to another module. Only buffers stay: what is walked from here on does not depend on what was walked before.
  void rebind(const Module& module, const Features& features);
  // Whether the buffers are of a size worth keeping for the next module.
  bool is_small() const;

  // Prepares for a body or a constant expression. False on error.
  bool begin_func(FuncIndex func);
  bool begin_const_expr(ConstExpr expr, ValType expected, uint32_t visible_globals);
  // Whether the outermost label was closed.
  bool done() const { return labels_.empty(); }
  // Reads, checks and applies one instruction. Requires !done(). False on error.
  bool step();
  // Steps to the end; common instructions without events go faster (walk_fast.h). False on error.
  bool run();
  // The first error, or success if the walk ended where its bytes end.
  Result<> finish();

  const Instr& instr() const { return instr_; }
  const InstrTypes& types() const { return types_; }

 private:
  friend class FastWalk;

  // Per label, what sinks need not see.
  struct Hidden {
    uint32_t init_height = 0;  // height of init_undo_ at entry
    bool end_reached = false;  // an arm or catch body that ended before fell through
  };

  // --- rules: one per instruction with signature "*" ---
#define OPCODE(id, prefix, code, text, immediates, signature, effects, feature) void on(Op<Opcode::id>);
#include "engine/wasm/opcodes.def"
#undef OPCODE

  void dispatch();
  void require_constant();
  template <ImmKind kind>
  void read();
  // Applies a fixed signature; `kind` says where the memory is named whose address type is p.
  template <ImmKind kind, Letters letters>
  void fixed();
  bool finish_event();
  void start_code(Range code, std::span<const ValType> results);

  // --- operand stack ---
  void push(ValType type) {
    if (stack_.size() >= kMaxOperands) return too_many_operands();
    stack_.push_back(type);
    if constexpr (kEvents) pushed_.push_back(type);
  }
  void too_many_operands();
  void push_all(std::span<const ValType> types);
  ValType pop();
  ValType pop(ValType expected) {
    if (stack_.size() == labels_.back().height) return pop_below(expected);
    const ValType type = stack_.back();
    if (type != expected) check_popped(type, expected);
    stack_.pop_back();
    if constexpr (kEvents) popped_.push_back(type);
    return type;
  }
  // Pops `count` values, expected(count - 1) first. Constant time where the stack is drained behind a branch.
  template <class Expected>
  void pop_each(size_t count, Expected&& expected) {
    for (size_t i = count; i-- > 0 && in().ok();) {
      if (stack_.size() == labels_.back().height && labels_.back().unreachable) {
        if constexpr (kEvents) popped_.insert(popped_.end(), i + 1, kBottom);
        return;
      }
      pop(expected(i));
    }
  }
  ValType pop_below(ValType expected);
  void check_popped(ValType type, ValType expected);
  // A reference (or kBottom, as kBottomRef).
  ValType pop_ref();
  void pop_all(std::span<const ValType> types);
  // Pops the values that `label`'s branch carries, and pushes them again.
  void pass_branch_values(const Label& label);
  void become_unreachable();
  bool top_matches(std::span<const ValType> types) const;
  bool matches(ValType sub, ValType super) const { return sub == super || store_->matches(sub, super); }
  bool all_match(std::span<const ValType> sub, std::span<const ValType> super) const;

  // --- labels ---
  struct Signature {
    std::span<const ValType> params;
    std::span<const ValType> results;
  };
  Signature block_signature(const BlockType& type);
  void open(LabelKind kind, Signature signature);
  // Checks the values at the end of the innermost label and takes it away, remembering it in closed_.
  void close();
  // The next arm of if or try: a fresh label of another kind at the same place.
  void reopen(LabelKind kind);
  const Label* branch_target(uint32_t depth);
  Label& label_at(uint32_t depth) { return labels_[labels_.size() - 1 - depth]; }
  void mark_branch(uint32_t depth) {
    if (reachable_) label_at(depth).branched_to = true;
  }
  std::span<const ValType> single(ValType type);

  // --- index spaces: give null and report when there is no such thing ---
  const SubType* composite(uint32_t type, CompositeKind kind);
  const SubType* func_type(uint32_t type) { return composite(type, CompositeKind::kFunc); }
  const FieldType* struct_field(uint32_t type, uint32_t field);
  const FieldType* array_element(uint32_t type);
  // The first field without a default value, or null. Remembered, because a three-byte instruction asks about all fields.
  const FieldType* field_without_default(uint32_t type);
  ValType concrete(uint32_t type, bool nullable) const;
  bool known(uint64_t index, size_t count, const char* what) {
    return index < count || (unknown(index, count, what), false);
  }
  void unknown(uint64_t index, size_t count, const char* what);
  bool known_memory(uint32_t index);
  bool known_data(uint32_t index);
  ValType address_type(const Limits& limits) const { return limits.is_64 ? kI64 : kI32; }
  ValType memory_address(uint32_t index) const { return address_type(module_->memories[index].type.limits); }
  ValType table_address(uint32_t index) const { return address_type(module_->tables[index].type.limits); }
  void check_mem_arg();
  void require_mutable(const FieldType& field, const char* what);
  void require_packed(const FieldType& field, bool packed);
  void require_array_of_bits(const FieldType& element);

  // --- shared by several rules ---
  void branch_always(uint32_t depth);
  void call(const SubType& type);
  void tail_call(const SubType& type);
  bool indirect_callee(const SubType*& type);
  void check_catch(const Catch& clause);
  void branch_on_cast(bool on_success);
  void struct_get(bool packed);
  void array_get(bool packed);
  void local_initialised(uint32_t local);
  void undo_initialisations(uint32_t height);

  // --- errors ---
  void invalid(std::string message) { in().invalid(instr_.offset, std::move(message)); }
  void mismatch(std::string_view what, std::span<const ValType> required);
  void mismatch_of(std::string message);
  Reader& in() { return reader_.in(); }

  const TypeStore* store_;
  InstrReader reader_;
  Features features_;
  bool constant_ = false;
  uint32_t visible_globals_ = 0;
  SubType const_type_;

  Instr instr_;
  bool reachable_ = true;
  std::vector<Hidden> hidden_;                      // beside labels_
  std::vector<uint8_t> unset_;                      // per local: non-defaultable and not yet set
  std::vector<uint32_t> init_undo_;                 // locals that became set inside open labels
  std::vector<std::vector<ValType>> single_pages_;  // storage of block types with one reference result
  size_t singles_ = 0;                              // of them, used by this code

  std::unordered_map<uint32_t, const FieldType*> without_default_;
  std::vector<const ValType*> distinct_;  // of one br_table

  // Events.
  InstrTypes types_;
  std::vector<ValType> popped_;
  std::vector<ValType> pushed_;
  Label closed_;
  Hidden closed_hidden_;
};

extern template class WalkCore<false>;
extern template class WalkCore<true>;

// A core whose buffers were used before: this thread keeps a few, because most functions are so small that making the
// buffers would cost more than the walk. Walks may nest; each has a core of its own.
template <bool kEvents>
class LeasedWalk {
 public:
  LeasedWalk(const Module& module, const Features& features);
  ~LeasedWalk();
  LeasedWalk(const LeasedWalk&) = delete;
  LeasedWalk& operator=(const LeasedWalk&) = delete;
  WalkCore<kEvents>& operator*() { return *core_; }
  WalkCore<kEvents>* operator->() { return core_.get(); }

 private:
  std::unique_ptr<WalkCore<kEvents>> core_;
};

extern template class LeasedWalk<false>;
extern template class LeasedWalk<true>;

}  // namespace parallax::wasm
