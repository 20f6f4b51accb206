// Types of IR values: WebAssembly's value types, plus what a value is for machine and collector.
//
// An IR value has a wasm::ValType that may be narrower than what WebAssembly's typing says at that place (a null check
// or cast produces a narrower value), never wider. Concrete heap types carry canonical TypeIds. kNone marks "no value".
// Join and meet are those of the subtype forest; both are total within one hierarchy.
#pragma once

#include "engine/wasm/types.h"

namespace parallax::ir {

using Type = wasm::ValType;
inline constexpr Type kNone = wasm::kBottom;

// What a value is to the backend and the collector. Only kRef is traced: a 32-bit name of a heap object, i31 or null.
// kFunc is a 64-bit slab id of a function.
enum class Rep : uint8_t { kNone, kI32, kI64, kF32, kF64, kV128, kRef, kFunc };

Rep rep_of(const wasm::TypeStore& types, Type type);
constexpr bool is_traced(Rep rep) { return rep == Rep::kRef; }
const char* to_string(Rep rep);

// The least type that both match. kNone when there is none (different kinds or hierarchies); kNone is neutral.
Type join(const wasm::TypeStore& types, Type a, Type b);
// The greatest type that matches both: what is known of a value of type `a` that was found to match `b`.
// Requires two references of one hierarchy. Unrelated heap types give the hierarchy's bottom.
Type meet(const wasm::TypeStore& types, Type a, Type b);

}  // namespace parallax::ir
