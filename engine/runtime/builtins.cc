#include "engine/runtime/builtins.h"

#include <cstring>

namespace parallax::runtime {

namespace {

constexpr BuiltinInfo kBuiltins[] = {
#define BUILTIN(id, function, signature, flags) {Builtin::id, #function, signature, flags, nullptr},
#include "engine/runtime/builtins.def"
#undef BUILTIN
};

// Addresses of functions are no constant expressions as data pointers.
struct Table {
  BuiltinInfo rows[kBuiltinCount];
  Table() {
    std::memcpy(rows, kBuiltins, sizeof(rows));
#define BUILTIN(id, function, signature, flags) \
  rows[static_cast<size_t>(Builtin::id)].address = reinterpret_cast<const void*>(&builtin::function);
#include "engine/runtime/builtins.def"
#undef BUILTIN
  }
};

const Table& table() {
  static const Table rows;
  return rows;
}

}  // namespace

const BuiltinInfo& info(Builtin id) { return table().rows[static_cast<size_t>(id)]; }

const BuiltinInfo* find_builtin(const char* name) {
  for (const BuiltinInfo& row : table().rows) {
    if (std::strcmp(row.name, name) == 0) return &row;
  }
  return nullptr;
}

}  // namespace parallax::runtime
