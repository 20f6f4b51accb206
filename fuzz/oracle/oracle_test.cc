// The oracle judged: for every component that is compared, an executor that lies about it must be reported, by the name
// of that component; and an honest one must not.
#include <gtest/gtest.h>

#include <ostream>

#include "engine/wasm/builder.h"
#include "fuzz/generators/generators.h"
#include "fuzz/oracle/judge.h"

namespace parallax::fuzz {
namespace {

using wasm::CodeWriter;
using wasm::Embedding;
using wasm::Extern;
using wasm::ExternKind;
using wasm::HeapKind;
using wasm::HeapType;
using wasm::Opcode;
using wasm::Outcome;
using wasm::OutcomeKind;
using wasm::RefKind;
using wasm::ValType;
using wasm::Value;

enum class Lie {
  kNone,
  kResult,
  kOutcome,
  kTrap,
  kPayload,
  kGlobal,
  kTableSize,
  kTableElement,
  kMemory,
  kField,
  kPackedField,
  kLength,
  kType,
  kIdentity,
  kI31,
  kHostValue,
  kInspect,
  kVerify,
  kMisuse,
  kInvariant,
  kUnsupported,
  kStaleRoot,
  kFuel,
  kCharged,
};

// Passes everything on, and changes one answer.
class Liar : public Embedding {
 public:
  Liar(std::unique_ptr<Embedding> inner, Lie lie) : inner_(std::move(inner)), lie_(lie) {}

  const char* name() const override { return inner_->name(); }
  void set_budget(const wasm::Budget& budget) override { inner_->set_budget(budget); }
  Outcome instantiate(std::shared_ptr<const wasm::Module> module, std::span<const Extern> imports,
                      wasm::InstanceId& instance) override {
    return inner_->instantiate(std::move(module), imports, instance);
  }
  Result<Extern> find_export(wasm::InstanceId instance, std::string_view name) override {
    return inner_->find_export(instance, name);
  }
  Result<> drop_instance(wasm::InstanceId instance) override { return inner_->drop_instance(instance); }
  Outcome call(Extern func, std::span<const Value> args) override {
    Outcome outcome = inner_->call(func, args);
    if (lie_ == Lie::kResult && outcome.returned() && !outcome.values.empty()) outcome.values[0].low ^= 1;
    if (lie_ == Lie::kOutcome && outcome.returned()) return Outcome::trapped(wasm::TrapKind::kUnreachable);
    if (lie_ == Lie::kTrap && outcome.kind == OutcomeKind::kTrapped) outcome.trap = wasm::TrapKind::kHostTrap;
    if (lie_ == Lie::kPayload && outcome.kind == OutcomeKind::kThrew) outcome.values[0].low ^= 1;
    if (lie_ == Lie::kMisuse) return Outcome::ended(OutcomeKind::kMisuse, {ErrorCode::kInvariant, 0, "I1: planted"});
    if (lie_ == Lie::kInvariant)
      return Outcome::ended(OutcomeKind::kInvariant, {ErrorCode::kInvariant, 0, "I3: planted"});
    if (lie_ == Lie::kUnsupported)
      return Outcome::ended(OutcomeKind::kUnsupported, {ErrorCode::kUnsupported, 0, "planted"});
    return outcome;
  }
  Extern make_func(wasm::TypeId type, wasm::HostFunc func) override { return inner_->make_func(type, std::move(func)); }
  Extern make_table(const wasm::TableType& type, const Value& init) override { return inner_->make_table(type, init); }
  Extern make_memory(const wasm::MemoryType& type) override { return inner_->make_memory(type); }
  Extern make_global(const wasm::GlobalType& type, const Value& init) override {
    return inner_->make_global(type, init);
  }
  Extern make_tag(wasm::TypeId type) override { return inner_->make_tag(type); }
  Value make_host_ref(uint64_t host_value) override {
    return inner_->make_host_ref(host_value + (lie_ == Lie::kHostValue));
  }
  Value func_ref(Extern func) override { return inner_->func_ref(func); }
  Result<Extern> func_of(const Value& ref) override { return inner_->func_of(ref); }
  Result<ValType> global_type(Extern global) override { return inner_->global_type(global); }
  Result<wasm::TypeId> func_type(Extern func) override { return inner_->func_type(func); }
  Result<wasm::TypeId> tag_type(Extern tag) override { return inner_->tag_type(tag); }
  Result<Value> global_get(Extern global) override {
    auto value = inner_->global_get(global);
    if (lie_ == Lie::kGlobal && value && !is_ref(*value)) value->low += 1;
    if (lie_ == Lie::kI31 && value && value->ref.kind == RefKind::kI31) value->ref.name ^= 1u << 30;
    return value;
  }
  Result<> global_set(Extern global, const Value& value) override { return inner_->global_set(global, value); }
  Result<uint64_t> table_size(Extern table) override {
    auto size = inner_->table_size(table);
    if (lie_ == Lie::kTableSize && size) *size -= 1;
    return size;
  }
  Outcome table_get(Extern table, uint64_t index) override {
    Outcome outcome = inner_->table_get(table, index);
    if (lie_ == Lie::kTableElement && outcome.returned()) outcome.values[0] = Value::null();
    return outcome;
  }
  Outcome table_set(Extern table, uint64_t index, const Value& value) override {
    return inner_->table_set(table, index, value);
  }
  Result<std::span<uint8_t>> memory(Extern memory) override {
    auto bytes = inner_->memory(memory);
    if (lie_ == Lie::kMemory && bytes) (*bytes)[5000] ^= 1;
    return bytes;
  }
  wasm::RootId root(const Value& value) override { return inner_->root(value); }
  Result<Value> rooted(wasm::RootId root) override {
    auto value = inner_->rooted(root);
    if (lie_ == Lie::kStaleRoot && !value) return Value::null();
    return value;
  }
  Result<> unroot(wasm::RootId root) override { return inner_->unroot(root); }
  bool same(const Value& a, const Value& b) override { return inner_->same(a, b); }
  Result<wasm::ObjectView> inspect(const Value& ref) override {
    auto view = inner_->inspect(ref);
    if (lie_ == Lie::kType && view && view->kind == RefKind::kStruct)
      view->type = wasm::TypeId(view->type.raw == 0 ? 1u : 0u);
    if (lie_ == Lie::kLength && view && view->kind == RefKind::kArray) view->length -= 1;
    if (lie_ == Lie::kInspect && view) return parallax::fail(ErrorCode::kInvariant, 0, "I1: planted");
    return view;
  }
  Result<Value> field(const Value& ref, uint64_t index) override {
    auto value = inner_->field(ref, index);
    if (lie_ == Lie::kField && value && value->kind == wasm::ValKind::kI64) value->low ^= 1;
    if (lie_ == Lie::kPackedField && value && value->kind == wasm::ValKind::kI32)
      value->low = static_cast<uint32_t>(static_cast<int8_t>(value->low));
    // Two fields with one object: the second claims to be null, or the other way around an alias goes missing.
    if (lie_ == Lie::kIdentity && value && is_ref(*value) && value->ref.kind == RefKind::kStruct && index == 3)
      return ref;
    return value;
  }
  bool matches(const Value& ref, ValType type) override { return inner_->matches(ref, type); }
  void collect() override { inner_->collect(); }
  wasm::StoreStats stats() const override {
    wasm::StoreStats stats = inner_->stats();
    if (lie_ == Lie::kFuel) stats.fuel_used += 1;
    if (lie_ == Lie::kCharged) stats.allocated_bytes += 8;
    return stats;
  }
  Result<> verify() override {
    if (lie_ == Lie::kVerify) return parallax::fail(ErrorCode::kInvariant, 0, "I2: planted");
    return inner_->verify();
  }

 private:
  static bool is_ref(const Value& value) { return value.kind == wasm::ValKind::kRef; }
  std::unique_ptr<Embedding> inner_;
  Lie lie_;
};

// A module that shows every component: results, a trap, an exception, globals, a table, memory, a shared object graph.
Case showcase() {
  wasm::ModuleBuilder m;
  const uint32_t pair = 0, bytes = 1;
  m.add_rec_group({{.kind = wasm::CompositeKind::kStruct,
                    .fields = {{{wasm::kI64, wasm::Packed::kNone}, true},
                               {{wasm::kI32, wasm::Packed::kI8}, true},
                               {{ValType::ref(HeapType::concrete(pair), true), wasm::Packed::kNone}, true},
                               {{ValType::ref(HeapType::concrete(pair), true), wasm::Packed::kNone}, true}}}});
  m.add_rec_group({{.kind = wasm::CompositeKind::kArray, .fields = {{{wasm::kI32, wasm::Packed::kI8}, true}}}});
  const auto nothing = m.add_func_type({}, {});
  const auto number = m.add_func_type({}, {wasm::kI64});
  const auto host = m.add_func_type({wasm::kExternRef}, {wasm::kExternRef});
  const auto object = m.add_func_type({}, {ValType::ref(HeapType::concrete(pair), true)});
  const auto payload = m.add_func_type({wasm::kI32}, {});
  const auto ref_pair = ValType::ref(HeapType::concrete(pair), true);
  m.add_global({wasm::kI32, true}, CodeWriter().i32_const(5).end().take());
  m.add_global({wasm::kAnyRef, true}, CodeWriter().i32_const(7).op(Opcode::RefI31).end().take());
  m.add_global({wasm::kAnyRef, true}, CodeWriter().i32_const(4).op(Opcode::ArrayNewDefault, bytes).end().take());
  m.add_table({wasm::kAnyRef, {.min = 3, .max = 3}});
  m.add_memory({{.min = 1, .max = 1}});
  m.add_tag(payload);
  // Both references of the object name the same second object, whose byte has its top bit set.
  const auto make = m.add_func(object, {ref_pair},
                               CodeWriter()
                                   .i64_const(3)
                                   .i32_const(200)
                                   .ref_null(HeapType::concrete(pair))
                                   .ref_null(HeapType::concrete(pair))
                                   .op(Opcode::StructNew, pair)
                                   .local_set(0)
                                   .i64_const(9)
                                   .i32_const(100)
                                   .local_get(0)
                                   .local_get(0)
                                   .op(Opcode::StructNew, pair)
                                   .end());
  const auto seven = m.add_func(number, {}, CodeWriter().i64_const(7).end());
  const auto trap = m.add_func(nothing, {}, CodeWriter().op(Opcode::Unreachable).end());
  const auto raise = m.add_func(nothing, {}, CodeWriter().i32_const(11).op(Opcode::Throw, 0).end());
  const auto fill =
      m.add_func(nothing, {}, CodeWriter().i32_const(1).i32_const(8).op(Opcode::RefI31).op(Opcode::TableSet, 0).end());
  const auto echo = m.add_func(host, {}, CodeWriter().local_get(0).end());
  const char* names[] = {"make", "seven", "trap", "raise", "fill", "echo"};
  const wasm::FuncIndex funcs[] = {make, seven, trap, raise, fill, echo};
  for (size_t i = 0; i < std::size(names); ++i) m.add_export(names[i], ExternKind::kFunc, funcs[i].raw);
  m.add_export("number", ExternKind::kGlobal, 0);
  m.add_export("small", ExternKind::kGlobal, 1);
  m.add_export("array", ExternKind::kGlobal, 2);
  m.add_export("table", ExternKind::kTable, 0);
  m.add_export("memory", ExternKind::kMemory, 0);
  Case subject;
  subject.modules = {m.encode()};
  subject.claims_valid = true;
  subject.plan.push_back({.kind = StepKind::kInstantiate});
  for (const char* name : names) {
    subject.plan.push_back({.kind = StepKind::kCall, .keep = true, .name = name, .args = {{ArgKind::kHost, 42}}});
  }
  return subject;
}

Verdict judge_with(Lie lie, const Case& subject) {
  JudgeOptions options;
  options.executors = {{}, {.zeal = Zeal::kEvery}};
  options.decorate_last = [lie](std::unique_ptr<Embedding> inner) {
    return std::make_unique<Liar>(std::move(inner), lie);
  };
  return judge(subject, options);
}

TEST(Oracle, HonestExecutorsAgree) {
  const Verdict verdict = judge_with(Lie::kNone, showcase());
  EXPECT_EQ(verdict.kind, VerdictKind::kAgreed) << verdict.reason << verdict.finding.difference << verdict.finding.log;
  EXPECT_EQ(verdict.calls, 7u);
  EXPECT_GT(verdict.objects, 2u);
}

TEST(Oracle, WrongExpectationIsAFindingOnlyOfAGeneratorsOwnProgram) {
  wasm::ModuleBuilder m;
  const auto expect = m.import_func("parallax", "expect", m.add_func_type({wasm::kI32, wasm::kI32}, {}));
  const auto run = m.add_func(m.add_func_type({}, {}), {},
                              CodeWriter().i32_const(1).i32_const(2).op(Opcode::Call, expect.raw).end());
  m.add_export("run", ExternKind::kFunc, run.raw);
  Case subject;
  subject.modules = {m.encode()};
  subject.claims_valid = true;
  const Verdict own = judge_with(Lie::kNone, subject);
  EXPECT_EQ(own.kind, VerdictKind::kFinding);
  EXPECT_EQ(own.finding.kind, FindingClass::kExpectation);
  subject.claims_valid = false;
  EXPECT_EQ(judge_with(Lie::kNone, subject).kind, VerdictKind::kAgreed);
}

struct Expected {
  Lie lie;
  const char* signature;  // what it must start with
  const char* words;      // what the difference must say
};

void PrintTo(const Expected& expected, std::ostream* out) { *out << expected.signature; }

class EveryLie : public testing::TestWithParam<Expected> {};

TEST_P(EveryLie, IsReportedByItsComponent) {
  const Verdict verdict = judge_with(GetParam().lie, showcase());
  ASSERT_EQ(verdict.kind, VerdictKind::kFinding) << verdict.reason;
  EXPECT_TRUE(verdict.finding.signature.starts_with(GetParam().signature)) << verdict.finding.signature;
  EXPECT_NE(verdict.finding.difference.find(GetParam().words), std::string::npos) << verdict.finding.difference;
}

INSTANTIATE_TEST_SUITE_P(Oracle, EveryLie,
                         testing::Values(Expected{Lie::kResult, "divergence|number: I64", "i64 7"},
                                         Expected{Lie::kOutcome, "divergence|outcome: returned / trap", "unreachable"},
                                         Expected{Lie::kTrap, "divergence|trap: ", "trap raised by the host"},
                                         Expected{Lie::kPayload, "divergence|number: I32", "i32 11"},
                                         Expected{Lie::kGlobal, "divergence|number: I32", "global \"number\""},
                                         Expected{Lie::kI31, "divergence|reference: I31", "global \"small\""},
                                         Expected{Lie::kFuel, "divergence|fuel: Fuel", "fuel used"},
                                         Expected{Lie::kCharged, "divergence|allocation: Charged", "bytes of objects"},
                                         Expected{Lie::kTableSize, "divergence|table: TableSize", "3 elements"},
                                         Expected{Lie::kTableElement, "divergence|table", "element 1"},
                                         Expected{Lie::kMemory, "divergence|memory: MemoryChunk", "bytes 4096 to 8191"},
                                         Expected{Lie::kField, "divergence|number: I64", "kept result 0"},
                                         Expected{Lie::kPackedField, "divergence|number: I32", "-> 1"},
                                         Expected{Lie::kLength, "divergence|graph: Length", "length 4"},
                                         Expected{Lie::kType, "divergence|", "type"},
                                         Expected{Lie::kIdentity, "divergence|identity: Seen", "-> 3"},
                                         Expected{Lie::kHostValue, "divergence|reference: Host", "host reference 42"},
                                         Expected{Lie::kInspect, "invariant|I1: planted", "I1: planted"},
                                         Expected{Lie::kInvariant, "invariant|I3: planted", "I3: planted"},
                                         Expected{Lie::kMisuse, "misuse|I1: planted", "I1: planted"},
                                         Expected{Lie::kVerify, "verify|I2: planted", "I2: planted"}));

TEST(Oracle, AnUnsupportedExecutorJudgesNothing) {
  const Verdict verdict = judge_with(Lie::kUnsupported, showcase());
  EXPECT_EQ(verdict.kind, VerdictKind::kInconclusive);
  EXPECT_NE(verdict.reason.find("planted"), std::string::npos);
}

TEST(Oracle, AnAcceptedStaleRootIsMisuse) {
  Case subject = showcase();
  subject.plan.push_back({.kind = StepKind::kRelease, .kept = 0});
  subject.plan.push_back({.kind = StepKind::kProbeRoot, .kept = 0});
  EXPECT_EQ(judge_with(Lie::kNone, subject).kind, VerdictKind::kAgreed);
  const Verdict verdict = judge_with(Lie::kStaleRoot, subject);
  ASSERT_EQ(verdict.kind, VerdictKind::kFinding);
  EXPECT_EQ(verdict.finding.kind, FindingClass::kMisuse) << verdict.finding.difference;
}

TEST(Oracle, AModuleThatClaimsToBeValidMustBeAccepted) {
  Case subject;
  subject.modules = {{0, 'a', 's', 'm', 1, 0, 0, 0, 3, 2, 1, 0}};  // a function of a type that is not there
  EXPECT_EQ(judge_with(Lie::kNone, subject).kind, VerdictKind::kRejected);
  subject.claims_valid = true;
  EXPECT_EQ(judge_with(Lie::kNone, subject).kind, VerdictKind::kFinding);
}

TEST(Specs, PrintAndParseAreInverse) {
  for (const char* text : {"interp", "interp:zeal=every", "jit:O2:moving", "jit:O0:nonmoving:zeal=every:armed",
                           "jit:O1:never:chaos=7", "jit:O2:moving:zeal=only5",
                           "jit:O2:moving:zeal=alloc:poison:protect:pages:zap:verify-after:armed:unverified"}) {
    const auto spec = parse_spec(text);
    ASSERT_TRUE(spec.has_value()) << text;
    EXPECT_EQ(to_string(*spec), text);
  }
  for (const char* text : {"", "nobody", "jit:O3", "interp:pages", "interp:zeal=alloc", "interp:O2",
                           "jit:zeal=", "jit:zeal=0", "jit:", "jit::", "interp:"}) {
    EXPECT_FALSE(parse_spec(text).has_value()) << text;
  }
  for (uint64_t seed = 0; seed < 200; ++seed) {
    for (const ExecutorSpec& spec : draw_executors(seed)) EXPECT_EQ(*parse_spec(to_string(spec)), spec);
  }
}

TEST(Signatures, ForgetNumbersAndKeepNames) {
  EXPECT_EQ(normalise("its type is i31ref at call_ref 7"), "its type is T at call_ref #");
  EXPECT_EQ(normalise("I2: slot 12 unmapped at 0x1f"), "I2: slot # unmapped at #");
  EXPECT_EQ(normalise("i32 and i64"), "i32 and i64");
  EXPECT_EQ(normalise("I3: after dce: v12 is no (ref null 3) in function 7: rest\n more"), "I3: after dce: v# is no T");
  EXPECT_EQ(normalise("operand has type anyref, not a subtype of (ref 3)"), "operand has type T, not a subtype of T");
}

}  // namespace
}  // namespace parallax::fuzz
