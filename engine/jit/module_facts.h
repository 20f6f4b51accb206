// ModuleFacts: what the optimiser wants to know of a whole module, found when it is first asked for.
//
// Which tables nothing in the module can change, and which functions references of a type probably name. The first asks
// for one untyped pass over all bodies, so an object lives as long as the module is compiled from.
#pragma once

#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/wasm/module.h"

namespace parallax::jit {

class ModuleFacts {
 public:
  // `module` is validated and must outlive this.
  explicit ModuleFacts(const wasm::Module& module);

  // Tells this object from all others of the thread, also from those that stood at its address before.
  uint64_t serial() const { return serial_; }

  // Instructions of a function as translation leaves it, for who finds out to note: 0 is not known.
  static constexpr uint32_t kNoBody = ~0u;
  uint32_t& ir_size(wasm::FuncIndex func) { return ir_sizes_[func.index()]; }

  // Whether the table keeps what instantiation put into it: neither imported nor exported, and no instruction writes it.
  bool is_constant(wasm::TableIndex table);
  // The functions of the module that ref.func may name and whose type matches, in order; none when there are more
  // than `most`, which must be the same in every call.
  std::span<const wasm::FuncIndex> named(wasm::TypeId type, size_t most);

 private:
  void find_written_tables();

  const wasm::Module& module_;
  uint64_t serial_;
  std::vector<uint32_t> ir_sizes_;                                      // by FuncIndex
  std::optional<std::vector<bool>> written_;                            // by TableIndex
  std::unordered_map<uint32_t, std::vector<wasm::FuncIndex>> by_type_;  // never iterated
};

}  // namespace parallax::jit
