// The state of one translation, shared by translate.cc (driver, locals), translate_control.cc (labels, edges, joins,
// handlers) and translate_ops.cc (everything that is no control). Private to them.
//
// Locals.  `local_` holds the current SSA value of every local. Each open label has a mark; the first assignment of a
// local under a mark is logged with the old value. The log from a label's `log_begin` on therefore names the locals that
// may differ from their values at the label's entry: exactly what an edge out of it has to record, and what has to be
// undone when the label closes. Loops share the mark of what encloses them, because their joins are at the head.
//
// Stack.  `stack_` mirrors the walk's operand stack while code is reachable, and is left alone in dead code; a label
// that closes cuts it to the label's height.
#pragma once

#include <span>
#include <vector>

#include "engine/base/result.h"
#include "engine/ir/builder.h"
#include "engine/jit/translate.h"
#include "engine/wasm/func_walk.h"

namespace parallax::jit {

// Bound on recorded local values and edge arguments of one function, so that memory and time stay linear in practice.
inline constexpr size_t kMaxEdgeEntries = size_t{1} << 23;

struct Translator::State {
  using ValueId = ir::ValueId;
  using BlockId = ir::BlockId;
  using InstId = ir::InstId;

  // --- The sink ------------------------------------------------------------------------------------------------------
  static constexpr bool kWantsEvents = true;
  Result<> on_begin(const wasm::WalkView& view);
  Result<> on_instr(const wasm::Instr& instr, const wasm::InstrTypes& types, const wasm::WalkView& view);
  Result<> on_finish(const wasm::WalkView& view);

  void start(const wasm::Module& module, wasm::FuncIndex func, const TranslateOptions& options, ir::Func& out);

  // What a handler gets: one instruction, its types, the walk.
  struct Event {
    const wasm::Instr& instr;
    const wasm::InstrTypes& types;
    const wasm::WalkView& view;
  };
  using Handler = Result<> (State::*)(const Event&);
  static Handler handler_of(wasm::Opcode op);

  // --- Labels ----------------------------------------------------------------------------------------------------------
  static constexpr uint32_t kNone = ~0u;
  struct EdgeList {
    uint32_t first = kNone;
    uint32_t last = kNone;
    uint32_t count = 0;
  };
  struct Control {
    wasm::LabelKind kind = wasm::LabelKind::kBlock;
    bool dead = false;    // opened in dead code
    uint32_t height = 0;  // of stack_, below the parameters
    uint32_t mark = 0;
    uint32_t log_begin = 0;
    EdgeList edges;                  // to the label's end
    BlockId head;                    // loops
    uint32_t loop_locals_begin = 0;  // loops: locals that are parameters of the head, after the stack's
    uint32_t loop_locals_count = 0;
    BlockId else_block;        // if: where the condition was zero
    uint32_t saved_begin = 0;  // if: parameters, for else
    uint32_t saved_count = 0;
    // Exceptions.
    uint32_t handler = kNone;    // index in controls_ of the try whose body this is (itself or an outer one)
    EdgeList throws;             // try, try_table: from throwing instructions to the dispatch
    uint32_t catches_begin = 0;  // try_table: in catches_
    uint32_t catches_count = 0;
    ValueId caught;  // catch: the exception, once the dispatch exists
    BlockId chain;   // catch: where no clause so far matched
    uint32_t catch_log_begin = 0;
  };
  // A jump whose target and arguments are filled in when the label closes.
  struct Edge {
    InstId jump;
    uint32_t values_begin = 0;  // in edge_values_
    uint32_t values_count = 0;
    uint32_t snap_begin = 0;  // in snaps_
    uint32_t snap_count = 0;
    uint32_t next = kNone;
  };
  struct LocalValue {
    uint32_t local;
    ValueId value;
  };
  struct LogEntry {
    uint32_t local;
    uint32_t old_mark;
    ValueId old_value;
  };

  Control& push_control(wasm::LabelKind kind, size_t param_count, bool reachable);
  Control& control_at(uint32_t depth) { return controls_[controls_.size() - 1 - depth]; }
  uint32_t index_at(uint32_t depth) const { return static_cast<uint32_t>(controls_.size() - 1 - depth); }
  // Ends the current block with a jump to the end of `controls_[target]`'s label, to its head, or with a return.
  Result<> branch_to(uint32_t target, std::span<const ValueId> values);
  // Ends the current block with a pending jump recorded in `list`; `log_begin` is the entry of the label left.
  Result<> add_edge(EdgeList& list, uint32_t log_begin, std::span<const ValueId> values);
  // Continues where all edges of `list` meet, with one value of each of `types` pushed on `out`; dead without edges.
  Result<> join(const EdgeList& list, std::span<const ir::Type> types, std::vector<ValueId>& out);
  Result<> close_label(const Control& control, std::span<const ir::Type> results);
  void merge_log(const Control& control);
  void undo_log(uint32_t log_begin);
  Result<> spend_entries(size_t count);

  ValueId refined(ValueId ref, ValueId test, bool sense);

  // Handlers of exceptions. `handler` is an index in controls_, kNone for the caller.
  Result<> throw_to(uint32_t handler, ValueId exn);
  Result<> finish_try_table(const Event& e);
  Result<> dispatch_catch(const wasm::Catch& clause, ValueId exn);
  BlockId match_tag(wasm::TagIndex tag, ValueId exn);
  Result<> start_catches(size_t result_count);
  Result<> finish_clause(size_t result_count);
  Result<> finish_try(size_t result_count, uint32_t handler);
  // Appends a call; inside a try it ends its block. Pushes the results.
  Result<> call_inst(const ir::Inst& proto, std::span<const ValueId> args, std::span<const ir::Type> results);
  // Pushes the payload of `exn`, which has this tag, on `out`.
  void payload(ValueId exn, wasm::TagIndex tag, std::vector<ValueId>& out);

  // --- Values ----------------------------------------------------------------------------------------------------------
  void push(ValueId v) { stack_.push_back(v); }
  ValueId pop() {
    const ValueId v = stack_.back();
    stack_.pop_back();
    return v;
  }
  std::span<const ValueId> top(size_t count) const { return std::span(stack_).last(count); }
  // Removes the top `count` values; the span is valid until the next pop_many.
  std::span<const ValueId> pop_many(size_t count);
  ValueId pop_non_null(wasm::TrapKind trap) { return b_->null_check(pop(), trap); }
  void set_local(uint32_t local, ValueId value);
  void forget_overwritten(ValueId old, ValueId value);
  ValueId zero_of(ir::Type type);
  void become_dead() { reachable_ = false; }
  void continue_at(BlockId block) {
    b_->set_block(block);
    reachable_ = true;
  }
  Result<> scan_loops(wasm::WasmOffset first_loop);
  wasm::TypeId type_id(uint32_t type_index) const { return module_->type_ids[type_index]; }

  // --- Handlers, by family (the table in translate.cc says which opcode has which) ------------------------------------------
#define PARALLAX_HANDLER(name) Result<> name(const Event& e);
#include "engine/jit/translate_handlers.def"
#undef PARALLAX_HANDLER

  // --- Data --------------------------------------------------------------------------------------------------------------
  const wasm::Module* module_ = nullptr;
  wasm::FuncIndex func_index_;
  const TranslateOptions* options_ = nullptr;
  ir::Func* func_ = nullptr;
  ir::Builder* b_ = nullptr;
  bool reachable_ = true;

  std::vector<ValueId> stack_;
  std::vector<ValueId> popped_;
  std::vector<Control> controls_;
  std::vector<Edge> edges_;
  std::vector<ValueId> edge_values_;
  std::vector<LocalValue> snaps_;
  std::vector<wasm::Catch> catches_;
  std::vector<ValueId> saved_;
  size_t entries_spent_ = 0;

  std::vector<ValueId> local_;
  std::vector<uint32_t> local_mark_;
  std::vector<LogEntry> log_;
  uint32_t next_mark_ = 1;
  uint32_t mark_ = 0;  // of the innermost label
  std::vector<ir::Type> local_types_;

  // Loops of the function in order of appearance, and what each assigns, as ranges of `assigned_`.
  struct LoopInfo {
    uint32_t begin = 0;
    uint32_t end = 0;
  };
  bool loops_scanned_ = false;
  uint32_t next_loop_ = 0;
  std::vector<LoopInfo> loops_;
  std::vector<uint32_t> assigned_;
  std::vector<uint32_t> loop_locals_;

  // Scratch of join, by local and by candidate.
  struct Candidate {
    uint32_t local;
    ValueId value;       // on the edges seen so far
    uint32_t edges = 0;  // that mention it
    uint32_t last_edge = kNone;
    bool differs = false;
    bool unset = false;  // has no value on some edge
  };
  std::vector<uint32_t> candidate_stamp_;
  std::vector<uint32_t> candidate_index_;
  uint32_t stamp_ = 0;
  std::vector<Candidate> candidates_;
  std::vector<ValueId> args_;
  std::vector<ir::Type> types_scratch_;
  std::vector<BlockId> blocks_scratch_;
  std::vector<uint32_t> numbers_;
  std::vector<ValueId> caught_;
  std::vector<ValueId> catch_values_;
  std::vector<ValueId> values_scratch_;
};

}  // namespace parallax::jit
