// Instantiation (specification, execution: "Instantiation") and constant expressions.
//
// Order: imports are matched; functions, memories and tags exist; globals are evaluated one after another, then tables'
// initial values, then element segments; then active element segments and data segments are applied in order, each
// with its bounds check; then the start function runs. Whatever happened before a trap stays.
#include <algorithm>
#include <optional>

#include "engine/base/text.h"
#include "engine/wasm/func_walk_rules.h"
#include "engine/wasm/instr_reader.h"
#include "engine/wasm/numerics.h"
#include "interp/store.h"

namespace parallax::interp {

using wasm::ExternKind;
using wasm::Instr;
using wasm::Opcode;
using wasm::Outcome;
using wasm::OutcomeKind;
using wasm::TrapKind;

namespace {

struct Slots {
  uint64_t low = 0, high = 0;
  bool is_ref = false;
};

// Evaluates constant expressions, an instruction at a time. They were validated with their module.
class ConstEvaluator {
 public:
  ConstEvaluator(Store& store, Instance& instance, std::vector<Word>& roots)
      : store_(store), instance_(instance), roots_(roots) {}

  Result<> step(const Instr& instr);

  // The value of the expression that ended; the next one can begin.
  Slots take_result() {
    const Slots result = stack_.back();
    stack_.clear();
    return result;
  }
  // An allocation ended the store's run: machine().exit says how.
  bool ended() const { return ended_; }

 private:
  Slots pop() {
    const Slots top = stack_.back();
    stack_.pop_back();
    return top;
  }
  void push(uint64_t low, bool is_ref = false) { stack_.push_back({low, 0, is_ref}); }
  // While `make` may collect, everything on the stack is a root.
  template <class Make>
  auto allocate(Make&& make) {
    const size_t before = roots_.size();
    for (const Slots& slot : stack_) {
      if (slot.is_ref) roots_.push_back(slot.low);
    }
    auto* object = make();
    roots_.resize(before);
    ended_ |= object == nullptr;
    return object;
  }
  static uint64_t packed(FieldKind kind, uint64_t value) {
    return kind == FieldKind::kI8 ? value & 0xff : kind == FieldKind::kI16 ? value & 0xffff : value;
  }
  const TypeInfo& type_of(const Instr& instr) { return store_.infos().get(instance_.module->type_ids[instr.a]); }
  void struct_new(const TypeInfo& type, bool with_operands);
  void array_new(const TypeInfo& type, uint64_t length, size_t operands);

  Store& store_;
  Instance& instance_;
  std::vector<Word>& roots_;
  std::vector<Slots> stack_;
  bool ended_ = false;
};

void ConstEvaluator::struct_new(const TypeInfo& type, bool with_operands) {
  StructCell* object = allocate([&] { return store_.new_struct(type, Heap::Fill::kZero); });
  if (object == nullptr) return;
  for (uint32_t i = with_operands ? type.length() : 0; i-- > 0;) {
    const Slots value = pop();
    object->slots[i] = packed(type.fields[i].kind, value.low);
    if (type.fields[i].kind == FieldKind::kV128) object->slots[type.length() + i] = value.high;
  }
  push(word_of(object), true);
}

// `operands` values on the stack are elements: none (default), one (all the same), or `length` of them.
void ConstEvaluator::array_new(const TypeInfo& type, uint64_t length, size_t operands) {
  ArrayCell* array = allocate([&] { return store_.new_array(type, length, Heap::Fill::kZero); });
  if (array == nullptr) return;
  const size_t base = stack_.size() - operands;
  for (uint64_t i = 0; operands != 0 && i < length; ++i) {
    const Slots& value = stack_[operands == 1 ? base : base + i];
    array->slots[i] = packed(type.element().kind, value.low);
    if (type.has_v128) array->slots[length + i] = value.high;
  }
  stack_.resize(base);
  push(word_of(array), true);
}

Result<> ConstEvaluator::step(const Instr& instr) {
  switch (instr.op) {
    case Opcode::I32Const:
    case Opcode::F32Const: push(static_cast<uint32_t>(instr.bits)); break;
    case Opcode::I64Const:
    case Opcode::F64Const: push(instr.bits); break;
    case Opcode::V128Const: {
      Slots value;
      std::memcpy(&value.low, instr.v128.data(), 8);
      std::memcpy(&value.high, instr.v128.data() + 8, 8);
      stack_.push_back(value);
      break;
    }
    case Opcode::RefNull: push(kNullWord, true); break;
    case Opcode::RefFunc: push(instance_.funcs[instr.a]->word(), true); break;
    case Opcode::RefI31: push(i31_word(static_cast<uint32_t>(pop().low)), true); break;
    case Opcode::GlobalGet: {
      const Global* global = instance_.globals[instr.a];
      stack_.push_back({global->low, global->high, global->type.value.is_ref()});
      break;
    }
    case Opcode::I32Add:
    case Opcode::I32Sub:
    case Opcode::I32Mul:
    case Opcode::I64Add:
    case Opcode::I64Sub:
    case Opcode::I64Mul: {
      const wasm::V128 operands[2] = {wasm::V128::of_halves(stack_[stack_.size() - 2].low, 0),
                                      wasm::V128::of_halves(stack_.back().low, 0)};
      const auto value = wasm::evaluate(instr, operands);
      stack_.resize(stack_.size() - 2);
      push(value->low());
      break;
    }
    case Opcode::StructNew: struct_new(type_of(instr), true); break;
    case Opcode::StructNewDefault: struct_new(type_of(instr), false); break;
    case Opcode::ArrayNew: {
      const auto length = static_cast<uint32_t>(pop().low);
      array_new(type_of(instr), length, 1);
      break;
    }
    case Opcode::ArrayNewDefault: {
      const auto length = static_cast<uint32_t>(pop().low);
      array_new(type_of(instr), length, 0);
      break;
    }
    case Opcode::ArrayNewFixed: {
      const TypeInfo& type = type_of(instr);
      if (instr.b == 1) array_new(type, 1, 1);
      else array_new(type, instr.b, instr.b);
      break;
    }
    default: break;  // conversions and `end` change nothing; validation admits nothing else
  }
  if (ended_) return fail(ErrorCode::kLimit, instr.offset, "allocation failed");
  return {};
}

}  // namespace

class Instantiation {
 public:
  Instantiation(Store& store, std::shared_ptr<const wasm::Module> module)
      : store_(store),
        instance_(store.add(store.instances_)),
        module_(*module),
        evaluator_(store, instance_, store.native_roots_),
        exprs_(*module, {}, store.options_.features) {
    instance_.module = std::move(module);
    store_.growing_.push_back(&instance_);
  }
  ~Instantiation() { std::erase(store_.growing_, &instance_); }

  Outcome run(std::span<const wasm::Extern> imports);
  Instance& instance() { return instance_; }

 private:
  // Each step says what ended it, or nothing.
  using Step = std::optional<Outcome>;
  Step link(std::span<const wasm::Extern> imports);
  Step link_one(const wasm::Import& import, wasm::Extern given);
  Step allocate();
  Step make_globals();
  Step make_tables();
  Step evaluate_elems();
  Step apply_elem(size_t index);
  Step apply_data(size_t index);
  Step evaluate(wasm::ConstExpr expr, Slots& result);

  static Step unlinkable(const wasm::Import& import, const std::string& why) {
    return Outcome::ended(OutcomeKind::kUnlinkable,
                          {ErrorCode::kUnlinkable, import.offset,
                           text::format("incompatible import type: {}.{}: {}", text::quoted(import.module),
                                        text::quoted(import.name), why)});
  }
  static Step out_of_memory(const char* what) {
    return Outcome::ended(OutcomeKind::kOutOfMemory, {ErrorCode::kLimit, 0, text::format("no memory for a {}", what)});
  }

  Store& store_;
  Instance& instance_;
  const wasm::Module& module_;
  ConstEvaluator evaluator_;
  wasm::InstrReader exprs_;
};

namespace {

bool limits_match(const wasm::Limits& given, uint64_t size, const wasm::Limits& wanted) {
  if (given.is_64 != wanted.is_64 || size < wanted.min) return false;
  return !wanted.max.has_value() || (given.max.has_value() && *given.max <= *wanted.max);
}

}  // namespace

Instantiation::Step Instantiation::link_one(const wasm::Import& import, wasm::Extern given) {
  if (given.kind != import.kind) return unlinkable(import, "another kind of extern");
  const auto entity = store_.entity_of(given, given.kind);
  if (!entity) return Outcome::ended(OutcomeKind::kMisuse, entity.error());
  const wasm::TypeStore& types = store_.infos_.store();
  switch (import.kind) {
    case ExternKind::kFunc: {
      Func* func = *store_.get_func(given);
      if (!types.is_subtype(func->type->id, module_.funcs[import.index].type_id))
        return unlinkable(import, "function type");
      instance_.funcs.push_back(func);
      return {};
    }
    case ExternKind::kTable: {
      auto* table = static_cast<Table*>(*entity);
      const wasm::TableType& wanted = module_.tables[import.index].type;
      if (table->type.element != wanted.element) return unlinkable(import, "table element type");
      if (!limits_match(table->type.limits, table->size, wanted.limits)) return unlinkable(import, "table limits");
      instance_.tables.push_back(table);
      return {};
    }
    case ExternKind::kMemory: {
      auto* memory = static_cast<Memory*>(*entity);
      if (!limits_match(memory->type.limits, memory->pages(), module_.memories[import.index].type.limits)) {
        return unlinkable(import, "memory limits");
      }
      instance_.memories.push_back(memory);
      return {};
    }
    case ExternKind::kGlobal: {
      auto* global = static_cast<Global*>(*entity);
      const wasm::GlobalType& wanted = module_.globals[import.index].type;
      const bool type_matches =
          wanted.is_mutable ? global->type.value == wanted.value : types.matches(global->type.value, wanted.value);
      if (global->type.is_mutable != wanted.is_mutable || !type_matches) return unlinkable(import, "global type");
      instance_.globals.push_back(global);
      return {};
    }
    case ExternKind::kTag: {
      auto* tag = static_cast<Tag*>(*entity);
      if (tag->type->id != module_.tags[import.index].type_id) return unlinkable(import, "tag type");
      instance_.tags.push_back(tag);
      return {};
    }
  }
  return {};
}

Instantiation::Step Instantiation::link(std::span<const wasm::Extern> imports) {
  if (imports.size() != module_.imports.size()) {
    return Outcome::ended(OutcomeKind::kUnlinkable,
                          {ErrorCode::kUnlinkable, 0,
                           text::format("{} imports given, {} needed", imports.size(), module_.imports.size())});
  }
  for (size_t i = 0; i < imports.size(); ++i) {
    if (Step bad = link_one(module_.imports[i], imports[i])) return bad;
  }
  return {};
}

Instantiation::Step Instantiation::allocate() {
  instance_.funcs.reserve(module_.funcs.size());
  instance_.globals.reserve(module_.globals.size());
  for (uint32_t i = module_.imported_funcs; i < module_.funcs.size(); ++i) {
    Func& func = store_.add_func(store_.infos_.get(module_.funcs[i].type_id));
    func.instance = &instance_;
    func.index = wasm::FuncIndex(i);
    instance_.funcs.push_back(&func);
  }
  for (uint32_t i = module_.imported_memories; i < module_.memories.size(); ++i) {
    Memory& memory = store_.add(store_.memories_);
    instance_.memories.push_back(&memory);
    memory.type = module_.memories[i].type;
    const uint64_t pages = memory.type.limits.min;
    if (pages > store_.budget_.memory_pages || !memory.grow_to(pages * Memory::kPageBytes))
      return out_of_memory("memory");
  }
  for (uint32_t i = module_.imported_tags; i < module_.tags.size(); ++i) {
    Tag& tag = store_.add(store_.tags_);
    tag.type = &store_.infos_.get(module_.tags[i].type_id);
    instance_.tags.push_back(&tag);
  }
  instance_.data_dropped.resize(module_.datas.size());
  instance_.elems.resize(module_.elems.size());
  return {};
}

Instantiation::Step Instantiation::evaluate(wasm::ConstExpr expr, Slots& result) {
  exprs_.restart(module_, expr);
  const auto done = wasm::scan_instrs(exprs_, [&](const Instr& instr) { return evaluator_.step(instr); });
  if (evaluator_.ended()) return store_.exit_outcome();
  if (!done) return Outcome::ended(OutcomeKind::kRejected, done.error());
  result = evaluator_.take_result();
  return {};
}

Instantiation::Step Instantiation::make_globals() {
  for (uint32_t i = module_.imported_globals; i < module_.globals.size(); ++i) {
    const wasm::Global& defined = module_.globals[i];
    Slots value;
    if (Step ended = evaluate(defined.init, value)) return ended;
    Global& global = store_.add(store_.globals_);
    global.type = defined.type;
    global.low = value.low;
    global.high = value.high;
    instance_.globals.push_back(&global);
  }
  return {};
}

Instantiation::Step Instantiation::make_tables() {
  for (uint32_t i = module_.imported_tables; i < module_.tables.size(); ++i) {
    const wasm::Table& defined = module_.tables[i];
    Slots value;
    if (defined.init) {
      if (Step ended = evaluate(*defined.init, value)) return ended;
    }
    Table& table = store_.add(store_.tables_);
    instance_.tables.push_back(&table);
    table.type = defined.type;
    const uint64_t size = defined.type.limits.min;
    if (size > store_.budget_.table_elements || !table.grow_to(size)) return out_of_memory("table");
    if (value.low != kNullWord) std::fill_n(table.elements, table.size, value.low);
  }
  return {};
}

Instantiation::Step Instantiation::evaluate_elems() {
  for (size_t i = 0; i < module_.elems.size(); ++i) {
    const wasm::ElemSegment& segment = module_.elems[i];
    std::vector<Word>& words = instance_.elems[i].words;
    words.reserve(segment.size());
    for (const wasm::FuncIndex func : segment.funcs) words.push_back(instance_.funcs[func.index()]->word());
    for (const wasm::ConstExpr expr : segment.exprs) {
      Slots value;
      if (Step ended = evaluate(expr, value)) return ended;
      words.push_back(value.low);
    }
  }
  return {};
}

Instantiation::Step Instantiation::apply_elem(size_t index) {
  const wasm::ElemSegment& segment = module_.elems[index];
  std::vector<Word>& words = instance_.elems[index].words;
  if (segment.mode == wasm::SegmentMode::kActive) {
    Table* table = instance_.tables[segment.table.index()];
    Slots offset;
    if (Step ended = evaluate(segment.offset, offset)) return ended;
    if (offset.low > table->size || words.size() > table->size - offset.low)
      return Outcome::trapped(TrapKind::kTableOutOfBounds);
    std::copy(words.begin(), words.end(), table->elements + offset.low);
  }
  if (segment.mode != wasm::SegmentMode::kPassive) words = {};
  return {};
}

Instantiation::Step Instantiation::apply_data(size_t index) {
  const wasm::DataSegment& segment = module_.datas[index];
  if (segment.mode != wasm::SegmentMode::kActive) return {};
  Memory* memory = instance_.memories[segment.memory.index()];
  Slots offset;
  if (Step ended = evaluate(segment.offset, offset)) return ended;
  const std::span<const uint8_t> bytes = module_.at(segment.bytes);
  if (offset.low > memory->bytes || bytes.size() > memory->bytes - offset.low)
    return Outcome::trapped(TrapKind::kMemoryOutOfBounds);
  if (!bytes.empty()) std::memcpy(memory->base + offset.low, bytes.data(), bytes.size());
  instance_.data_dropped[index] = 1;
  return {};
}

Outcome Instantiation::run(std::span<const wasm::Extern> imports) {
  if (Step ended = link(imports)) return *ended;
  if (Step ended = allocate()) return *ended;
  if (Step ended = make_globals()) return *ended;
  if (Step ended = make_tables()) return *ended;
  if (Step ended = evaluate_elems()) return *ended;
  for (size_t i = 0; i < module_.elems.size(); ++i) {
    if (Step ended = apply_elem(i)) return *ended;
  }
  for (size_t i = 0; i < module_.datas.size(); ++i) {
    if (Step ended = apply_data(i)) return *ended;
  }
  if (!module_.start) return Outcome::ok();
  return store_.run(*instance_.funcs[module_.start->index()], {});
}

Outcome Store::instantiate(std::shared_ptr<const wasm::Module> module, std::span<const wasm::Extern> imports,
                           wasm::InstanceId& instance) {
  instance = 0;
  if (module == nullptr || module->store.get() != &infos_.store()) {
    return Outcome::ended(OutcomeKind::kMisuse,
                          {ErrorCode::kUsage, 0, text::format("module of another type store, used in store {}", tag_)});
  }
  note_instantiation(module, imports);
  Instantiation instantiation(*this, std::move(module));
  Outcome outcome = instantiation.run(imports);
  if (outcome.returned()) {
    outcome.values.clear();
    instance = handles_.add({.kind = HandleKind::kInstance, .entity = &instantiation.instance()});
    instantiation.instance().handles.push_back(instance);
  }
  return outcome;
}

}  // namespace parallax::interp
