#include "fuzz/generators/ir/ir_func.h"

#include <array>

#include "engine/base/check.h"
#include "engine/ir/builder.h"
#include "engine/wasm/text/parse.h"

namespace parallax::fuzz {

namespace {

using ir::BlockId;
using ir::Op;
using ir::Type;
using ir::ValueId;
using wasm::HeapKind;
using wasm::HeapType;
using wasm::Opcode;

constexpr const char* kModule = R"(
  (type $s (sub (struct (field (mut i32)) (field (mut anyref)))))
  (type $t (sub $s (struct (field (mut i32)) (field (mut anyref)) (field (mut i64)) (field (mut (ref null $s))))))
  (type $p (struct (field (mut i8)) (field (mut i16)) (field i32) (field (mut f64)) (field (mut funcref))))
  (type $n (array (mut i32)))
  (type $r (array (mut anyref)))
  (type $f (func (param i32 anyref) (result i32)))
  (import "fuzzing-support" "log-i32" (func $log_i32 (param i32)))
  (import "fuzzing-support" "log-i64" (func $log_i64 (param i64)))
  (import "fuzzing-support" "log-anyref" (func $log_any (param anyref)))
  (import "parallax" "collect" (func $collect))
  (global (export "g0") (mut i32) (i32.const 1))
  (global (export "g1") (mut i64) (i64.const 2))
  (global (export "g2") (mut f64) (f64.const 3))
  (global (export "g3") (mut anyref) (ref.null any))
  (global (export "g4") (mut (ref null $s)) (struct.new_default $t))
  (global (export "g5") (mut externref) (ref.null extern))
  (table (export "t0") 4 8 funcref)
  (table (export "t1") 4 8 anyref)
  (memory (export "m") 1 2)
  (data "the quick brown fox jumps over")
  (elem $e anyref (ref.i31 (i32.const 7)) (struct.new_default $s) (ref.null any))
  (tag $x (export "x") (param i32 anyref))
  (func $a (export "a") (param i32 anyref) (result i32) unreachable)
  (func $b (export "b") (param i64 f64 (ref null $s)) (result i64) unreachable)
  (func $c (export "c") (param f32 i32) (result anyref i32) unreachable)
  (func $d (export "d") unreachable)
  (func $g (export "g") (param anyref externref funcref) (result (ref null $s)) unreachable)
  (elem (table 0) (i32.const 0) func $a $a $d)
  (elem declare func $a $b $c $d $g)
)";

// Scalar operations by opcodes.def, those without vectors.
const std::vector<Opcode>& scalar_ops() {
  static const std::vector<Opcode> ops = [] {
    std::vector<Opcode> out;
    for (size_t i = 0; i < wasm::kOpcodeCount; ++i) {
      const auto op = static_cast<Opcode>(i);
      const std::string_view signature = wasm::info(op).signature;
      const size_t colon = signature.find(':');
      if (colon == 0 || colon == std::string_view::npos || signature.size() != colon + 2) continue;
      if (signature.find_first_not_of("ilfd:") != std::string_view::npos) continue;
      if (wasm::info(op).immediates != wasm::ImmKind::None) continue;
      out.push_back(op);
    }
    return out;
  }();
  return ops;
}

struct MemoryOp {
  Opcode opcode;
  Type type;
};
constexpr MemoryOp kLoads[] = {{Opcode::I32Load, wasm::kI32},    {Opcode::I64Load, wasm::kI64},
                               {Opcode::F64Load, wasm::kF64},    {Opcode::I32Load8S, wasm::kI32},
                               {Opcode::I32Load16U, wasm::kI32}, {Opcode::I64Load32S, wasm::kI64},
                               {Opcode::F32Load, wasm::kF32}};
constexpr MemoryOp kStores[] = {{Opcode::I32Store, wasm::kI32},   {Opcode::I64Store, wasm::kI64},
                                {Opcode::F64Store, wasm::kF64},   {Opcode::I32Store8, wasm::kI32},
                                {Opcode::I64Store16, wasm::kI64}, {Opcode::F32Store, wasm::kF32}};

class Maker {
 public:
  Maker(ChoiceStream& choices, const wasm::Module& module, ir::Func& func)
      : choices_(choices), module_(module), func_(func), b_(func), budget_(static_cast<int>(8 + choices.below(60))) {}

  void make() {
    b_.set_block(func_.add_block());
    for (const Type param : func_.signature().params) values_.push_back(func_.add_param(ir::Func::kEntry, param));
    b_.budget();
    statements(4);
    leave();
  }

 private:
  Type ref(uint32_t type, bool nullable) const {
    return Type::ref(HeapType::concrete(module_.type_ids[type]), nullable);
  }
  uint32_t id(uint32_t type) const { return module_.type_ids[type].raw; }
  // Numbers of the module's types, and where its functions begin.
  enum : uint32_t { kS, kT, kP, kN, kR, kF };
  static constexpr uint32_t kFirstFunc = 4;

  Type some_type() {
    switch (choices_.below(12)) {
      case 0:
      case 1:
      case 2: return wasm::kI32;
      case 3:
      case 4: return wasm::kI64;
      case 5: return wasm::kF32;
      case 6: return wasm::kF64;
      case 7: return wasm::kAnyRef;
      case 8: return wasm::kEqRef;
      case 9: return wasm::kExternRef;
      case 10: return wasm::kFuncRef;
      default: return ref(choices_.below(5), choices_.chance(3, 4));
    }
  }

  void tick() { b_.set_offset(++offset_); }

  // --- Values ----------------------------------------------------------------------------------------------------
  ValueId keep(ValueId value) {
    values_.push_back(value);
    return value;
  }
  // One that stands already, most often a late one; or a new one.
  ValueId any(Type type) {
    if (choices_.chance(7, 8)) {
      for (int attempt = 0; attempt < 6 && !values_.empty(); ++attempt) {
        const auto size = static_cast<uint32_t>(values_.size());
        const uint32_t back = choices_.chance(1, 2) ? choices_.below(std::min(size, 6u)) : choices_.below(size);
        const ValueId v = values_[size - 1 - back];
        if (func_.types().matches(func_.type(v), type)) return v;
      }
    }
    return fresh(type);
  }

  static constexpr uint64_t kNumbers[] = {
      0,           1, 2, 7, 31, 32, 63, 255, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff, 0x8000000000000000,
      ~uint64_t{0}};
  ValueId fresh(Type type) {
    tick();
    switch (type.kind()) {
      case wasm::ValKind::kI32:
        return keep(
            b_.i32(choices_.chance(1, 2) ? choices_.below(70) : static_cast<uint32_t>(choices_.pick(kNumbers))));
      case wasm::ValKind::kI64: return keep(b_.i64(choices_.pick(kNumbers)));
      case wasm::ValKind::kF32: {
        static constexpr uint32_t kBits[] = {0, 0x80000000, 0x3f800000, 0xbfc00000, 0x4f000000, 0x7f800000, 0x7fc00000};
        return keep(b_.constant(type, choices_.pick(kBits)));
      }
      case wasm::ValKind::kF64: {
        static constexpr uint64_t kBits[] = {0,
                                             0x8000000000000000,
                                             0x3ff0000000000000,
                                             0xbff8000000000000,
                                             0x41e0000000000000,
                                             0x7ff0000000000000,
                                             0x7ff8000000000000};
        return keep(b_.constant(type, choices_.pick(kBits)));
      }
      default: return fresh_ref(type);
    }
  }

  ValueId fresh_ref(Type type) {
    const HeapType heap = type.heap();
    if (type.nullable() && choices_.chance(1, 4)) return keep(b_.null(heap));
    for (uint32_t t : {choices_.below(5), uint32_t{kT}, uint32_t{kP}, uint32_t{kN}, uint32_t{kR}}) {
      if (func_.types().matches(ref(t, false), type)) return allocate(t);
    }
    const uint32_t last = static_cast<uint32_t>(module_.funcs.size()) - kFirstFunc;
    for (uint32_t f : {choices_.below(last), uint32_t{0}}) {
      const auto func = wasm::FuncIndex(kFirstFunc + f);
      const auto own = HeapType::concrete(module_.funcs[func.index()].type_id);
      if (func_.types().matches(Type::ref(own, false), type)) return keep(b_.ref_func(func));
    }
    if (func_.types().matches(Type::ref(HeapKind::kI31, false), type))
      return keep(b_.value({.op = Op::RefI31}, Type::ref(HeapKind::kI31, false), {any(wasm::kI32)}));
    if (func_.types().hierarchy(heap) == wasm::Hierarchy::kExtern) {
      const ValueId inner = any(wasm::kAnyRef);
      const bool nullable = func_.type(inner).nullable();
      const ValueId outer = keep(b_.value({.op = Op::Convert, .opcode = Opcode::ExternConvertAny},
                                          Type::ref(HeapKind::kExtern, nullable), {inner}));
      return nullable && !type.nullable() ? keep(b_.null_check(outer, wasm::TrapKind::kNullReference)) : outer;
    }
    return keep(b_.null(heap));
  }

  // Operands first: between an allocation and its initialising stores nothing may collect.
  ValueId allocate(uint32_t type) {
    const wasm::SubType& sub = func_.types().get(module_.type_ids[type]);
    if (sub.kind == wasm::CompositeKind::kArray) return allocate_array(type, sub.fields[0].storage.unpacked);
    std::vector<ValueId> fields;
    ++depth_;
    for (const wasm::FieldType& field : sub.fields) {
      const Type t = field.storage.unpacked;
      const bool deep = depth_ > 2 || choices_.chance(1, 3);
      fields.push_back(deep ? simple(t) : any(t));
    }
    --depth_;
    tick();
    const ValueId object = b_.value({.op = Op::StructAlloc, .a = id(type)}, ref(type, false));
    for (uint32_t i = 0; i < fields.size(); ++i) {
      // Zero is there already.
      if (sub.fields[i].storage.unpacked.is_defaultable() && choices_.chance(1, 5)) continue;
      b_.effect({.op = Op::FieldInit, .a = id(type), .b = i}, {object, fields[i]});
    }
    return keep(object);
  }
  ValueId simple(Type type) { return type.is_ref() ? b_.null(type.heap()) : b_.constant(type, choices_.below(100)); }

  ValueId allocate_array(uint32_t type, Type element) {
    const uint32_t length = choices_.below(6);
    const bool filled = choices_.chance(1, 2);
    std::vector<ValueId> elements;
    for (uint32_t i = 0; i < (filled ? 1 : length); ++i) elements.push_back(simple(element));
    const ValueId count = b_.i32(length);
    tick();
    const ValueId array = b_.value({.op = Op::ArrayAlloc, .a = id(type)}, ref(type, false), {count});
    if (filled) {
      b_.effect({.op = Op::ArrayInitFill, .a = id(type)}, {array, elements[0]});
    } else {
      for (uint32_t i = 0; i < length; ++i)
        b_.effect({.op = Op::ElemInit, .a = id(type), .b = i}, {array, elements[i]});
    }
    return keep(array);
  }

  // A non-null reference to `type`; may trap.
  ValueId object(uint32_t type) {
    ValueId v = any(choices_.chance(1, 4) ? wasm::kAnyRef : ref(type, true));
    tick();
    if (!func_.types().matches(func_.type(v), ref(type, true))) v = keep(b_.cast(v, ref(type, choices_.chance(1, 2))));
    return func_.type(v).nullable() ? keep(b_.null_check(v, wasm::TrapKind::kNullReference)) : v;
  }

  // --- Statements --------------------------------------------------------------------------------------------------
  void statements(uint32_t most) {
    for (uint32_t n = 1 + choices_.below(most); n > 0 && budget_ > 0; --n) statement();
  }

  void statement() {
    --budget_;
    tick();
    const bool deep = regions_ >= 4;
    switch (choices_.below(deep ? 14 : 24)) {
      case 0:
      case 1:
      case 2:
      case 3: return compute();
      case 4: return select();
      case 5: return memory();
      case 6: return globals();
      case 7: return structs();
      case 8: return arrays();
      case 9: return references();
      case 10: return tables();
      case 11: return log();
      case 12: return void(keep(fresh(some_type())));
      case 13: return call();
      case 14:
      case 15:
      case 16: return diamond();
      case 17:
      case 18:
      case 19: return loop();
      case 20: return switches();
      case 21: return guarded_call();
      case 22: return refined();
      default: return early_exit();
    }
  }

  void compute() {
    const Opcode op = choices_.pick(scalar_ops());
    const std::string_view signature = wasm::info(op).signature;
    const size_t colon = signature.find(':');
    const ValueId a = any(ir::type_of_letter(signature[0]));
    const ValueId b = colon > 1 ? any(ir::type_of_letter(signature[1])) : a;
    tick();
    keep(colon > 1 ? b_.compute(op, {a, b}) : b_.compute(op, {a}));
  }
  void select() {
    const Type type = some_type();
    const ValueId a = any(type), b = any(type), c = any(wasm::kI32);
    keep(b_.select(type, a, b, c));
  }
  ValueId address() {
    const ValueId raw = any(wasm::kI32);
    return choices_.chance(1, 6) ? raw : keep(b_.compute(Opcode::I32And, {raw, b_.i32(0xfff)}));
  }
  void memory() {
    const ValueId at = address();
    const uint64_t offset = choices_.below(64);
    if (choices_.chance(1, 2)) {
      const MemoryOp& row = choices_.pick(kLoads);
      keep(b_.value({.op = Op::MemLoad, .opcode = row.opcode, .imm = offset}, row.type, {at}));
    } else {
      const MemoryOp& row = choices_.pick(kStores);
      const ValueId value = any(row.type);
      b_.effect({.op = Op::MemStore, .opcode = row.opcode, .imm = offset}, {at, value});
    }
  }
  void globals() {
    const uint32_t global = choices_.below(static_cast<uint32_t>(module_.globals.size()));
    const Type type = module_.globals[global].type.value;
    if (choices_.chance(1, 2)) return void(keep(b_.value({.op = Op::GlobalGet, .a = global}, type)));
    const ValueId value = any(type);
    b_.effect({.op = Op::GlobalSet, .a = global}, {value});
  }
  void structs() {
    const uint32_t type = choices_.below(3);
    const wasm::SubType& sub = func_.types().get(module_.type_ids[type]);
    const uint32_t field = choices_.below(static_cast<uint32_t>(sub.fields.size()));
    const wasm::FieldType& of = sub.fields[field];
    const ValueId on = object(type);
    const bool packed = of.storage.packed != wasm::Packed::kNone;
    if (of.is_mutable && choices_.chance(1, 2)) {
      const ValueId value = any(of.storage.unpacked);
      tick();
      return void(b_.effect({.op = Op::StructSet, .a = id(type), .b = field}, {on, value}));
    }
    const Opcode get = !packed ? Opcode::StructGet : choices_.chance(1, 2) ? Opcode::StructGetS : Opcode::StructGetU;
    keep(b_.value({.op = Op::StructGet, .opcode = get, .a = id(type), .b = field}, of.storage.unpacked, {on}));
  }
  void arrays() {
    const uint32_t type = choices_.chance(1, 2) ? kN : kR;
    const Type element = func_.types().get(module_.type_ids[type]).fields[0].storage.unpacked;
    const ValueId on = object(type);
    const ValueId index = choices_.chance(3, 4) ? keep(b_.i32(choices_.below(4))) : any(wasm::kI32);
    switch (choices_.below(5)) {
      case 0: return void(keep(b_.value({.op = Op::ArrayLen}, wasm::kI32, {on})));
      case 1: {
        const ValueId value = any(element);
        return void(b_.effect({.op = Op::ArraySet, .a = id(type)}, {on, index, value}));
      }
      case 2: {
        const ValueId value = any(element), count = keep(b_.i32(choices_.below(3)));
        return void(b_.effect({.op = Op::ArrayFill, .a = id(type)}, {on, index, value, count}));
      }
      case 3: {
        const ValueId from = object(type), at = keep(b_.i32(choices_.below(3))),
                      count = keep(b_.i32(choices_.below(3)));
        return void(b_.effect({.op = Op::ArrayCopy, .a = id(type), .b = id(type)}, {on, index, from, at, count}));
      }
      default: keep(b_.value({.op = Op::ArrayGet, .opcode = Opcode::ArrayGet, .a = id(type)}, element, {on, index}));
    }
  }
  void references() {
    switch (choices_.below(6)) {
      case 0: return void(keep(b_.ref_is_null(any(some_ref()))));
      case 1: return void(keep(b_.ref_test(any(wasm::kAnyRef), some_any_type())));
      case 2: {
        const ValueId a = any(wasm::kEqRef), b = any(wasm::kEqRef);
        return void(keep(b_.value({.op = Op::RefEq}, wasm::kI32, {a, b})));
      }
      case 3: return void(keep(b_.value({.op = Op::RefI31}, Type::ref(HeapKind::kI31, false), {any(wasm::kI32)})));
      case 4: {
        const ValueId v = any(Type::ref(HeapKind::kI31, true));
        const ValueId i31 = func_.type(v).nullable() ? keep(b_.null_check(v, wasm::TrapKind::kNullReference)) : v;
        const Opcode get = choices_.chance(1, 2) ? Opcode::I31GetS : Opcode::I31GetU;
        return void(keep(b_.value({.op = Op::I31Get, .opcode = get}, wasm::kI32, {i31})));
      }
      default: keep(b_.cast(any(wasm::kAnyRef), some_any_type()));
    }
  }
  Type some_ref() {
    static constexpr Type kRefs[] = {wasm::kAnyRef, wasm::kEqRef, wasm::kExternRef, wasm::kFuncRef};
    return choices_.pick(kRefs);
  }
  Type some_any_type() {
    static constexpr HeapKind kKinds[] = {HeapKind::kEq, HeapKind::kI31, HeapKind::kStruct, HeapKind::kArray};
    const bool nullable = choices_.chance(1, 2);
    return choices_.chance(1, 2) ? ref(choices_.below(5), nullable) : Type::ref(choices_.pick(kKinds), nullable);
  }
  void tables() {
    const uint32_t table = choices_.below(2);
    const Type type = module_.tables[table].type.element;
    const ValueId index = choices_.chance(5, 6) ? keep(b_.i32(choices_.below(4))) : any(wasm::kI32);
    if (choices_.chance(1, 2)) return void(keep(b_.value({.op = Op::TableGet, .a = table}, type, {index})));
    const ValueId value = any(type);
    b_.effect({.op = Op::TableSet, .a = table}, {index, value});
  }
  void log() {
    static constexpr Type kTypes[] = {wasm::kI32, wasm::kI64, wasm::kAnyRef};
    const uint32_t which = choices_.below(4);
    if (which == 3) return void(b_.emit({.op = Op::Call, .a = 3}, {}, {}));
    const ValueId value = any(kTypes[which]);
    tick();
    b_.effect({.op = Op::Call, .a = which}, {value});
  }

  // --- Calls ---------------------------------------------------------------------------------------------------------
  struct CallParts {
    ir::Inst proto;
    std::vector<ValueId> args;
    std::vector<Type> results;
  };
  CallParts some_call() {
    // Upwards mostly, so that most programs are no towers of recursion.
    const auto count = static_cast<uint32_t>(module_.funcs.size());
    const uint32_t next = std::max(func_.index().raw + 1, kFirstFunc);
    const uint32_t callee = next < count && choices_.chance(5, 6) ? next + choices_.below(count - next)
                                                                  : kFirstFunc + choices_.below(count - kFirstFunc);
    const wasm::SubType& type = module_.func_type(wasm::FuncIndex(callee));
    CallParts parts;
    for (const Type param : type.params) parts.args.push_back(any(param));
    parts.results.assign(type.results.begin(), type.results.end());
    parts.proto = {.op = Op::Call, .a = callee};
    const uint32_t how = choices_.below(4);
    if (how == 0) {
      parts.args.push_back(b_.ref_func(wasm::FuncIndex(callee)));
      parts.proto = {.op = Op::CallRef, .a = module_.funcs[callee].type_id.raw};
    } else if (how == 1 && callee == kFirstFunc) {
      parts.args.push_back(b_.i32(choices_.below(4)));
      parts.proto = {.op = Op::CallIndirect, .a = id(kF), .b = 0};
    }
    tick();
    return parts;
  }
  void keep_results(ir::InstId call) {
    for (uint32_t i = 0; i < func_.inst(call).results_count; ++i) keep(func_.result(call, i));
  }
  void call() {
    const CallParts parts = some_call();
    keep_results(b_.emit(parts.proto, parts.args, parts.results));
  }

  // A call in a try: what is thrown is looked into, and perhaps thrown again.
  void guarded_call() {
    const CallParts parts = some_call();
    const BlockId normal = func_.add_block(), landing = func_.add_block();
    func_.edit(landing).landing = true;
    const BlockId targets[] = {normal, landing};
    const ir::InstId call = b_.emit(parts.proto, parts.args, parts.results, targets);
    const std::vector<Type> carried = carried_types();
    std::vector<Edge> edges;
    region(normal, [&] {
      keep_results(call);
      statements(2);
      edges.push_back(edge(carried));
    });
    region(landing, [&] {
      const ValueId exn = b_.value({.op = Op::CaughtExn}, Type::ref(HeapKind::kExn, false));
      const ValueId test = b_.value({.op = Op::ExnTest}, wasm::kI32, {exn});
      const BlockId ours = func_.add_block(), others = func_.add_block();
      b_.branch(test, ours, others);
      region(ours, [&] {
        keep(b_.value({.op = Op::ExnGet, .b = 0}, wasm::kI32, {exn}));
        keep(b_.value({.op = Op::ExnGet, .b = 1}, wasm::kAnyRef, {exn}));
        edges.push_back(edge(carried));
      });
      region(others, [&] { b_.effect({.op = Op::Throw}, {exn}); });
    });
    join(carried, edges);
  }

  // --- Control: a region's values are gone when it ends ---------------------------------------------------------------
  template <class Body>
  void region(BlockId block, Body&& body) {
    const size_t kept = values_.size();
    ++regions_;
    b_.set_block(block);
    body();
    --regions_;
    values_.resize(kept);
  }

  // What goes from the end of a block to a join that does not exist yet.
  struct Edge {
    BlockId from;
    std::vector<ValueId> args;
  };
  std::vector<Type> carried_types() {
    std::vector<Type> types;
    for (uint32_t n = choices_.below(4); n > 0; --n) types.push_back(some_type());
    return types;
  }
  Edge edge(const std::vector<Type>& carried) {
    Edge out;
    for (const Type type : carried) out.args.push_back(any(type));
    out.from = b_.block();
    return out;
  }
  void join(const std::vector<Type>& carried, const std::vector<Edge>& edges) {
    const BlockId block = func_.add_block();
    for (const Type type : carried) keep(func_.add_param(block, type));
    for (const Edge& e : edges) {
      b_.set_block(e.from);
      b_.jump(block, e.args);
    }
    b_.set_block(block);
  }

  void diamond() {
    const ValueId condition = any(wasm::kI32);
    const BlockId then_block = func_.add_block(), else_block = func_.add_block();
    b_.branch(condition, then_block, else_block);
    const std::vector<Type> carried = carried_types();
    std::vector<Edge> edges;
    for (const BlockId arm : {then_block, else_block}) {
      region(arm, [&] {
        if (choices_.chance(3, 4)) statements(3);
        edges.push_back(edge(carried));
      });
    }
    join(carried, edges);
  }

  // The tested value under both answers.
  void refined() {
    const ValueId v = any(wasm::kAnyRef);
    tick();
    const ValueId test = choices_.chance(1, 2) ? b_.ref_is_null(v) : b_.ref_test(v, some_any_type());
    const BlockId yes = func_.add_block(), no = func_.add_block();
    b_.branch(test, yes, no);
    const std::vector<Type> carried = carried_types();
    std::vector<Edge> edges;
    for (const bool sense : {true, false}) {
      region(sense ? yes : no, [&] {
        keep(b_.refine(v, test, sense));
        statements(3);
        edges.push_back(edge(carried));
      });
    }
    join(carried, edges);
  }

  void switches() {
    const ValueId index = any(wasm::kI32);
    std::vector<BlockId> targets;
    for (uint32_t n = 2 + choices_.below(3); n > 0; --n) targets.push_back(func_.add_block());
    b_.switch_on(index, targets);
    const std::vector<Type> carried = carried_types();
    std::vector<Edge> edges;
    for (const BlockId target : targets) {
      region(target, [&] {
        if (choices_.chance(1, 2)) statements(2);
        edges.push_back(edge(carried));
      });
    }
    join(carried, edges);
  }

  // Counted mostly; otherwise fuel ends it.
  void loop() {
    std::vector<Type> carried = carried_types();
    carried.insert(carried.begin(), wasm::kI32);
    std::vector<ValueId> begin;
    for (const Type type : carried) begin.push_back(any(type));
    begin[0] = b_.i32(1 + choices_.below(6));
    const BlockId head = func_.add_block();
    func_.edit(head).loop_head = true;
    b_.jump(head, begin);
    b_.set_block(head);
    std::vector<ValueId> params;
    for (const Type type : carried) params.push_back(keep(func_.add_param(head, type)));
    b_.budget();
    BlockId last;
    ValueId again;
    ++regions_;
    const size_t kept = values_.size();
    statements(4);
    const ValueId left = keep(b_.compute(Opcode::I32Sub, {params[0], b_.i32(1)}));
    again = choices_.chance(7, 8) ? left : any(wasm::kI32);
    std::vector<ValueId> next = {left};
    for (size_t i = 1; i < carried.size(); ++i) next.push_back(any(carried[i]));
    last = b_.block();
    --regions_;
    // The body's end dominates what follows, so its values stay now and then.
    if (choices_.chance(1, 2)) values_.resize(kept);
    const BlockId back = func_.add_block(), out = func_.add_block();
    b_.set_block(last);
    b_.branch(again, back, out);
    b_.set_block(back);
    b_.jump(head, next);
    b_.set_block(out);
  }

  void early_exit() {
    const ValueId condition = any(wasm::kI32);
    const BlockId out = func_.add_block(), on = func_.add_block();
    b_.branch(condition, out, on);
    region(out, [&] { choices_.chance(1, 3) ? fail_somehow() : leave(); });
    b_.set_block(on);
  }
  void fail_somehow() {
    if (choices_.chance(1, 2)) return void(b_.trap(wasm::TrapKind::kUnreachable));
    const ValueId number = any(wasm::kI32), object = any(wasm::kAnyRef);
    tick();
    const ValueId exn = b_.value({.op = Op::ExnAlloc}, Type::ref(HeapKind::kExn, false));
    b_.effect({.op = Op::ExnInit, .b = 0}, {exn, number});
    b_.effect({.op = Op::ExnInit, .b = 1}, {exn, object});
    b_.effect({.op = Op::Throw}, {exn});
  }
  void leave() {
    std::vector<ValueId> results;
    for (const Type type : func_.signature().results) results.push_back(any(type));
    tick();
    b_.ret(results);
  }

  ChoiceStream& choices_;
  const wasm::Module& module_;
  ir::Func& func_;
  ir::Builder b_;
  std::vector<ValueId> values_;  // defined on every path to here
  int budget_;
  uint32_t regions_ = 0, depth_ = 0;
  wasm::WasmOffset offset_ = 0;
};

}  // namespace

const std::vector<uint8_t>& ir_module() {
  static const std::vector<uint8_t> bytes = [] {
    auto parsed = wasm::text::parse_module(kModule);
    CHECK(parsed.has_value(), "I5: the module of random IR does not parse: {}", parsed.error().message);
    return std::move(*parsed);
  }();
  return bytes;
}

void make_ir_func(ChoiceStream& choices, const wasm::Module& module, wasm::FuncIndex func, ir::Func& out) {
  out.reset(module, func);
  Maker(choices, module, out).make();
}

}  // namespace parallax::fuzz
