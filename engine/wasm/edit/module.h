// An editable module: what mutators and the reducer change, lossless from a valid module and back to bytes.
//
// Everything is named by *stable ids*: an entity's number is its position in the vectors below and never changes; a
// removed one stays behind as not alive. Index immediates inside instructions, concrete numbers inside types and indices
// of exports are such ids, so removing something renumbers nothing here; encode() does it all at once, and refuses a
// module that still names what is gone.
//
// Function bodies and constant expressions are trees (Code): a node's children are the code that runs directly before
// its instruction, in order. A child leaves `net` >= 0 values; children of net 0 are statements that stand between
// operands, so that the stack machine's whole language fits and encode(lift(m)) is m's code, instruction by instruction
// (unreachable code included). Branches name the node that they leave (or the function), not a depth: code can be moved
// in and out of blocks and the depths follow.
//
//   edit::Module m = TRY(edit::lift(bytes));
//   edit::Code& code = m.funcs[f].code.mut();           // copies are cheap: bodies are shared until changed
//   edit::replace_by_default(m, code, node);            // nodes.h: expressions
//   edit::remove_field(m, type, field);                 // entities.h: coordinated edits over the whole module
//   std::vector<uint8_t> out = TRY(edit::encode(m));    // then wasm::load judges it
//
// Types at nodes (popped, pushed) come from the one typed walk at lift() and are not kept up to date by edits: lift again
// for fresh ones. No edit here promises validity beyond its own contract; the validator has the last word.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/wasm/instr.h"
#include "engine/wasm/module.h"
#include "engine/wasm/names.h"
#include "engine/wasm/types.h"

namespace parallax::wasm::edit {

using NodeId = Id<struct EditNodeTag>;  // position in Code::nodes
inline constexpr NodeId kFuncLabel{};   // as a branch's target: the function's own label

// A value that is shared between copies until it is changed.
template <class T>
class Cow {
 public:
  Cow() : shared_(std::make_shared<T>()) {}
  explicit Cow(T value) : shared_(std::make_shared<T>(std::move(value))) {}
  const T& operator*() const { return *shared_; }
  const T* operator->() const { return shared_.get(); }
  // For changing; other copies keep what they had.
  T& mut() {
    if (shared_.use_count() != 1) shared_ = std::make_shared<T>(*shared_);
    return *shared_;
  }
  // Whether both are one object still.
  bool same(const Cow& other) const { return shared_ == other.shared_; }

 private:
  std::shared_ptr<T> shared_;
};

using Seq = std::vector<NodeId>;

// One arm of a structured instruction. `head` says what introduces it: Nop for the first, else Else, Catch or CatchAll.
struct Clause {
  Opcode head = Opcode::Nop;
  uint32_t tag = 0;  // Catch
  Seq seq;
};

struct Node {
  // Immediates. Indices and concrete types are stable ids; label members and the spans are empty, see below.
  Instr instr;
  std::vector<NodeId> targets;   // where it may branch: br_table in order with the default last, try_table by clause
  std::vector<Catch> catches;    // try_table; `label` is unused
  std::vector<ValType> types;    // select with types
  std::vector<Clause> bodies;    // block, loop, if, try_table, try
  bool delegates = false;        // a try that ends with delegate: to targets[0]
  std::vector<NodeId> children;  // run before it, in order

  // As of lift(): types of its operands (deepest first) and results; concrete numbers are stable ids. kBottom in dead code.
  std::vector<ValType> popped, pushed;
  uint32_t net = 0;       // values that the whole subtree leaves
  bool digs = false;      // takes values from below its sequence: parameters of the block around it, or dead code
  bool reachable = true;  // control can get there

  Opcode op() const { return instr.op; }
  bool is_structured() const { return info(instr.op).immediates == ImmKind::Block || instr.op == Opcode::TryTable; }
  // The subtree leaves exactly one value, and this instruction is what makes it.
  bool is_value() const { return net == 1 && pushed.size() == 1; }
};

struct Code {
  std::vector<Node> nodes;  // garbage stays until the next lift
  Seq body;

  Node& operator[](NodeId id) { return nodes[id.index()]; }
  const Node& operator[](NodeId id) const { return nodes[id.index()]; }
  NodeId add(Node node) {
    nodes.push_back(std::move(node));
    return NodeId(nodes.size() - 1);
  }
};

struct ImportName {
  std::string module, name;
};

struct Type {
  SubType def;
  bool alive = true;
  uint32_t canonical = 0;  // as of lift(): the first type of this module that is the same type
};
struct Group {
  std::vector<uint32_t> members;  // types, those not alive are skipped
  bool explicit_rec = false;
};
struct Func {
  uint32_t type = 0;
  std::optional<ImportName> import;
  std::vector<ValType> locals;  // declared ones; local indices count parameters first
  Cow<Code> code;
  bool alive = true;
};
struct Table {
  TableType type;
  std::optional<ImportName> import;
  std::optional<Cow<Code>> init;
  bool alive = true;
};
struct Memory {
  MemoryType type;
  std::optional<ImportName> import;
  bool alive = true;
};
struct Global {
  GlobalType type;
  std::optional<ImportName> import;
  Cow<Code> init;
  bool alive = true;
};
struct Tag {
  uint32_t type = 0;
  std::optional<ImportName> import;
  bool alive = true;
};
struct Elem {
  SegmentMode mode = SegmentMode::kPassive;
  uint32_t table = 0;
  Cow<Code> offset;
  ValType type = kFuncRef;
  bool uses_exprs = false;
  std::vector<uint32_t> funcs;
  std::vector<Cow<Code>> exprs;
  bool alive = true;
};
struct Data {
  SegmentMode mode = SegmentMode::kPassive;
  uint32_t memory = 0;
  Cow<Code> offset;
  std::vector<uint8_t> bytes;
  bool alive = true;
};
struct Export {
  std::string name;
  ExternKind kind = ExternKind::kFunc;
  uint32_t index = 0;
};
struct Custom {
  std::string name;
  std::vector<uint8_t> content;
  uint32_t after_section = 0;
};
// An import, in the order of the import section.
struct ImportRef {
  ExternKind kind = ExternKind::kFunc;
  uint32_t index = 0;
};

struct Module {
  std::vector<Type> types;
  std::vector<Group> groups;  // ORDER: of the type section
  std::vector<Func> funcs;
  std::vector<Table> tables;
  std::vector<Memory> memories;
  std::vector<Global> globals;
  std::vector<Tag> tags;
  std::vector<ImportRef> imports;  // an entity with `import` set stands here once; those not alive are skipped
  std::vector<Export> exports;
  std::optional<uint32_t> start;
  std::vector<Elem> elems;
  std::vector<Data> datas;
  bool data_count = false;      // write the section even if no instruction needs it
  std::vector<Custom> customs;  // without the name section
  ModuleNames names;            // by stable ids; what is not alive is left out

  // The function type of a function or tag.
  const SubType& type_of(const Func& func) const { return types[func.type].def; }
  const SubType& type_of(const Tag& tag) const { return types[tag.type].def; }
  // Parameters, then declared locals.
  std::vector<ValType> locals_of(const Func& func) const;
  // Adds a type as a group of its own; for function types an equal final one without supertype is used again.
  uint32_t add_type(SubType def);
  uint32_t add_func_type(std::vector<ValType> params, std::vector<ValType> results);
};

// Trees deeper than this are refused (kLimit): they are walked by recursion.
inline constexpr uint32_t kMaxTreeDepth = 4'000;

// Requires: a valid module, as wasm::load gives it (canonical types).
Result<Module> lift(const wasm::Module& valid, const Features& features = {});
// Decodes and validates first.
Result<Module> lift(std::span<const uint8_t> bytes, const Features& features = {});

// The binary form. kInvalid when something names an entity that is not alive or a label that is not around it; everything
// else is the validator's to judge. Functions that ref.func names and nothing declares get a declarative segment.
Result<std::vector<uint8_t>> encode(const Module& module);

}  // namespace parallax::wasm::edit
