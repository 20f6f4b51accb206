// Mutators of segments and limits.
#include <algorithm>

#include "fuzz/mutators/mutators.h"

namespace parallax::fuzz {

namespace edit = wasm::edit;

bool mutate_change_segment(Mutation& m) {
  std::vector<uint32_t> datas, elems;
  for (uint32_t i = 0; i < m.module.datas.size(); ++i) {
    if (m.module.datas[i].alive) datas.push_back(i);
  }
  for (uint32_t i = 0; i < m.module.elems.size(); ++i) {
    const edit::Elem& elem = m.module.elems[i];
    if (elem.alive && (elem.uses_exprs ? elem.exprs.size() : elem.funcs.size()) > 1) elems.push_back(i);
  }
  if (!datas.empty() && (elems.empty() || m.choices.chance(1, 2))) {
    auto& bytes = m.module.datas[m.choices.pick(datas)].bytes;
    if (bytes.size() > 1 && m.choices.chance(1, 4)) {
      bytes.pop_back();
    } else if (bytes.empty() || (bytes.size() < 4'096 && m.choices.chance(1, 4))) {
      bytes.push_back(m.choices.byte());
    } else {
      bytes[m.choices.below(static_cast<uint32_t>(bytes.size()))] ^= static_cast<uint8_t>(1 + m.choices.below(255));
    }
    return true;
  }
  if (elems.empty()) return false;
  // Entries change places; which function refers to itself by ref.func stays declared.
  edit::Elem& elem = m.module.elems[m.choices.pick(elems)];
  const auto size = static_cast<uint32_t>(elem.uses_exprs ? elem.exprs.size() : elem.funcs.size());
  const uint32_t a = m.choices.below(size), b = m.choices.below(size);
  if (a == b) return false;
  if (elem.uses_exprs) {
    std::swap(elem.exprs[a], elem.exprs[b]);
  } else {
    std::swap(elem.funcs[a], elem.funcs[b]);
  }
  return true;
}

bool mutate_change_limits(Mutation& m) {
  const auto change = [&](wasm::Limits& limits, uint64_t most) {
    if (m.choices.chance(1, 2)) {
      const uint64_t max = limits.max.value_or(most);
      if (limits.min + 1 > max || limits.min + 1 > most) return false;
      ++limits.min;
      return true;
    }
    if (limits.max) {
      limits.max.reset();
    } else {
      limits.max = limits.min + m.choices.below(4);
    }
    return true;
  };
  std::vector<wasm::Limits*> found;
  std::vector<uint64_t> most;
  for (edit::Table& table : m.module.tables) {
    if (!table.alive || table.import) continue;
    found.push_back(&table.type.limits);
    most.push_back(1'000);
  }
  for (edit::Memory& memory : m.module.memories) {
    if (!memory.alive || memory.import) continue;
    found.push_back(&memory.type.limits);
    most.push_back(4);
  }
  if (found.empty()) return false;
  const uint32_t i = m.choices.below(static_cast<uint32_t>(found.size()));
  return change(*found[i], most[i]);
}

}  // namespace parallax::fuzz
