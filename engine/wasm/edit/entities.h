// Coordinated edits: one change of a type, signature or entity together with everything that depends on it, over the whole
// module. The choke points of their kind: mutators and reducers change definitions only through these.
//
// Each answers false when it does not apply (the index is wrong, a dependent place cannot be rewritten); the module may
// then be half changed, so work on a copy, which is cheap. With true, the module is as consistent as the edit can make it;
// where validity cannot be promised the comment says so. Rewritten operands are still computed where they have effects.
#pragma once

#include "engine/wasm/edit/nodes.h"

namespace parallax::wasm::edit {

// --- Removing entities ----------------------------------------------------------------------------------------------------

// Instructions that name it compute and drop their operands and give defaults (neutralise); exports, start, segments and
// items that name it go too. Valid unless a result has no default, or an instruction that ended a path is gone.
bool remove_func(Module& m, uint32_t func);
bool remove_global(Module& m, uint32_t global);
bool remove_table(Module& m, uint32_t table);
bool remove_memory(Module& m, uint32_t memory);
bool remove_tag(Module& m, uint32_t tag);
bool remove_elem(Module& m, uint32_t elem);
bool remove_data(Module& m, uint32_t data);
void remove_export(Module& m, size_t position);

// Everything that nothing names any more, starting from exports, start, active segments' targets and effects: functions,
// types, globals, tables, memories, tags, segments. Imports that nothing names go when `imports`. Always valid. True when
// something went.
enum class Imports : uint8_t { kKeep, kRemove };
bool remove_unused(Module& m, Imports imports);

// --- Functions ------------------------------------------------------------------------------------------------------------

// A private type for the function, then the parameter goes from it, its body (gets become defaults) and all direct calls.
// Not valid where ref.func's type mattered. Imports are asked for with the smaller type.
bool remove_param(Module& m, uint32_t func, uint32_t param);
// The same for a result: what the body gives there is dropped, calls give a default instead. Results above it pass
// through fresh locals.
bool remove_result(Module& m, uint32_t func, uint32_t result);
// A declared local: gets become defaults, sets drops, tees their operand. `local` counts parameters first.
bool remove_local(Module& m, uint32_t func, uint32_t local);
// Locals that no instruction names.
bool remove_unused_locals(Module& m, uint32_t func);
// An imported function becomes a defined one that gives defaults (or traps where there are none).
bool define_imported_func(Module& m, uint32_t func);
bool define_imported_global(Module& m, uint32_t global);
// The callee's code takes the place of a call or tail call: operands go to fresh locals. A callee that returns early or
// tail calls is taken at tail calls only.
bool inline_call(Module& m, uint32_t func, NodeId call);

// --- Types ----------------------------------------------------------------------------------------------------------------

// The field goes from the type and from every type related to it by declared subtyping that has it; struct.new drops the
// operand, get gives the default, set drops. Valid unless field type and context have no default.
bool remove_field(Module& m, uint32_t type, uint32_t field);
// The field's (array: field 0) type changes in all related types; struct.new gives a default of the new type, get one of
// the old type, set drops, where `uses` is kNeutralise; with kKeep the uses stay as they are and the validator judges.
enum class Uses : uint8_t { kKeep, kNeutralise };
bool set_field_type(Module& m, uint32_t type, uint32_t field, FieldType to, Uses uses);
// No declared supertype any more. Not valid where subtyping was relied on.
bool drop_super(Module& m, uint32_t type);
bool set_final(Module& m, uint32_t type);
// The group falls apart into groups of one (in order; not valid for types that need each other).
bool split_group(Module& m, size_t group);
// A member leaves its group and stands before it, or behind it.
bool leave_group(Module& m, uint32_t type, bool before);
// Every mention of a type becomes another type; `from` goes. Valid when both are equal.
bool merge_types(Module& m, uint32_t from, uint32_t to);
// Every mention in types (not in instructions that need a concrete one) of the heap type becomes another.
bool replace_heap_type(Module& m, HeapType from, HeapType to);

}  // namespace parallax::wasm::edit
