// Running code: translation corner cases, calls across instances, host functions, exceptions.
#include "interp/testing.h"

namespace parallax::interp::testing {
namespace {

TEST(Translation, OldValueOfALocalSurvivesOnTheStackWhenTheLocalIsSet) {
  Fixture f;
  const auto m = f.instantiate(R"((module (func (export "f") (param i32) (result i32)
      local.get 0
      (local.set 0 (i32.const 100))
      local.get 0
      (local.set 0 (i32.add (local.get 0) (i32.const 1)))
      local.get 0
      i32.sub
      i32.add)))");
  EXPECT_EQ(f.i32(m, "f", {Value::i32(7)}), 7u - 1u);
}

// Translations hand their buffers on. One that is given up in the middle, with operands, labels and branches open, leaves
// nothing to the next: here a store without vectors meets one behind a try_table.
TEST(Translation, OneThatIsGivenUpLeavesNothingToTheNext) {
  const std::string text = R"((module
      (func (export "given up") (param i32) (result i32)
        i32.const 3
        (block $out (result i32)
          (loop $again (param) (br_if $again (local.get 0)))
          (block $caught (try_table (catch_all $caught) (br_if $out (i32.const 1) (local.get 0)) (drop))
            (drop (i32x4.splat (local.get 0))))
          i32.const 4)
        i32.add)
      (func (export "f") (param i32) (result i32)
        (block $out (result i32)
          (br_if $out (i32.const 10) (local.get 0))
          drop
          (i32.const 20))
        (if (result i32) (local.get 0) (then (i32.const 1)) (else (i32.const 2)))
        i32.add)))";
  Fixture all;
  const auto module = all.load(text);
  ASSERT_NE(module, nullptr);
  InterpOptions without;
  without.features.set(wasm::Feature::kSimd, false);
  without.features.set(wasm::Feature::kRelaxedSimd, false);
  all.options = without;
  all.store = make_interpreter(all.types, without);
  wasm::InstanceId m = 0;
  ASSERT_TRUE(all.store->instantiate(module, {}, m).returned());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(all.call(m, "given up", {Value::i32(0)}).kind, OutcomeKind::kUnsupported);
    EXPECT_EQ(all.i32(m, "f", {Value::i32(1)}), 11u);
    EXPECT_EQ(all.i32(m, "f", {Value::i32(0)}), 22u);
    all.store = make_interpreter(all.types, without);
    ASSERT_TRUE(all.store->instantiate(module, {}, m).returned());
  }
}

TEST(Translation, TeeOfAComparisonStillBranches) {
  Fixture f;
  const auto m = f.instantiate(R"((module (func (export "f") (param i32) (result i32) (local i32)
      (if (local.tee 1 (i32.lt_s (local.get 0) (i32.const 5))) (then (return (i32.add (local.get 1) (i32.const 10)))))
      (local.get 1))))");
  EXPECT_EQ(f.i32(m, "f", {Value::i32(3)}), 11u);
  EXPECT_EQ(f.i32(m, "f", {Value::i32(8)}), 0u);
}

TEST(Translation, ValuesBelowABlockAreKeptWhileItsLocalChanges) {
  Fixture f;
  const auto m = f.instantiate(R"((module (func (export "f") (param i32) (result i32)
      local.get 0
      (block (local.set 0 (i32.const 50)) (br_if 0 (local.get 0)) (local.set 0 (i32.const 51)))
      local.get 0
      i32.sub)))");
  EXPECT_EQ(f.i32(m, "f", {Value::i32(52)}), 2u);
}

TEST(Translation, BranchTablesMoveValuesPerTarget) {
  Fixture f;
  const auto m = f.instantiate(R"((module (func (export "f") (param i32) (result i32)
      (block $a (result i32)
        i32.const 1000
        (block $b (result i32)
          i32.const 2000
          (br_table $a $b $a (i32.const 5) (local.get 0)))
        i32.add))))");
  EXPECT_EQ(f.i32(m, "f", {Value::i32(0)}), 5u);
  EXPECT_EQ(f.i32(m, "f", {Value::i32(1)}), 1005u);
  EXPECT_EQ(f.i32(m, "f", {Value::i32(9)}), 5u);
}

TEST(Translation, SwappedResultsAreReturnedInOrder) {
  Fixture f;
  const auto m = f.instantiate(R"((module (func (export "f") (param i32 i64 v128) (result v128 i64 i32)
      (local.get 2) (local.get 1) (local.get 0))))");
  const Outcome outcome = f.call(m, "f", {Value::i32(1), Value::i64(2), Value::v128(3, 4)});
  ASSERT_TRUE(outcome.returned());
  EXPECT_EQ(outcome.values[0].low, 3u);
  EXPECT_EQ(outcome.values[0].high, 4u);
  EXPECT_EQ(outcome.values[1].low, 2u);
  EXPECT_EQ(outcome.values[2].low, 1u);
}

TEST(Translation, TheFirstInstructionOfAFunctionMayBeAnyOne) {
  Fixture f;
  const auto m = f.instantiate(R"((module (func (export "i31") (param i31ref) (result i32) (i31.get_s (local.get 0)))
      (func (export "eqz") (param i32) (result i32) (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 1)) (else (i32.const 2))))
      (func (export "set") (param i32 i32) (result i32) (local.set 0 (local.get 1)) (local.get 0))))");
  EXPECT_EQ(f.i32(m, "i31", {Value::reference({wasm::RefKind::kI31, 5})}), 5u);
  EXPECT_EQ(f.i32(m, "eqz", {Value::i32(0)}), 1u);
  EXPECT_EQ(f.i32(m, "set", {Value::i32(0), Value::i32(3)}), 3u);
}

TEST(Translation, ManyValuesAwayFromHomeAreKept) {
  Fixture f;
  std::string text = "(module (func (export \"f\") (param i32) (result i32)\n";
  for (int i = 0; i < 1000; ++i) text += "local.get 0 i32.const 1 local.get 0 i32.add local.set 0\n";
  for (int i = 0; i < 999; ++i) text += "i32.add\n";
  const auto m = f.instantiate(text + "))");
  EXPECT_EQ(f.i32(m, "f", {Value::i32(5)}), 1000u * 5 + 999u * 1000 / 2);
}

TEST(Traps, NameFunctionAndOffset) {
  Fixture f;
  const auto m = f.instantiate(R"((module (func) (func (export "f") (drop (i32.div_u (i32.const 1) (i32.const 0))))))");
  const Outcome outcome = f.call(m, "f");
  EXPECT_THAT(outcome, TrappedWith(TrapKind::kIntegerDivideByZero));
  EXPECT_EQ(outcome.func.raw, 1u);
  EXPECT_GT(outcome.offset, 8u);
}

TEST(HostFunctions, MayCallBackTrapAndThrow) {
  Fixture f;
  const auto type = f.func_type({wasm::kI32}, {wasm::kI32});
  const Extern tag = f.store->make_tag(f.func_type({wasm::kI32}, {}));
  Extern callee;
  const Extern host = f.store->make_func(type, [&](wasm::Embedding& store, std::span<const Value> args) -> Outcome {
    if (args[0].low == 1) return Outcome::trapped(TrapKind::kHostTrap);
    if (args[0].low == 2) {
      Outcome thrown{.kind = OutcomeKind::kThrew, .tag = tag};
      thrown.values = {Value::i32(77)};
      return thrown;
    }
    if (args[0].low == 3) return store.call(callee, args);
    return Outcome::ok({Value::i32(static_cast<uint32_t>(args[0].low + 1))});
  });
  const auto m = f.instantiate(R"((module
      (import "h" "f" (func $h (param i32) (result i32)))
      (import "h" "t" (tag $t (param i32)))
      (func (export "call") (param i32) (result i32)
        (block $caught (result i32)
          (try_table (result i32) (catch $t $caught) (call $h (local.get 0)))
          (return))
        (i32.add (i32.const 1000)))
      (func (export "tail") (param i32) (result i32) (return_call $h (local.get 0)))
      (func (export "back") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 100)))))",
                               {host, tag});
  callee = f.find(m, "back");
  EXPECT_EQ(f.i32(m, "call", {Value::i32(0)}), 1u);
  EXPECT_THAT(f.call(m, "call", {Value::i32(1)}), TrappedWith(TrapKind::kHostTrap));
  EXPECT_EQ(f.i32(m, "call", {Value::i32(2)}), 1077u);
  EXPECT_EQ(f.i32(m, "call", {Value::i32(3)}), 300u);
  EXPECT_EQ(f.i32(m, "tail", {Value::i32(3)}), 300u);
  const Outcome thrown = f.call(m, "tail", {Value::i32(2)});
  EXPECT_THAT(thrown, EndedWith(OutcomeKind::kThrew));
  EXPECT_EQ(thrown.tag, tag);
  EXPECT_EQ(thrown.values[0].low, 77u);
}

TEST(HostFunctions, WithWrongResultsAreMisuse) {
  Fixture f;
  const Extern host = f.store->make_func(f.func_type({}, {wasm::kI32}), [](wasm::Embedding&, std::span<const Value>) {
    return Outcome::ok({Value::i64(1)});
  });
  const auto m = f.instantiate(R"((module (import "h" "f" (func (result i32))) (export "f" (func 0))))", {host});
  const Outcome outcome = f.call(m, "f");
  EXPECT_THAT(outcome, EndedWith(OutcomeKind::kMisuse));
  EXPECT_THAT(outcome.error.message, ::testing::HasSubstr("result of a host function"));
}

TEST(HostFunctions, MovingStackUnderARunningFrameIsHarmless) {
  Fixture f;
  Extern deep;
  const Extern host = f.store->make_func(f.func_type({}, {}), [&](wasm::Embedding& store, std::span<const Value>) {
    return store.call(deep, std::vector<Value>{Value::i32(5000)});
  });
  const auto m = f.instantiate(R"((module (import "h" "f" (func $h))
      (func $deep (export "deep") (param i32)
        (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
        (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1))))))
      (func (export "f") (param i32) (result i32) (call $h) (local.get 0))))",
                               {host});
  deep = f.find(m, "deep");
  EXPECT_EQ(f.i32(m, "f", {Value::i32(9)}), 9u);
}

TEST(Calls, TailCallsAcrossInstancesDoNotNest) {
  Fixture f;
  const auto a = f.instantiate(R"((module (table (export "t") 1 funcref)
      (type $f (func (param i32) (result i32)))
      (func (export "ping") (param i32) (result i32)
        (if (i32.eqz (local.get 0)) (then (return (i32.const 42))))
        (return_call_indirect (type $f) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))))");
  const auto b = f.instantiate(
      R"((module (import "a" "t" (table 1 funcref)) (import "a" "ping" (func $ping (param i32) (result i32)))
      (global $count (export "count") (mut i32) (i32.const 0))
      (func $pong (param i32) (result i32)
        (global.set $count (i32.add (global.get $count) (i32.const 1)))
        (return_call $ping (local.get 0)))
      (elem (i32.const 0) $pong)))",
      {f.find(a, "t"), f.find(a, "ping")});
  EXPECT_EQ(f.i32(a, "ping", {Value::i32(100000)}), 42u);
  EXPECT_EQ(f.store->global_get(f.find(b, "count"))->low, 100000u);
}

TEST(Exceptions, CrossFramesInstancesAndKeepTheirIdentity) {
  Fixture f(Fixture::zealous());
  const auto a = f.instantiate(R"((module (type $s (struct (field i32)))
      (tag $t (export "t") (param (ref $s) i64))
      (func (export "throw") (throw $t (struct.new $s (i32.const 5)) (i64.const 6)))))");
  const auto b = f.instantiate(R"((module (type $s (struct (field i32)))
      (import "a" "t" (tag $t (param (ref $s) i64))) (import "a" "throw" (func $throw))
      (func $middle (call $throw) unreachable)
      (func (export "f") (result i32) (local $e exnref)
        (block $all (result exnref)
          (try_table (catch_all_ref $all) (call $middle))
          (return (i32.const -1)))
        (local.set $e)
        (block $typed (result (ref $s) i64)
          (try_table (catch $t $typed) (throw_ref (local.get $e)))
          unreachable)
        drop
        (struct.get $s 0))))",
                               {f.find(a, "t"), f.find(a, "throw")});
  EXPECT_EQ(f.i32(b, "f"), 5u);
  const Outcome outcome = f.call(a, "throw");
  ASSERT_THAT(outcome, EndedWith(OutcomeKind::kThrew));
  EXPECT_EQ(outcome.values.size(), 2u);
  EXPECT_EQ(outcome.tag, f.find(a, "t"));
  EXPECT_EQ(f.store->field(outcome.values[0], 0)->low, 5u);
}

TEST(Exceptions, TrapsAndExhaustionAreNotCaught) {
  InterpOptions options;
  options.budget.fuel = 100;
  Fixture f(options);
  const auto m = f.instantiate(R"((module (func $loop (loop (br 0)))
      (func (export "trap") (block (try_table (catch_all 0) unreachable)))
      (func (export "fuel") (block (try_table (catch_all 0) (call $loop))))))");
  EXPECT_THAT(f.call(m, "trap"), TrappedWith(TrapKind::kUnreachable));
  EXPECT_THAT(f.call(m, "fuel"), EndedWith(OutcomeKind::kFuelExhausted));
}

TEST(Instantiation, SideEffectsBeforeATrapRemain) {
  Fixture f;
  const auto a = f.instantiate(R"((module (table (export "t") 10 funcref) (memory (export "m") 1)
      (func (export "call") (param i32) (result i32) (call_indirect (result i32) (local.get 0)))))");
  wasm::InstanceId id = 1;
  const Outcome outcome = f.store->instantiate(f.load(R"((module
      (import "a" "t" (table 10 funcref)) (import "a" "m" (memory 1))
      (func $seven (result i32) (i32.const 7))
      (elem (i32.const 3) $seven)
      (data (i32.const 0) "x")
      (data (i32.const 65536) "y")))"),
                                               std::vector<Extern>{f.find(a, "t"), f.find(a, "m")}, id);
  EXPECT_THAT(outcome, TrappedWith(TrapKind::kMemoryOutOfBounds));
  EXPECT_EQ(id, 0u);
  f.store->collect();
  EXPECT_EQ(f.i32(a, "call", {Value::i32(3)}), 7u);
  EXPECT_EQ((*f.store->memory(f.find(a, "m")))[0], 'x');
}

TEST(Instantiation, ModulesOfAnotherTypeStoreAreMisuse) {
  Fixture f, other;
  wasm::InstanceId id = 0;
  EXPECT_THAT(f.store->instantiate(other.load("(module)"), {}, id), EndedWith(OutcomeKind::kMisuse));
}

// Memories of one page are used again by later stores, and only what was written is cleared.
TEST(Memories, APageOfAnEarlierStoreComesBackAsNew) {
  const std::string text = R"((module (memory (export "m") 1)))";
  for (int round = 0; round < 3; ++round) {
    Fixture f;
    const auto m = f.instantiate(text);
    const auto bytes = f.store->memory(f.find(m, "m"));
    ASSERT_TRUE(bytes.has_value());
    ASSERT_EQ(bytes->size(), 65536u);
    for (const uint8_t byte : *bytes) ASSERT_EQ(byte, 0);
    for (const size_t at : {size_t{0}, size_t{1023}, size_t{1024}, size_t{40'000}, size_t{65'535}}) (*bytes)[at] = 1;
  }
}

// The code of the run before is kept; what its constants named is another function now.
TEST(Rewind, AFunctionInAnImportedGlobalIsThatOfThisRun) {
  Fixture f({.rewinds = true});
  const auto module = f.load(R"((module (type $t (func (result i32)))
      (import "h" "g" (global $g (ref $t))) (func (export "f") (result i32) (call_ref $t (global.get $g)))))");
  const wasm::TypeId type = f.func_type({}, {wasm::kI32});
  const auto run = [&](bool second) {
    const auto answer = [&](uint32_t value) {
      return f.store->make_func(
          type, [value](wasm::Embedding&, std::span<const Value>) { return Outcome::ok({Value::i32(value)}); });
    };
    const Extern one = answer(1), two = answer(2);
    const auto constant = wasm::ValType::ref(wasm::HeapType::concrete(type.index()), false);
    const Extern global = f.store->make_global({constant, false}, f.store->func_ref(second ? two : one));
    wasm::InstanceId id = 0;
    const std::vector<Extern> imports = {global};
    EXPECT_TRUE(f.store->instantiate(module, imports, id).returned());
    return f.i32(id, "f");
  };
  EXPECT_EQ(run(false), 1u);
  ASSERT_TRUE(rewind_interpreter(*f.store, f.options));
  EXPECT_EQ(run(true), 2u);
}

}  // namespace
}  // namespace parallax::interp::testing
