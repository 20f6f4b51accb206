// From the editable form to bytes: the one place where stable ids become indices and labels become depths.
#include <algorithm>
#include <array>

#include "engine/base/text.h"
#include "engine/wasm/builder.h"
#include "engine/wasm/edit/module.h"
#include "engine/wasm/edit/refs.h"

namespace parallax::wasm::edit {

namespace {

constexpr uint32_t kGone = ~uint32_t{0};
constexpr size_t kSpaces = static_cast<size_t>(Space::kLocal);
// ORDER: Space.
constexpr const char* kSpaceNames[] = {"type", "function", "table", "memory", "global", "tag", "elem", "data"};

class Encoder {
 public:
  explicit Encoder(const Module& module) : m_(module) {}

  Result<std::vector<uint8_t>> run() {
    number();
    types();
    imports();
    definitions();
    exports();
    segments();
    declare();
    for (const Custom& custom : m_.customs) out_.add_custom(custom.name, custom.content, custom.after_section);
    out_.set_data_count(alive_datas_ > 0 ? needs_data_count_ || m_.data_count : m_.data_count);
    names();
    if (!wrong_.empty()) return fail(ErrorCode::kInvalid, 0, wrong_);
    return out_.encode();
  }

 private:
  std::vector<uint32_t>& indices(Space space) { return indices_[static_cast<size_t>(space)]; }

  uint32_t index(Space space, uint32_t id) {
    if (space == Space::kLocal) return id;
    const auto& map = indices_[static_cast<size_t>(space)];
    if (id < map.size() && map[id] != kGone) return map[id];
    if (wrong_.empty()) {
      wrong_ = text::format("{} {} is named, but {}", kSpaceNames[static_cast<size_t>(space)], id,
                            id < map.size() ? "was removed" : "never was");
    }
    return 0;
  }
  ValType mapped(ValType type) {
    visit_type(type, [&](Space space, uint32_t& id) { id = index(space, id); });
    return type;
  }
  std::vector<ValType> mapped(std::vector<ValType> types) {
    for (ValType& type : types) type = mapped(type);
    return types;
  }

  // --- numbering: imports first in their order, then what is defined here ---
  template <class Items>
  void number(Space space, ExternKind kind, const Items& items) {
    auto& map = indices(space);
    map.assign(items.size(), kGone);
    uint32_t next = 0;
    for (const ImportRef& import : m_.imports) {
      if (import.kind == kind && items[import.index].alive) map[import.index] = next++;
    }
    for (size_t i = 0; i < items.size(); ++i) {
      if (items[i].alive && !items[i].import.has_value()) map[i] = next++;
    }
  }
  template <class Items>
  uint32_t number_plain(Space space, const Items& items) {
    auto& map = indices(space);
    map.assign(items.size(), kGone);
    uint32_t next = 0;
    for (size_t i = 0; i < items.size(); ++i) {
      if (items[i].alive) map[i] = next++;
    }
    return next;
  }
  void number() {
    auto& types = indices(Space::kType);
    types.assign(m_.types.size(), kGone);
    uint32_t next = 0;
    for (const Group& group : m_.groups) {
      for (const uint32_t type : group.members) {
        if (m_.types[type].alive) types[type] = next++;
      }
    }
    number(Space::kFunc, ExternKind::kFunc, m_.funcs);
    number(Space::kTable, ExternKind::kTable, m_.tables);
    number(Space::kMemory, ExternKind::kMemory, m_.memories);
    number(Space::kGlobal, ExternKind::kGlobal, m_.globals);
    number(Space::kTag, ExternKind::kTag, m_.tags);
    number_plain(Space::kElem, m_.elems);
    alive_datas_ = number_plain(Space::kData, m_.datas);
  }

  // --- sections ---
  void types() {
    for (const Group& group : m_.groups) {
      std::vector<SubType> members;
      for (const uint32_t number : group.members) {
        if (!m_.types[number].alive) continue;
        SubType def = m_.types[number].def;
        visit_type(def, [&](Space space, uint32_t& id) { id = index(space, id); });
        members.push_back(std::move(def));
      }
      if (members.size() == 1 && !group.explicit_rec) out_.add_type(std::move(members[0]));
      else if (!members.empty() || group.members.empty()) out_.add_rec_group(std::move(members));
    }
  }

  void imports() {
    for (const ImportRef& ref : m_.imports) {
      switch (ref.kind) {
        case ExternKind::kFunc: {
          const Func& f = m_.funcs[ref.index];
          if (f.alive) out_.import_func(f.import->module, f.import->name, TypeIndex(index(Space::kType, f.type)));
          break;
        }
        case ExternKind::kTable: {
          const Table& t = m_.tables[ref.index];
          if (t.alive) out_.import_table(t.import->module, t.import->name, {mapped(t.type.element), t.type.limits});
          break;
        }
        case ExternKind::kMemory: {
          const Memory& m = m_.memories[ref.index];
          if (m.alive) out_.import_memory(m.import->module, m.import->name, m.type);
          break;
        }
        case ExternKind::kGlobal: {
          const Global& g = m_.globals[ref.index];
          if (g.alive) out_.import_global(g.import->module, g.import->name, {mapped(g.type.value), g.type.is_mutable});
          break;
        }
        case ExternKind::kTag: {
          const Tag& t = m_.tags[ref.index];
          if (t.alive) out_.import_tag(t.import->module, t.import->name, TypeIndex(index(Space::kType, t.type)));
          break;
        }
      }
    }
  }

  void definitions() {
    for (const Func& f : m_.funcs) {
      if (!f.alive || f.import.has_value()) continue;
      out_.add_func(TypeIndex(index(Space::kType, f.type)), mapped(f.locals), code(*f.code));
    }
    for (const Table& t : m_.tables) {
      if (!t.alive || t.import.has_value()) continue;
      std::optional<std::vector<uint8_t>> init;
      if (t.init.has_value()) init = const_expr(**t.init);
      out_.add_table({mapped(t.type.element), t.type.limits}, std::move(init));
    }
    for (const Memory& m : m_.memories) {
      if (m.alive && !m.import.has_value()) out_.add_memory(m.type);
    }
    for (const Global& g : m_.globals) {
      if (!g.alive || g.import.has_value()) continue;
      out_.add_global({mapped(g.type.value), g.type.is_mutable}, const_expr(*g.init));
    }
    for (const Tag& t : m_.tags) {
      if (t.alive && !t.import.has_value()) out_.add_tag(TypeIndex(index(Space::kType, t.type)));
    }
  }

  static Space space_of(ExternKind kind) {
    switch (kind) {
      case ExternKind::kFunc: return Space::kFunc;
      case ExternKind::kTable: return Space::kTable;
      case ExternKind::kMemory: return Space::kMemory;
      case ExternKind::kGlobal: return Space::kGlobal;
      case ExternKind::kTag: return Space::kTag;
    }
    return Space::kFunc;
  }

  void exports() {
    for (const Export& e : m_.exports) {
      out_.add_export(e.name, e.kind, index(space_of(e.kind), e.index));
      if (e.kind == ExternKind::kFunc) note_declared(e.index);
    }
    if (m_.start.has_value()) out_.set_start(FuncIndex(index(Space::kFunc, *m_.start)));
  }

  void segments() {
    for (const Elem& e : m_.elems) {
      if (!e.alive) continue;
      ModuleBuilder::Elem out{.mode = e.mode, .type = mapped(e.type), .uses_exprs = e.uses_exprs};
      if (e.mode == SegmentMode::kActive) {
        out.table = TableIndex(index(Space::kTable, e.table));
        out.offset = const_expr(*e.offset);
      }
      for (const uint32_t func : e.funcs) {
        out.funcs.push_back(FuncIndex(index(Space::kFunc, func)));
        note_declared(func);
      }
      for (const Cow<Code>& expr : e.exprs) out.exprs.push_back(const_expr(*expr));
      out_.add_elem(std::move(out));
    }
    for (const Data& d : m_.datas) {
      if (!d.alive) continue;
      ModuleBuilder::Data out{.mode = d.mode, .bytes = d.bytes};
      if (d.mode == SegmentMode::kActive) {
        out.memory = MemoryIndex(index(Space::kMemory, d.memory));
        out.offset = const_expr(*d.offset);
      }
      out_.add_data(std::move(out));
    }
  }

  // --- ref.func needs a declaration somewhere outside of bodies ---
  void note_declared(uint32_t func) {
    if (declared_.size() <= func) declared_.resize(m_.funcs.size() + 1);
    if (func < declared_.size()) declared_[func] = true;
  }
  void declare() {
    std::sort(named_.begin(), named_.end());
    named_.erase(std::unique(named_.begin(), named_.end()), named_.end());
    ModuleBuilder::Elem elem{.mode = SegmentMode::kDeclarative};
    for (const uint32_t func : named_) {
      if (func < declared_.size() && declared_[func]) continue;
      elem.funcs.push_back(FuncIndex(index(Space::kFunc, func)));
    }
    if (!elem.funcs.empty()) out_.add_elem(std::move(elem));
  }

  // --- code ---
  std::vector<uint8_t> const_expr(const Code& from) {
    for_each_node(from, [&](NodeId id, NodeId) {
      if (from[id].op() == Opcode::RefFunc) note_declared(from[id].instr.a);
    });
    return code(from);
  }

  std::vector<uint8_t> code(const Code& from) {
    code_ = &from;
    bytes_ = ByteWriter();
    open_.clear();
    open_.push_back(kFuncLabel);
    seq(from.body);
    op(Opcode::End);
    return std::vector<uint8_t>(bytes_.bytes().begin(), bytes_.bytes().end());
  }

  void op(Opcode op) {
    Instr instr;
    instr.op = op;
    wasm::encode(bytes_, instr);
  }

  uint32_t depth(NodeId target) {
    for (size_t i = open_.size(); i-- > 0;) {
      if (open_[i] == target) return static_cast<uint32_t>(open_.size() - 1 - i);
    }
    if (wrong_.empty()) wrong_ = "a branch names a label that is not around it";
    return 0;
  }

  void seq(const Seq& ids) {
    for (const NodeId id : ids) node(id);
  }

  void node(NodeId id) {
    const Node& from = (*code_)[id];
    seq(from.children);
    Node copy;
    copy.instr = from.instr;
    copy.types = from.types;
    copy.catches = from.catches;
    visit_refs(copy, [&](Space space, uint32_t& number) {
      if (space == Space::kData) needs_data_count_ = true;
      number = index(space, number);
    });
    Instr& instr = copy.instr;
    std::vector<uint32_t> labels;
    for (size_t i = 0; i < from.targets.size() && !from.delegates; ++i) labels.push_back(depth(from.targets[i]));
    switch (info(instr.op).immediates) {
      case ImmKind::Label:
      case ImmKind::BrOnCast: instr.a = labels.empty() ? 0 : labels[0]; break;
      case ImmKind::TryTable:
        for (size_t i = 0; i < copy.catches.size() && i < labels.size(); ++i) copy.catches[i].label = labels[i];
        break;
      default: break;
    }
    if (instr.op == Opcode::BrTable && labels.empty()) labels.push_back(0);
    instr.labels = labels;
    instr.types = copy.types;
    instr.catches = copy.catches;
    if (instr.op == Opcode::RefFunc) named_.push_back(from.instr.a);
    wasm::encode(bytes_, instr);
    if (from.is_structured()) structured(id, from);
  }

  void structured(NodeId id, const Node& from) {
    open_.push_back(id);
    for (const Clause& clause : from.bodies) {
      if (clause.head != Opcode::Nop) {
        Instr head;
        head.op = clause.head;
        if (clause.head == Opcode::Catch) head.a = index(Space::kTag, clause.tag);
        wasm::encode(bytes_, head);
      }
      seq(clause.seq);
    }
    open_.pop_back();
    if (!from.delegates) return op(Opcode::End);
    Instr delegate;
    delegate.op = Opcode::Delegate;
    delegate.a = depth(from.targets.empty() ? kFuncLabel : from.targets[0]);
    wasm::encode(bytes_, delegate);
  }

  // --- names ---
  void names_of(Space space, const std::vector<NameEntry>& from, std::vector<NameEntry>& to) {
    const auto& map = indices(space);
    for (const NameEntry& entry : from) {
      if (entry.index < map.size() && map[entry.index] != kGone) to.push_back({map[entry.index], entry.name});
    }
  }
  void names_of(Space space, const std::vector<IndirectNameEntry>& from, std::vector<IndirectNameEntry>& to) {
    const auto& map = indices(space);
    for (const IndirectNameEntry& entry : from) {
      if (entry.outer < map.size() && map[entry.outer] != kGone)
        to.push_back({map[entry.outer], entry.index, entry.name});
    }
  }
  void names() {
    ModuleNames& out = out_.names();
    out.module = m_.names.module;
    names_of(Space::kFunc, m_.names.funcs, out.funcs);
    names_of(Space::kType, m_.names.types, out.types);
    names_of(Space::kTable, m_.names.tables, out.tables);
    names_of(Space::kMemory, m_.names.memories, out.memories);
    names_of(Space::kGlobal, m_.names.globals, out.globals);
    names_of(Space::kElem, m_.names.elems, out.elems);
    names_of(Space::kData, m_.names.datas, out.datas);
    names_of(Space::kTag, m_.names.tags, out.tags);
    names_of(Space::kFunc, m_.names.locals, out.locals);
    names_of(Space::kFunc, m_.names.labels, out.labels);
    names_of(Space::kType, m_.names.fields, out.fields);
  }

  const Module& m_;
  ModuleBuilder out_;
  std::array<std::vector<uint32_t>, kSpaces> indices_;
  std::string wrong_;
  bool needs_data_count_ = false;
  uint32_t alive_datas_ = 0;
  std::vector<bool> declared_;
  std::vector<uint32_t> named_;
  const Code* code_ = nullptr;
  ByteWriter bytes_;
  std::vector<NodeId> open_;
};

}  // namespace

Result<std::vector<uint8_t>> encode(const Module& module) { return Encoder(module).run(); }

}  // namespace parallax::wasm::edit
