// The hooks for comparing two executors: safepoints and event traces.
#include "interp/testing.h"

namespace parallax::interp::testing {
namespace {

TEST(SafepointHook, CountsTheReferencesOfTheFrame) {
  std::vector<SafepointEvent> events;
  InterpOptions options;
  options.on_safepoint = [&](const SafepointEvent& event) { events.push_back(event); };
  Fixture f(options);
  const auto m = f.instantiate(R"((module (type $s (struct (field (ref null $s))))
      (func $callee (param anyref))
      (func (export "f") (param $p anyref) (local $unset (ref null $s)) (local $n i64)
        (struct.new $s (ref.null $s))
        (struct.new $s)
        drop
        (call $callee (local.get $p)))))");
  EXPECT_TRUE(f.call(m, "f", {Value::reference({wasm::RefKind::kI31, 5})}).returned());
  ASSERT_EQ(events.size(), 3u);
  // Two locals each time; then the operand of the allocation; then nothing, as the argument is the callee's.
  EXPECT_EQ(events[0].reference_slots, 3u);
  EXPECT_EQ(events[1].reference_slots, 3u);
  EXPECT_EQ(events[1].non_null, 2u);
  EXPECT_EQ(events[2].reference_slots, 2u);
  EXPECT_EQ(events[2].non_null, 1u);
  EXPECT_LT(events[0].offset, events[1].offset);
  EXPECT_EQ(events[0].func.raw, 1u);
}

std::vector<TraceEvent> trace_of(const char* text, std::vector<Value> args) {
  std::vector<TraceEvent> events;
  InterpOptions options;
  options.trace = TraceLevel::kValues;
  options.on_trace = [&](const TraceEvent& event) { events.push_back(event); };
  Fixture f(options);
  const auto m = f.instantiate(text);
  EXPECT_TRUE(f.call(m, "f", std::move(args)).returned());
  return events;
}

TEST(Trace, SameRunsGiveSameEventsAndTheFirstDifferenceIsFound) {
  constexpr const char* kText = R"((module (type $s (struct (field i32)))
      (func $double (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
      (func (export "f") (param i32 i32) (result i32)
        (i32.add (call $double (local.get 0)) (struct.get $s 0 (struct.new $s (local.get 1)))))))";
  const auto a = trace_of(kText, {Value::i32(1), Value::i32(2)});
  const auto b = trace_of(kText, {Value::i32(1), Value::i32(2)});
  const auto c = trace_of(kText, {Value::i32(1), Value::i32(3)});
  ASSERT_EQ(a.size(), b.size());
  ASSERT_EQ(a.size(), c.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].digest, b[i].digest) << i;
  EXPECT_EQ(a[0].kind, TraceKind::kEnter);
  EXPECT_NE(a[0].digest, c[0].digest);
  EXPECT_EQ(a[1].digest, c[1].digest);  // the callee's argument
  EXPECT_EQ(a.back().kind, TraceKind::kLeave);
  EXPECT_NE(a.back().digest, c.back().digest);
}

}  // namespace
}  // namespace parallax::interp::testing
