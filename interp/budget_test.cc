// Resources are counted by the rules of engine/wasm/limits.h.
#include "interp/testing.h"

namespace parallax::interp::testing {
namespace {

wasm::Budget with(auto member, auto value) {
  wasm::Budget budget;
  budget.*member = value;
  return budget;
}

TEST(Fuel, CostsOnePerEntryAndPerArrivalAtALoopHead) {
  Fixture f;
  const auto m = f.instantiate(R"((module (func $leaf)
      (func (export "f") (param i32)
        (loop (call $leaf) (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))))");
  // One entry, three arrivals, three calls.
  f.store->set_budget(with(&wasm::Budget::fuel, 7u));
  EXPECT_TRUE(f.call(m, "f", {Value::i32(3)}).returned());
  EXPECT_EQ(f.store->stats().fuel_used, 7u);
  f.store->set_budget(with(&wasm::Budget::fuel, 6u));
  EXPECT_THAT(f.call(m, "f", {Value::i32(3)}), EndedWith(OutcomeKind::kFuelExhausted));
  f.store->set_budget(with(&wasm::Budget::fuel, 0u));
  EXPECT_THAT(f.call(m, "f", {Value::i32(3)}), EndedWith(OutcomeKind::kFuelExhausted));
}

TEST(CallDepth, CountsNestedCallsButNotTailCalls) {
  Fixture f;
  const auto m = f.instantiate(R"((module
      (func $nest (export "nest") (param i32) (if (local.get 0) (then (call $nest (i32.sub (local.get 0) (i32.const 1))))))
      (func $tail (export "tail") (param i32) (if (local.get 0) (then (return_call $tail (i32.sub (local.get 0) (i32.const 1))))))))");
  f.store->set_budget(with(&wasm::Budget::call_depth, 10u));
  EXPECT_TRUE(f.call(m, "nest", {Value::i32(9)}).returned());
  EXPECT_THAT(f.call(m, "nest", {Value::i32(10)}), EndedWith(OutcomeKind::kStackExhausted));
  EXPECT_TRUE(f.call(m, "tail", {Value::i32(1000)}).returned());
}

TEST(CallDepth, IsCheckedBeforeFuelAndCostsNothing) {
  Fixture f;
  const auto m = f.instantiate(R"((module (func $f (export "f") (call $f))))");
  wasm::Budget budget;
  budget.call_depth = 5;
  budget.fuel = 5;
  f.store->set_budget(budget);
  EXPECT_THAT(f.call(m, "f"), EndedWith(OutcomeKind::kStackExhausted));
  EXPECT_EQ(f.store->stats().fuel_used, 5u);
}

TEST(CallDepth, HostReentryNests) {
  Fixture f;
  Extern again;
  const Extern host =
      f.store->make_func(f.func_type({wasm::kI32}, {}),
                         [&](wasm::Embedding& store, std::span<const Value> args) { return store.call(again, args); });
  const auto m = f.instantiate(R"((module (import "h" "f" (func $h (param i32)))
      (func (export "f") (param i32) (if (local.get 0) (then (call $h (i32.sub (local.get 0) (i32.const 1))))))))",
                               {host});
  again = f.find(m, "f");
  f.store->set_budget(with(&wasm::Budget::call_depth, 10u));
  EXPECT_TRUE(f.call(m, "f", {Value::i32(9)}).returned());
  EXPECT_THAT(f.call(m, "f", {Value::i32(10)}), EndedWith(OutcomeKind::kStackExhausted));
  f.store->set_budget(with(&wasm::Budget::call_depth, 100'000'000u));
  EXPECT_THAT(f.call(m, "f", {Value::i32(10'000'000)}), EndedWith(OutcomeKind::kNativeStack));
  EXPECT_TRUE(f.call(m, "f", {Value::i32(9)}).returned());
}

TEST(AllocatedBytes, AreChargedByDeclaredSize) {
  Fixture f;
  const auto m = f.instantiate(R"((module
      (type $s (struct (field i8) (field i16) (field i64) (field anyref) (field v128)))
      (type $a (array i16))
      (tag $t (param i64))
      (func (export "struct") (drop (struct.new_default $s)))
      (func (export "array") (drop (array.new_default $a (i32.const 10))))
      (func (export "throw") (block (try_table (catch_all 0) (throw $t (i64.const 1)))))
      (func (export "i31") (drop (ref.i31 (i32.const 1))))))");
  const auto charge = [&](const char* name) {
    f.store->set_budget({});
    EXPECT_TRUE(f.call(m, name).returned());
    return f.store->stats().allocated_bytes;
  };
  EXPECT_EQ(charge("struct"), 16u + 1 + 2 + 8 + 8 + 16);
  EXPECT_EQ(charge("array"), 16u + 20);
  EXPECT_EQ(charge("throw"), 16u + 8);
  EXPECT_EQ(charge("i31"), 0u);
  f.store->set_budget(with(&wasm::Budget::allocated_bytes, 35u));
  EXPECT_THAT(f.call(m, "array"), EndedWith(OutcomeKind::kHeapExhausted));
  f.store->set_budget(with(&wasm::Budget::allocated_bytes, 36u));
  EXPECT_TRUE(f.call(m, "array").returned());
}

TEST(AllocatedBytes, HugeArraysTrapBeforeTheBudgetIsAsked) {
  InterpOptions options;
  options.budget.allocated_bytes = 1000;
  Fixture f(options);
  const auto m = f.instantiate(R"((module (type $a (array i64)) (type $v (array v128))
      (func (export "f") (param i32) (drop (array.new_default $a (local.get 0))))
      (func (export "v") (param i32) (drop (array.new_default $v (local.get 0))))))");
  EXPECT_THAT(f.call(m, "f", {Value::i32((1u << 24) + 1)}), TrappedWith(TrapKind::kAllocationSizeTooLarge));
  EXPECT_THAT(f.call(m, "f", {Value::i32(1u << 24)}), EndedWith(OutcomeKind::kHeapExhausted));
  EXPECT_THAT(f.call(m, "v", {Value::i32(~0u)}), TrappedWith(TrapKind::kAllocationSizeTooLarge));
}

TEST(RealMemory, EndsTheRunNotTheProcess) {
  InterpOptions options;
  options.max_heap_bytes = 64 << 20;
  Fixture f(options);
  const auto m = f.instantiate(R"((module (type $a (array (mut anyref))) (global $g (mut (ref null $a)) (ref.null $a))
      (func (export "leak") (local $n (ref null $a))
        (loop
          (local.set $n (array.new_default $a (i32.const 1000)))
          (array.set $a (local.get $n) (i32.const 0) (global.get $g))
          (global.set $g (local.get $n))
          (br 0)))
      (func (export "churn") (param i32)
        (loop
          (drop (array.new_default $a (i32.const 1000)))
          (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
      (func (export "clear") (global.set $g (ref.null $a)))))");
  EXPECT_TRUE(f.call(m, "churn", {Value::i32(50'000)}).returned());
  EXPECT_THAT(f.call(m, "leak"), EndedWith(OutcomeKind::kOutOfMemory));
  EXPECT_TRUE(f.call(m, "clear").returned());
  EXPECT_TRUE(f.call(m, "churn", {Value::i32(50'000)}).returned());
  EXPECT_TRUE(f.store->verify().has_value());
}

TEST(HostileBodies, AreRefusedBeforeTheyCostMuch) {
  Fixture f;
  std::string results, values, branches, drops;
  for (int i = 0; i < 1000; ++i) results += " i32", values += " i32.const 0", drops += " drop";
  // Every branch moves a thousand values by one place.
  for (int i = 0; i < 9000; ++i) branches += " local.get 0 br_if 0";
  const auto m = f.instantiate("(module (func (export \"f\") (param i32) (block (result" + results + ") i32.const 0" +
                               values + branches + " br 0)" + drops + ") (func (export \"g\")))");
  const Outcome outcome = f.call(m, "f", {Value::i32(0)});
  EXPECT_THAT(outcome, EndedWith(OutcomeKind::kUnsupported));
  EXPECT_THAT(outcome.error.message, ::testing::HasSubstr("2^22 translated instructions"));
  EXPECT_TRUE(f.call(m, "g").returned());
}

TEST(Growth, BeyondTheBudgetAnswersMinusOne) {
  InterpOptions options;
  options.budget.memory_pages = 3;
  options.budget.table_elements = 5;
  Fixture f(options);
  const auto m = f.instantiate(R"((module (memory 1) (table 1 funcref)
      (func (export "memory") (param i32) (result i32) (memory.grow (local.get 0)))
      (func (export "table") (param i32) (result i32) (table.grow (ref.null func) (local.get 0)))))");
  EXPECT_EQ(f.i32(m, "memory", {Value::i32(3)}), ~0u);
  EXPECT_EQ(f.i32(m, "memory", {Value::i32(2)}), 1u);
  EXPECT_EQ(f.i32(m, "table", {Value::i32(~0u)}), ~0u);
  EXPECT_EQ(f.i32(m, "table", {Value::i32(4)}), 1u);
}

}  // namespace
}  // namespace parallax::interp::testing
