// The scan for writes to tables, and the functions by type.
#include "engine/jit/module_facts.h"

#include "engine/wasm/instr_reader.h"

namespace parallax::jit {

using wasm::Opcode;

ModuleFacts::ModuleFacts(const wasm::Module& module) : module_(module), ir_sizes_(module.funcs.size()) {
  static thread_local uint64_t made = 0;
  serial_ = ++made;
}

// Bodies were validated: reading them cannot fail.
void ModuleFacts::find_written_tables() {
  std::vector<bool>& written = written_.emplace(module_.tables.size(), false);
  for (uint32_t t = 0; t < module_.imported_tables; ++t) written[t] = true;
  for (const wasm::Export& e : module_.exports) {
    if (e.kind == wasm::ExternKind::kTable) written[e.index] = true;
  }
  const wasm::Features all{.bits = ~0u};
  for (const wasm::Func& func : module_.funcs) {
    if (func.imported) continue;
    wasm::InstrReader reader(module_, func.body, all);
    for (uint32_t runs = reader.in().u32(); runs > 0 && reader.in().ok(); --runs) {
      reader.in().u32();
      wasm::read_val_type(reader.in(), reader.scope());
    }
    wasm::Instr instr;
    while (reader.in().ok() && !reader.in().at_end()) {
      reader.read(instr);
      const bool writes = instr.op == Opcode::TableSet || instr.op == Opcode::TableGrow ||
                          instr.op == Opcode::TableFill || instr.op == Opcode::TableCopy ||
                          instr.op == Opcode::TableInit;
      if (writes && instr.a < written.size()) written[instr.a] = true;
    }
    if (!reader.in().ok()) written.assign(written.size(), true);
  }
}

bool ModuleFacts::is_constant(wasm::TableIndex table) {
  if (!written_) find_written_tables();
  return !(*written_)[table.index()];
}

std::span<const wasm::FuncIndex> ModuleFacts::named(wasm::TypeId type, size_t most) {
  const auto [it, fresh] = by_type_.try_emplace(type.raw);
  if (!fresh) return it->second;
  std::vector<wasm::FuncIndex>& found = it->second;
  const auto wanted = wasm::HeapType::concrete(type);
  for (uint32_t f = module_.imported_funcs; f < module_.funcs.size(); ++f) {
    const wasm::Func& func = module_.funcs[f];
    if (!func.declared_ref || !module_.store->matches(wasm::HeapType::concrete(func.type_id), wanted)) continue;
    found.push_back(wasm::FuncIndex(f));
    if (found.size() > most) break;
  }
  if (found.size() > most) found.clear();
  return found;
}

}  // namespace parallax::jit
