#include "engine/wasm/text/spectest.h"

#include <bit>
#include <utility>
#include <vector>

namespace parallax::wasm::text {

namespace {

struct PrintFunc {
  const char* name;
  std::vector<ValType> params;
};

TableType table_of(bool is_64) {
  TableType type;
  type.element = kFuncRef;
  type.limits = {.min = 10, .max = 20, .is_64 = is_64};
  return type;
}

}  // namespace

std::map<std::string, Extern> make_spectest(Embedding& store, TypeStore& types) {
  std::map<std::string, Extern> members;
  const PrintFunc prints[] = {
      {"print", {}},         {"print_i32", {kI32}},           {"print_i64", {kI64}},           {"print_f32", {kF32}},
      {"print_f64", {kF64}}, {"print_i32_f32", {kI32, kF32}}, {"print_f64_f64", {kF64, kF64}},
  };
  for (const PrintFunc& print : prints) {
    members[print.name] = store.make_func(types.intern_func(print.params, {}),
                                          [](Embedding&, std::span<const Value>) { return Outcome::ok(); });
  }
  members["global_i32"] = store.make_global({kI32, false}, Value::i32(666));
  members["global_i64"] = store.make_global({kI64, false}, Value::i64(666));
  members["global_f32"] = store.make_global({kF32, false}, Value::f32_bits(std::bit_cast<uint32_t>(666.6f)));
  members["global_f64"] = store.make_global({kF64, false}, Value::f64_bits(std::bit_cast<uint64_t>(666.6)));
  members["table"] = store.make_table(table_of(false), Value::null());
  members["table64"] = store.make_table(table_of(true), Value::null());
  MemoryType memory;
  memory.limits = {.min = 1, .max = 2, .is_64 = false};
  members["memory"] = store.make_memory(memory);
  return members;
}

std::map<std::string, Extern> make_wasmtime_host(Embedding& store, TypeStore& types) {
  const auto collect = [](Embedding& self, std::span<const Value>) {
    self.collect();
    return Outcome::ok();
  };
  return {{"gc", store.make_func(types.intern_func({}, {}), collect)}};
}

}  // namespace parallax::wasm::text
