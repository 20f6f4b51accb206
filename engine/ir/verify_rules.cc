// Typing rules of operations.
//
// `take(required)` checks the next operand, `give(produced)` the next result: a result's type must admit what the
// operation produces, so that narrowing without proof is found here.
#include "engine/ir/verify_rules.h"

#include "engine/base/text.h"

namespace parallax::ir {

using wasm::HeapKind;
using wasm::HeapType;
using wasm::Opcode;

ValueId origin(const Func& func, ValueId v) {
  const Inst* def = func.def(v);
  const bool is_load = def != nullptr && def->op == Op::HomeLoad && def->b < func.value_count();
  return is_load ? ValueId(def->b) : v;
}

namespace {

constexpr Type non_null(HeapType heap) { return Type::ref(heap, false); }

class Rule {
 public:
  Rule(const Func& func, InstId id)
      : func_(func), module_(func.module()), types_(func.types()), id_(id), inst_(func.inst(id)) {}

  std::string check() {
    apply();
    if (!problem_.empty()) return problem_;
    if (taken_ != inst_.args_count) return text::format("{} operands, but its rule takes {}", inst_.args_count, taken_);
    if (given_ != inst_.results_count)
      return text::format("{} results, but its rule gives {}", inst_.results_count, given_);
    return {};
  }

 private:
  void wrong(std::string what) {
    if (problem_.empty()) problem_ = std::move(what);
  }
  bool require(bool holds, const char* what) {
    if (!holds) wrong(what);
    return holds;
  }

  // --- Operands and results.
  Type peek(uint32_t n = 0) const {
    return taken_ + n < inst_.args_count ? func_.type(func_.args(id_)[taken_ + n]) : kNone;
  }
  void take(Type required) {
    if (taken_ < inst_.args_count) {
      const Type type = peek();
      if (!types_.matches(type, required)) {
        wrong(text::format("operand v{} has type {}, not a subtype of {}", func_.args(id_)[taken_].raw, to_string(type),
                           to_string(required)));
      }
    }
    ++taken_;
  }
  void take_all(std::span<const Type> required) {
    for (const Type type : required) take(type);
  }
  // Any reference.
  Type take_ref() {
    const Type type = peek();
    require(taken_ < inst_.args_count && type.is_ref(), "operand is no reference");
    ++taken_;
    return type;
  }
  void give(Type produced) {
    if (given_ < inst_.results_count) {
      const Type type = func_.type(func_.result(id_, given_));
      if (!types_.matches(produced, type)) {
        wrong(text::format("result v{} has type {}, but {} is produced", func_.result(id_, given_).raw, to_string(type),
                           to_string(produced)));
      }
    }
    ++given_;
  }
  void give_all(std::span<const Type> produced) {
    for (const Type type : produced) give(type);
  }

  // --- Immediates.
  template <class Items>
  bool index(uint32_t i, const Items& items, const char* what) {
    return require(i < items.size(), what);
  }
  const wasm::SubType* composite(uint32_t id, wasm::CompositeKind kind) {
    if (!require(id < types_.size(), "no such type")) return nullptr;
    const wasm::SubType& type = types_.get(wasm::TypeId(id));
    return require(type.kind == kind, "a type of another kind") ? &type : nullptr;
  }
  const wasm::FieldType* field() {
    const wasm::SubType* type = composite(inst_.a, wasm::CompositeKind::kStruct);
    if (type == nullptr || !index(inst_.b, type->fields, "no such field")) return nullptr;
    return &type->fields[inst_.b];
  }
  const wasm::FieldType* element(uint32_t type_id) {
    const wasm::SubType* type = composite(type_id, wasm::CompositeKind::kArray);
    return type == nullptr ? nullptr : &type->fields[0];
  }
  Type object() const { return non_null(HeapType::concrete(inst_.a)); }
  Type memory_address(uint32_t memory) {
    if (!index(memory, module_.memories, "no such memory")) return wasm::kI32;
    return module_.memories[memory].type.limits.is_64 ? wasm::kI64 : wasm::kI32;
  }
  Type table_address(uint32_t table) {
    if (!index(table, module_.tables, "no such table")) return wasm::kI32;
    return module_.tables[table].type.limits.is_64 ? wasm::kI64 : wasm::kI32;
  }
  Type table_element(uint32_t table) const {
    return table < module_.tables.size() ? module_.tables[table].type.element : kNone;
  }
  static Type narrower_address(Type a, Type b) { return a == wasm::kI64 && b == wasm::kI64 ? wasm::kI64 : wasm::kI32; }
  const wasm::SubType* tag() {
    return index(inst_.a, module_.tags, "no such tag") ? &module_.tag_type(wasm::TagIndex(inst_.a)) : nullptr;
  }
  void payload(bool store) {
    const wasm::SubType* type = tag();
    take(non_null(HeapKind::kExn));
    if (type == nullptr || !index(inst_.b, type->params, "no such payload value")) return;
    store ? take(type->params[inst_.b]) : give(type->params[inst_.b]);
  }
  // The accessor's sign says whether the storage is packed.
  void loaded(const wasm::FieldType* from, Opcode plain, Opcode s, Opcode u) {
    if (from == nullptr) return;
    const bool packed = from->storage.packed != wasm::Packed::kNone;
    const bool fits = packed ? inst_.opcode == s || inst_.opcode == u : inst_.opcode == plain;
    require(fits, "accessor does not fit the storage type");
    give(from->storage.unpacked);
  }
  void stored(const wasm::FieldType* into, bool need_mutable) {
    if (into == nullptr) return;
    if (need_mutable) require(into->is_mutable, "store to what is not mutable");
    take(into->storage.unpacked);
  }
  void elem_segment(const wasm::FieldType* into) {
    if (into == nullptr || !index(inst_.b, module_.elems, "no such segment")) return;
    require(types_.matches(module_.elems[inst_.b].type, into->storage.unpacked), "segment of another type");
  }
  void data_segment(const wasm::FieldType* into) {
    if (into == nullptr || !index(inst_.b, module_.datas, "no such segment")) return;
    require(!into->storage.unpacked.is_ref(), "references from a data segment");
  }

  // Lanes exist, and stand only where the opcode has them.
  void lanes(Opcode opcode) {
    const wasm::ImmKind immediates = wasm::info(opcode).immediates;
    const bool one = immediates == wasm::ImmKind::Lane || immediates == wasm::ImmKind::MemArgLane;
    require(inst_.b < (one ? wasm::lane_count(opcode) : 1u), "no such lane");
    if (inst_.op != Op::Compute) return;
    constexpr uint64_t kNoLane = 0xe0e0e0e0e0e0e0e0u;  // bits that no index below 32 has
    const uint64_t bad = immediates == wasm::ImmKind::Shuffle ? kNoLane : ~uint64_t{0};
    require(((inst_.imm | inst_.high) & bad) == 0, "no such lanes");
  }
  void signature(Opcode opcode, Type address) {
    const char* s = wasm::info(opcode).signature;
    if (!require(s[0] != '*', "opcode is no computation")) return;
    lanes(opcode);
    bool operands = true;
    for (; *s != '\0'; ++s) {
      Type type = kNone;
      switch (*s) {
        case ':': operands = false; continue;
        case 'i': type = wasm::kI32; break;
        case 'l': type = wasm::kI64; break;
        case 'f': type = wasm::kF32; break;
        case 'd': type = wasm::kF64; break;
        case 'v': type = wasm::kV128; break;
        case 'p': type = address; break;
        default: wrong("opcode with an unknown signature"); return;
      }
      operands ? take(type) : give(type);
    }
  }

  // --- References.
  void same_hierarchy(Type a, Type b) {
    require(a.is_ref() && b.is_ref() && types_.hierarchy(a.heap()) == types_.hierarchy(b.heap()),
            "references of different hierarchies");
  }
  // What is known of an `a` that matches `b`: the result must admit it, by one of the two or because there is none.
  void give_both(Type a, Type b) {
    const bool nullable = a.nullable() && b.nullable();
    const bool a_below = types_.matches(a.heap(), b.heap());
    const bool b_below = types_.matches(b.heap(), a.heap());
    const HeapType heap = a_below ? a.heap() : b_below ? b.heap() : types_.bottom(a.heap());
    give(Type::ref(heap, nullable));
  }
  void refine() {
    const Type type = take_ref();
    const Inst* test = taken_ < inst_.args_count ? func_.def(origin(func_, func_.args(id_)[taken_])) : nullptr;
    take(wasm::kI32);
    if (!require(type.is_ref() && test != nullptr && (test->op == Op::RefTest || test->op == Op::RefIsNull),
                 "refined by what is no test")) {
      return;
    }
    if (test->op == Op::RefIsNull) {
      give(inst_.sense != 0 ? Type::ref(types_.bottom(type.heap()), true) : type.as_non_null());
    } else if (inst_.sense != 0) {
      same_hierarchy(type, test->type);
      give_both(type, test->type);
    } else {
      give(test->type.nullable() ? type.as_non_null() : type);
    }
  }
  void convert() {
    const Type type = take_ref();
    if (!require(type.is_ref(), "operand is no reference")) return;
    const bool to_any = inst_.opcode == Opcode::AnyConvertExtern;
    require(to_any || inst_.opcode == Opcode::ExternConvertAny, "no conversion");
    require(types_.matches(type, Type::ref(to_any ? HeapKind::kExtern : HeapKind::kAny, true)), "of another hierarchy");
    give(Type::ref(to_any ? HeapKind::kAny : HeapKind::kExtern, type.nullable()));
  }

  // --- Calls.
  void call(const wasm::SubType* type, bool tail) {
    if (type == nullptr) return;
    take_all(type->params);
    if (!tail) return give_all(type->results);
    const auto& own = func_.signature().results;
    if (!require(own.size() == type->results.size(), "tail call with another number of results")) return;
    for (size_t i = 0; i < own.size(); ++i) {
      require(types_.matches(type->results[i], own[i]), "tail call with results of another type");
    }
  }
  const wasm::SubType* callee() {
    return index(inst_.a, module_.funcs, "no such function") ? &module_.func_type(wasm::FuncIndex(inst_.a)) : nullptr;
  }
  void call_ref(bool tail) {
    call(composite(inst_.a, wasm::CompositeKind::kFunc), tail);
    take(object());
  }
  void call_indirect(bool tail) {
    call(composite(inst_.a, wasm::CompositeKind::kFunc), tail);
    take(table_address(inst_.b));
    require(types_.matches(table_element(inst_.b), wasm::kFuncRef), "table of something else than functions");
  }
  void jump() {
    const BlockId target = func_.targets(id_)[0];
    for (const ValueId param : func_.params(target)) take(func_.type(param));
  }

  void apply();

  const Func& func_;
  const wasm::Module& module_;
  const wasm::TypeStore& types_;
  const InstId id_;
  const Inst& inst_;
  uint32_t taken_ = 0;
  uint32_t given_ = 0;
  std::string problem_;
};

// One case for every operation, in the order of ops.def.
void Rule::apply() {
  const Type i32 = wasm::kI32;
  const Type exn = non_null(HeapKind::kExn);
  switch (inst_.op) {
    case Op::Const: {
      const Type type = inst_.results_count == 1 ? func_.type(func_.result(id_)) : kNone;
      require(type.is_num() || type == wasm::kV128, "constant of no number type");
      require(inst_.high == 0 || type == wasm::kV128, "high half of a scalar");
      return give(type);
    }
    case Op::RefNull: {
      const Type type = inst_.results_count == 1 ? func_.type(func_.result(id_)) : kNone;
      require(type.is_ref() && type.nullable(), "null of no nullable type");
      return give(type);
    }
    case Op::RefFunc:
      if (callee() != nullptr) give(non_null(HeapType::concrete(module_.funcs[inst_.a].type_id)));
      return;
    case Op::Compute:
      if (inst_.sense != 0 && (func_.flags(inst_) & kTraps) == 0 && func_.rep(inst_.first_result) != Rep::kF32 &&
          func_.rep(inst_.first_result) != Rep::kF64) {
        wrong("nothing to prove");
      }
      return signature(inst_.opcode, kNone);
    case Op::CanonicalNan: {
      const Type type = peek();
      require(type == wasm::kF32 || type == wasm::kF64, "operand is no float");
      take(type);
      return give(type);
    }
    case Op::Select: {
      const Type a = peek(0);
      const Type b = peek(1);
      require(a.is_ref() == b.is_ref() && (a.is_ref() || a == b), "alternatives of different kinds");
      take(a), take(b), take(i32);
      give(a);
      if (inst_.results_count == 1 && !types_.matches(b, func_.type(func_.result(id_)))) {
        wrong("the second alternative does not match the result");
      }
      return;
    }

    case Op::MemLoad:
    case Op::MemStore: return signature(inst_.opcode, memory_address(inst_.a));
    case Op::MemorySize: return give(memory_address(inst_.a));
    case Op::MemoryGrow: take(memory_address(inst_.a)); return give(memory_address(inst_.a));
    case Op::MemoryFill: take(memory_address(inst_.a)), take(i32), take(memory_address(inst_.a)); return;
    case Op::MemoryCopy:
      take(memory_address(inst_.a)), take(memory_address(inst_.b));
      return take(narrower_address(memory_address(inst_.a), memory_address(inst_.b)));
    case Op::MemoryInit:
      index(inst_.b, module_.datas, "no such segment");
      take(memory_address(inst_.a)), take(i32), take(i32);
      return;
    case Op::DataDrop: index(inst_.a, module_.datas, "no such segment"); return;

    case Op::GlobalGet:
      if (index(inst_.a, module_.globals, "no such global")) give(module_.globals[inst_.a].type.value);
      return;
    case Op::GlobalSet:
      if (!index(inst_.a, module_.globals, "no such global")) return;
      require(module_.globals[inst_.a].type.is_mutable, "store to what is not mutable");
      return take(module_.globals[inst_.a].type.value);
    case Op::TableGet: take(table_address(inst_.a)); return give(table_element(inst_.a));
    case Op::TableSet: take(table_address(inst_.a)); return take(table_element(inst_.a));
    case Op::TableSize: return give(table_address(inst_.a));
    case Op::TableGrow: take(table_element(inst_.a)), take(table_address(inst_.a)); return give(table_address(inst_.a));
    case Op::TableFill:
      take(table_address(inst_.a)), take(table_element(inst_.a)), take(table_address(inst_.a));
      return;
    case Op::TableCopy:
      take(table_address(inst_.a)), take(table_address(inst_.b));
      take(narrower_address(table_address(inst_.a), table_address(inst_.b)));
      require(types_.matches(table_element(inst_.b), table_element(inst_.a)), "tables of different types");
      return;
    case Op::TableInit:
      take(table_address(inst_.a)), take(i32), take(i32);
      if (!index(inst_.b, module_.elems, "no such segment")) return;
      require(types_.matches(module_.elems[inst_.b].type, table_element(inst_.a)), "segment of another type");
      return;
    case Op::ElemDrop: index(inst_.a, module_.elems, "no such segment"); return;

    case Op::NullCheck: {
      const Type type = take_ref();
      if (type.is_ref()) give(type.as_non_null());
      return;
    }
    case Op::Cast: {
      const Type type = take_ref();
      same_hierarchy(type, inst_.type);
      if (problem_.empty()) give_both(type, inst_.type);
      return;
    }
    case Op::RefTest: same_hierarchy(take_ref(), inst_.type); return give(i32);
    case Op::Refine: return refine();
    case Op::RefIsNull: take_ref(); return give(i32);
    case Op::FuncIs:
      index(inst_.a, module_.funcs, "no such function");
      take(wasm::kFuncRef);
      return give(i32);
    case Op::RefEq: take(wasm::kEqRef), take(wasm::kEqRef); return give(i32);
    case Op::RefI31: take(i32); return give(non_null(HeapKind::kI31));
    case Op::I31Get:
      require(inst_.opcode == Opcode::I31GetS || inst_.opcode == Opcode::I31GetU, "accessor of something else");
      take(non_null(HeapKind::kI31));
      return give(i32);
    case Op::Convert: return convert();

    case Op::StructAlloc: composite(inst_.a, wasm::CompositeKind::kStruct); return give(object());
    case Op::AllocCharge:
      require(inst_.a < types_.size() && types_.get(wasm::TypeId(inst_.a)).kind != wasm::CompositeKind::kFunc,
              "allocation of no object");
      return;
    case Op::FieldInit: take(object()); return stored(field(), false);
    case Op::StructGet:
      take(object());
      return loaded(field(), Opcode::StructGet, Opcode::StructGetS, Opcode::StructGetU);
    case Op::StructSet: take(object()); return stored(field(), true);
    case Op::ArrayAlloc:
      element(inst_.a);
      take(i32);
      return give(object());
    case Op::ArrayInitFill:
    case Op::ElemInit: take(object()); return stored(element(inst_.a), false);
    case Op::ArrayNewData:
      data_segment(element(inst_.a));
      take(i32), take(i32);
      return give(object());
    case Op::ArrayNewElem:
      elem_segment(element(inst_.a));
      take(i32), take(i32);
      return give(object());
    case Op::ArrayGet:
      take(object()), take(i32);
      return loaded(element(inst_.a), Opcode::ArrayGet, Opcode::ArrayGetS, Opcode::ArrayGetU);
    case Op::ArraySet: take(object()), take(i32); return stored(element(inst_.a), true);
    case Op::ArrayLen: take(non_null(HeapKind::kArray)); return give(i32);
    case Op::ArrayFill:
      take(object()), take(i32);
      stored(element(inst_.a), true);
      return take(i32);
    case Op::ArrayCopy: {
      take(object()), take(i32), take(non_null(HeapType::concrete(inst_.b))), take(i32), take(i32);
      const wasm::FieldType* to = element(inst_.a);
      const wasm::FieldType* from = element(inst_.b);
      if (to == nullptr || from == nullptr) return;
      require(to->is_mutable, "store to what is not mutable");
      require(
          to->storage.packed == from->storage.packed && types_.matches(from->storage.unpacked, to->storage.unpacked),
          "arrays of different elements");
      return;
    }
    case Op::ArrayInitData:
      data_segment(element(inst_.a));
      take(object()), take(i32), take(i32), take(i32);
      return;
    case Op::ArrayInitElem:
      elem_segment(element(inst_.a));
      take(object()), take(i32), take(i32), take(i32);
      return;

    case Op::ExnAlloc: tag(); return give(exn);
    case Op::ExnInit: return payload(true);
    case Op::ExnTest:
      tag();
      take(exn);
      return give(i32);
    case Op::ExnGet: return payload(false);
    case Op::CaughtExn: return give(exn);

    case Op::Call: return call(callee(), false);
    case Op::CallRef: return call_ref(false);
    case Op::CallIndirect: return call_indirect(false);
    case Op::Budget: return;
    case Op::DepthCheck:
      require(inst_.a != 0, "check of no depth");
      index(inst_.b, module_.funcs, "no such function");
      return;

    case Op::HomeStore:
      require(inst_.a < func_.slot_count(), "no such slot");
      take_ref();
      return;
    case Op::HomeLoad:
      if (!require(inst_.a < func_.slot_count() && inst_.b < func_.value_count(), "no such slot or value")) return;
      require(is_traced(func_.rep(ValueId(inst_.b))), "home of a value that is not traced");
      return give(func_.type(ValueId(inst_.b)));

    case Op::Jump: return jump();
    case Op::Branch:
    case Op::Switch: return take(i32);
    case Op::Return: return take_all(func_.signature().results);
    case Op::Trap: return;
    case Op::Throw: return take(exn);
    case Op::ReturnCall: return call(callee(), true);
    case Op::ReturnCallRef: return call_ref(true);
    case Op::ReturnCallIndirect: return call_indirect(true);
  }
}

}  // namespace

std::string check_rule(const Func& func, InstId inst) { return Rule(func, inst).check(); }

}  // namespace parallax::ir
