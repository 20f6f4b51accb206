// Fresh code: values of a wanted type, statements, calls. Everything made here carries its types, so that later mutators
// see it like code that was lifted.
#include "fuzz/mutators/mutation.h"

namespace parallax::fuzz {

using wasm::BlockType;
using wasm::BlockTypeKind;
using wasm::CompositeKind;
using wasm::FieldType;
using wasm::HeapKind;
using wasm::HeapType;
using wasm::Instr;
using wasm::Opcode;
using wasm::Packed;
using wasm::SubType;
using wasm::ValKind;
using wasm::ValType;
namespace edit = wasm::edit;
using edit::NodeId;
using edit::Seq;

// --- Nodes -------------------------------------------------------------------------------------------------------------

NodeId Mutation::make(Instr instr, Seq children, std::vector<ValType> popped, std::vector<ValType> pushed) {
  Node node;
  uint32_t given = 0;
  for (const NodeId child : children) given += code()[child].net;
  node.net = given - static_cast<uint32_t>(popped.size()) + static_cast<uint32_t>(pushed.size());
  node.instr = std::move(instr);
  node.children = std::move(children);
  node.popped = std::move(popped);
  node.pushed = std::move(pushed);
  return code().add(std::move(node));
}

NodeId Mutation::block(Opcode op, std::optional<ValType> result, Seq body) {
  BlockType type;
  if (result) type = {.kind = BlockTypeKind::kValue, .value = *result};
  const NodeId id =
      make({.op = op, .block = type}, {}, {}, result ? std::vector<ValType>{*result} : std::vector<ValType>{});
  code()[id].bodies.push_back({Opcode::Nop, 0, std::move(body)});
  return id;
}

NodeId Mutation::branch(Opcode op, NodeId target, Seq children, std::vector<ValType> popped,
                        std::vector<ValType> pushed) {
  const NodeId id = make({.op = op}, std::move(children), std::move(popped), std::move(pushed));
  code()[id].targets.push_back(target);
  return id;
}

NodeId Mutation::i32(int32_t value) {
  return make({.op = Opcode::I32Const, .bits = static_cast<uint64_t>(int64_t{value})}, {}, {}, {wasm::kI32});
}

NodeId Mutation::get_local(uint32_t local) {
  return make({.op = Opcode::LocalGet, .a = local}, {}, {}, {local_type(local)});
}
NodeId Mutation::set_local(uint32_t local, NodeId value) {
  return make({.op = Opcode::LocalSet, .a = local}, {value}, {local_type(local)}, {});
}

NodeId Mutation::cast(NodeId value, ValType to) {
  const ValType from = code()[value].pushed[0];
  return make({.op = to.nullable() ? Opcode::RefCastNull : Opcode::RefCast, .type = to}, {value}, {from}, {to});
}

NodeId Mutation::drop(NodeId value) { return make({.op = Opcode::Drop}, {value}, {code()[value].pushed.back()}, {}); }

// --- Numbers -----------------------------------------------------------------------------------------------------------

int32_t Mutation::interesting32() {
  static constexpr int32_t kValues[] = {0,       1,          -1,        2,        7,     31,
                                        32,      127,        128,       -128,     255,   256,
                                        32767,   32768,      -32768,    65535,    65536, (1 << 30) - 1,
                                        1 << 30, -(1 << 30), INT32_MAX, INT32_MIN};
  return choices.chance(1, 3) ? static_cast<int32_t>(choices.below(16)) : choices.pick(kValues);
}

int64_t Mutation::interesting64() {
  static constexpr int64_t kValues[] = {0, 1, -1, 63, 64, 0x7fffffff, 0x80000000, 0x100000000, INT64_MAX, INT64_MIN};
  return choices.chance(1, 2) ? int64_t{interesting32()} : choices.pick(kValues);
}

NodeId Mutation::number(ValType type) {
  switch (type.kind()) {
    case ValKind::kI32: return i32(interesting32());
    case ValKind::kI64:
      return make({.op = Opcode::I64Const, .bits = static_cast<uint64_t>(interesting64())}, {}, {}, {type});
    case ValKind::kF32: {
      static constexpr uint32_t kBits[] = {0,          0x80000000, 0x3f800000, 0x7f800000,
                                           0xff800000, 0x7fc00000, 1,          0x4f000000};
      return make({.op = Opcode::F32Const, .bits = choices.pick(kBits)}, {}, {}, {type});
    }
    case ValKind::kF64: {
      static constexpr uint64_t kBits[] = {
          0, 0x8000000000000000, 0x3ff0000000000000, 0x7ff0000000000000, 0x7ff8000000000000, 1, 0x43e0000000000000};
      return make({.op = Opcode::F64Const, .bits = choices.pick(kBits)}, {}, {}, {type});
    }
    default: {
      Instr instr{.op = Opcode::V128Const};
      for (uint8_t& byte : instr.v128) byte = choices.chance(1, 2) ? choices.byte() : 0;
      return make(instr, {}, {}, {type});
    }
  }
}

// --- Values ------------------------------------------------------------------------------------------------------------

NodeId Mutation::value(ValType type, int depth) {
  if (choices.chance(1, 2)) {
    if (const auto there = existing(type)) return *there;
  }
  if (type.is_ref()) return reference(type, depth);
  if (depth > 0 && type == wasm::kI32 && choices.chance(1, 2)) {
    static constexpr Opcode kBinary[] = {Opcode::I32Add, Opcode::I32Sub, Opcode::I32Mul,
                                         Opcode::I32And, Opcode::I32Xor, Opcode::I32ShrS};
    const NodeId a = value(type, depth - 1), b = value(type, depth - 1);
    return make({.op = choices.pick(kBinary)}, {a, b}, {type, type}, {type});
  }
  return number(type);
}

// A local or global that can be read now.
std::optional<NodeId> Mutation::existing(ValType type) {
  std::vector<uint32_t> locals, globals;
  const auto count = static_cast<uint32_t>(module.type_of(function()).params.size() + function().locals.size());
  for (uint32_t i = 0; i < count; ++i) {
    if (is_defaultable_local(i) && matches(local_type(i), type)) locals.push_back(i);
  }
  for (uint32_t i = 0; i < module.globals.size(); ++i) {
    if (module.globals[i].alive && matches(module.globals[i].type.value, type)) globals.push_back(i);
  }
  if (!locals.empty() && (globals.empty() || choices.chance(2, 3))) return get_local(choices.pick(locals));
  if (globals.empty()) return {};
  const uint32_t global = choices.pick(globals);
  return make({.op = Opcode::GlobalGet, .a = global}, {}, {}, {module.globals[global].type.value});
}

NodeId Mutation::reference(ValType type, int depth) {
  if (!type.nullable() || (depth > 0 && !choices.chance(1, 5))) {
    if (const auto made = construct(type, depth)) return *made;
    if (const auto there = existing(type)) return *there;
  }
  const HeapType heap = choices.chance(1, 2) ? type.heap() : bottom(type.heap());
  const NodeId null =
      make({.op = Opcode::RefNull, .type = ValType::ref(heap, true)}, {}, {}, {ValType::ref(heap, true)});
  if (type.nullable()) return null;
  // Nothing of that type can be made here: the value is never there, and the program says so.
  return make({.op = Opcode::RefAsNonNull}, {null}, {ValType::ref(heap, true)}, {ValType::ref(heap, false)});
}

std::optional<NodeId> Mutation::construct(ValType type, int depth) {
  const HeapType heap = type.heap();
  const HeapType of = top(heap);
  if (of == HeapKind::kFunc) {
    std::vector<uint32_t> found;
    for (uint32_t i = 0; i < module.funcs.size(); ++i) {
      if (module.funcs[i].alive && matches(HeapType::concrete(module.funcs[i].type), heap)) found.push_back(i);
    }
    if (found.empty()) return {};
    const uint32_t callee = choices.pick(found);
    return make({.op = Opcode::RefFunc, .a = callee}, {}, {},
                {ValType::ref(HeapType::concrete(module.funcs[callee].type), false)});
  }
  if (of == HeapKind::kExtern) {
    if (heap == HeapKind::kNoExtern || depth < 0) return {};
    const ValType any = ValType::ref(HeapKind::kAny, false);
    const NodeId inner = value(any, depth - 1);
    return make({.op = Opcode::ExternConvertAny}, {inner}, {any}, {ValType::ref(HeapKind::kExtern, false)});
  }
  if (of != HeapKind::kAny) return {};
  for (int attempt = 0; attempt < 3; ++attempt) {
    std::optional<NodeId> made;
    switch (choices.below(4)) {
      case 0:
        if (!matches(HeapType(HeapKind::kI31), heap)) continue;
        return make({.op = Opcode::RefI31}, {value(wasm::kI32, 0)}, {wasm::kI32},
                    {ValType::ref(HeapKind::kI31, false)});
      case 1: made = construct_array(type, depth); break;
      default: made = construct_struct(type, depth); break;
    }
    if (made) return made;
  }
  if (matches(HeapType(HeapKind::kI31), heap)) {
    return make({.op = Opcode::RefI31}, {value(wasm::kI32, 0)}, {wasm::kI32}, {ValType::ref(HeapKind::kI31, false)});
  }
  if (const auto made = construct_struct(type, depth)) return made;
  return construct_array(type, depth);
}

std::optional<NodeId> Mutation::construct_struct(ValType type, int depth) {
  std::vector<uint32_t> found;
  for (const uint32_t number : types_of(CompositeKind::kStruct)) {
    if (matches(HeapType::concrete(number), type.heap()) && this->type(number).fields.size() < 40) {
      found.push_back(number);
    }
  }
  if (found.empty()) return {};
  const uint32_t number = choices.pick(found);
  const ValType result = ValType::ref(HeapType::concrete(number), false);
  const SubType def = this->type(number);
  if (defaultable(def) && (depth <= 0 || choices.chance(1, 2))) {
    return make({.op = Opcode::StructNewDefault, .a = number}, {}, {}, {result});
  }
  if (depth < -2) return {};
  Seq operands;
  std::vector<ValType> popped;
  for (const FieldType& field : def.fields) {
    operands.push_back(value(field.storage.unpacked, depth - 1));
    popped.push_back(field.storage.unpacked);
  }
  return make({.op = Opcode::StructNew, .a = number}, operands, popped, {result});
}

std::optional<NodeId> Mutation::construct_array(ValType type, int depth) {
  std::vector<uint32_t> found;
  for (const uint32_t number : types_of(CompositeKind::kArray)) {
    if (matches(HeapType::concrete(number), type.heap())) found.push_back(number);
  }
  if (found.empty() || depth < -2) return {};
  const uint32_t number = choices.pick(found);
  const ValType result = ValType::ref(HeapType::concrete(number), false);
  const ValType element = this->type(number).fields[0].storage.unpacked;
  if (element.is_defaultable() && (depth <= 0 || choices.chance(1, 3))) {
    return make({.op = Opcode::ArrayNewDefault, .a = number}, {i32(static_cast<int32_t>(choices.below(9)))},
                {wasm::kI32}, {result});
  }
  if (choices.chance(1, 2)) {
    const NodeId init = value(element, depth - 1);
    return make({.op = Opcode::ArrayNew, .a = number}, {init, i32(static_cast<int32_t>(choices.below(9)))},
                {element, wasm::kI32}, {result});
  }
  Seq operands;
  for (uint32_t i = choices.below(4); i > 0; --i) operands.push_back(value(element, depth - 1));
  const auto count = static_cast<uint32_t>(operands.size());
  return make({.op = Opcode::ArrayNewFixed, .a = number, .b = count}, operands, std::vector<ValType>(count, element),
              {result});
}

// --- Statements --------------------------------------------------------------------------------------------------------

NodeId Mutation::call_and_drop(uint32_t callee, int depth) {
  const SubType def = module.type_of(module.funcs[callee]);
  Seq args;
  for (const ValType param : def.params) args.push_back(value(param, depth - 1));
  NodeId node = make({.op = Opcode::Call, .a = callee}, args, def.params, def.results);
  for (size_t left = def.results.size(); left > 0; --left) {
    node = make({.op = Opcode::Drop}, {node}, {def.results[left - 1]}, {});
  }
  return node;
}

NodeId Mutation::disturbance() {
  std::vector<uint32_t> hosts, others;
  for (uint32_t i = 0; i < module.funcs.size(); ++i) {
    const edit::Func& f = module.funcs[i];
    if (!f.alive) continue;
    const bool collects = f.import && f.import->module == "parallax" && f.import->name == "collect";
    if (collects && module.type_of(f).params.empty()) hosts.push_back(i);
    // Later functions only: calls in circles end by fuel, which teaches nothing.
    if (!f.import && i > func && module.type_of(f).params.size() < 5) others.push_back(i);
  }
  if (!hosts.empty() && choices.chance(1, 2)) return call_and_drop(choices.pick(hosts), 1);
  if (!others.empty() && choices.chance(2, 3)) return call_and_drop(choices.pick(others), 1);
  if (const auto made = construct(ValType::ref(HeapKind::kAny, false), 1)) return drop(*made);
  return drop(i32(0));
}

NodeId Mutation::statement(int depth) {
  for (int attempt = 0; attempt < 6; ++attempt) {
    switch (choices.below(8)) {
      case 0: {
        const auto count = static_cast<uint32_t>(module.type_of(function()).params.size() + function().locals.size());
        if (count == 0) break;
        const uint32_t local = choices.below(count);
        return set_local(local, value(local_type(local), depth));
      }
      case 1: {
        std::vector<uint32_t> found;
        for (uint32_t i = 0; i < module.globals.size(); ++i) {
          if (module.globals[i].alive && module.globals[i].type.is_mutable) found.push_back(i);
        }
        if (found.empty()) break;
        const uint32_t global = choices.pick(found);
        const ValType type = module.globals[global].type.value;
        return make({.op = Opcode::GlobalSet, .a = global}, {value(type, depth)}, {type}, {});
      }
      case 2:
      case 3: {
        std::vector<std::pair<uint32_t, uint32_t>> found;
        for (const uint32_t number : types_of(CompositeKind::kStruct)) {
          for (uint32_t f = 0; f < type(number).fields.size(); ++f) {
            if (type(number).fields[f].is_mutable) found.push_back({number, f});
          }
        }
        if (found.empty()) break;
        const auto [number, field] = choices.pick(found);
        const ValType object = ValType::ref(HeapType::concrete(number), true);
        const ValType content = type(number).fields[field].storage.unpacked;
        const NodeId target = value(object, depth);
        const NodeId what = value(content, depth - 1);
        return make({.op = Opcode::StructSet, .a = number, .b = field}, {target, what}, {object, content}, {});
      }
      case 4: {
        std::vector<uint32_t> found;
        for (const uint32_t number : types_of(CompositeKind::kArray)) {
          if (type(number).fields[0].is_mutable) found.push_back(number);
        }
        if (found.empty()) break;
        const uint32_t number = choices.pick(found);
        const ValType object = ValType::ref(HeapType::concrete(number), true);
        const ValType content = type(number).fields[0].storage.unpacked;
        const NodeId target = value(object, depth);
        const NodeId at = i32(static_cast<int32_t>(choices.below(4)));
        if (choices.chance(1, 2)) {
          const NodeId what = value(content, depth - 1);
          return make({.op = Opcode::ArraySet, .a = number}, {target, at, what}, {object, wasm::kI32, content}, {});
        }
        if (choices.chance(1, 2)) {
          const NodeId what = value(content, depth - 1);
          const NodeId count = i32(static_cast<int32_t>(choices.below(4)));
          return make({.op = Opcode::ArrayFill, .a = number}, {target, at, what, count},
                      {object, wasm::kI32, content, wasm::kI32}, {});
        }
        const NodeId source = value(object, depth);
        const NodeId from = i32(static_cast<int32_t>(choices.below(4)));
        const NodeId count = i32(static_cast<int32_t>(choices.below(4)));
        return make({.op = Opcode::ArrayCopy, .a = number, .b = number}, {target, at, source, from, count},
                    {object, wasm::kI32, object, wasm::kI32, wasm::kI32}, {});
      }
      case 5: {
        std::vector<uint32_t> found;
        for (uint32_t i = 0; i < module.tables.size(); ++i) {
          if (module.tables[i].alive && !module.tables[i].type.limits.is_64) found.push_back(i);
        }
        if (found.empty()) break;
        const uint32_t table = choices.pick(found);
        const ValType type = module.tables[table].type.element;
        const NodeId at = i32(static_cast<int32_t>(choices.below(4)));
        const NodeId what = value(type, depth);
        return make({.op = Opcode::TableSet, .a = table}, {at, what}, {wasm::kI32, type}, {});
      }
      default: return disturbance();
    }
  }
  return disturbance();
}

}  // namespace parallax::fuzz
