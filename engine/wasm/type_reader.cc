#include "engine/wasm/type_reader.h"

#include "engine/base/text.h"
#include "engine/wasm/features.h"
#include "engine/wasm/type_codes.h"

namespace parallax::wasm {
namespace {

// What a one-byte type code means.
enum class CodeKind : uint8_t { kNone, kNumber, kHeap };
struct Code {
  CodeKind kind = CodeKind::kNone;
  uint8_t value = 0;  // ValKind or HeapKind
};
constexpr auto kCodes = [] {
  std::array<Code, 128> codes{};
  for (size_t i = 0; i < kNumberCodes.size(); ++i)
    codes[kNumberCodes[i]] = {CodeKind::kNumber, static_cast<uint8_t>(i)};
  for (size_t i = 0; i < kHeapCodes.size(); ++i) codes[kHeapCodes[i]] = {CodeKind::kHeap, static_cast<uint8_t>(i)};
  return codes;
}();

Code code_of(uint8_t byte) { return byte < 128 ? kCodes[byte] : Code{}; }

// ORDER: HeapKind. The proposal that brought the heap type.
constexpr Feature kHeapFeatures[] = {
    Feature::kReferenceTypes,
    Feature::kGc,
    Feature::kReferenceTypes,
    Feature::kGc,
    Feature::kGc,
    Feature::kGc,
    Feature::kGc,
    Feature::kGc,
    Feature::kGc,
    Feature::kGc,
    Feature::kExceptions,
    Feature::kExceptions,
};

void require(Reader& in, const TypeScope& scope, Feature feature, WasmOffset at, std::string_view what) {
  if (scope.features.has(feature)) return;
  in.malformed(at, text::format("{} needs the feature {}, which is off", what, to_string(feature)));
}

HeapType abstract_heap_type(Reader& in, const TypeScope& scope, HeapKind kind, WasmOffset at) {
  const Feature feature = kHeapFeatures[static_cast<size_t>(kind)];
  if (!scope.features.has(feature)) require(in, scope, feature, at, to_string(HeapType(kind)));
  return kind;
}

}  // namespace

TypeScope TypeScope::of(const Module& module, const Features& features) {
  return {.features = features,
          .naming = module.naming,
          .count = static_cast<uint32_t>(module.types.size()),
          .ids = module.type_ids};
}

HeapType read_heap_type(Reader& in, const TypeScope& scope) {
  const WasmOffset at = in.offset();
  const Code code = code_of(in.peek());
  if (code.kind == CodeKind::kHeap) {
    in.u8();
    return abstract_heap_type(in, scope, static_cast<HeapKind>(code.value), at);
  }
  const int64_t index = in.s33();
  if (!in.ok()) return HeapKind::kAny;
  if (index < 0) {
    in.malformed(at, text::format("malformed heap type: code {:#x}", static_cast<uint64_t>(index) & 0x7f));
    return HeapKind::kAny;
  }
  require(in, scope, Feature::kTypedFuncRefs, at, "a concrete reference type");
  if (index >= scope.count) {
    in.invalid(at, text::format("unknown type {}: the module has {} here", index, scope.count));
    return HeapKind::kAny;
  }
  return HeapType::concrete(scope.number(static_cast<uint32_t>(index)));
}

ValType read_ref_type(Reader& in, const TypeScope& scope) {
  const WasmOffset at = in.offset();
  const uint8_t byte = in.u8();
  if (byte == kCodeRefNull || byte == kCodeRef) {
    require(in, scope, Feature::kTypedFuncRefs, at, "a reference type with nullness");
    return ValType::ref(read_heap_type(in, scope), byte == kCodeRefNull);
  }
  const Code code = code_of(byte);
  if (code.kind == CodeKind::kHeap) {
    return ValType::ref(abstract_heap_type(in, scope, static_cast<HeapKind>(code.value), at), true);
  }
  if (in.ok()) in.malformed(at, text::format("malformed reference type: code {:#04x}", byte));
  return kAnyRef;
}

ValType read_val_type(Reader& in, const TypeScope& scope) {
  const WasmOffset at = in.offset();
  const Code code = code_of(in.peek());
  if (code.kind == CodeKind::kNumber) {
    in.u8();
    const ValType type(static_cast<ValKind>(code.value));
    if (type == kV128) require(in, scope, Feature::kSimd, at, "v128");
    return type;
  }
  const uint8_t byte = in.peek();
  if (byte == kCodeRefNull || byte == kCodeRef || code.kind == CodeKind::kHeap) return read_ref_type(in, scope);
  in.u8();
  if (in.ok()) in.malformed(at, text::format("malformed value type: code {:#04x}", byte));
  return kI32;
}

StorageType read_storage_type(Reader& in, const TypeScope& scope) {
  const uint8_t byte = in.peek();
  if (byte == kCodeI8 || byte == kCodeI16) {
    in.u8();
    return {kI32, byte == kCodeI8 ? Packed::kI8 : Packed::kI16};
  }
  return {read_val_type(in, scope), Packed::kNone};
}

BlockType read_block_type(Reader& in, const TypeScope& scope) {
  const WasmOffset at = in.offset();
  const uint8_t byte = in.peek();
  if (byte == kCodeEmptyBlock) {
    in.u8();
    return {};
  }
  if ((byte & 0xc0) == 0x40) return {.kind = BlockTypeKind::kValue, .value = read_val_type(in, scope)};
  const int64_t index = in.s33();
  if (!in.ok()) return {};
  if (index < 0) {
    in.malformed(at, "malformed block type");
    return {};
  }
  require(in, scope, Feature::kMultiValue, at, "a block type with parameters");
  if (index >= scope.count) {
    in.invalid(at, text::format("unknown type {}: the module has {}", index, scope.count));
    return {};
  }
  return {.kind = BlockTypeKind::kFunc, .value = {}, .type = static_cast<uint32_t>(index)};
}

}  // namespace parallax::wasm
