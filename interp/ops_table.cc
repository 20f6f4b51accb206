// Handlers of globals and tables.
#include <algorithm>

#include "interp/handler.h"

namespace parallax::interp {

namespace {
inline bool in_bounds(uint64_t start, uint64_t count, uint64_t size) { return start <= size && count <= size - start; }
}  // namespace

INTERP_HANDLER(op_global_get) {
  fp[ip->a] = ip->pointer<const Global>()->low;
  INTERP_NEXT();
}
INTERP_HANDLER(op_global_get2) {
  const auto* global = ip->pointer<const Global>();
  fp[ip->a] = global->low;
  fp[ip->a + 1] = global->high;
  INTERP_NEXT();
}
INTERP_HANDLER(op_global_set) {
  ip->pointer<Global>()->low = fp[ip->b];
  INTERP_NEXT();
}
INTERP_HANDLER(op_global_set2) {
  auto* global = ip->pointer<Global>();
  global->low = fp[ip->b];
  global->high = fp[ip->b + 1];
  INTERP_NEXT();
}

INTERP_HANDLER(op_table_get) {
  const auto* table = ip->pointer<const Table>();
  const uint64_t index = fp[ip->b];
  if (index >= table->size) [[unlikely]]
    INTERP_TRAP(kTableOutOfBounds);
  fp[ip->a] = table->elements[index];
  INTERP_NEXT();
}
INTERP_HANDLER(op_table_set) {
  auto* table = ip->pointer<Table>();
  const uint64_t index = fp[ip->a];
  if (index >= table->size) [[unlikely]]
    INTERP_TRAP(kTableOutOfBounds);
  table->elements[index] = fp[ip->b];
  INTERP_NEXT();
}
INTERP_HANDLER(op_table_size) {
  fp[ip->a] = ip->pointer<const Table>()->size;
  INTERP_NEXT();
}

// a = grow by c elements of value b.
INTERP_HANDLER(op_table_grow) {
  auto* table = ip->pointer<Table>();
  const Word value = fp[ip->b];
  const uint64_t delta = fp[ip->c];
  const uint64_t before = table->size;
  const uint64_t limit = std::min(table->type.limits.max.value_or(UINT64_MAX), m->store->budget().table_elements);
  const bool grown = before <= limit && delta <= limit - before && table->grow_to(before + delta);
  if (grown && value != kNullWord) std::fill(table->elements + before, table->elements + table->size, value);
  fp[ip->a] = grown ? before : table->type.limits.is_64 ? UINT64_MAX : UINT32_MAX;
  INTERP_NEXT();
}

INTERP_HANDLER(op_table_fill) {
  auto* table = ip->pointer<Table>();
  const uint64_t* args = fp + ip->a;
  if (!in_bounds(args[0], args[2], table->size)) INTERP_TRAP(kTableOutOfBounds);
  std::fill_n(table->elements + args[0], args[2], args[1]);
  INTERP_NEXT();
}

INTERP_HANDLER(op_table_copy) {
  auto* to = ip->pointer<Table>();
  const auto* from = ip[1].pointer<const Table>();
  const uint64_t* args = fp + ip->a;
  if (!in_bounds(args[0], args[2], to->size) || !in_bounds(args[1], args[2], from->size))
    INTERP_TRAP(kTableOutOfBounds);
  if (args[2] != 0) std::memmove(to->elements + args[0], from->elements + args[1], args[2] * sizeof(Word));
  INTERP_JUMP(ip + 2);
}

INTERP_HANDLER(op_table_init) {
  auto* instance = ip->pointer<Instance>();
  Table* table = instance->tables[ip->c];
  const std::vector<Word>& words = instance->elems[ip->b].words;
  const uint64_t* args = fp + ip->a;
  if (!in_bounds(args[0], args[2], table->size) || !in_bounds(args[1], args[2], words.size()))
    INTERP_TRAP(kTableOutOfBounds);
  std::copy_n(words.begin() + static_cast<ptrdiff_t>(args[1]), args[2], table->elements + args[0]);
  INTERP_NEXT();
}

INTERP_HANDLER(op_elem_drop) {
  ip->pointer<Instance>()->elems[ip->b].words = {};
  INTERP_NEXT();
}

}  // namespace parallax::interp
