// Shapes that are hard for a compiler that decides in one pass, against the interpreter; what is left to the other compiler.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/jit/compiler.h"
#include "engine/jit/engine.h"
#include "engine/jit/test_loaded.h"
#include "engine/runtime/store.h"
#include "interp/interp.h"

namespace parallax::jit {
namespace {

using runtime::OptLevel;
using wasm::Outcome;
using wasm::OutcomeKind;
using wasm::Value;

// Legacy exceptions too: the baseline compiler has every opcode.
Loaded load_all(const std::string& source) {
  wasm::Features features;
  features.set(wasm::Feature::kLegacyExceptions, true);
  return load(source, features);
}

// What `f` answers for each argument, as text: kind, trap, values.
std::string answers(wasm::Embedding& store, const Loaded& loaded, const std::vector<int32_t>& arguments) {
  store.set_budget({.fuel = 10'000, .call_depth = 100});
  wasm::InstanceId instance = 0;
  if (!store.instantiate(loaded.module, {}, instance).returned()) return "not instantiated";
  const auto f = store.find_export(instance, "f");
  std::string out;
  for (const int32_t argument : arguments) {
    const Outcome outcome = store.call(*f, {{Value::i32(static_cast<uint32_t>(argument))}});
    out += std::string(wasm::to_string(outcome.kind)) + " ";
    if (outcome.kind == OutcomeKind::kTrapped) out += wasm::to_string(outcome.trap);
    if (outcome.kind == OutcomeKind::kInvariant) out += outcome.error.message;
    for (const Value& value : outcome.values) {
      out += std::to_string(value.low) + "/" + std::to_string(value.high) + " ";
    }
    out += "; ";
  }
  return out + "fuel " + std::to_string(store.stats().fuel_used);
}

const EngineOptions kConfigurations[] = {
    {.level = OptLevel::kO0, .heap_bytes = 1 << 24},
    {.level = OptLevel::kO0,
     .zeal = {.mode = runtime::ZealMode::kEverySafepoint},
     .armed = true,
     .heap_bytes = 1 << 24},
    {.level = OptLevel::kO0,
     .collector = runtime::GcKind::kNonMoving,
     .zeal = {.mode = runtime::ZealMode::kEveryAlloc, .poison = true},
     .chaos_seed = 3,
     .heap_bytes = 1 << 24},
    {.level = OptLevel::kO0,
     .cpu = runtime::CpuLevel::kBaseline,
     .armed = true,
     .chaos_seed = 9,
     .heap_bytes = 1 << 24},
};

void agrees(const std::string& source, const std::vector<int32_t>& arguments = {0, 1, 2, 3, 7, -1}) {
  const Loaded loaded = load_all(source);
  ASSERT_NE(loaded.module, nullptr);
  interp::InterpOptions options;
  options.features.bits = ~0u;
  const std::string expected = answers(*interp::make_interpreter(loaded.types, options), loaded, arguments);
  for (const EngineOptions& configuration : kConfigurations) {
    JitCompiler* compiler = nullptr;
    const auto engine = make_engine(loaded.types, configuration, &compiler);
    EXPECT_EQ(answers(*engine, loaded, arguments), expected) << source;
    EXPECT_EQ(compiler->stats().not_baseline, 0u);
  }
}

std::string repeat(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

TEST(Baseline, LocalsOnTheStackKeepTheValueTheyHad) {
  agrees(R"((module (func (export "f") (param i32) (result i32) (local i32)
    (i32.add (local.get 0)
      (i32.mul (local.tee 0 (i32.const 10))
        (i32.sub (local.get 0) (local.tee 1 (i32.add (local.get 0) (local.tee 0 (i32.const 3))))))))))");
  // Many names of one local, and so many values above them that nobody looks at each again.
  agrees("(module (func (export \"f\") (param i32) (result i32) " + repeat("local.get 0 ", 50) +
         repeat("i32.const 1 ", 200) + "i32.const 9 local.set 0 " + repeat("i32.add ", 249) + "))");
}

TEST(Baseline, MoreValuesThanRegisters) {
  std::string sums, floats;
  for (int i = 1; i < 40; ++i) {
    sums += "(i32.mul (local.get 0) (i32.const " + std::to_string(i) + ")) ";
    floats += "(f64.mul (f64.convert_i32_s (local.get 0)) (f64.const " + std::to_string(i) + ")) ";
  }
  agrees("(module (func (export \"f\") (param i32) (result i32) " + sums + repeat("i32.xor ", 38) + "))");
  agrees("(module (func (export \"f\") (param i32) (result f64) " + floats + repeat("f64.sub ", 38) + "))");
}

TEST(Baseline, JoinsWithResultsOfEveryKind) {
  agrees(R"((module
    (func $many (param i32) (result i32 f64 i64 anyref f32 v128)
      (block $out (result i32 f64 i64 anyref f32 v128)
        (i32.const 77)  ;; below what the branch carries
        (local.get 0) (f64.const 1.5) (i64.const -1) (ref.i31 (i32.const 5)) (f32.const 2) (v128.const i64x2 3 4)
        (br_if $out (local.get 0))
        (br_table $out $out (i32.const 1))))
    (func (export "f") (param i32) (result i64)
      (local $v v128) (local $f f32) (local $a anyref) (local $l i64) (local $d f64)
      (call $many (local.get 0))
      (local.set $v) (local.set $f) (local.set $a) (local.set $l) (local.set $d)
      (i64.extend_i32_s)
      (i64.add (local.get $l))
      (i64.add (i64.trunc_f64_s (local.get $d)))
      (i64.add (i64.extend_i32_u (i31.get_s (ref.cast (ref i31) (local.get $a)))))
      (i64.add (i64.trunc_f32_s (local.get $f)))
      (i64.add (i64x2.extract_lane 1 (local.get $v))))))");
  agrees(R"((module (func (export "f") (param i32) (result i32)
    (i32.const 100)
    (block $b (param i32) (result i32)
      (if (param i32) (result i32) (local.get 0)
        (then (drop) (br $b (i32.const 1)))
        (else (i32.const 5) (i32.add)))
      (br_if $b (local.get 0))
      (i32.const 3) (i32.mul)))))");
}

TEST(Baseline, LoopParametersAreOfTheirDeclaredType) {
  agrees(R"((module (type $s (struct (field i32)))
    (func (export "f") (param i32) (result i32)
      (struct.new $s (i32.const 4))
      (loop $l (param (ref null $s)) (result i32)
        (if (param (ref null $s)) (result i32) (local.get 0)
          (then (drop) (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br $l (ref.null $s)))
          (else (struct.get $s 0)))))))");
  agrees(R"((module (func (export "f") (param i32) (result i32)
    (i32.const 3) (i32.const 4)
    (loop $l (param i32 i32) (result i32)
      (i32.add) (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
      (if (param i32) (result i32) (i32.lt_s (local.get 0) (i32.const 0))
        (then)
        (else (local.get 0) (br $l)))))))");
}

TEST(Baseline, ArgumentsChangePlaces) {
  agrees(R"((module
    (func $mix (param i32 i32 i32 i32 f64 f64) (result i32)
      (i32.add (i32.sub (local.get 0) (local.get 1))
        (i32.mul (i32.sub (local.get 2) (local.get 3)) (i32.trunc_f64_s (f64.sub (local.get 4) (local.get 5))))))
    (func $swap (param $n i32) (param $a i32) (param $b i32) (param $c i32) (param $x f64) (param $y f64) (result i32)
      (if (i32.eqz (local.get $n))
        (then (return (call $mix (local.get $b) (local.get $a) (local.get $c) (local.get $c) (local.get $y) (local.get $x)))))
      (return_call $swap (i32.sub (local.get $n) (i32.const 1))
        (local.get $b) (local.get $c) (local.get $a) (local.get $y) (local.get $x)))
    (func (export "f") (param i32) (result i32)
      (call $swap (i32.and (local.get 0) (i32.const 7)) (i32.const 10) (i32.const 200) (i32.const 3000)
        (f64.const 7) (f64.const 90)))))");
  std::string params, args, adds;
  for (int i = 0; i < 30; ++i) {
    params += i % 3 == 0 ? " f32" : i % 3 == 1 ? " i64" : " i32";
    const std::string n = std::to_string(i);
    args += i % 3 == 0 ? "(f32.const " + n + ")" : i % 3 == 1 ? "(i64.const " + n + ")" : "(local.get 0)";
    if (i % 3 == 2) adds += "(i32.add (local.get " + n + "))";
  }
  agrees("(module (func $g (param" + params + ") (result i32) (i32.const 0)" + adds +
         ") (func (export \"f\") (param i32) (result i32) (call $g " + args + ")))");
}

TEST(Baseline, ComparisonsThatWait) {
  agrees(R"((module (func (export "f") (param i32) (result i32) (local $d f64) (local $e f64)
    (local.set $d (f64.convert_i32_s (local.get 0)))
    (local.set $e (select (f64.const nan) (local.get $d) (i32.eq (local.get 0) (i32.const 2))))
    (i32.add (i32.eqz (f64.lt (local.get $d) (local.get $e)))
      (i32.add (i32.shl (f64.eq (local.get $d) (local.get $e)) (i32.const 1))
        (i32.add (i32.shl (if (result i32) (f64.ne (local.get $d) (local.get $e)) (then (i32.const 1)) (else (i32.const 0))) (i32.const 2))
          (i32.add (i32.shl (select (i32.const 1) (i32.const 0) (f64.ge (local.get $d) (local.get $e))) (i32.const 3))
            (i32.shl (i32.eqz (i32.eqz (i32.lt_u (local.get 0) (i32.const 3)))) (i32.const 4)))))))))");
}

TEST(Baseline, DivisionsAndShiftsWantTheirRegisters) {
  agrees(R"((module (func (export "f") (param i32) (result i32) (local $a i32) (local $b i32) (local $c i32)
    (local.set $a (i32.add (local.get 0) (i32.const 1000)))
    (local.set $b (i32.mul (local.get 0) (i32.const 77)))
    (local.set $c (i32.or (local.get 0) (i32.const 1)))
    (i32.add
      (i32.rem_s (i32.div_s (local.get $a) (local.get $c)) (i32.div_u (local.get $a) (local.get 0)))
      (i32.rotl (i32.shr_s (local.get $b) (local.get $c)) (i32.shl (local.get $c) (local.get $b)))))))",
         {1, 2, 3, 7, 0, -1, INT32_MIN});
}

TEST(Baseline, ReferencesOnTheStackSurviveCollections) {
  agrees(R"((module (type $s (struct (field (mut i32)) (field (ref null $s)))) (type $a (array (mut (ref null $s))))
    (func $make (param i32) (result (ref $s)) (struct.new $s (local.get 0) (ref.null $s)))
    (func (export "f") (param i32) (result i32) (local $k (ref null $s))
      (local.set $k (call $make (i32.const 1000)))
      (call $make (i32.const 1))
      (struct.new $s (i32.const 20) (call $make (i32.const 300)))
      (array.new_fixed $a 3 (call $make (i32.const 4000)) (local.get $k) (call $make (local.get 0)))
      (array.new $a (call $make (i32.const 50000)) (i32.const 3))
      (array.get $a (i32.const 2)) (struct.get $s 0)
      (local.set 0)
      (array.get $a (i32.const 0)) (struct.get $s 0)
      (local.set 0 (i32.add (local.get 0)))
      (struct.get $s 1) (struct.get $s 0)
      (local.set 0 (i32.add (local.get 0)))
      (struct.get $s 0)
      (i32.add (local.get 0)) (i32.add (struct.get $s 0 (local.get $k))))))");
}

TEST(Baseline, ExceptionsReachTheirHandler) {
  agrees(R"((module (tag $e (param i32 f64 (ref null i31))) (tag $x)
    (func $throws (param i32)
      (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $e (i32.const 7) (f64.const 2) (ref.i31 (i32.const 3)))))
      (if (i32.eq (local.get 0) (i32.const 2)) (then (throw $x))))
    (func (export "f") (param i32) (result i32) (local $d f64) (local $r (ref null i31)) (local $n exnref)
      (i32.const 1000)
      (block $all (result exnref)
        (block $h (result i32 f64 (ref null i31) exnref)
          (try_table (result i32) (catch_ref $e $h) (catch_all_ref $all)
            (call $throws (local.get 0))
            (if (i32.eq (local.get 0) (i32.const 3)) (then (throw $e (i32.const 9) (f64.const 4) (ref.null i31))))
            (local.get 0))
          (i32.add (i32.const 1000)) (return))
        (local.set $n) (local.set $r) (local.set $d)
        (i32.add (i32.trunc_f64_s (local.get $d)))
        (i32.add (ref.is_null (local.get $r)))
        (return))
      (local.set $n)
      (i32.add (i32.const 1)))))");
  agrees(R"((module (tag $e (param i32)) (tag $x)
    (func $throws (param i32)
      (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $e (i32.const 7))))
      (if (i32.eq (local.get 0) (i32.const 2)) (then (throw $x))))
    (func $inner (param i32) (result i32)
      (try $outer (result i32)
        (do (try (result i32)
          (do (call $throws (local.get 0)) (i32.const 5))
          (catch $e (i32.add (i32.const 100)))
          (catch $x (try (do (rethrow 1)) (delegate $outer)) (i32.const 6))))
        (catch_all (i32.const 9))))
    (func (export "f") (param i32) (result i32) (i32.add (i32.const 1000) (call $inner (local.get 0))))))");
}

TEST(Baseline, MemoryOfBothAddressTypesAtItsEdges) {
  for (const std::string type : {"", "i64"}) {
    const std::string address = type.empty() ? "(local.get 0)" : "(i64.extend_i32_u (local.get 0))";
    const std::string at = type.empty() ? "(i32.const 65532)" : "(i64.const 65532)";
    agrees("(module (memory " + type + " 1) (func (export \"f\") (param i32) (result i64) (i32.store offset=4 " +
               address + " (i32.const 0x01020304)) (i64.store8 " + at +
               " (i64.const 200)) (i64.add (i64.load offset=1 " + address + ") (i64.add (i64.load32_s " + at +
               ") (i64.load16_u offset=65528 " + address + ")))))",
           {0, 1, 6, 65520, 65528, 65529, 65535, -1, -8});
    agrees("(module (memory " + type +
               " 1) (func (export \"f\") (param i32) (result i32) (i32.load offset=0xfffffff0 " + address + ")))",
           {0, 16, -1});
  }
}

TEST(Baseline, WhatIsTooLargeForItIsLeftToTheOther) {
  std::string locals;
  for (int i = 0; i < 40'000; ++i) locals += " i64";
  const Loaded loaded =
      load_all("(module (func (export \"f\") (param i32) (result i32) (local" + locals + ") (local.get 0)))");
  ASSERT_NE(loaded.module, nullptr);
  JitCompiler* compiler = nullptr;
  const auto engine = make_engine(loaded.types, kConfigurations[0], &compiler);
  EXPECT_EQ(answers(*engine, loaded, {42}), "returned 42/0 ; fuel 1");
  EXPECT_EQ(compiler->stats().not_baseline, 1u);
  EXPECT_EQ(compiler->stats().functions, 1u);
}

TEST(Baseline, TheLongWayCanBeChosen) {
  const Loaded loaded = load_all("(module (func (export \"f\") (param i32) (result i32) (local.get 0)))");
  JitCompiler* compiler = nullptr;
  const auto engine = make_engine(loaded.types, kConfigurations[0], &compiler);
  StageTimes times;
  compiler->set_stage_times(&times);
  compiler->set_baseline(false);
  EXPECT_EQ(answers(*engine, loaded, {42}), "returned 42/0 ; fuel 1");
  EXPECT_EQ(times.stages[StageTimes::kBaseline], 0u);
  EXPECT_NE(times.stages[StageTimes::kTranslate], 0u);
}

}  // namespace
}  // namespace parallax::jit
