// The state of one baseline compilation, shared by compile.cc (driver), values.cc (entries, registers, moves),
// control.cc, numbers.cc, memory.cc and objects.cc. Private to them.
//
// Frame: home slots for references below rbp (call_sites.h): those of locals first, then those of the operand stack;
// numbers upwards from rsp in units of 8 bytes, likewise. Both grow towards each other, and the frame's size is patched
// in at the end. An entry's slot follows from the types of the entries below it, so that all ways to a join agree.
#pragma once

#include <initializer_list>
#include <span>
#include <vector>

#include "engine/ir/type.h"
#include "engine/jit/baseline/code.h"
#include "engine/jit/baseline/compile.h"
#include "engine/jit/lower_compute.h"
#include "engine/wasm/func_walk.h"

namespace parallax::jit {

class Baseline {
 public:
  explicit Baseline(x64::Emitter& emitter) : em_(emitter), code_(emitter.a_) {}
  Result<const uint8_t*> compile(const BaselineInput& input, CodeSpace& space, CallSites& sites);

  // --- The sink ------------------------------------------------------------------------------------------------------
  static constexpr bool kWantsEvents = true;
  Result<> on_begin(const wasm::WalkView& view);
  Result<> on_instr(const wasm::Instr& instr, const wasm::InstrTypes& types, const wasm::WalkView& view);
  Result<> on_finish(const wasm::WalkView&);

  struct Event {
    const wasm::Instr& instr;
    const wasm::InstrTypes& types;
    const wasm::WalkView& view;
  };
  using Handler = void (Baseline::*)(const Event&);
  struct Row {
    Handler handler = nullptr;
    ComputeRow compute;            // of scalar operations
    bool is_control = false;       // is seen in dead code too
    bool takes_condition = false;  // may read an unsettled comparison
  };

  // --- Handlers, by family (the table in compile.cc says which opcode has which)
#define PARALLAX_HANDLER(name) void name(const Event& e);
#include "engine/jit/baseline/handlers.def"
#undef PARALLAX_HANDLER

 private:
  using Rep = ir::Rep;
  using ValType = wasm::ValType;
  static constexpr uint32_t kNone = ~0u;
  // Bounds on work that is not linear in the code; functions beyond are the other compiler's. This one takes what has too
  // many map entries for that (safepoints.cc), so its bound is higher.
  static constexpr size_t kMaxMapWork = size_t{1} << 24;

  enum class Kind : uint8_t {
    kSlot,
    kReg,
    kConst,  // bits; never a v128
    kLocal,  // as the local is now
    kCond,   // the comparison in cond_; only the top
  };
  struct Entry {
    Kind kind = Kind::kSlot;
    Rep rep = Rep::kI32;
    PReg reg = kNoReg;
    uint32_t slot = 0;   // where it stands, or would: home slot of a reference, else unit of the frame
    uint32_t local = 0;  // kLocal
    ValType type;
    uint64_t bits = 0;  // kConst
  };
  struct Local {
    Rep rep = Rep::kI32;
    PReg reg = kNoReg;  // that holds the same value
    uint32_t slot = 0;
    uint32_t pending = 0;  // entries of kind kLocal
    ValType type;
  };
  // A comparison whose result is not needed yet.
  struct Condition {
    enum Form : uint8_t { kRegReg, kRegImm, kTest, kFloat };
    enum Two : uint8_t { kOne, kOrderedEqual, kUnorderedNotEqual };  // conditions of two flags
    Form form = kTest;
    Two two = kOne;
    Cc cc = Cc::kNe;
    bool wide = false;  // 64 bits, f64
    PReg a = kNoReg;
    PReg b = kNoReg;
    int32_t imm = 0;
  };
  struct Control {
    wasm::LabelKind kind = wasm::LabelKind::kBlock;
    bool dead = false;
    bool has_landing = false;  // some call may come back here
    uint32_t height = 0;       // of entries_, below the parameters
    uint32_t num_base = 0;     // tops of the frame's parts there
    uint32_t ref_base = 0;
    uint32_t chain = 0;   // jumps to the end
    uint32_t target = 0;  // loops: the head
    uint32_t else_chain = 0;
    uint32_t saved_begin = 0;  // if: parameters, for else
    uint32_t saved_count = 0;
    uint32_t handler = kNone;  // index in controls_ of the innermost one that handles exceptions here
    uint32_t dispatch = 0;     // throws inside, as a chain of jumps with the exception in rax
    MBlockId landing;
    uint32_t catches_begin = 0;  // try_table
    uint32_t catches_count = 0;
    uint32_t clause = 0;  // legacy: where no clause so far matched
    bool clause_open = false;
  };
  struct Move {
    PReg to = kNoReg;
    Entry from;
  };

  // --- Driver (compile.cc)
  static const Row* rows();
  void store_params(std::span<const ValType> params);
  void zero(const Addr& at, uint32_t bytes);
  void budget();
  void perturb();
  // Ends the compilation after this instruction.
  void refuse(const char* what);
  void cold_parts();
  Result<> finish_frame();

  // --- Entries and registers (values.cc)
  Rep rep_of(ValType type) const {
    if (!type.is_ref()) return static_cast<Rep>(static_cast<uint8_t>(type.kind()) + 1);
    return type.heap().kind() == wasm::HeapKind::kConcrete || type.heap().kind() <= wasm::HeapKind::kNoFunc
               ? ir::rep_of(*in_.types, type)
               : Rep::kRef;
  }
  static bool is_float(Rep rep) { return rep == Rep::kF32 || rep == Rep::kF64 || rep == Rep::kV128; }
  static RegClass class_of(Rep rep) { return is_float(rep) ? RegClass::kXmm : RegClass::kGpr; }
  static bool is_wide(Rep rep) { return rep == Rep::kI64 || rep == Rep::kF64 || rep == Rep::kFunc; }
  Entry& push(ValType type, Kind kind);
  void push_reg(ValType type, PReg reg);
  void push_const(ValType type, uint64_t bits);
  Entry pop();
  void drop() { pop(); }
  void truncate(size_t height);
  Entry& top(size_t n = 0) { return entries_[entries_.size() - 1 - n]; }

  PReg alloc(RegClass cls);
  PReg alloc_for(Rep rep) { return alloc(class_of(rep)); }
  void hold(PReg reg) { held_ |= bit(reg); }
  void release(PReg reg) { held_ &= ~bit(reg); }
  // Nobody else needs what is in this register any more.
  void vacate(PReg reg);
  void forget_local(PReg reg);
  void forget_locals();
  void remember_local(uint32_t local, PReg reg);
  // A register with the value, to read.
  PReg reg_of(const Entry& e);
  // A register with the value, to overwrite.
  PReg own_reg_of(const Entry& e);
  PReg pop_reg() { return reg_of(pop()); }
  // The top, which stays, in a register.
  PReg top_in_reg();
  // As an immediate of an instruction of this width.
  static bool immediate(const Entry& e, bool wide, int32_t& imm);

  Addr number_slot(uint32_t unit) const { return {.base = kRsp, .disp = static_cast<int32_t>(8 * unit)}; }
  Addr home_slot(uint32_t slot) const { return {.base = kRbp, .disp = home_offset(slot)}; }
  Addr slot_of(Rep rep, uint32_t slot) const { return rep == Rep::kRef ? home_slot(slot) : number_slot(slot); }
  void load(PReg to, Rep rep, const Addr& from);
  void store(const Addr& to, Rep rep, PReg from);
  void load_const(PReg to, Rep rep, uint64_t bits);
  // Into a register of the value's class. Writes no flags unless armed.
  void load_entry(PReg to, const Entry& e);
  // To its place in memory, through scratch registers if need be. Writes no flags.
  void store_entry(const Addr& to, const Entry& e);
  void spill(Entry& e);
  void flush_registers(size_t count);  // of the first entries
  void flush_references();             // before a safepoint that changes no register
  void flush(size_t count);            // and names of locals
  void save_uses(uint32_t local);
  void place(std::span<Move> moves);
  // The first `count` of the values from entry `first` on, where arguments and results travel.
  void place_arguments(size_t first, std::span<const ValType> types, PReg callee);
  void push_results(std::span<const ValType> types);

  // --- The emitter's sequences
  // Operands in the order of mops.def. The definition, if there is one, must be the first.
  void bridge(MInst inst, std::initializer_list<PReg> regs) { bridge(inst, std::span(regs.begin(), regs.size())); }
  void bridge(MInst inst, std::span<const PReg> regs);
  CallId new_call(MCall call, bool is_safepoint);

  // --- Conditions (numbers.cc)
  bool top_is_condition() const { return !entries_.empty() && entries_.back().kind == Kind::kCond; }
  void hold_condition();
  void settle();
  Condition take_condition();
  static Condition opposite(Condition c);
  void push_condition(const Condition& c);
  void compare(const Condition& c);
  // After compare().
  void jump_if(const Condition& c, uint32_t& chain);
  void jump_if_to(const Condition& c, uint32_t target);

  // --- Traps
  struct ColdTrap {
    uint32_t chain = 0;
    wasm::TrapKind kind{};
    wasm::WasmOffset offset = 0;
  };
  struct ColdNan {
    uint32_t chain = 0;
    uint32_t back = 0;
    PReg reg = kNoReg;
    bool wide = false;
  };
  uint32_t& trap_chain(wasm::TrapKind kind);
  void trap_if(Cc cc, wasm::TrapKind kind) { code_.jcc(cc, trap_chain(kind)); }
  void trap(wasm::TrapKind kind) { code_.jmp(trap_chain(kind)); }
  void null_check(PReg reg, ValType type, wasm::TrapKind kind);

  // --- Control (control.cc)
  Control& push_control(wasm::LabelKind kind, size_t params);
  Control& control_at(uint32_t depth) { return controls_[controls_.size() - 1 - depth]; }
  void move_results(const Control& to, std::span<const ValType> types);
  void emit_branch(Control& to, std::span<const ValType> types);
  void emit_return(std::span<const ValType> types);
  void branch_on(const Condition& c, Control& to, std::span<const ValType> types);
  void close_label(Control control, std::span<const ValType> results);
  void throw_to(uint32_t handler, PReg exn);
  void land(Control& control);
  void open_handler(Control& control);
  void dispatch_clause(const wasm::Catch& clause, std::span<const ValType> types);
  uint32_t test_tag(PReg exn, wasm::TagIndex tag);
  void push_payload(PReg exn, wasm::TagIndex tag);
  void finish_try_table(const Event& e);
  void finish_clause(std::span<const ValType> results);
  void finish_try(std::span<const ValType> results, uint32_t handler);

  // --- Numbers
  void canonicalize(PReg reg, bool wide);
  void numeric(wasm::Opcode op, std::span<const ValType> popped, ValType pushed, uint64_t low, uint64_t high);
  void numeric_by_call(wasm::Opcode op, size_t count, ValType pushed, uint64_t low, uint64_t high);

  // --- Memory and objects
  Addr access(const wasm::MemArg& arg, uint32_t bytes);
  void note_access(uint32_t begin);
  void load_field(PReg to, runtime::FieldRep rep, bool sign_extend, const Addr& from);
  void store_field(const Addr& to, runtime::FieldRep rep, const Entry& e);
  Addr element(PReg array, PReg index, runtime::FieldRep rep);
  void armed_check(PReg reg, ValType type);
  uint32_t tested_type(ValType type) const;
  struct Arg {
    bool is_imm = false;
    uint64_t imm = 0;
    Entry entry;
  };
  static Arg imm(uint64_t bits) { return {.is_imm = true, .imm = bits}; }
  static Arg value(const Entry& e) { return {.entry = e}; }
  // Everything but the arguments goes to its slot. The result is in rax.
  void builtin(runtime::Builtin id, std::initializer_list<Arg> args, bool is_safepoint = false, uint8_t sub = 0);
  // A zeroed object in a register that stays held; it is no entry yet.
  PReg allocate_struct(wasm::TypeId type);
  PReg allocate_array(wasm::TypeId type, const Entry& length);
  // Before a store of `value` into a field of this representation.
  void barrier(PReg object, runtime::FieldRep rep, const Entry& value);
  void object_from_stack(PReg object, std::span<const runtime::FieldSlot> fields);
  PReg callee_of(const Event& e, bool is_indirect);
  void call(const MInst& proto, MCall about, std::span<const ValType> params, std::span<const ValType> results,
            PReg callee);
  const runtime::TypeLayout& layout_of(uint32_t type_index) const {
    return in_.layouts->of(module_->type_ids[type_index]);
  }

  // --- Data ------------------------------------------------------------------------------------------------------------
  x64::Emitter& em_;
  Code code_;
  BaselineInput in_;
  const wasm::Module* module_ = nullptr;
  const runtime::Instance* instance_ = nullptr;
  MFunc mf_;
  Allocation locations_;
  Result<> ended_;  // set by handlers that cannot go on
  bool reachable_ = true;
  wasm::WasmOffset offset_ = 0;
  const Row* rows_ = nullptr;
  const Row* row_ = nullptr;  // of the instruction

  std::vector<Entry> entries_;
  size_t first_reg_ = 0;   // no entry below is in a register
  size_t first_lazy_ = 0;  // none below is kLocal
  uint32_t num_top_ = 0, ref_top_ = 0, num_max_ = 0, ref_max_ = 0;
  std::vector<Local> locals_;
  size_t map_work_ = 0;
  std::vector<uint32_t> ref_slots_;  // home slots of locals that are references
  RegSet used_ = 0;                  // by an entry
  RegSet held_ = 0;                  // by the instruction being compiled
  RegSet cached_ = 0;                // hold a local's value
  uint32_t entry_of_[kRegCount] = {};
  uint32_t local_of_[kRegCount] = {};
  uint32_t rotor_ = 0;
  Condition cond_;
  uint64_t chaos_ = 0;
  bool notes_sites_ = false;                     // of allocations: then all of them are the runtime's
  const runtime::MemoryDef* guarded_ = nullptr;  // of the access being written, if it needs no check

  std::vector<Control> controls_;
  std::vector<Entry> saved_;
  std::vector<wasm::Catch> catches_;
  std::vector<ColdTrap> traps_;
  std::vector<ColdNan> nans_;
  std::vector<uint32_t> tails_;  // by TrapKind: jumps to the shared end
  struct Table {
    uint32_t chain = 0;
    uint32_t begin = 0;  // in table_targets_
    uint32_t count = 0;
  };
  std::vector<Table> tables_;
  std::vector<uint32_t> table_targets_;
  std::vector<uint32_t> trampolines_;  // by depth, of one br_table
  struct Region {
    uint32_t begin = 0;
    uint32_t end = 0;
  };
  std::vector<Region> frame_sizes_;  // code that has the frame's size in it
  std::vector<Move> moves_;
  std::vector<PReg> operand_regs_;
};

}  // namespace parallax::jit
