// From a valid module to its editable form: the typed walk says what each instruction takes, which makes the trees.
//
// The walk runs over canonical types, where equal types have one number; stable ids must be the numbers as written. So a
// second reader goes over the same bytes under TypeNaming::kModule, one instruction behind the other.
#include <algorithm>

#include "engine/base/check.h"
#include "engine/base/text.h"
#include "engine/wasm/edit/module.h"
#include "engine/wasm/edit/nodes.h"
#include "engine/wasm/edit/refs.h"
#include "engine/wasm/func_walk_rules.h"

namespace parallax::wasm::edit {

namespace {

// Canonical type numbers to the first type of the module that is the same.
class Numbers {
 public:
  explicit Numbers(const wasm::Module& valid) {
    for (uint32_t i = 0; i < valid.type_ids.size(); ++i) {
      const uint32_t id = valid.type_ids[i].raw;
      if (id >= first_.size()) first_.resize(id + 1, ~0u);
      if (first_[id] == ~0u) first_[id] = i;
    }
  }
  uint32_t operator()(uint32_t id) const { return id < first_.size() && first_[id] != ~0u ? first_[id] : 0; }
  ValType operator()(ValType type) const {
    if (!type.is_ref() || type == kBottomRef || !type.heap().is_concrete()) return type;
    return ValType::ref(HeapType::concrete((*this)(type.heap().number())), type.nullable());
  }
  std::vector<ValType> operator()(std::span<const ValType> types) const {
    std::vector<ValType> out;
    out.reserve(types.size());
    for (const ValType type : types) out.push_back((*this)(type));
    return out;
  }

 private:
  std::vector<uint32_t> first_;
};

// The sink that builds one Code.
class Lifter {
 public:
  static constexpr bool kWantsEvents = true;

  Lifter(const wasm::Module& plain, Range code, const Numbers& numbers, const Features& features)
      : plain_(plain), end_(code.end), numbers_(numbers), reader_(plain, code, features) {
    frames_.push_back({});
  }

  Code take() && { return std::move(code_); }

  Result<> on_begin(const WalkView&) { return {}; }
  Result<> on_finish(const WalkView&) { return {}; }

  Result<> on_instr(const Instr& seen, const InstrTypes& types, const WalkView& view) {
    reader_.restart(plain_, Range{seen.offset, end_});
    Instr instr;
    reader_.read(instr);
    CHECK(reader_.in().ok() && instr.op == seen.op, "edit: two readings of one instruction differ");
    switch (instr.op) {
      case Opcode::Else:
      case Opcode::Catch:
      case Opcode::CatchAll: next_clause(instr, types); return {};
      case Opcode::End:
      case Opcode::Delegate: return close(instr, types);
      default: break;
    }
    const bool opens = info(instr.op).immediates == ImmKind::Block || instr.op == Opcode::TryTable;
    const NodeId id = code_.add(node_of(instr, types));
    resolve_labels(code_[id], instr, view, opens);
    take_children(id, types.popped.size());
    if (opens) {
      Frame frame;
      frame.node = id;
      frame.base = static_cast<uint32_t>(types.pushed.size());
      code_[id].pushed.clear();
      frames_.push_back(std::move(frame));
      return {};
    }
    return append(id, types);
  }

 private:
  struct Frame {
    NodeId node;  // the structured instruction; none: the function
    Opcode head = Opcode::Nop;
    uint32_t tag = 0;
    Seq seq;
    size_t floor = 0;   // children are not taken from below: behind a branch that never falls through
    uint32_t base = 0;  // values at the beginning that no node of the sequence made
  };

  Node node_of(const Instr& instr, const InstrTypes& types) {
    Node node;
    node.types.assign(instr.types.begin(), instr.types.end());
    node.catches.assign(instr.catches.begin(), instr.catches.end());
    node.popped = numbers_(types.popped);
    node.pushed = numbers_(types.pushed);
    node.reachable = types.reachable;
    node.instr = instr;
    node.instr.labels = {};
    node.instr.types = {};
    node.instr.catches = {};
    return node;
  }

  // `depth` counts from the innermost open frame.
  NodeId label(uint32_t depth) const { return frames_[frames_.size() - 1 - depth].node; }

  // The view's labels are ours: both open and close in the same events, and here the new one is not open yet.
  void resolve_labels(Node& node, const Instr& instr, const WalkView&, bool) {
    switch (info(instr.op).immediates) {
      case ImmKind::Label:
      case ImmKind::BrOnCast: node.targets.push_back(label(instr.a)); break;
      case ImmKind::BrTable:
        for (const uint32_t depth : instr.labels) node.targets.push_back(label(depth));
        break;
      case ImmKind::TryTable:
        for (const Catch& clause : instr.catches) node.targets.push_back(label(clause.label));
        break;
      default: break;
    }
  }

  // Moves the nodes that make the top `count` values of the current sequence below `id`.
  void take_children(NodeId id, size_t count) {
    Frame& frame = frames_.back();
    size_t at = frame.seq.size(), sum = 0;
    while (at > frame.floor && sum < count) sum += code_[frame.seq[--at]].net;
    if (sum < count) {
      while (at < frame.seq.size() && code_[frame.seq[at]].net == 0) ++at;
      code_[id].digs = true;
    }
    const auto begin = frame.seq.begin() + static_cast<std::ptrdiff_t>(count == 0 ? frame.seq.size() : at);
    code_[id].children.assign(begin, frame.seq.end());
    frame.seq.erase(begin, frame.seq.end());
    left_over_ = sum > count ? static_cast<uint32_t>(sum - count) : 0;
    if (count == 0) left_over_ = 0;
    code_[id].net = left_over_;
  }

  Result<> append(NodeId id, const InstrTypes& types) {
    Node& node = code_[id];
    node.net += static_cast<uint32_t>(types.pushed.size());
    Frame& frame = frames_.back();
    frame.seq.push_back(id);
    if (never_falls_through(node.op())) frame.floor = frame.seq.size();
    return {};
  }

  void end_clause() {
    Frame& frame = frames_.back();
    if (frame.node == kFuncLabel) {
      code_.body = std::move(frame.seq);
      return;
    }
    code_[frame.node].bodies.push_back({frame.head, frame.tag, std::move(frame.seq)});
    frame.seq.clear();
    frame.floor = 0;
  }

  void next_clause(const Instr& instr, const InstrTypes& types) {
    end_clause();
    Frame& frame = frames_.back();
    frame.head = instr.op;
    frame.tag = instr.a;
    frame.base = static_cast<uint32_t>(types.pushed.size());
  }

  Result<> close(const Instr& instr, const InstrTypes& types) {
    end_clause();
    const NodeId id = frames_.back().node;
    frames_.pop_back();
    if (id == kFuncLabel) return {};
    Node& node = code_[id];
    if (instr.op == Opcode::Delegate) {
      node.delegates = true;
      node.targets.push_back(label(instr.a));
    }
    node.pushed = numbers_(types.pushed);
    return append(id, types);
  }

  const wasm::Module& plain_;
  WasmOffset end_;
  const Numbers& numbers_;
  InstrReader reader_;
  Code code_;
  std::vector<Frame> frames_;
  uint32_t left_over_ = 0;
};

// How deep the tree is, without recursion: children and bodies come before their node in no particular order, so this
// goes down with a list of its own.
bool too_deep(const Code& code) {
  std::vector<std::pair<NodeId, uint32_t>> open;
  for (const NodeId id : code.body) open.push_back({id, 1});
  while (!open.empty()) {
    const auto [id, depth] = open.back();
    open.pop_back();
    if (depth > kMaxTreeDepth) return true;
    for (const NodeId child : code[id].children) open.push_back({child, depth + 1});
    for (const Clause& clause : code[id].bodies) {
      for (const NodeId child : clause.seq) open.push_back({child, depth + 1});
    }
  }
  return false;
}

class ModuleLifter {
 public:
  ModuleLifter(const wasm::Module& valid, const wasm::Module& plain, const Features& features)
      : valid_(valid), plain_(plain), features_(features), numbers_(valid) {}

  Result<Module> run() {
    types();
    imports();
    TRY(funcs());
    TRY(tables_and_globals());
    TRY(segments());
    for (const wasm::Export& e : plain_.exports) out_.exports.push_back({e.name, e.kind, e.index});
    if (plain_.start.has_value()) out_.start = plain_.start->raw;
    out_.data_count = plain_.data_count.has_value();
    for (const CustomSection& custom : plain_.customs) {
      if (custom.name == "name") continue;
      const auto bytes = plain_.at(custom.content);
      out_.customs.push_back({custom.name, {bytes.begin(), bytes.end()}, custom.after_section});
    }
    out_.names = read_names(plain_);
    return std::move(out_);
  }

 private:
  void types() {
    for (uint32_t i = 0; i < plain_.types.size(); ++i) {
      out_.types.push_back({plain_.types[i], true, numbers_(valid_.type_ids[i].raw)});
    }
    for (const RecGroup& group : plain_.rec_groups) {
      Group out{.explicit_rec = group.explicit_rec};
      for (uint32_t i = 0; i < group.count; ++i) out.members.push_back(group.first + i);
      out_.groups.push_back(std::move(out));
    }
  }

  void imports() {
    for (const wasm::Func& f : plain_.funcs) out_.funcs.push_back({.type = f.type});
    for (const wasm::Table& t : plain_.tables) out_.tables.push_back({.type = t.type});
    for (const wasm::Memory& m : plain_.memories) out_.memories.push_back({.type = m.type});
    for (const wasm::Global& g : plain_.globals) out_.globals.push_back({.type = g.type});
    for (const wasm::Tag& t : plain_.tags) out_.tags.push_back({.type = t.type});
    for (const Import& import : plain_.imports) {
      out_.imports.push_back({import.kind, import.index});
      const ImportName name{import.module, import.name};
      switch (import.kind) {
        case ExternKind::kFunc: out_.funcs[import.index].import = name; break;
        case ExternKind::kTable: out_.tables[import.index].import = name; break;
        case ExternKind::kMemory: out_.memories[import.index].import = name; break;
        case ExternKind::kGlobal: out_.globals[import.index].import = name; break;
        case ExternKind::kTag: out_.tags[import.index].import = name; break;
      }
    }
  }

  Result<> funcs() {
    for (uint32_t i = plain_.imported_funcs; i < plain_.funcs.size(); ++i) {
      Lifter lifter(plain_, plain_.funcs[i].body, numbers_, features_);
      // Locals as written: declared runs, read again under the plain numbers.
      TRY(read_locals(i));
      TRY(walk_func(valid_, FuncIndex(i), features_, lifter));
      out_.funcs[i].code = Cow<Code>(TRY(checked(std::move(lifter).take(), plain_.funcs[i].body.begin)));
    }
    return {};
  }

  Result<> read_locals(uint32_t func) {
    InstrReader reader(plain_, plain_.funcs[func].body, features_);
    Reader& in = reader.in();
    for (uint32_t runs = in.u32(); runs > 0 && in.ok(); --runs) {
      const uint32_t count = in.u32();
      const ValType type = read_val_type(in, reader.scope());
      if (in.ok()) out_.funcs[func].locals.insert(out_.funcs[func].locals.end(), count, type);
    }
    return in.result();
  }

  Result<Code> checked(Code code, WasmOffset at) {
    if (too_deep(code)) return fail(ErrorCode::kLimit, at, text::format("code nested deeper than {}", kMaxTreeDepth));
    return code;
  }

  Result<Cow<Code>> expr(ConstExpr range, ValType expected, size_t visible) {
    Lifter lifter(plain_, range, numbers_, features_);
    TRY(walk_const_expr(valid_, range, expected, static_cast<uint32_t>(visible), features_, lifter));
    return Cow<Code>(TRY(checked(std::move(lifter).take(), range.begin)));
  }

  // Expressions are walked against the canonical module's types; all globals are visible, they were validated before.
  Result<> tables_and_globals() {
    for (size_t i = 0; i < valid_.tables.size(); ++i) {
      const wasm::Table& table = valid_.tables[i];
      if (table.init.has_value()) {
        out_.tables[i].init = TRY(expr(*table.init, table.type.element, valid_.globals.size()));
      }
    }
    for (size_t i = 0; i < valid_.globals.size(); ++i) {
      const wasm::Global& global = valid_.globals[i];
      out_.globals[i].type.is_mutable = global.type.is_mutable;
      if (!global.imported) out_.globals[i].init = TRY(expr(global.init, global.type.value, valid_.globals.size()));
    }
    return {};
  }

  Result<> segments() {
    for (size_t i = 0; i < plain_.elems.size(); ++i) {
      const ElemSegment& from = plain_.elems[i];
      Elem out{.mode = from.mode, .table = from.table.raw, .type = from.type, .uses_exprs = from.uses_exprs};
      if (from.mode == SegmentMode::kActive) {
        const bool is_64 = plain_.tables[from.table.index()].type.limits.is_64;
        out.offset = TRY(expr(from.offset, is_64 ? kI64 : kI32, valid_.globals.size()));
      }
      for (const FuncIndex func : from.funcs) out.funcs.push_back(func.raw);
      for (const ConstExpr e : from.exprs) {
        out.exprs.push_back(TRY(expr(e, valid_.elems[i].type, valid_.globals.size())));
      }
      out_.elems.push_back(std::move(out));
    }
    for (const DataSegment& from : plain_.datas) {
      const auto bytes = plain_.at(from.bytes);
      Data out{.mode = from.mode, .memory = from.memory.raw, .bytes = {bytes.begin(), bytes.end()}};
      if (from.mode == SegmentMode::kActive) {
        const bool is_64 = plain_.memories[from.memory.index()].type.limits.is_64;
        out.offset = TRY(expr(from.offset, is_64 ? kI64 : kI32, valid_.globals.size()));
      }
      out_.datas.push_back(std::move(out));
    }
    return {};
  }

  const wasm::Module& valid_;
  const wasm::Module& plain_;
  const Features& features_;
  Numbers numbers_;
  Module out_;
};

}  // namespace

Result<Module> lift(const wasm::Module& valid, const Features& features) {
  CHECK(valid.naming == TypeNaming::kCanonical, "edit: lift needs a module with canonical types");
  const wasm::Module plain = TRY(decode(valid.bytes, nullptr, {.features = features, .naming = TypeNaming::kModule}));
  return ModuleLifter(valid, plain, features).run();
}

Result<Module> lift(std::span<const uint8_t> bytes, const Features& features) {
  const wasm::Module valid =
      TRY(load(std::vector<uint8_t>(bytes.begin(), bytes.end()), std::make_shared<TypeStore>(), features));
  return lift(valid, features);
}

std::vector<ValType> Module::locals_of(const Func& func) const {
  std::vector<ValType> out = type_of(func).params;
  out.insert(out.end(), func.locals.begin(), func.locals.end());
  return out;
}

uint32_t Module::add_type(SubType def) {
  const auto number = static_cast<uint32_t>(types.size());
  types.push_back({std::move(def), true, number});
  groups.push_back({{number}, false});
  return number;
}

uint32_t Module::add_func_type(std::vector<ValType> params, std::vector<ValType> results) {
  for (const Group& group : groups) {
    // Equal text in another place of a larger group is another type.
    if (group.members.size() != 1 || !types[group.members[0]].alive) continue;
    const SubType& def = types[group.members[0]].def;
    const bool same = def.kind == CompositeKind::kFunc && def.is_final && !def.has_super && def.params == params &&
                      def.results == results;
    if (same) return group.members[0];
  }
  SubType def;
  def.params = std::move(params);
  def.results = std::move(results);
  return add_type(std::move(def));
}

}  // namespace parallax::wasm::edit
