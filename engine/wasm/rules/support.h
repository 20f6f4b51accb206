// Shared by the families of rules. Included only by func_walk.cc.
#pragma once

#include <span>
#include <string>

#include "engine/base/text.h"
#include "engine/wasm/limits.h"
#include "engine/wasm/walk_core.h"

// A member of the walk: WALK(void)::name(...), and the rule of one instruction: RULE(Drop) { ... }.
#define WALK(...)         \
  template <bool kEvents> \
  __VA_ARGS__ WalkCore<kEvents>
#define RULE(id) WALK(void)::on(Op<Opcode::id>)

namespace parallax::wasm {

// "[i32 (ref 3)]"
inline std::string list(std::span<const ValType> types) {
  std::string text = "[";
  for (const ValType type : types) {
    if (text.size() > 1) text += ' ';
    if (text.size() > 200) return text + "...]";
    text += to_string(type);
  }
  return text + "]";
}

}  // namespace parallax::wasm
