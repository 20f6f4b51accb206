#include "fuzz/oracle/localize.h"

#include <algorithm>
#include <cstring>

#include "engine/base/text.h"
#include "engine/wasm/edit/module.h"
#include "engine/wasm/edit/nodes.h"
#include "fuzz/oracle/difference.h"
#include "fuzz/oracle/observe.h"

namespace parallax::fuzz {

namespace edit = wasm::edit;
using edit::NodeId;
using wasm::Instr;
using wasm::Opcode;
using wasm::ValKind;
using wasm::ValType;

namespace {

constexpr uint32_t kEventBytes = 16;
constexpr uint32_t kPages = 64;

// An instruction with its indices, as in text.
std::string operation_of(const Instr& instr) {
  std::string out = wasm::info(instr.op).text;
  switch (wasm::info(instr.op).immediates) {
    case wasm::ImmKind::Func:
    case wasm::ImmKind::Local:
    case wasm::ImmKind::Global:
    case wasm::ImmKind::Table:
    case wasm::ImmKind::Type: return text::format("{} {}", out, instr.a);
    case wasm::ImmKind::TypeField:
    case wasm::ImmKind::CallIndirect:
    case wasm::ImmKind::TypeType:
    case wasm::ImmKind::TypeData:
    case wasm::ImmKind::TypeElem: return text::format("{} {} {}", out, instr.a, instr.b);
    case wasm::ImmKind::I32: return text::format("{} {}", out, static_cast<int32_t>(instr.bits));
    case wasm::ImmKind::I64: return text::format("{} {}", out, static_cast<int64_t>(instr.bits));
    default: return out;
  }
}

// Instructions that decide by the type of a reference: null or not is what is asked first of their operand.
bool is_cast(Opcode op) {
  switch (op) {
    case Opcode::RefTest:
    case Opcode::RefTestNull:
    case Opcode::RefCast:
    case Opcode::RefCastNull:
    case Opcode::BrOnCast:
    case Opcode::BrOnCastFail: return true;
    default: return false;
  }
}

bool is_call(Opcode op) { return op == Opcode::Call || op == Opcode::CallRef || op == Opcode::CallIndirect; }

// Instructions whose value is known without running them, or known elsewhere.
bool says_nothing(const edit::Node& node) {
  switch (node.op()) {
    case Opcode::I32Const:
    case Opcode::I64Const:
    case Opcode::F32Const:
    case Opcode::F64Const:
    case Opcode::V128Const:
    case Opcode::LocalGet:
    case Opcode::LocalTee:
    case Opcode::RefNull:
    case Opcode::RefFunc:
    case Opcode::StructNew:
    case Opcode::StructNewDefault:
    case Opcode::ArrayNew:
    case Opcode::ArrayNewDefault:
    case Opcode::ArrayNewFixed: return true;
    default: return node.is_structured();
  }
}

// Adds recording code to one body.
class Tracer {
 public:
  Tracer(edit::Module& m, uint32_t func, uint32_t memory, uint32_t cursor, TraceDetail detail,
         std::vector<TracePoint>& points)
      : m_(m),
        func_(func),
        code_(m.funcs[func].code.mut()),
        memory_(memory),
        cursor_(cursor),
        detail_(detail),
        points_(points),
        params_(m.type_of(m.funcs[func]).params.size()) {}

  void run() {
    at_of_node_.assign(code_.nodes.size(), ~0u);
    code_.body = sequence(code_.body, Use::kAny);
    points_.push_back({.func = func_, .operation = "enter", .type = wasm::kBottom});
    std::vector<NodeId> entry = record(static_cast<uint32_t>(points_.size() - 1), {});
    code_.body.insert(code_.body.begin(), entry.begin(), entry.end());
  }

 private:
  // What becomes of a value: kDropped is not recorded, kCast always.
  enum class Use : uint8_t { kAny, kDropped, kCast };

  // Takes lists by value: adding nodes moves them.
  edit::Seq sequence(edit::Seq seq, Use use) {
    for (NodeId& id : seq) id = node(id, use);
    return seq;
  }

  NodeId node(NodeId id, Use use) {
    const Opcode op = code_[id].op();
    const Use of_children = op == Opcode::Drop ? Use::kDropped : is_cast(op) ? Use::kCast : Use::kAny;
    edit::Seq children = sequence(code_[id].children, of_children);
    code_[id].children = std::move(children);
    for (size_t i = 0; i < code_[id].bodies.size(); ++i) {
      edit::Seq body = sequence(code_[id].bodies[i].seq, Use::kAny);
      code_[id].bodies[i].seq = std::move(body);
    }
    return wanted(code_[id], use) ? traced(id) : id;
  }

  bool wanted(const edit::Node& node, Use use) const {
    if (use == Use::kDropped || !node.is_value() || !node.reachable) return false;
    const ValKind kind = node.pushed[0].kind();
    if (kind == ValKind::kV128 || kind == ValKind::kBottom) return false;
    const bool is_plain =
        node.op() == Opcode::LocalGet || node.op() == Opcode::LocalTee || node.op() == Opcode::RefNull;
    if (use == Use::kCast && is_plain && detail_ == TraceDetail::kValues) return true;
    if (says_nothing(node)) return false;
    return detail_ == TraceDetail::kValues || is_call(node.op());
  }

  NodeId traced(NodeId id) {
    const ValType type = code_[id].pushed[0];
    const auto point = static_cast<uint32_t>(points_.size());
    points_.push_back({.func = func_,
                       .offset = code_[id].instr.offset,
                       .operation = operation_of(code_[id].instr),
                       .type = type,
                       .operands = operands(code_[id])});
    const uint32_t local = local_of(type);
    const NodeId set = statement(Opcode::LocalSet, local, {id});
    const NodeId get = value(Opcode::LocalGet, local, type);
    edit::Seq before = record(point, bits(local, type));
    before.insert(before.begin(), set);
    code_[get].children = std::move(before);
    if (at_of_node_.size() <= get.index()) at_of_node_.resize(get.index() + 1, ~0u);
    at_of_node_[get.index()] = point;
    return get;
  }

  std::vector<TracePoint::Operand> operands(const edit::Node& node) const {
    std::vector<TracePoint::Operand> out;
    for (const NodeId child : node.children) {
      const edit::Node& of = code_[child];
      if (of.net == 0) continue;
      if (child.index() < at_of_node_.size() && at_of_node_[child.index()] != ~0u) {
        out.push_back({at_of_node_[child.index()], {}});
      } else {
        out.push_back({~0u, operation_of(of.instr)});
      }
    }
    return out;
  }

  // Statements that append {point, bits} at the cursor. Behind the end, events overwrite one another.
  edit::Seq record(uint32_t point, std::optional<NodeId> bits) {
    const uint32_t at = local_of(wasm::kI32, kAddress);
    constexpr auto kLimit = static_cast<uint32_t>(kMaxEvents * kEventBytes);
    const auto cursor = [&] { return value(Opcode::GlobalGet, cursor_, wasm::kI32); };
    const auto limit = [&] { return edit::make_const(code_, wasm::kI32, kLimit); };
    const auto address = [&] { return value(Opcode::LocalGet, at, wasm::kI32); };
    const NodeId below = edit::make_op(code_, Opcode::I32LtU, {cursor(), limit()}, {wasm::kI32});
    const NodeId place = edit::make_op(code_, Opcode::Select, {cursor(), limit(), below}, {wasm::kI32});
    edit::Seq out;
    out.push_back(statement(Opcode::LocalSet, at, {place}));
    out.push_back(store(Opcode::I32Store, 0, address(), edit::make_const(code_, wasm::kI32, point + 1)));
    if (bits) out.push_back(store(Opcode::I64Store, 8, address(), *bits));
    const NodeId step = edit::make_const(code_, wasm::kI32, kEventBytes);
    const NodeId next = edit::make_op(code_, Opcode::I32Add, {address(), step}, {wasm::kI32});
    out.push_back(statement(Opcode::GlobalSet, cursor_, {next}));
    return out;
  }

  NodeId bits(uint32_t local, ValType type) {
    const NodeId get = value(Opcode::LocalGet, local, type);
    const auto convert = [&](Opcode op, NodeId from, ValType to) { return edit::make_op(code_, op, {from}, {to}); };
    switch (type.kind()) {
      case ValKind::kI64: return get;
      case ValKind::kF64: return convert(Opcode::I64ReinterpretF64, get, wasm::kI64);
      case ValKind::kF32:
        return convert(Opcode::I64ExtendI32U, convert(Opcode::I32ReinterpretF32, get, wasm::kI32), wasm::kI64);
      case ValKind::kRef:
        return convert(Opcode::I64ExtendI32U, convert(Opcode::RefIsNull, get, wasm::kI32), wasm::kI64);
      default: return convert(Opcode::I64ExtendI32U, get, wasm::kI64);
    }
  }

  NodeId value(Opcode op, uint32_t index, ValType type) {
    edit::Node node{.instr = {.op = op, .a = index}, .pushed = {type}, .net = 1};
    return code_.add(std::move(node));
  }
  NodeId statement(Opcode op, uint32_t index, std::vector<NodeId> children) {
    edit::Node node{.instr = {.op = op, .a = index}, .children = std::move(children)};
    return code_.add(std::move(node));
  }
  NodeId store(Opcode op, uint32_t offset, NodeId address, NodeId bits) {
    Instr instr{.op = op};
    instr.mem.offset = offset;
    instr.mem.memory = wasm::MemoryIndex(memory_);
    edit::Node node{.instr = instr, .children = {address, bits}};
    return code_.add(std::move(node));
  }

  static constexpr uint32_t kAddress = 1, kValue = 0;
  // One local per type for values, and one for addresses.
  uint32_t local_of(ValType type, uint32_t use = kValue) {
    for (const auto& [known, of, local] : locals_) {
      if (known == type && of == use) return local;
    }
    auto& declared = m_.funcs[func_].locals;
    const auto local = static_cast<uint32_t>(params_ + declared.size());
    declared.push_back(type);
    locals_.emplace_back(type, use, local);
    return local;
  }

  edit::Module& m_;
  uint32_t func_;
  edit::Code& code_;
  uint32_t memory_, cursor_;
  TraceDetail detail_;
  std::vector<TracePoint>& points_;
  size_t params_;
  std::vector<std::tuple<ValType, uint32_t, uint32_t>> locals_;
  std::vector<uint32_t> at_of_node_;  // by node: the point that recorded it
};

edit::Cow<edit::Code> zero_init() {
  edit::Code code;
  code.body.push_back(edit::make_const(code, wasm::kI32, 0));
  return edit::Cow<edit::Code>(std::move(code));
}

// --- Running -------------------------------------------------------------------------------------------------------

struct Event {
  uint32_t point = 0;
  uint64_t bits = 0;
  friend bool operator==(const Event&, const Event&) = default;
};

struct Side {
  Observation seen;
  std::vector<std::vector<Event>> traces;  // by instance
};

std::vector<Event> read_trace(wasm::Embedding& store, wasm::InstanceId instance) {
  std::vector<Event> events;
  const auto cursor = store.find_export(instance, kTraceCursor);
  const auto memory = store.find_export(instance, kTraceMemory);
  if (!cursor || !memory) return events;
  const auto used = store.global_get(*cursor);
  const auto bytes = store.memory(*memory);
  if (!used || !bytes) return events;
  const size_t count = std::min<size_t>(used->low / kEventBytes, kMaxEvents);
  for (size_t i = 0; i < count && (i + 1) * kEventBytes <= bytes->size(); ++i) {
    Event event;
    std::memcpy(&event.point, bytes->data() + i * kEventBytes, 4);
    std::memcpy(&event.bits, bytes->data() + i * kEventBytes + 8, 8);
    --event.point;
    events.push_back(event);
  }
  return events;
}

Result<Side> run(const LoadedCase& loaded, const ExecutorSpec& spec) {
  const MakeStore other = [&] { return make_executor(spec, loaded.types); };
  auto store = TRY(other());
  Side side;
  observe(loaded, *store, other, side.seen, [&](wasm::Embedding& of, std::span<const wasm::InstanceId> instances) {
    for (const wasm::InstanceId id : instances) {
      side.traces.push_back(id != 0 ? read_trace(of, id) : std::vector<Event>{});
    }
  });
  return side;
}

std::string value_text(const TracePoint& point, uint64_t bits) {
  switch (point.type.kind()) {
    case ValKind::kI32: return text::format("{}", static_cast<int32_t>(bits));
    case ValKind::kI64: return text::format("{}", static_cast<int64_t>(bits));
    case ValKind::kF32:
    case ValKind::kF64: return text::format("bits {:#x}", bits);
    case ValKind::kRef: return bits != 0 ? "null" : "a non-null reference";
    default: return "";
  }
}

// "-5 = i32.sub(local.get 0, 7)": the event, with operands from the events before it.
std::string event_text(const std::vector<TracePoint>& points, const std::vector<Event>& events, size_t at) {
  if (at >= events.size()) return "nothing more";
  if (events[at].point >= points.size()) return "an unreadable event";
  const TracePoint& point = points[events[at].point];
  if (point.type == wasm::kBottom) return text::format("enters function {}", point.func);
  std::string out = text::format("{} = {}(", value_text(point, events[at].bits), point.operation);
  for (size_t i = 0; i < point.operands.size(); ++i) {
    const TracePoint::Operand& operand = point.operands[i];
    std::string shown = operand.text;
    for (size_t back = at; operand.point != ~0u && shown.empty() && back-- > 0;) {
      if (events[back].point == operand.point) shown = value_text(points[operand.point], events[back].bits);
    }
    out += text::format("{}{}", i == 0 ? "" : ", ", shown.empty() ? "?" : shown);
  }
  return out + ")";
}

// The first instruction behind an offset, in the same function, that decides where to go.
const edit::Node* next_decision(const edit::Code& code, wasm::WasmOffset from, wasm::WasmOffset to) {
  const edit::Node* found = nullptr;
  for (const edit::Node& node : code.nodes) {
    switch (node.op()) {
      case Opcode::BrOnCast:
      case Opcode::BrOnCastFail:
      case Opcode::BrOnNull:
      case Opcode::BrOnNonNull:
      case Opcode::BrIf:
      case Opcode::BrTable:
      case Opcode::If: break;
      default: continue;
    }
    const wasm::WasmOffset at = node.instr.offset;
    if (at >= from && at < to && (found == nullptr || at < found->instr.offset)) found = &node;
  }
  return found;
}

// Both sides went on, at different places: the branch between the last common event and the nearer of the two.
void blame_branch(const Case& subject, const TracePoint& last, const TracePoint& a, const TracePoint& b,
                  Localized& out) {
  wasm::WasmOffset to = 0;
  for (const TracePoint* p : {&a, &b}) {
    if (p->func == last.func && p->type != wasm::kBottom) to = std::max(to, p->offset);
  }
  if (to <= last.offset) to = ~0u;  // both left the function
  for (const auto& bytes : subject.modules) {
    const auto lifted = edit::lift(bytes);
    if (!lifted || last.func >= lifted->funcs.size() || lifted->funcs[last.func].import) continue;
    const edit::Node* branch = next_decision(*lifted->funcs[last.func].code, last.offset, to);
    if (branch == nullptr) continue;
    out.offset = branch->instr.offset;
    out.operation = operation_of(branch->instr);
    return;
  }
}

std::optional<Localized> compare(const Case& subject, const std::vector<std::vector<TracePoint>>& points,
                                 const Side& left, const Side& right, TraceDetail detail) {
  const size_t count = std::min({points.size(), left.traces.size(), right.traces.size()});
  for (size_t i = 0; i < count; ++i) {
    const auto& a = left.traces[i];
    const auto& b = right.traces[i];
    if (a == b) continue;
    size_t at = 0;
    while (at < a.size() && at < b.size() && a[at] == b[at]) ++at;
    if (at >= kMaxEvents) continue;
    const auto& event = at < a.size() ? a[at] : b[at];
    if (event.point >= points[i].size()) continue;
    const TracePoint& point = points[i][event.point];
    Localized found{.number = at,
                    .instance = static_cast<uint32_t>(i),
                    .func = point.func,
                    .offset = point.offset,
                    .operation = point.operation,
                    .left = event_text(points[i], a, at),
                    .right = event_text(points[i], b, at),
                    .how = detail == TraceDetail::kValues ? "values" : "calls"};
    found.parted = at >= a.size() || at >= b.size() || a[at].point != b[at].point;
    const auto null_at = [&](const std::vector<Event>& of, size_t n) {
      const TracePoint& p = points[i][of[n].point];
      return p.type.kind() == ValKind::kRef && of[n].bits != 0;
    };
    if (at > 0 && a[at - 1].point < points[i].size()) {
      // What the deciding instruction looked at is the event before.
      found.of_null = null_at(a, at - 1);
      if (found.parted && at < a.size() && at < b.size() && b[at].point < points[i].size())
        blame_branch(subject, points[i][a[at - 1].point], point, points[i][b[at].point], found);
    }
    return found;
  }
  return {};
}

// The points of every instance of the plan, in order; empty when the case cannot be rewritten.
Result<std::vector<std::vector<TracePoint>>> rewrite(Case& subject, TraceDetail detail) {
  std::vector<std::vector<TracePoint>> of_module, of_instance;
  for (std::vector<uint8_t>& bytes : subject.modules) {
    TracedModule traced = TRY(trace_module(bytes, detail));
    bytes = std::move(traced.bytes);
    of_module.push_back(std::move(traced.points));
  }
  if (subject.plan.empty()) return std::vector<std::vector<TracePoint>>{of_module.front()};
  // A dropped instance takes its trace along.
  std::erase_if(subject.plan, [](const Step& step) { return step.kind == StepKind::kDropInstance; });
  for (const Step& step : subject.plan) {
    if (step.kind != StepKind::kInstantiate) continue;
    of_instance.push_back(step.module < of_module.size() ? of_module[step.module] : std::vector<TracePoint>{});
  }
  return of_instance;
}

Result<std::optional<Localized>> traced_difference(const Case& original, TraceDetail detail,
                                                   const ExecutorSpec& reference, const ExecutorSpec& other) {
  Case subject = original;
  const auto points = TRY(rewrite(subject, detail));
  const LoadedCase loaded = TRY(load_case(subject));
  const Side left = TRY(run(loaded, reference));
  const Side right = TRY(run(loaded, other));
  return compare(original, points, left, right, detail);
}

// A difference that is an outcome: where the side that did not return ended.
std::optional<Localized> outcome_difference(const Case& subject, const Side& left, const Side& right) {
  const auto& a = left.seen.places;
  const auto& b = right.seen.places;
  const auto ended = [](const OutcomePlace& p) { return p.kind != wasm::OutcomeKind::kReturned; };
  const auto words = [&](const OutcomePlace& p) {
    return p.kind == wasm::OutcomeKind::kTrapped ? text::format("trap: {}", wasm::to_string(p.trap))
                                                 : std::string(wasm::to_string(p.kind));
  };
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    if (a[i].kind == b[i].kind && a[i].trap == b[i].trap) continue;
    const OutcomePlace* at = ended(a[i]) && a[i].offset != 0 ? &a[i] : ended(b[i]) ? &b[i] : nullptr;
    if (at == nullptr || at->offset == 0 || at->offset == ~0u) return {};
    return Localized{.number = i,
                     .func = at->func,
                     .offset = at->offset,
                     .operation = instruction_at(subject, at->func, at->offset),
                     .left = words(a[i]),
                     .right = words(b[i]),
                     .how = "outcome"};
  }
  return {};
}

}  // namespace

std::string instruction_at(const Case& subject, uint32_t func, wasm::WasmOffset offset) {
  for (const auto& bytes : subject.modules) {
    const auto lifted = edit::lift(bytes);
    if (!lifted || func >= lifted->funcs.size() || lifted->funcs[func].import) continue;
    for (const edit::Node& node : lifted->funcs[func].code->nodes) {
      if (node.instr.offset == offset) return operation_of(node.instr);
    }
  }
  return "?";
}

Result<TracedModule> trace_module(std::span<const uint8_t> bytes, TraceDetail detail) {
  edit::Module m = TRY(edit::lift(bytes));
  const auto memory = static_cast<uint32_t>(m.memories.size());
  m.memories.emplace_back().type.limits = {.min = kPages, .max = kPages};
  const auto cursor = static_cast<uint32_t>(m.globals.size());
  m.globals.push_back({.type = {.value = wasm::kI32, .is_mutable = true}, .init = zero_init()});
  m.exports.push_back({kTraceMemory, wasm::ExternKind::kMemory, memory});
  m.exports.push_back({kTraceCursor, wasm::ExternKind::kGlobal, cursor});
  TracedModule traced;
  for (uint32_t f = 0; f < m.funcs.size(); ++f) {
    if (m.funcs[f].alive && !m.funcs[f].import) Tracer(m, f, memory, cursor, detail, traced.points).run();
  }
  traced.bytes = TRY(edit::encode(m));
  return traced;
}

Result<std::optional<Localized>> localize(const Case& subject, const ExecutorSpec& reference,
                                          const ExecutorSpec& other) {
  const LoadedCase loaded = TRY(load_case(subject));
  const Side left = TRY(run(loaded, reference));
  const Side right = TRY(run(loaded, other));
  for (const TraceDetail detail : {TraceDetail::kValues, TraceDetail::kCalls}) {
    auto found = traced_difference(subject, detail, reference, other);
    // What cannot be rewritten can still have a place of its outcome.
    if (!found || !*found) continue;
    if (!(*found)->parted) return found;
    // If one side ended there while the other went on, where it ended says more than what it did next.
    auto ended = outcome_difference(subject, left, right);
    if (!ended) return found;
    ended->of_null = (*found)->of_null;
    return ended;
  }
  return outcome_difference(subject, left, right);
}

}  // namespace parallax::fuzz
