// Values across the border: what the embedder holds against what compiled code holds.   [I1, I8]
#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "engine/runtime/store.h"

namespace parallax::runtime {

using wasm::RefKind;
using wasm::ValKind;
using wasm::ValType;
using wasm::Value;

namespace {

const char* to_string(RefKind kind) {
  static constexpr const char* kTexts[] = {"null", "i31", "struct", "array", "func", "host", "exn"};  // ORDER: RefKind
  return kTexts[static_cast<size_t>(kind)];
}

std::unexpected<Error> misuse(std::string text) { return fail(ErrorCode::kUsage, 0, std::move(text)); }

// Collections so far, as a name carries them.
uint16_t epoch_of(const gc::Heap& heap) { return static_cast<uint16_t>(heap.stats().collections); }

}  // namespace

// The bits of a reference in compiled code: gc::Ref or function id. Checks where it comes from, not its type. Hosts planted
// fault BND1.
Result<uint64_t> Store::unname(const wasm::Ref& ref, const char* site) {
  switch (ref.kind) {
    case RefKind::kNull: return fault_fires(Fault::kHOST1) ? gc::Ref::i31(0).bits : 0;
    case RefKind::kI31: return gc::Ref::i31(static_cast<uint32_t>(ref.name)).bits;
    case RefKind::kFunc:
      if (funcs_.find(ref.name) == nullptr) return misuse(funcs_.explain(ref.name, site));
      return ref.name;
    case RefKind::kStruct:
    case RefKind::kArray:
    case RefKind::kHost:
    case RefKind::kExn: break;
  }
  count(ArmedCheck::kBorderName);
  const slab::SlabId name{ref.name};
  if (name.tag() != heap_names_.tag() && !fault_fires(Fault::kBND1)) return misuse(heap_names_.explain(ref.name, site));
  if (name.generation() != epoch_of(heap_)) {
    return misuse(
        text::format("I1: stale reference: the {} {:#x} of store {} was named {} collections in, now there were {}; "
                     "root what is kept over calls that may collect; used at {}",
                     to_string(ref.kind), name.index(), number_, name.generation(), epoch_of(heap_), site) +
        text::format("\n  {:#x} is {}", name.index(), heap_.describe(gc::Ref{name.index()})));
  }
  const gc::Ref bits{name.index()};
  if (!bits.is_object() || !heap_.is_object_start(bits)) {
    return misuse(text::format("I1: {:#x} is not the name of an object of store {}, used at {}\n  it is {}", bits.bits,
                               number_, site, heap_.describe(bits)));
  }
  return bits.bits;
}

wasm::Ref Store::name_of(gc::Ref ref) const {
  if (ref.is_null()) return {};
  if (ref.is_i31() && !fault_fires(Fault::kI31b)) return {RefKind::kI31, ref.i31_unsigned()};
  RefKind kind = RefKind::kStruct;
  if (ref.is_object() && heap_.plausible(ref)) {
    const gc::LayoutId layout = heap_.header(ref).layout();
    if (layout == gc::kHostBoxLayout) {
      kind = RefKind::kHost;
    } else {
      switch (types_->get(wasm::TypeId(layout)).kind) {
        case wasm::CompositeKind::kStruct: kind = RefKind::kStruct; break;
        case wasm::CompositeKind::kArray: kind = RefKind::kArray; break;
        case wasm::CompositeKind::kFunc: kind = RefKind::kExn; break;
      }
    }
  }
  return {kind, slab::SlabId::make(heap_names_.tag(), epoch_of(heap_), ref.bits).bits};
}

wasm::Ref Store::name_of_func(uint64_t id) const {
  if (id == 0) return {};
  return {RefKind::kFunc, id};
}

Result<Slot> Store::to_slot(const Value& value, ValType type, const char* site) {
  if (value.kind != type.kind()) {
    return misuse(text::format("a value of kind {} was given where {} is expected, at {}", static_cast<int>(value.kind),
                               wasm::to_string(type), site));
  }
  switch (value.kind) {
    case ValKind::kI32:
    case ValKind::kF32: return Slot{value.low & 0xffff'ffff, 0};
    case ValKind::kI64:
    case ValKind::kF64: return Slot{value.low, 0};
    case ValKind::kV128: return Slot{value.low, value.high};
    case ValKind::kRef:
    case ValKind::kBottom: break;
  }
  const uint64_t bits = TRY(unname(value.ref, site));
  const bool is_func = is_func_type(type);
  const bool fits = bits == 0                          ? type.nullable()
                    : is_func                          ? value.ref.kind == RefKind::kFunc && func_matches(bits, type)
                    : value.ref.kind == RefKind::kFunc ? false
                                                       : ref_matches(gc::Ref{static_cast<uint32_t>(bits)}, type);
  if (!fits) {
    return misuse(
        text::format("a {} reference does not match {}, at {}", to_string(value.ref.kind), types_->print(type), site));
  }
  return Slot{bits, 0};
}

Value Store::to_value(const Slot& slot, ValType type) const {
  switch (type.kind()) {
    case ValKind::kI32: return Value::i32(static_cast<uint32_t>(slot.low));
    case ValKind::kI64: return Value::i64(slot.low);
    case ValKind::kF32: return Value::f32_bits(static_cast<uint32_t>(slot.low));
    case ValKind::kF64: return Value::f64_bits(slot.low);
    case ValKind::kV128: return Value::v128(slot.low, slot.high);
    case ValKind::kRef:
    case ValKind::kBottom: break;
  }
  if (is_func_type(type)) return Value::reference(name_of_func(slot.low));
  return Value::reference(name_of(gc::Ref{static_cast<uint32_t>(slot.low)}));
}

Result<> Store::to_slots(std::span<const Value> values, std::span<const ValType> types, Slot* slots, const char* site) {
  if (values.size() != types.size()) {
    return misuse(text::format("{} values were given where {} are expected, at {}", values.size(), types.size(), site));
  }
  for (size_t i = 0; i < values.size(); ++i) slots[i] = TRY(to_slot(values[i], types[i], site));
  return {};
}

std::vector<Value> Store::to_values(const Slot* slots, std::span<const ValType> types) const {
  std::vector<Value> values;
  values.reserve(types.size());
  for (size_t i = 0; i < types.size(); ++i) values.push_back(to_value(slots[i], types[i]));
  return values;
}

// Packed fields are zero-extended.
Slot Store::load_field(gc::Ref ref, uint64_t offset, FieldRep rep) const {
  Slot slot;
  std::memcpy(&slot, heap_.at(ref, offset), kFieldBytes[static_cast<size_t>(rep)]);
  return slot;
}

void Store::store_field(gc::Ref ref, uint64_t offset, FieldRep rep, const Slot& slot) {
  if (rep == FieldRep::kRef) heap_.note_store(ref);
  std::memcpy(heap_.at(ref, offset), &slot, kFieldBytes[static_cast<size_t>(rep)]);
}

bool Store::ref_matches(gc::Ref ref, ValType type) const {
  using wasm::HeapKind;
  if (ref.is_null()) return type.nullable();
  const wasm::HeapType heap = type.heap();
  if (ref.is_i31()) {
    switch (heap.kind()) {
      case HeapKind::kAny:
      case HeapKind::kEq:
      case HeapKind::kI31:
      case HeapKind::kExtern: return true;
      default: return false;
    }
  }
  if (!heap_.plausible(ref)) return false;
  const gc::LayoutId layout = heap_.header(ref).layout();
  const bool is_box = layout == gc::kHostBoxLayout;
  const auto kind_is = [&](wasm::CompositeKind kind) {
    return !is_box && types_->get(wasm::TypeId(layout)).kind == kind;
  };
  const auto is_exn = [&] { return kind_is(wasm::CompositeKind::kFunc); };
  switch (heap.kind()) {
    case HeapKind::kAny:
    case HeapKind::kExtern: return !is_exn();
    case HeapKind::kEq: return !is_box && !is_exn();
    case HeapKind::kStruct: return kind_is(wasm::CompositeKind::kStruct);
    case HeapKind::kArray: return kind_is(wasm::CompositeKind::kArray);
    case HeapKind::kExn: return is_exn();
    case HeapKind::kConcrete: return !is_box && !is_exn() && types_->is_subtype(wasm::TypeId(layout), heap.type_id());
    case HeapKind::kI31:
    case HeapKind::kNone:
    case HeapKind::kNoExtern:
    case HeapKind::kNoExn:
    case HeapKind::kFunc:
    case HeapKind::kNoFunc: return false;
  }
  return false;
}

bool Store::func_matches(uint64_t id, ValType type) {
  if (id == 0) return type.nullable();
  const FuncEntry* const entry = funcs_.find(id);
  if (entry == nullptr) return false;
  switch (type.heap().kind()) {
    case wasm::HeapKind::kFunc: return true;
    case wasm::HeapKind::kConcrete: return types_->is_subtype(wasm::TypeId(entry->type), type.heap().type_id());
    default: return false;
  }
}

}  // namespace parallax::runtime
