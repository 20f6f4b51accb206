#include "fuzz/oracle/liveness.h"

#include <algorithm>
#include <utility>

#include "engine/wasm/func_walk_rules.h"

namespace parallax::fuzz {

namespace {

using wasm::Instr;
using wasm::InstrTypes;
using wasm::LabelKind;
using wasm::Opcode;
using wasm::ValType;
using wasm::WalkView;

constexpr uint32_t kNowhere = ~0u;

struct Copy {
  uint32_t to, from;
};

// An edge to another node, with what happens on it.
struct Edge {
  uint32_t target = kNowhere;
  std::vector<Copy> copies;
  std::vector<uint32_t> defs;
};

struct Node {
  std::vector<uint32_t> uses, defs;
  std::vector<Copy> copies;
  std::vector<Edge> edges;
  bool falls_through = true;
  bool may_be_decided = false;  // br_on_*: a translator may know the way by type; live is what is live on all of them
  enum class Point : uint8_t { kNone, kCall, kAllocation } point = Point::kNone;
  wasm::WasmOffset offset = 0;
};

struct Control {
  LabelKind kind = LabelKind::kBlock;
  bool dead = false;
  uint32_t base = 0;  // slot of its first parameter or result
  uint32_t loop = kNowhere;
  std::vector<std::pair<uint32_t, uint32_t>> to_end;  // node, edge
  uint32_t if_node = kNowhere;                        // whose first edge goes to the else part
  std::vector<wasm::Catch> catches;                   // labels count from outside
};

bool is_legacy(Opcode op) {
  return op == Opcode::Try || op == Opcode::Catch || op == Opcode::CatchAll || op == Opcode::Delegate ||
         op == Opcode::Rethrow;
}

// Instructions that give back the reference they take.
bool is_copy(Opcode op) {
  return op == Opcode::RefCast || op == Opcode::RefCastNull || op == Opcode::RefAsNonNull ||
         op == Opcode::AnyConvertExtern || op == Opcode::ExternConvertAny;
}
// Instructions whose result a translator may know without the reference.
bool is_weak(Opcode op) {
  return op == Opcode::Drop || op == Opcode::RefTest || op == Opcode::RefTestNull || op == Opcode::RefIsNull ||
         op == Opcode::RefEq;
}

class Builder {
 public:
  static constexpr bool kWantsEvents = true;

  Result<> on_begin(const WalkView& view) {
    view_ = &view;
    for (const ValType local : view.locals()) {
      local_slot_.push_back(next_slot_);
      next_slot_ += width(local);
    }
    controls_.push_back({.kind = LabelKind::kFunc, .base = next_slot_});
    return {};
  }

  Result<> on_instr(const Instr& instr, const InstrTypes& types, const WalkView& view) {
    legacy = legacy || is_legacy(instr.op);
    if (!legacy) step(instr, types, view);
    before_.assign(view.stack().begin(), view.stack().end());
    return {};
  }
  Result<> on_finish(const WalkView&) { return {}; }

  std::vector<Node> nodes;
  bool legacy = false;
  uint32_t slots() const { return max_slot_; }

 private:
  static uint32_t width(ValType type) { return type == wasm::kV128 ? 2 : 1; }
  bool is_traced(ValType type) const {
    return type.is_ref() && type != wasm::kBottomRef &&
           view_->module().store->hierarchy(type.heap()) != wasm::Hierarchy::kFunc;
  }
  // Slot of entry `position` of the stack before the instruction.
  uint32_t slot_at(size_t position) const {
    uint32_t slot = next_slot_;
    for (size_t i = 0; i < position && i < before_.size(); ++i) slot += width(before_[i]);
    return slot;
  }
  Node& add(const Instr& instr) {
    max_slot_ = std::max(max_slot_, slot_at(before_.size()) + 2 + 2 * 16);
    nodes.push_back({.offset = instr.offset});
    return nodes.back();
  }
  uint32_t last() const { return static_cast<uint32_t>(nodes.size() - 1); }

  // The references among the top `count` entries, as uses.
  void use_top(Node& node, size_t count) {
    for (size_t i = before_.size() - count; i < before_.size(); ++i) {
      if (is_traced(before_[i])) node.uses.push_back(slot_at(i));
    }
  }
  void define_pushed(Node& node, const InstrTypes& types) {
    uint32_t slot = slot_at(before_.size() - types.popped.size());
    for (const ValType type : types.pushed) {
      if (is_traced(type)) node.defs.push_back(slot);
      slot += width(type);
    }
    max_slot_ = std::max(max_slot_, slot + 1);
  }

  // A branch that carries the entries [begin, begin + count) to the label `depth` outwards.
  void branch(Node& node, uint32_t depth, std::span<const ValType> carried, size_t begin) {
    Control& to = controls_[controls_.size() - 1 - depth];
    Edge edge;
    if (to.kind == LabelKind::kFunc) {  // a return
      for (size_t i = 0; i < carried.size(); ++i) {
        if (is_traced(carried[i])) node.uses.push_back(slot_at(begin + i));
      }
      return;
    }
    uint32_t slot = to.base;
    for (size_t i = 0; i < carried.size(); ++i) {
      if (is_traced(carried[i]) && slot != slot_at(begin + i)) edge.copies.push_back({slot, slot_at(begin + i)});
      slot += width(carried[i]);
    }
    max_slot_ = std::max(max_slot_, slot + 1);
    edge.target = to.loop;
    if (to.loop == kNowhere) to.to_end.emplace_back(last(), static_cast<uint32_t>(node.edges.size()));
    node.edges.push_back(std::move(edge));
  }

  // Edges to the handlers that an exception of `tag` (kNowhere: any) may reach from here.
  void handlers(Node& node, uint32_t tag, const WalkView& view) {
    for (size_t c = controls_.size(); c-- > 0;) {
      if (controls_[c].kind != LabelKind::kTryTable) continue;
      for (const wasm::Catch& clause : controls_[c].catches) {
        const bool all = clause.kind == wasm::CatchKind::kCatchAll || clause.kind == wasm::CatchKind::kCatchAllRef;
        if (!all && tag != kNowhere && clause.tag.raw != tag) continue;
        handler(node, c - 1 - clause.label, clause, view);
        if (all || tag != kNowhere) return;
      }
    }
  }
  void handler(Node& node, size_t target, const wasm::Catch& clause, const WalkView& view) {
    Control& to = controls_[target];
    if (to.kind == LabelKind::kFunc) return;  // leaves the function: the payload is the exception's
    Edge edge{.target = to.loop};
    uint32_t slot = to.base;
    const auto define = [&](ValType type) {
      if (is_traced(type)) edge.defs.push_back(slot);
      slot += width(type);
    };
    if (clause.kind == wasm::CatchKind::kCatch || clause.kind == wasm::CatchKind::kCatchRef) {
      const wasm::Module& module = view.module();
      for (const ValType type : module.store->get(module.tags[clause.tag.index()].type_id).params) define(type);
    }
    if (clause.kind == wasm::CatchKind::kCatchRef || clause.kind == wasm::CatchKind::kCatchAllRef)
      define(wasm::kExnRef);
    max_slot_ = std::max(max_slot_, slot + 1);
    if (to.loop == kNowhere) to.to_end.emplace_back(last(), static_cast<uint32_t>(node.edges.size()));
    node.edges.push_back(std::move(edge));
  }

  void step(const Instr& instr, const InstrTypes& types, const WalkView& view) {
    switch (instr.op) {
      case Opcode::Block:
      case Opcode::Loop:
      case Opcode::If:
      case Opcode::TryTable: return open(instr, types, view);
      case Opcode::Else: return between(instr, types);
      case Opcode::End: return close(instr, types, view);
      default: break;
    }
    if (types.reachable) plain(instr, types, view);
  }

  void open(const Instr& instr, const InstrTypes& types, const WalkView& view) {
    if (!types.reachable) {
      controls_.push_back({.dead = true});
      return;
    }
    add(instr);
    Control control{.kind = view.label(0).kind, .base = slot_of_height(view, view.label(0).height)};
    if (instr.op == Opcode::Loop) control.loop = last();
    if (instr.op == Opcode::If) {
      control.if_node = last();
      nodes.back().edges.push_back({});
    }
    control.catches.assign(instr.catches.begin(), instr.catches.end());
    controls_.push_back(std::move(control));
  }
  uint32_t slot_of_height(const WalkView& view, uint32_t height) const {
    uint32_t slot = next_slot_;
    for (uint32_t i = 0; i < height; ++i) slot += width(view.stack()[i]);
    return slot;
  }

  void between(const Instr& instr, const InstrTypes& types) {
    Control& control = controls_.back();
    if (control.dead) return;
    if (!types.falls_through) nodes.back().falls_through = false;
    Node& node = add(instr);  // the end of the first part: goes to the end of both
    node.falls_through = false;
    node.edges.push_back({});
    control.to_end.emplace_back(last(), 0);
    nodes[control.if_node].edges[0].target = last() + 1;
    control.if_node = kNowhere;
  }

  void close(const Instr& instr, const InstrTypes& types, const WalkView&) {
    Control control = std::move(controls_.back());
    controls_.pop_back();
    if (control.dead) return;
    if (!types.falls_through && !nodes.empty()) nodes.back().falls_through = false;
    Node& node = add(instr);
    if (control.if_node != kNowhere) nodes[control.if_node].edges[0].target = last();
    for (const auto& [from, edge] : control.to_end) nodes[from].edges[edge].target = last();
    if (controls_.empty() && types.falls_through) {  // the function's end returns
      use_top(node, before_.size());
      node.falls_through = false;
    }
  }

  void plain(const Instr& instr, const InstrTypes& types, const WalkView& view) {
    const size_t height = before_.size();
    Node& node = add(instr);
    switch (instr.op) {
      case Opcode::LocalGet:
        if (is_traced(view.locals()[instr.a])) node.copies.push_back({slot_at(height), local_slot_[instr.a]});
        return;
      case Opcode::LocalSet:
      case Opcode::LocalTee:
        if (is_traced(view.locals()[instr.a])) node.copies.push_back({local_slot_[instr.a], slot_at(height - 1)});
        return;
      case Opcode::SelectTyped: {
        const uint32_t to = slot_at(height - 3);
        if (!is_traced(before_[height - 3])) return;
        node.copies.push_back({to, to});
        node.copies.push_back({to, slot_at(height - 2)});
        return;
      }
      case Opcode::Br: {
        const auto carried = view.label(instr.a).branch_types();
        branch(node, instr.a, carried, height - carried.size());
        node.falls_through = false;
        return;
      }
      case Opcode::BrIf: {
        const auto carried = view.label(instr.a).branch_types();
        return branch(node, instr.a, carried, height - 1 - carried.size());
      }
      case Opcode::BrTable:
        for (const uint32_t label : instr.labels) {
          const auto carried = view.label(label).branch_types();
          branch(nodes.back(), label, carried, height - 1 - carried.size());
        }
        nodes.back().falls_through = false;
        return;
      case Opcode::BrOnNull: {
        const auto carried = view.label(instr.a).branch_types();
        node.may_be_decided = true;
        return branch(node, instr.a, carried, height - 1 - carried.size());
      }
      case Opcode::BrOnNonNull:
      case Opcode::BrOnCast:
      case Opcode::BrOnCastFail: {
        const auto carried = view.label(instr.a).branch_types();
        node.may_be_decided = true;
        return branch(node, instr.a, carried, height - carried.size());
      }
      case Opcode::Return: {
        const size_t results = view.type().results.size();
        use_top(node, results);
        node.falls_through = false;
        return;
      }
      case Opcode::ReturnCall:
      case Opcode::ReturnCallRef:
      case Opcode::ReturnCallIndirect:
        use_top(node, types.popped.size());
        node.falls_through = false;
        return;
      case Opcode::Unreachable: node.falls_through = false; return;
      case Opcode::Throw:
        node.point = Node::Point::kAllocation;
        use_top(node, types.popped.size());
        handlers(node, instr.a, view);
        node.falls_through = false;
        return;
      case Opcode::ThrowRef:
        use_top(node, types.popped.size());
        handlers(node, kNowhere, view);
        node.falls_through = false;
        return;
      case Opcode::Call:
      case Opcode::CallRef:
      case Opcode::CallIndirect:
        node.point = Node::Point::kCall;
        use_top(node, types.popped.size());
        define_pushed(node, types);
        return handlers(node, kNowhere, view);
      default: break;
    }
    if (is_copy(instr.op)) return;
    if (!is_weak(instr.op)) use_top(node, types.popped.size());
    define_pushed(node, types);
    if ((wasm::info(instr.op).effects & wasm::kAllocates) != 0) node.point = Node::Point::kAllocation;
  }

  const WalkView* view_ = nullptr;
  std::vector<uint32_t> local_slot_;
  uint32_t next_slot_ = 0;  // of the operand stack's first entry, once the locals are known
  uint32_t max_slot_ = 0;
  std::vector<ValType> before_;
  std::vector<Control> controls_;
};

class Solver {
 public:
  Solver(const std::vector<Node>& nodes, uint32_t slots)
      : nodes_(nodes), words_((slots + 63) / 64), in_(nodes.size() * words_), out_(words_), scratch_(words_) {}

  std::map<wasm::WasmOffset, LiveSlots> run() {
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t n = nodes_.size(); n-- > 0;) changed |= step(n);
    }
    std::map<wasm::WasmOffset, LiveSlots> found;
    for (size_t n = 0; n < nodes_.size(); ++n) {
      if (nodes_[n].point == Node::Point::kNone) continue;
      step(n);
      // A call's arguments are its callee's; an allocation's operands are stored after it.
      const std::vector<uint64_t>& live = nodes_[n].point == Node::Point::kCall ? across_ : out_;
      LiveSlots& slots = found[nodes_[n].offset];
      for (uint32_t slot = 0; slot < words_ * 64; ++slot) {
        if (has(live, slot)) slots.push_back(slot);
      }
    }
    return found;
  }

 private:
  static bool has(const std::vector<uint64_t>& bits, uint32_t slot) {
    return (bits[slot / 64] >> (slot % 64) & 1) != 0;
  }
  static void set(std::vector<uint64_t>& bits, uint32_t slot) { bits[slot / 64] |= uint64_t{1} << (slot % 64); }
  static void clear(std::vector<uint64_t>& bits, uint32_t slot) { bits[slot / 64] &= ~(uint64_t{1} << (slot % 64)); }

  // In parallel: targets die, sources of live targets live.
  static void apply(std::vector<uint64_t>& live, const std::vector<Copy>& copies) {
    std::vector<uint32_t> sources;
    for (const Copy& copy : copies) {
      if (has(live, copy.to)) sources.push_back(copy.from);
    }
    for (const Copy& copy : copies) clear(live, copy.to);
    for (const uint32_t source : sources) set(live, source);
  }

  bool step(size_t n) {
    const Node& node = nodes_[n];
    std::fill(out_.begin(), out_.end(), 0);
    if (node.falls_through && n + 1 < nodes_.size()) merge(n + 1);
    for (const Edge& edge : node.edges) {
      if (edge.target == kNowhere) continue;
      std::copy_n(in_.begin() + static_cast<ptrdiff_t>(edge.target * words_), words_, scratch_.begin());
      for (const uint32_t slot : edge.defs) clear(scratch_, slot);
      apply(scratch_, edge.copies);
      for (size_t w = 0; w < words_; ++w) out_[w] = node.may_be_decided ? out_[w] & scratch_[w] : out_[w] | scratch_[w];
    }
    apply(out_, node.copies);
    for (const uint32_t slot : node.defs) clear(out_, slot);
    across_ = out_;
    for (const uint32_t slot : node.uses) set(out_, slot);
    const auto in = in_.begin() + static_cast<ptrdiff_t>(n * words_);
    const bool changed = !std::equal(out_.begin(), out_.end(), in);
    std::copy(out_.begin(), out_.end(), in);
    return changed;
  }
  void merge(size_t n) {
    for (size_t w = 0; w < words_; ++w) out_[w] |= in_[n * words_ + w];
  }

  const std::vector<Node>& nodes_;
  size_t words_;
  std::vector<uint64_t> in_, out_, scratch_, across_;
};

constexpr size_t kMaxBits = size_t{1} << 27;

}  // namespace

Result<std::map<wasm::WasmOffset, LiveSlots>> live_references(const wasm::Module& module, wasm::FuncIndex func) {
  Builder builder;
  wasm::Features all;
  all.bits = ~0u;
  TRY(wasm::walk_func(module, func, all, builder));
  if (builder.legacy || builder.nodes.size() * builder.slots() > kMaxBits)
    return std::map<wasm::WasmOffset, LiveSlots>{};
  return Solver(builder.nodes, builder.slots() + 64).run();
}

}  // namespace parallax::fuzz
