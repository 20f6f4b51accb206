// Edits of expressions: within one Code, in place. Labels follow (module.h).
//
// All of them keep how many values stand on the stack around the node (or say false and do nothing), so that the code stays
// well-formed; whether types still match is the validator's to say, where the comment does not promise it. A node is
// replaced in its parent's list and keeps no identity: hold on to ids of what stays only.
#pragma once

#include <optional>

#include "engine/wasm/edit/module.h"
#include "engine/wasm/edit/refs.h"

namespace parallax::wasm::edit {

// --- Types and queries --------------------------------------------------------------------------------------------------

// Whether a value of type `sub` may stand where `super` is asked for (types as of lift(), numbers are stable ids).
bool matches(const Module& m, HeapType sub, HeapType super);
bool matches(const Module& m, ValType sub, ValType super);
HeapType bottom_of(const Module& m, HeapType heap);
HeapType top_of(const Module& m, HeapType heap);

// The list that holds a node, its position there, and the node whose list it is (kFuncLabel: the body).
struct Place {
  Seq* list = nullptr;
  size_t index = 0;
  NodeId parent;
};
std::optional<Place> find_place(Code& code, NodeId id);

// One instruction that names an entity.
struct Use {
  Cow<Code>* code = nullptr;
  uint32_t func = ~0u;  // whose body it is; ~0u: a constant expression
  NodeId node;
};
// Instructions that name it. `field` narrows to one field of a type (struct.get, struct.set; ~0u: any).
std::vector<Use> uses_of(Module& m, Space space, uint32_t id, uint32_t field = ~0u);
// Nodes that branch to `target` (kFuncLabel: by branch; return is not counted).
std::vector<NodeId> branches_to(const Code& code, NodeId target);
// Whether removing the subtree removes nothing but the computation of its values: no effect, no trap, no control.
bool is_pure(const Code& code, NodeId id);
// Control never gets behind this instruction.
bool never_falls_through(Opcode op);
// The instruction that takes result number `result` of `producer` off the stack, if one in the same sequence or below does.
// Types at nodes must be fresh.
std::optional<NodeId> consumer_of(const Code& code, NodeId producer, uint32_t result);
// The index in `children` of the subtree that alone makes operand `operand` of `arity`; empty when there is none.
std::optional<size_t> child_of_operand(const Code& code, NodeId id, size_t operand, size_t arity);

// --- Making nodes ---------------------------------------------------------------------------------------------------------

NodeId make_const(Code& code, ValType number, uint64_t bits);
NodeId make_op(Code& code, Opcode op, std::vector<NodeId> children, std::vector<ValType> pushed);
NodeId make_drop(Code& code, NodeId value);
// An expression of that very type or a subtype: zero, null, or the smallest object; empty when there is none to be made
// (a non-nullable reference to a type without values that can be made up).
std::optional<NodeId> make_default(const Module& m, Code& code, ValType type);

// --- Replacing ------------------------------------------------------------------------------------------------------------

// Puts `with` in the node's place.
bool replace(Code& code, NodeId id, std::span<const NodeId> with);
// A statement (net 0) goes; false for others.
bool remove_statement(Code& code, NodeId id);
// The value becomes its type's default. Valid whenever the module was.
bool replace_by_default(const Module& m, Code& code, NodeId id);
// Valid unless the subtree set a local that must be set.
bool replace_by_unreachable(Code& code, NodeId id);
// The value becomes that of a subtree of its own, whose type must match. Everything beside the subtree goes.
bool replace_by_descendant(const Module& m, Code& code, NodeId id, NodeId descendant);
// The instruction goes, its operands are computed and dropped, its results are defaults.
bool neutralise(const Module& m, Code& code, NodeId id);
// A statement becomes its operand `child`, dropped; what stands beside it goes.
bool replace_by_dropped_child(Code& code, NodeId id, size_t child);
// Operand number `operand` of `arity` goes; what it does besides is kept, its value dropped.
bool drop_operand(Code& code, NodeId id, size_t operand, size_t arity);

// --- Control --------------------------------------------------------------------------------------------------------------

// The code of one arm takes the place of a block, loop, if, try_table or try; an if's condition is dropped. Branches to it
// go to the construct around it.
bool unwrap(Code& code, NodeId id, size_t arm);
// The same, but as a block, so that branches to it stay. An if's condition is dropped.
bool become_block(Code& code, NodeId id, size_t arm);
// What stands behind an instruction that control never passes goes, and so does what would take its value.
bool strip_dead_code(Code& code);

}  // namespace parallax::wasm::edit
