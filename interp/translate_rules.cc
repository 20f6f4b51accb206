// Translation of variables, constants, tables, memories, references and aggregates.
#include "interp/translator.h"

namespace parallax::interp {

// --- Variables, constants ----------------------------------------------------------------------------------------

void Translator::rule_nop(const Instr&, const InstrTypes&, const WalkView&) {}
void Translator::rule_drop(const Instr&, const InstrTypes&, const WalkView&) { pop(); }

void Translator::rule_select(const Instr&, const InstrTypes& types, const WalkView&) {
  const ValType type = types.pushed[0];
  simple(slot_count(type) == 2 ? op_select2 : op_select, 3, type);
}

void Translator::rule_local_get(const Instr& instr, const InstrTypes&, const WalkView&) {
  push({.where = Where::kLocal, .type = locals_[instr.a], .local = local_slot(instr.a)});
}

void Translator::rule_local_set(const Instr& instr, const InstrTypes&, const WalkView&) {
  const uint32_t slot = local_slot(instr.a);
  const Entry value = pop();
  if (value.where == Where::kLocal && value.local == slot) return;
  bool aliased = false;
  for (size_t i = flushed_; i < stack_.size(); ++i) {
    aliased |= stack_[i].where == Where::kLocal && stack_[i].local == slot;
  }
  if (!aliased && value.where == Where::kHome && last_def_ && code_.ins.back().a == value.home) {
    code_.ins.back().a = slot;
    fence();
    return;
  }
  flush_aliases_of(slot);
  if (value.where == Where::kConst) return emit_constant(slot, value.bits);
  emit_copy(slot, value.where == Where::kLocal ? value.local : value.home, value.width());
}

void Translator::rule_local_tee(const Instr& instr, const InstrTypes& types, const WalkView& view) {
  rule_local_set(instr, types, view);
  rule_local_get(instr, types, view);
}

void Translator::rule_global_get(const Instr& instr, const InstrTypes&, const WalkView&) {
  const Global* global = instance_.globals[instr.a];
  const ValType type = global->type.value;
  if (slot_count(type) == 2) return define({.handler = op_global_get2, .imm = address(global)}, type);
  const bool must_be_seen = type.is_ref() && store_.options().on_roots;  // constants are in no frame
  // In the next run it may be another object or function.
  const bool may_change = type.is_ref() && is_cell(global->low) && store_.options().rewinds;
  if (!global->type.is_mutable && !must_be_seen && !may_change) {
    push({.where = Where::kConst, .type = type, .bits = global->low});
    return;
  }
  define({.handler = op_global_get, .imm = address(global)}, type);
}

void Translator::rule_global_set(const Instr& instr, const InstrTypes&, const WalkView&) {
  const Global* global = instance_.globals[instr.a];
  const uint32_t slot = pop_slot();
  emit({.handler = slot_count(global->type.value) == 2 ? op_global_set2 : op_global_set,
        .b = slot,
        .imm = address(global)});
}

void Translator::rule_i32_const(const Instr& instr, const InstrTypes& types, const WalkView&) {
  const bool is_32 = types.pushed[0] == wasm::kI32 || types.pushed[0] == wasm::kF32;
  push({.where = Where::kConst,
        .type = types.pushed[0],
        .bits = is_32 ? uint64_t{static_cast<uint32_t>(instr.bits)} : instr.bits});
}

void Translator::rule_v128_const(const Instr& instr, const InstrTypes&, const WalkView&) {
  auto words = std::make_unique<uint64_t[]>(2);
  std::memcpy(words.get(), instr.v128.data(), 16);
  define({.handler = op_const2, .imm = address(words.get())}, wasm::kV128);
  code_.constants.push_back(std::move(words));
}

// --- Tables and memories -----------------------------------------------------------------------------------------

void Translator::rule_table_get(const Instr& instr, const InstrTypes& types, const WalkView&) {
  simple(op_table_get, 1, types.pushed[0], address(instance_.tables[instr.a]));
}
void Translator::rule_table_set(const Instr& instr, const InstrTypes&, const WalkView&) {
  effect(op_table_set, 2, address(instance_.tables[instr.a]));
}
void Translator::rule_table_size(const Instr& instr, const InstrTypes& types, const WalkView&) {
  simple(op_table_size, 0, types.pushed[0], address(instance_.tables[instr.a]));
}
void Translator::rule_table_grow(const Instr& instr, const InstrTypes& types, const WalkView&) {
  simple(op_table_grow, 2, types.pushed[0], address(instance_.tables[instr.a]));
}
void Translator::rule_table_fill(const Instr& instr, const InstrTypes&, const WalkView&) {
  bulk(op_table_fill, 3, address(instance_.tables[instr.a]));
}
void Translator::rule_table_copy(const Instr& instr, const InstrTypes&, const WalkView&) {
  bulk(op_table_copy, 3, address(instance_.tables[instr.a]));
  emit({.imm = address(instance_.tables[instr.b])});
}
void Translator::rule_table_init(const Instr& instr, const InstrTypes&, const WalkView&) {
  bulk(op_table_init, 3, address(&instance_), instr.b, instr.a);
}
void Translator::rule_elem_drop(const Instr& instr, const InstrTypes&, const WalkView&) {
  emit({.handler = op_elem_drop, .b = instr.a, .imm = address(&instance_)});
}
void Translator::rule_memory_size(const Instr& instr, const InstrTypes& types, const WalkView&) {
  simple(op_memory_size, 0, types.pushed[0], address(instance_.memories[instr.a]));
}
void Translator::rule_memory_grow(const Instr& instr, const InstrTypes& types, const WalkView&) {
  simple(op_memory_grow, 1, types.pushed[0], address(instance_.memories[instr.a]));
}
void Translator::rule_memory_fill(const Instr& instr, const InstrTypes&, const WalkView&) {
  bulk(op_memory_fill, 3, address(instance_.memories[instr.a]));
}
void Translator::rule_memory_copy(const Instr& instr, const InstrTypes&, const WalkView&) {
  bulk(op_memory_copy, 3, address(instance_.memories[instr.a]));
  emit({.imm = address(instance_.memories[instr.b])});
}
void Translator::rule_memory_init(const Instr& instr, const InstrTypes&, const WalkView&) {
  bulk(op_memory_init, 3, address(&instance_), instr.a, instr.b);
}
void Translator::rule_data_drop(const Instr& instr, const InstrTypes&, const WalkView&) {
  emit({.handler = op_data_drop, .b = instr.a, .imm = address(&instance_)});
}

// --- References --------------------------------------------------------------------------------------------------

void Translator::rule_ref_null(const Instr&, const InstrTypes& types, const WalkView&) {
  push({.where = Where::kConst, .type = types.pushed[0], .bits = kNullWord});
}
void Translator::rule_ref_func(const Instr& instr, const InstrTypes& types, const WalkView&) {
  push({.where = Where::kConst, .type = types.pushed[0], .bits = instance_.funcs[instr.a]->word()});
}
void Translator::rule_ref_is_null(const Instr&, const InstrTypes&, const WalkView&) {
  simple(op_ref_is_null, 1, wasm::kI32);
  mark_asked(kBranchNull);
}
// References are the same if their words are.
void Translator::rule_ref_eq(const Instr&, const InstrTypes&, const WalkView&) {
  simple(op_ref_eq, 2, wasm::kI32);
  mark_asked(numeric_handlers(Opcode::I64Eq).branch);
}
void Translator::rule_ref_as_non_null(const Instr&, const InstrTypes& types, const WalkView&) {
  simple(op_ref_as_non_null, 1, types.pushed[0]);
}
void Translator::rule_ref_i31(const Instr&, const InstrTypes& types, const WalkView&) {
  simple(op_ref_i31, 1, types.pushed[0]);
}
// A non-null cast to i31 right before disappears into the access: compilers write the two together.
void Translator::i31_get(Handler plain, Handler with_cast) {
  const Entry& top = stack_.back();
  Ins* const last = last_def_ && !code_.ins.empty() ? &code_.ins.back() : nullptr;
  if (top.where == Where::kHome && last != nullptr && last->a == top.home && last->c == 0 &&
      last->handler == cast_handlers(wasm::HeapKind::kI31).cast) {
    last->handler = with_cast;
    pop();
    push_home(wasm::kI32);
    return;
  }
  simple(plain, 1, wasm::kI32);
}
void Translator::rule_i31_get_s(const Instr&, const InstrTypes&, const WalkView&) {
  i31_get(op_i31_get_s, op_i31_cast_get_s);
}
void Translator::rule_i31_get_u(const Instr&, const InstrTypes&, const WalkView&) {
  i31_get(op_i31_get_u, op_i31_cast_get_u);
}

void Translator::cast(Handler handler, const Instr& instr, ValType result) {
  const uint32_t ref = pop_slot();
  define({.handler = handler, .b = ref, .c = instr.type.nullable(), .imm = cast_site(instr.type)}, result);
}
void Translator::rule_ref_test(const Instr& instr, const InstrTypes&, const WalkView&) {
  const CastHandlers& handlers = cast_handlers(instr.type.heap().kind());
  cast(handlers.test, instr, wasm::kI32);
  mark_asked(handlers.branch);
}
void Translator::rule_ref_cast(const Instr& instr, const InstrTypes& types, const WalkView&) {
  cast(cast_handlers(instr.type.heap().kind()).cast, instr, types.pushed[0]);
}
// any.convert_extern and extern.convert_any: the word stays the same.
void Translator::rule_convert(const Instr&, const InstrTypes& types, const WalkView&) {
  stack_.back().type = types.pushed[0];
}

// --- Aggregates --------------------------------------------------------------------------------------------------

// Operands in a row at b (filled in here), roots include them; the result goes to a.
void Translator::allocate(Handler handler, size_t operands, const TypeInfo& type, Ins ins) {
  ins.handler = handler;
  ins.b = flush_top(operands);
  ins.imm = address(&type);
  if (operands >= 2) ins.c = stack_.back().home;
  safepoint(stack_.size());
  pop_many(operands);
  define(ins, ValType::ref(wasm::HeapType::concrete(type.id), false));
}

void Translator::rule_struct_new(const Instr& instr, const InstrTypes&, const WalkView&) {
  const TypeInfo& type = type_info(instr.a);
  static constexpr Handler kFew[] = {nullptr, op_struct_new1, op_struct_new2, op_struct_new3};
  const bool are_watched = store_.options().on_safepoint || store_.options().on_roots;  // they want operands in a row
  if (!type.all_words || type.length() == 0 || type.length() >= std::size(kFew) || are_watched) {
    return allocate(type.all_words ? op_struct_new : op_struct_new_any, type.length(), type, {});
  }
  // Locals are read where they are: as roots they are seen there.
  uint32_t slots[3] = {};
  for (uint32_t i = 0; i < type.length(); ++i) {
    Entry& entry = stack_[stack_.size() - type.length() + i];
    if (entry.where == Where::kConst) bring_home(entry);
    slots[i] = entry.where == Where::kLocal ? entry.local : entry.home;
  }
  safepoint(stack_.size());
  pop_many(type.length());
  define({.handler = kFew[type.length()],
          .b = slots[0],
          .c = slots[1],
          .d = static_cast<int32_t>(slots[2]),
          .imm = address(&type)},
         ValType::ref(wasm::HeapType::concrete(type.id), false));
}
void Translator::rule_struct_new_default(const Instr& instr, const InstrTypes&, const WalkView&) {
  allocate(op_struct_new_default, 0, type_info(instr.a), {});
}

void Translator::rule_struct_get(const Instr& instr, const InstrTypes& types, const WalkView&) {
  const FieldKind kind = type_info(instr.a).fields[instr.b].kind;
  const bool is_signed = instr.op == Opcode::StructGetS;
  Handler handler = op_struct_get;
  if (kind == FieldKind::kV128) handler = op_struct_get_v128;
  if (kind == FieldKind::kI8 && is_signed) handler = op_struct_get8_s;
  if (kind == FieldKind::kI16 && is_signed) handler = op_struct_get16_s;
  const uint32_t ref = pop_slot();
  define({.handler = handler, .b = ref, .c = instr.b}, types.pushed[0]);
}

void Translator::rule_struct_set(const Instr& instr, const InstrTypes&, const WalkView&) {
  static constexpr Handler kHandlers[] = {op_struct_set, op_struct_set8, op_struct_set16, op_struct_set_v128};
  const FieldKind kind = type_info(instr.a).fields[instr.b].kind;
  const uint32_t value = pop_slot();
  const uint32_t ref = pop_slot();
  emit({.handler = kHandlers[static_cast<size_t>(kind)], .a = ref, .b = value, .c = instr.b});
}

void Translator::rule_array_new(const Instr& instr, const InstrTypes&, const WalkView&) {
  allocate(op_array_new, 2, type_info(instr.a), {});
}
void Translator::rule_array_new_default(const Instr& instr, const InstrTypes&, const WalkView&) {
  allocate(op_array_new_default, 1, type_info(instr.a), {});
}
void Translator::rule_array_new_fixed(const Instr& instr, const InstrTypes&, const WalkView&) {
  const TypeInfo& type = type_info(instr.a);
  const uint32_t first = flush_top(instr.b);
  safepoint(stack_.size());
  pop_many(instr.b);
  define({.handler = op_array_new_fixed, .b = first, .c = instr.b, .imm = address(&type)},
         ValType::ref(wasm::HeapType::concrete(type.id), false));
}
void Translator::rule_array_new_data(const Instr& instr, const InstrTypes&, const WalkView&) {
  allocate(op_array_new_data, 2, type_info(instr.a), {});
  emit({.a = instr.b, .imm = address(&instance_)});
}
void Translator::rule_array_new_elem(const Instr& instr, const InstrTypes&, const WalkView&) {
  allocate(op_array_new_elem, 2, type_info(instr.a), {});
  emit({.a = instr.b, .imm = address(&instance_)});
}

void Translator::rule_array_get(const Instr& instr, const InstrTypes& types, const WalkView&) {
  const FieldKind kind = type_info(instr.a).element().kind;
  const bool is_signed = instr.op == Opcode::ArrayGetS;
  Handler handler = op_array_get;
  if (kind == FieldKind::kV128) handler = op_array_get_v128;
  if (kind == FieldKind::kI8 && is_signed) handler = op_array_get8_s;
  if (kind == FieldKind::kI16 && is_signed) handler = op_array_get16_s;
  simple(handler, 2, types.pushed[0]);
}

void Translator::rule_array_set(const Instr& instr, const InstrTypes&, const WalkView&) {
  static constexpr Handler kHandlers[] = {op_array_set, op_array_set8, op_array_set16, op_array_set_v128};
  effect(kHandlers[static_cast<size_t>(type_info(instr.a).element().kind)], 3);
}

void Translator::rule_array_len(const Instr&, const InstrTypes&, const WalkView&) {
  simple(op_array_len, 1, wasm::kI32);
}

void Translator::rule_array_fill(const Instr& instr, const InstrTypes&, const WalkView&) {
  // The value may take two slots, so the length's slot is given on its own.
  const uint32_t first = flush_top(4);
  const uint32_t length = stack_.back().home;
  pop_many(4);
  emit({.handler = op_array_fill, .a = first, .c = length, .imm = address(&type_info(instr.a))});
}
void Translator::rule_array_copy(const Instr& instr, const InstrTypes&, const WalkView&) {
  bulk(op_array_copy, 5, address(&type_info(instr.a)));
}
void Translator::rule_array_init_data(const Instr& instr, const InstrTypes&, const WalkView&) {
  bulk(op_array_init_data, 4, address(&type_info(instr.a)));
  emit({.a = instr.b, .imm = address(&instance_)});
}
void Translator::rule_array_init_elem(const Instr& instr, const InstrTypes&, const WalkView&) {
  bulk(op_array_init_elem, 4, address(&type_info(instr.a)));
  emit({.a = instr.b, .imm = address(&instance_)});
}

}  // namespace parallax::interp
