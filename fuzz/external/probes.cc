#include "fuzz/external/probes.h"

#include <algorithm>
#include <utility>

#include "engine/base/text.h"
#include "engine/wasm/builder.h"

namespace parallax::fuzz {

using wasm::CodeWriter;
using wasm::CompositeKind;
using wasm::ExternKind;
using wasm::HeapKind;
using wasm::HeapType;
using wasm::Opcode;
using wasm::ValKind;
using wasm::ValType;

bool crosses_js_boundary(ValType type) {
  if (type.kind() == ValKind::kV128) return false;
  if (!type.is_ref()) return true;
  return type.heap() != HeapKind::kExn && type.heap() != HeapKind::kNoExn;
}

namespace {

// Appends functions and exports to a decoded module.
class Prober {
 public:
  explicit Prober(wasm::Module& module) : module_(module) {
    for (const wasm::Func& func : module.funcs) {
      if (func.imported) continue;
      const auto body = module.at(func.body);
      bodies_.emplace_back(body.begin(), body.end());
    }
  }

  void add_all() {
    type_probe("type", wasm::kAnyRef, [](const wasm::SubType& type) { return type.kind != CompositeKind::kFunc; });
    type_probe("functype", wasm::kFuncRef, [](const wasm::SubType& type) { return type.kind == CompositeKind::kFunc; });
    const auto count = static_cast<uint32_t>(own_types_);
    for (uint32_t t = 0; t < count; ++t) {
      if (module_.types[t].kind == CompositeKind::kStruct) struct_probes(t);
      if (module_.types[t].kind == CompositeKind::kArray) array_probe(t);
    }
    const ValType array = ValType::ref(HeapKind::kArray, false);
    add("l", {wasm::kAnyRef}, wasm::kI32, CodeWriter().local_get(0).ref_cast(array).op(Opcode::ArrayLen).end());
    for (uint32_t f = 0; f < module_.imported_funcs; ++f) add_export(text::format("i:{}", f), ExternKind::kFunc, f);
    for (uint32_t t = 0; t < module_.tags.size(); ++t) add_export(text::format("t:{}", t), ExternKind::kTag, t);
  }

  std::vector<uint8_t> encode() const { return wasm::encode(module_, bodies_); }

 private:
  static ValType of(uint32_t type) { return ValType::ref(HeapType::concrete(type), false); }

  uint32_t depth(uint32_t type) const {
    uint32_t depth = 0;
    for (; module_.types[type].has_super; ++depth) type = module_.types[type].super;
    return depth;
  }

  void add_export(const std::string& name, ExternKind kind, uint32_t index) {
    wasm::Export item;
    item.name = std::string(kProbePrefix) + name;
    item.kind = kind;
    item.index = index;
    module_.exports.push_back(std::move(item));
  }

  void add(const std::string& name, std::vector<ValType> params, ValType result, CodeWriter& code) {
    wasm::SubType type;
    type.params = std::move(params);
    type.results = {result};
    const auto index = static_cast<uint32_t>(module_.types.size());
    module_.types.push_back(std::move(type));
    module_.rec_groups.push_back({.first = index, .count = 1});
    wasm::Func func;
    func.type = index;
    add_export(name, ExternKind::kFunc, static_cast<uint32_t>(module_.funcs.size()));
    module_.funcs.push_back(func);
    bodies_.push_back(wasm::encode_body({}, code.take()));
  }

  // The deepest type that fits is the object's own, if it is one of this module.
  template <class Wanted>
  void type_probe(const char* name, ValType param, Wanted wanted) {
    std::vector<uint32_t> order;
    for (uint32_t t = 0; t < own_types_; ++t) {
      if (wanted(module_.types[t])) order.push_back(t);
    }
    std::ranges::sort(order, [&](uint32_t a, uint32_t b) { return std::pair(depth(b), a) < std::pair(depth(a), b); });
    CodeWriter code;
    for (const uint32_t t : order) {
      code.local_get(0).ref_test(of(t)).block(Opcode::If).i32_const(static_cast<int32_t>(t)).op(Opcode::Return).end();
    }
    add(name, {param}, wasm::kI32, code.i32_const(-1).end());
  }

  // Turns what a get left on the stack into what JavaScript can take without loss.
  static ValType finish(CodeWriter& code, ValType type, uint8_t half) {
    switch (type.kind()) {
      case ValKind::kF32: code.op(Opcode::I32ReinterpretF32); return wasm::kI32;
      case ValKind::kF64: code.op(Opcode::I64ReinterpretF64); return wasm::kI64;
      case ValKind::kV128: code.lane(Opcode::I64x2ExtractLane, half); return wasm::kI64;
      case ValKind::kI32:
      case ValKind::kI64:
      case ValKind::kRef:
      case ValKind::kBottom: return type;
    }
    return type;
  }

  template <class Read>
  void read_probe(const std::string& name, std::vector<ValType> params, wasm::StorageType storage, Read read) {
    if (storage.unpacked.is_ref() && !crosses_js_boundary(storage.unpacked)) return;
    const bool is_vector = storage.unpacked.kind() == ValKind::kV128;
    for (uint8_t half = 0; half < (is_vector ? 2 : 1); ++half) {
      CodeWriter code;
      read(code);
      const ValType result = finish(code, storage.unpacked, half);
      add(is_vector ? text::format("{}:{}", name, unsigned{half}) : name, params, result, code.end());
    }
  }

  void struct_probes(uint32_t type) {
    const std::vector<wasm::FieldType> fields = module_.types[type].fields;
    for (uint32_t i = 0; i < fields.size(); ++i) {
      const Opcode get = fields[i].storage.packed == wasm::Packed::kNone ? Opcode::StructGet : Opcode::StructGetU;
      read_probe(text::format("f:{}:{}", type, i), {wasm::kAnyRef}, fields[i].storage,
                 [&](CodeWriter& code) { code.local_get(0).ref_cast(of(type)).op(get, type, i); });
    }
  }

  void array_probe(uint32_t type) {
    const wasm::StorageType storage = module_.types[type].fields[0].storage;
    const Opcode get = storage.packed == wasm::Packed::kNone ? Opcode::ArrayGet : Opcode::ArrayGetU;
    read_probe(text::format("e:{}", type), {wasm::kAnyRef, wasm::kI32}, storage,
               [&](CodeWriter& code) { code.local_get(0).ref_cast(of(type)).local_get(1).op(get, type); });
  }

  wasm::Module& module_;
  size_t own_types_ = module_.types.size();
  std::vector<std::vector<uint8_t>> bodies_;
};

// Globals and tables that JavaScript cannot read are not exported.
void hide_unreadable(wasm::Module& module) {
  std::erase_if(module.exports, [&](const wasm::Export& item) {
    if (item.kind == ExternKind::kGlobal) return !crosses_js_boundary(module.globals[item.index].type.value);
    if (item.kind == ExternKind::kTable) return !crosses_js_boundary(module.tables[item.index].type.element);
    return false;
  });
}

}  // namespace

std::vector<uint8_t> with_probes(wasm::Module module, bool numbered_imports) {
  hide_unreadable(module);
  Prober prober(module);
  prober.add_all();
  for (size_t i = 0; numbered_imports && i < module.imports.size(); ++i) {
    module.imports[i].module = "i";
    module.imports[i].name = text::format("{}", i);
  }
  return prober.encode();
}

}  // namespace parallax::fuzz
