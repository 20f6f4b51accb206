// One instruction at a time: every opcode with every kind of operand, in functions of a few instructions.
//
// Cheap, and what it finds is readable: the name of the export is the instruction. Each function does one instruction on
// operands that are parameters (compiled as such) or constants (folded), with corner values of numbers, null and non-null
// references of every type of a small family, indices at the ends of arrays, tables and memory. What it leaves is
// returned and compared. Control flow is not here: the other generators are full of it.
#include <string>

#include <algorithm>

#include "engine/base/text.h"
#include "engine/wasm/builder.h"
#include "fuzz/generators/makers.h"

namespace parallax::fuzz {

using wasm::CodeWriter;
using wasm::CompositeKind;
using wasm::ExternKind;
using wasm::FieldType;
using wasm::HeapKind;
using wasm::HeapType;
using wasm::ImmKind;
using wasm::Opcode;
using wasm::Packed;
using wasm::SubType;
using wasm::ValKind;
using wasm::ValType;

namespace {

constexpr uint64_t kCorners64[] = {0,
                                   1,
                                   2,
                                   7,
                                   31,
                                   32,
                                   63,
                                   64,
                                   0x7f,
                                   0x80,
                                   0xff,
                                   0x7fff,
                                   0x8000,
                                   0xffff,
                                   0x3fffffff,
                                   0x40000000,
                                   0x7fffffff,
                                   0x80000000,
                                   0xffffffff,
                                   0x7fffffffffffffff,
                                   0x8000000000000000,
                                   0xffffffffffffffff,
                                   0x0123456789abcdef};
constexpr uint32_t kCornersF32[] = {0,          0x80000000, 1,          0x00800000, 0x3f800000, 0xbf800000, 0x3f000000,
                                    0x4b000000, 0x4f000000, 0xcf000000, 0x4f7fffff, 0x5f000000, 0x7f7fffff, 0x7f800000,
                                    0xff800000, 0x7fc00000, 0x7f800001, 0xffc00000, 0x40490fdb, 0xbfc00000};
constexpr uint64_t kCornersF64[] = {0,
                                    0x8000000000000000,
                                    1,
                                    0x0010000000000000,
                                    0x3ff0000000000000,
                                    0xbff0000000000000,
                                    0x3fe0000000000000,
                                    0x4330000000000000,
                                    0x41dfffffffc00000,
                                    0xc1e0000000000000,
                                    0x41efffffffe00000,
                                    0x43e0000000000000,
                                    0xc3e0000000000000,
                                    0x7fefffffffffffff,
                                    0x7ff0000000000000,
                                    0xfff0000000000000,
                                    0x7ff8000000000000,
                                    0x7ff0000000000001,
                                    0x400921fb54442d18};

class SingleOp {
 public:
  explicit SingleOp(ChoiceStream& choices) : choices_(choices) {}

  Case make() {
    family();
    state();
    // A few instructions of one feature, so that what an executor lacks costs little.
    const Opcode first = draw({});
    for (uint32_t i = 0; i < 6; ++i) add(i == 0 ? first : draw(wasm::info(first).feature), i);
    Case subject;
    subject.modules.push_back(module_.encode());
    subject.plan = std::move(plan_);
    subject.configuration.fuel = 1'000;
    subject.configuration.allocated_bytes = 1 << 20;
    subject.claims_valid = true;
    return subject;
  }

 private:
  // Types: two structs in a line, one beside them, arrays of each width, a function type.
  void family() {
    const auto field = [](ValType type, Packed packed = Packed::kNone) { return FieldType{{type, packed}, true}; };
    base_ = module_
                .add_type({.kind = CompositeKind::kStruct,
                           .is_final = false,
                           .fields = {field(wasm::kI32), field(wasm::kAnyRef), field(wasm::kI32, Packed::kI8)}})
                .raw;
    below_ = module_
                 .add_type({.kind = CompositeKind::kStruct,
                            .is_final = false,
                            .has_super = true,
                            .super = base_,
                            .fields = {field(wasm::kI32), field(wasm::kAnyRef), field(wasm::kI32, Packed::kI8),
                                       field(wasm::kI64), field(wasm::kI32, Packed::kI16), field(wasm::kExternRef),
                                       field(wasm::kF64)}})
                 .raw;
    beside_ = module_.add_type({.kind = CompositeKind::kStruct, .fields = {field(wasm::kEqRef)}}).raw;
    static constexpr std::pair<ValType, Packed> kElements[] = {
        {wasm::kI32, Packed::kI8},     {wasm::kI32, Packed::kI16},  {wasm::kI32, Packed::kNone},
        {wasm::kI64, Packed::kNone},   {wasm::kF32, Packed::kNone}, {wasm::kF64, Packed::kNone},
        {wasm::kAnyRef, Packed::kNone}};
    for (const auto& [type, packed] : kElements) {
      arrays_.push_back(module_.add_type({.kind = CompositeKind::kArray, .fields = {field(type, packed)}}).raw);
      elements_.push_back({type, packed});
    }
  }

  void state() {
    module_.add_memory({{.min = 1, .max = 2}});
    module_.add_export("memory", ExternKind::kMemory, 0);
    module_.add_table({wasm::kAnyRef, {.min = 4, .max = 8}});
    module_.add_export("table", ExternKind::kTable, 0);
    std::vector<uint8_t> bytes(32);
    for (uint8_t& byte : bytes) byte = choices_.byte();
    module_.add_data({.mode = wasm::SegmentMode::kActive,
                      .offset = CodeWriter().i32_const(65536 - 32).end().take(),
                      .bytes = bytes});
    data_ = module_.add_data({.bytes = bytes}).raw;
    wasm::ModuleBuilder::Elem elem{.type = wasm::kAnyRef, .uses_exprs = true};
    elem.exprs.push_back(CodeWriter().i32_const(5).op(Opcode::RefI31).end().take());
    elem.exprs.push_back(CodeWriter().ref_null(HeapKind::kNone).end().take());
    elem.exprs.push_back(CodeWriter().op(Opcode::StructNewDefault, below_).end().take());
    elem_ = module_.add_elem(std::move(elem)).raw;
    module_.add_global({wasm::kAnyRef, true}, CodeWriter().i32_const(-1).op(Opcode::RefI31).end().take());
    module_.add_export("global", ExternKind::kGlobal, 0);
    plan_.push_back({.kind = StepKind::kInstantiate});
  }

  static bool is_handled(Opcode op) {
    const wasm::OpcodeInfo& row = wasm::info(op);
    if (!wasm::Features{}.has(row.feature)) return false;
    if (row.signature[0] != '*') return row.immediates != ImmKind::Data && row.immediates != ImmKind::Elem;
    switch (op) {
      case Opcode::RefIsNull:
      case Opcode::RefEq:
      case Opcode::RefAsNonNull:
      case Opcode::RefTest:
      case Opcode::RefTestNull:
      case Opcode::RefCast:
      case Opcode::RefCastNull:
      case Opcode::RefI31:
      case Opcode::I31GetS:
      case Opcode::I31GetU:
      case Opcode::AnyConvertExtern:
      case Opcode::ExternConvertAny:
      case Opcode::StructNew:
      case Opcode::StructNewDefault:
      case Opcode::StructGet:
      case Opcode::StructGetS:
      case Opcode::StructGetU:
      case Opcode::StructSet:
      case Opcode::ArrayNew:
      case Opcode::ArrayNewDefault:
      case Opcode::ArrayNewFixed:
      case Opcode::ArrayNewData:
      case Opcode::ArrayNewElem:
      case Opcode::ArrayGet:
      case Opcode::ArrayGetS:
      case Opcode::ArrayGetU:
      case Opcode::ArraySet:
      case Opcode::ArrayLen:
      case Opcode::ArrayFill:
      case Opcode::ArrayCopy:
      case Opcode::ArrayInitData:
      case Opcode::ArrayInitElem:
      case Opcode::TableGet:
      case Opcode::TableSet:
      case Opcode::TableSize:
      case Opcode::TableGrow:
      case Opcode::TableFill:
      case Opcode::TableCopy:
      case Opcode::TableInit:
      case Opcode::MemoryCopy:
      case Opcode::SelectTyped: return true;
      default: return false;
    }
  }

  // What draws ask about an instruction, close together: most draws are thrown away.
  struct Candidate {
    Opcode op;
    wasm::Feature feature;
    bool on_heap;
  };
  static const std::vector<Candidate>& handled() {
    static const auto* const all = [] {
      auto* found = new std::vector<Candidate>;
      for (size_t i = 0; i < wasm::kOpcodeCount; ++i) {
        const auto op = static_cast<Opcode>(i);
        if (is_handled(op)) found->push_back({op, wasm::info(op).feature, wasm::info(op).signature[0] == '*'});
      }
      return found;
    }();
    return *all;
  }

  // Instructions of the heap are few and matter most: half of all draws.
  Opcode draw(std::optional<wasm::Feature> feature) {
    const bool heap = choices_.chance(1, 2);
    const std::vector<Candidate>& all = handled();
    for (int attempt = 0; attempt < 40; ++attempt) {
      const Candidate& candidate = choices_.pick(all);
      if (feature ? candidate.feature == *feature : candidate.on_heap == heap) return candidate.op;
    }
    return feature ? Opcode::I32Add : choices_.pick(all).op;
  }

  // --- One function --------------------------------------------------------------------------------------------------
  void add(Opcode op, uint32_t number) {
    code_ = CodeWriter();
    params_.clear();
    args_.clear();
    results_.clear();
    folded_ = choices_.chance(1, 3);
    instruction(op);
    const wasm::TypeIndex type = module_.add_func_type(params_, results_);
    std::string name = text::format("{} {}", wasm::info(op).text, number);
    const wasm::FuncIndex func = module_.add_func(type, {}, code_.end());
    module_.add_export(name, ExternKind::kFunc, func.raw);
    for (uint32_t i = 0; i < (folded_ ? 1u : 4u); ++i) {
      if (i > 0) redraw_arguments();
      plan_.push_back({.kind = StepKind::kCall, .name = name, .args = args_});
    }
  }

  void redraw_arguments() {
    for (size_t i = 0; i < args_.size(); ++i) args_[i] = corner(params_[i]);
  }

  Argument corner(ValType type) {
    switch (type.kind()) {
      case ValKind::kI32: return {ArgKind::kNumber, static_cast<uint32_t>(choices_.pick(kCorners64))};
      case ValKind::kI64: return {ArgKind::kNumber, choices_.pick(kCorners64)};
      case ValKind::kF32: return {ArgKind::kNumber, choices_.pick(kCornersF32)};
      case ValKind::kF64: return {ArgKind::kNumber, choices_.pick(kCornersF64)};
      case ValKind::kV128: return {ArgKind::kNumber, choices_.pick(kCorners64), choices_.pick(kCornersF64)};
      default: break;
    }
    switch (choices_.below(3)) {
      case 0: return {};
      case 1: return {ArgKind::kI31, choices_.pick(kCorners64) & 0x7fffffff};
      default: return {ArgKind::kHost, choices_.below(100)};
    }
  }

  // Leaves a corner value: a parameter, or a constant.
  void operand(ValType type) {
    const Argument value = corner(type);
    if (!folded_) {
      code_.local_get(static_cast<uint32_t>(params_.size()));
      params_.push_back(type);
      args_.push_back(value);
      return;
    }
    switch (type.kind()) {
      case ValKind::kI32: code_.i32_const(static_cast<int32_t>(value.low)); return;
      case ValKind::kI64: code_.i64_const(static_cast<int64_t>(value.low)); return;
      case ValKind::kF32: code_.f32_const(static_cast<uint32_t>(value.low)); return;
      case ValKind::kF64: code_.f64_const(value.low); return;
      case ValKind::kV128: {
        std::array<uint8_t, 16> bytes{};
        for (size_t i = 0; i < 8; ++i) {
          bytes[i] = static_cast<uint8_t>(value.low >> 8 * i);
          bytes[i + 8] = static_cast<uint8_t>(value.high >> 8 * i);
        }
        code_.v128_const(bytes);
        return;
      }
      default: object(HeapKind::kAny); return;
    }
  }
  // An index: mostly inside `size`, now and then at its end or far out. Small ones more often: offsets and lengths add up.
  void index(uint32_t size) {
    if (choices_.chance(1, 6)) return operand(wasm::kI32);
    const uint32_t one = choices_.below(size + 2), other = choices_.below(size + 2);
    code_.i32_const(static_cast<int32_t>(std::min(one, other)));
  }

  static ValType letter(char c) {
    switch (c) {
      case 'i':
      case 'p': return wasm::kI32;
      case 'l': return wasm::kI64;
      case 'f': return wasm::kF32;
      case 'd': return wasm::kF64;
      default: return wasm::kV128;
    }
  }

  // Leaves a reference of the hierarchy of any, often one of the family.
  void object(HeapType near) {
    switch (choices_.below(9)) {
      case 0: code_.ref_null(HeapKind::kNone); return;
      case 1: code_.i32_const(static_cast<int32_t>(choices_.pick(kCorners64))).op(Opcode::RefI31); return;
      case 2: code_.op(Opcode::StructNewDefault, beside_); return;
      case 3: code_.i32_const(3).op(Opcode::ArrayNewDefault, choices_.pick(arrays_)); return;
      case 4: operand_any(); return;
      case 5: code_.op(Opcode::GlobalGet, 0); return;
      default:
        if (near.is_concrete() && choices_.chance(1, 2)) {
          instance_of(near.number());
        } else {
          instance_of(choices_.chance(1, 2) ? base_ : below_);
        }
        return;
    }
  }
  void operand_any() {
    code_.local_get(static_cast<uint32_t>(params_.size()));
    params_.push_back(wasm::kAnyRef);
    args_.push_back(corner(wasm::kAnyRef));
  }

  // Leaves a fresh object of that type with contents.
  void instance_of(uint32_t type) {
    if (type == base_ || type == below_) {
      code_.i32_const(static_cast<int32_t>(choices_.pick(kCorners64)));
      code_.i32_const(9).op(Opcode::RefI31);
      code_.i32_const(static_cast<int32_t>(choices_.pick(kCorners64)));
      if (type == below_) {
        code_.i64_const(static_cast<int64_t>(choices_.pick(kCorners64)));
        code_.i32_const(static_cast<int32_t>(choices_.pick(kCorners64)));
        code_.ref_null(HeapKind::kExtern);
        code_.f64_const(choices_.pick(kCornersF64));
      }
      code_.op(Opcode::StructNew, type);
    } else if (type == beside_) {
      code_.i32_const(1).op(Opcode::RefI31).op(Opcode::StructNew, type);
    } else {
      element(type);
      code_.i32_const(static_cast<int32_t>(choices_.below(5))).op(Opcode::ArrayNew, type);
    }
  }
  // Leaves something that an array of this type may hold.
  void element(uint32_t array) {
    const ValType type = elements_[array - arrays_[0]].first;
    if (type.is_ref()) return object(HeapKind::kAny);
    operand(type);
  }
  // Leaves an array, or now and then null.
  void array(uint32_t type) {
    if (choices_.chance(1, 12)) {
      code_.ref_null(HeapType::concrete(type));
    } else {
      instance_of(type);
    }
  }
  uint32_t some_array(bool packed) {
    return packed ? arrays_[choices_.below(2)] : arrays_[2 + choices_.below(static_cast<uint32_t>(arrays_.size() - 2))];
  }
  HeapType some_heap() {
    const HeapType types[] = {HeapKind::kAny,
                              HeapKind::kEq,
                              HeapKind::kI31,
                              HeapKind::kStruct,
                              HeapKind::kArray,
                              HeapKind::kNone,
                              HeapType::concrete(base_),
                              HeapType::concrete(below_),
                              HeapType::concrete(beside_),
                              HeapType::concrete(choices_.pick(arrays_))};
    return choices_.pick(types);
  }

  void instruction(Opcode op) {
    if (wasm::info(op).signature[0] != '*') return monomorphic(op);
    switch (op) {
      case Opcode::RefIsNull: object(HeapKind::kAny); return done(op, wasm::kI32);
      case Opcode::RefAsNonNull: object(HeapKind::kAny); return done(op, ValType::ref(HeapKind::kAny, false));
      case Opcode::RefEq:
        for (int i = 0; i < 2; ++i) {
          object(HeapKind::kEq);
          code_.ref_cast(wasm::kEqRef);
        }
        return done(op, wasm::kI32);
      case Opcode::RefTest:
      case Opcode::RefTestNull: {
        const HeapType heap = some_heap();
        object(heap);
        code_.ref_test(ValType::ref(heap, op == Opcode::RefTestNull));
        results_ = {wasm::kI32};
        return;
      }
      case Opcode::RefCast:
      case Opcode::RefCastNull: {
        const HeapType heap = some_heap();
        object(heap);
        code_.ref_cast(ValType::ref(heap, op == Opcode::RefCastNull));
        results_ = {wasm::kAnyRef};
        return;
      }
      case Opcode::RefI31: operand(wasm::kI32); return done(op, wasm::kI31Ref);
      case Opcode::I31GetS:
      case Opcode::I31GetU:
        if (choices_.chance(1, 8)) {
          code_.ref_null(HeapKind::kI31);
        } else {
          operand(wasm::kI32);
          code_.op(Opcode::RefI31);
        }
        return done(op, wasm::kI32);
      case Opcode::AnyConvertExtern:
        object(HeapKind::kAny);
        code_.op(Opcode::ExternConvertAny);
        return done(op, wasm::kAnyRef);
      case Opcode::ExternConvertAny: object(HeapKind::kAny); return done(op, wasm::kExternRef);
      case Opcode::SelectTyped: {
        object(HeapKind::kAny);
        object(HeapKind::kAny);
        operand(wasm::kI32);
        const ValType types[] = {wasm::kAnyRef};
        code_.select(types);
        results_ = {wasm::kAnyRef};
        return;
      }
      default: break;
    }
    if (wasm::info(op).immediates == ImmKind::TypeField || op == Opcode::StructNew || op == Opcode::StructNewDefault) {
      return structs(op);
    }
    if (wasm::info(op).immediates == ImmKind::Table || wasm::info(op).immediates == ImmKind::TableTable ||
        wasm::info(op).immediates == ImmKind::TableElem) {
      return tables(op);
    }
    if (op == Opcode::MemoryCopy) {
      for (int i = 0; i < 3; ++i) operand(wasm::kI32);
      code_.op(op, 0, 0);
      return;
    }
    arrays(op);
  }
  void done(Opcode op, ValType result) {
    code_.op(op);
    results_ = {result};
  }

  void monomorphic(Opcode op) {
    const wasm::OpcodeInfo& row = wasm::info(op);
    const char* c = row.signature;
    for (; *c != ':'; ++c) operand(letter(*c));
    for (++c; *c != 0; ++c) results_.push_back(letter(*c));
    // "pip:" of memory.fill and its like: all operands of 32-bit memories are i32.
    wasm::Instr instr{.op = op};
    switch (row.immediates) {
      case ImmKind::MemArg:
      case ImmKind::MemArgLane: {
        static constexpr uint64_t kOffsets[] = {0, 0, 0, 1, 8, 65535, 65536, 0xffffffff};
        instr.mem.align_log2 = choices_.below(wasm::access_log2(op) + 1u);
        instr.mem.offset = choices_.pick(kOffsets);
        if (row.immediates == ImmKind::MemArgLane)
          instr.lane = static_cast<uint8_t>(choices_.below(wasm::lane_count(op)));
        break;
      }
      case ImmKind::Lane: instr.lane = static_cast<uint8_t>(choices_.below(wasm::lane_count(op))); break;
      case ImmKind::Shuffle:
        for (uint8_t& lane : instr.v128) lane = static_cast<uint8_t>(choices_.below(32));
        break;
      case ImmKind::V128:
        for (uint8_t& byte : instr.v128) byte = choices_.byte();
        break;
      case ImmKind::I32: instr.bits = static_cast<uint64_t>(int64_t{static_cast<int32_t>(choices_.u32())}); break;
      case ImmKind::I64: instr.bits = choices_.pick(kCorners64); break;
      case ImmKind::F32: instr.bits = choices_.pick(kCornersF32); break;
      case ImmKind::F64: instr.bits = choices_.pick(kCornersF64); break;
      case ImmKind::DataMemory: instr.a = data_; break;
      default: break;
    }
    code_.instr(instr);
  }

  void structs(Opcode op) {
    const uint32_t type = choices_.chance(1, 2) ? base_ : below_;
    if (op == Opcode::StructNew || op == Opcode::StructNewDefault) {
      if (op == Opcode::StructNew) {
        instance_of(type);
      } else {
        code_.op(op, type);
      }
      results_ = {wasm::kAnyRef};
      return;
    }
    struct Field {
      uint32_t number;
      ValType type;
      bool packed;
    };
    static constexpr Field kFields[] = {{0, wasm::kI32, false}, {1, wasm::kAnyRef, false}, {2, wasm::kI32, true},
                                        {3, wasm::kI64, false}, {4, wasm::kI32, true},     {5, wasm::kExternRef, false},
                                        {6, wasm::kF64, false}};
    const bool packed = op == Opcode::StructGetS || op == Opcode::StructGetU;
    Field field = kFields[choices_.below(type == base_ ? 3 : 7)];
    if (op == Opcode::StructGet && field.packed) field = kFields[0];
    if (packed) field = kFields[type == base_ || choices_.chance(1, 2) ? 2 : 4];
    if (choices_.chance(1, 10)) {
      code_.ref_null(HeapType::concrete(type));
    } else {
      instance_of(type == base_ && choices_.chance(1, 2) ? below_ : type);
    }
    if (op != Opcode::StructSet) {
      code_.op(op, type, field.number);
      results_ = {field.type};
      return;
    }
    // What was written is read back through another name of the object.
    const uint32_t local = keep(ValType::ref(HeapType::concrete(type), true));
    if (field.type == wasm::kExternRef) {
      object(HeapKind::kAny);
      code_.op(Opcode::ExternConvertAny);
    } else if (field.type.is_ref()) {
      object(HeapKind::kAny);
    } else {
      operand(field.type);
    }
    code_.op(Opcode::StructSet, type, field.number)
        .op(Opcode::GlobalGet, local)
        .ref_cast(ValType::ref(HeapType::concrete(type), true));
    code_.op(field.packed ? Opcode::StructGetS : Opcode::StructGet, type, field.number);
    results_ = {field.type};
  }
  // The reference on the stack goes into the global, and stays.
  uint32_t keep(ValType type) {
    code_.op(Opcode::GlobalSet, 0).op(Opcode::GlobalGet, 0).ref_cast(type);
    return 0;
  }

  void arrays(Opcode op) {
    const bool packed = op == Opcode::ArrayGetS || op == Opcode::ArrayGetU;
    uint32_t type = packed || choices_.chance(1, 4) ? some_array(true) : some_array(false);
    const uint32_t refs = arrays_.back();
    if (op == Opcode::ArrayGet) type = some_array(false);
    if (op == Opcode::ArrayNewElem || op == Opcode::ArrayInitElem) type = refs;
    if ((op == Opcode::ArrayNewData || op == Opcode::ArrayInitData) && type == refs) type = arrays_[0];
    const ValType content = elements_[type - arrays_[0]].first;
    results_ = {wasm::kAnyRef};
    switch (op) {
      case Opcode::ArrayNew:
        element(type);
        index(20);
        code_.op(op, type);
        return;
      case Opcode::ArrayNewDefault:
        index(20);
        code_.op(op, type);
        return;
      case Opcode::ArrayNewFixed: {
        const uint32_t count = choices_.below(5);
        for (uint32_t i = 0; i < count; ++i) element(type);
        code_.op(op, type, count);
        return;
      }
      case Opcode::ArrayNewData:
      case Opcode::ArrayNewElem:
        index(4);
        index(4);
        code_.op(op, type, op == Opcode::ArrayNewData ? data_ : elem_);
        return;
      case Opcode::ArrayLen:
        array(type);
        code_.op(op);
        results_ = {wasm::kI32};
        return;
      case Opcode::ArrayGet:
      case Opcode::ArrayGetS:
      case Opcode::ArrayGetU:
        array(type);
        index(5);
        code_.op(op, type);
        results_ = {content};
        return;
      default: break;
    }
    // The others change an array: it is kept in the global and returned afterwards.
    const ValType ref = ValType::ref(HeapType::concrete(type), true);
    array(type);
    (void)keep(ref);
    index(5);
    switch (op) {
      case Opcode::ArraySet:
        element(type);
        code_.op(op, type);
        break;
      case Opcode::ArrayFill:
        element(type);
        index(4);
        code_.op(op, type);
        break;
      case Opcode::ArrayCopy:
        if (choices_.chance(1, 2)) {
          code_.op(Opcode::GlobalGet, 0).ref_cast(ref);
        } else {
          array(type);
        }
        index(4);
        index(4);
        code_.op(op, type, type);
        break;
      case Opcode::ArrayInitData:
      case Opcode::ArrayInitElem:
        index(4);
        index(4);
        code_.op(op, type, op == Opcode::ArrayInitData ? data_ : elem_);
        break;
      default: break;
    }
    code_.op(Opcode::GlobalGet, 0);
  }

  void tables(Opcode op) {
    const auto ref = [&] { object(HeapKind::kAny); };
    switch (op) {
      case Opcode::TableGet:
        index(4);
        code_.op(op, 0);
        results_ = {wasm::kAnyRef};
        return;
      case Opcode::TableSet:
        index(4);
        ref();
        code_.op(op, 0);
        return;
      case Opcode::TableSize:
        code_.op(op, 0);
        results_ = {wasm::kI32};
        return;
      case Opcode::TableGrow:
        ref();
        index(6);
        code_.op(op, 0);
        results_ = {wasm::kI32};
        return;
      case Opcode::TableFill:
        index(4);
        ref();
        index(4);
        code_.op(op, 0);
        return;
      default:
        for (int i = 0; i < 3; ++i) index(4);
        if (op == Opcode::TableInit) {
          code_.op(op, 0, elem_);
        } else {
          code_.op(op, 0, 0);
        }
        return;
    }
  }

  ChoiceStream& choices_;
  wasm::ModuleBuilder module_;
  std::vector<Step> plan_;
  uint32_t base_ = 0, below_ = 0, beside_ = 0, data_ = 0, elem_ = 0;
  std::vector<uint32_t> arrays_;
  std::vector<std::pair<ValType, Packed>> elements_;
  // Of the function being made.
  CodeWriter code_;
  std::vector<ValType> params_, results_;
  std::vector<Argument> args_;
  bool folded_ = false;
};

}  // namespace

Result<Case> make_single_op(ChoiceStream& choices) { return SingleOp(choices).make(); }

}  // namespace parallax::fuzz
