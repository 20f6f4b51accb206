#include "engine/jit/regalloc/allocation.h"

#include <algorithm>

#include "engine/base/text.h"

namespace parallax::jit {

std::string to_string(Loc loc) {
  if (!loc.valid()) return "nowhere";
  return loc.is_reg() ? std::string(to_string(loc.reg())) : text::format("slot{}", loc.slot());
}

void Allocation::reset(const MFunc& func) {
  items.clear();
  edge_items.clear();
  blocks.assign(func.blocks().size(), {});
  edges.assign(func.edges().size(), {});
  locs.assign(func.operand_count(), {});
  uint32_t params = 0;
  for (const MBlock& b : func.blocks()) params = std::max(params, b.params_begin + b.params_count);
  param_locs.assign(params, {});
  slots = narrow_slots = 0;
}

static void print_item(const MFunc& func, const Allocation& allocation, const Item& item, std::string& out) {
  switch (item.kind) {
    case Item::Kind::kNone: return;
    case Item::Kind::kInst: {
      const MInst& inst = func.inst(item.index);
      out += text::format("  {:4} {}   [", item.index, print(func, inst));
      for (uint32_t n = 0; n < inst.operand_count; ++n) out += " " + to_string(allocation.loc(inst, n));
      out += " ]\n";
      return;
    }
    case Item::Kind::kMove:
      out += text::format("       {} <- {}  (v{})\n", to_string(item.dst), to_string(item.src), item.index);
      return;
    case Item::Kind::kConst: out += text::format("       {} <- const v{}\n", to_string(item.dst), item.index); return;
  }
}

std::string print(const MFunc& func, const Allocation& allocation) {
  std::string out;
  for (uint32_t b = 0; b < func.blocks().size(); ++b) {
    const MBlock& block = func.blocks()[b];
    out += text::format("b{}(", b);
    for (uint32_t p = 0; p < block.params_count; ++p) {
      out +=
          text::format(" v{}={}", func.params(block)[p].raw, to_string(allocation.param_locs[block.params_begin + p]));
    }
    out += ")\n";
    for (const Item& item : allocation.block_items(MBlockId(b))) print_item(func, allocation, item, out);
    for (uint32_t e = block.edges_begin; e < block.edges_begin + block.edges_count; ++e) {
      out += text::format("    -> b{}\n", func.edges()[e].to.raw);
      for (const Item& item : allocation.moves(EdgeId(e))) print_item(func, allocation, item, out);
    }
  }
  return out;
}

}  // namespace parallax::jit
