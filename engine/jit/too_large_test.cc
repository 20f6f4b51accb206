// Functions that are too large for the way through the IR: the baseline compiler takes them at every level, and they answer
// what the interpreter answers, traps, fuel and collections included. Compiling them takes bounded time.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "engine/jit/compiler.h"
#include "engine/jit/engine.h"
#include "engine/jit/test_loaded.h"
#include "engine/runtime/store.h"
#include "interp/interp.h"

namespace parallax::jit {
namespace {

using runtime::OptLevel;
using wasm::Outcome;
using wasm::Value;

std::string answers(wasm::Embedding& store, const Loaded& loaded) {
  store.set_budget({.fuel = 10'000, .call_depth = 100});
  wasm::InstanceId instance = 0;
  if (!store.instantiate(loaded.module, {}, instance).returned()) return "not instantiated";
  std::string out;
  for (const uint32_t argument : {0u, 1u, 5u, 0x7fu, ~0u}) {
    const Outcome outcome = store.call(*store.find_export(instance, "f"), {{Value::i32(argument)}});
    out += std::string(wasm::to_string(outcome.kind)) + " " + outcome.error.message;
    if (outcome.kind == wasm::OutcomeKind::kTrapped) out += wasm::to_string(outcome.trap);
    for (const Value& value : outcome.values) out += std::to_string(value.low);
    out += "; ";
  }
  return out + "fuel " + std::to_string(store.stats().fuel_used);
}

std::string interpreted(const Loaded& loaded) {
  interp::InterpOptions options;
  options.features.bits = ~0u;
  return answers(*interp::make_interpreter(loaded.types, options), loaded);
}

const EngineOptions kConfigurations[] = {
    {.level = OptLevel::kO0, .heap_bytes = 1 << 24},
    {.level = OptLevel::kO1, .heap_bytes = 1 << 24},
    {.level = OptLevel::kO2, .heap_bytes = 1 << 24},
    {.level = OptLevel::kO2,
     .zeal = {.mode = runtime::ZealMode::kEveryAlloc, .poison = true},
     .chaos_seed = 5,
     .heap_bytes = 1 << 24},
    {.level = OptLevel::kO2,
     .collector = runtime::GcKind::kNonMoving,
     .zeal = {.mode = runtime::ZealMode::kEverySafepoint},
     .armed = true,
     .verify = true,
     .heap_bytes = 1 << 24},
};

// `ifs` conditional blocks over `locals` numbers, so that as many values live through all of them; now and then an object
// is made, and looked into, which traps while there is none.
std::string many_blocks(int ifs, int locals, const std::string& more_locals = "") {
  std::string out =
      "(module (type $s (struct (field (mut i32)))) (func (export \"f\") (param i32) (result i32) "
      "(local $r (ref null $s)) (local $q (ref null $s)) (local";
  for (int i = 0; i < locals; ++i) out += " i32";
  out += ")" + more_locals + "\n";
  for (int i = 0; i < ifs; ++i) {
    const std::string local = std::to_string(3 + i % locals);
    out += "(if (i32.and (local.get 0) (i32.const " + std::to_string(1 << i % 7) + ")) (then ";
    if (i % 50 == 7) {
      out += "(local.set $q (local.get $r)) (local.set $r (struct.new $s (local.get " + local + ")))";
    } else if (i % 50 == 3) {
      out += "(local.set " + local + " (struct.get $s 0 (local.get $r)))";
    } else {
      out += "(local.set " + local + " (i32.add (local.get " + local + ") (i32.const " + std::to_string(i) + ")))";
    }
    out += "))\n";
  }
  out += "(local.get 0)";
  for (int i = 0; i < locals; ++i) out += "(i32.add (local.get " + std::to_string(3 + i) + "))";
  return out + "(if (ref.is_null (local.get $q)) (then (return (i32.const 7))))))";
}

TEST(TooLarge, TheBaselineCompilerTakesItAtEveryLevel) {
  const Loaded loaded = load(many_blocks(15'000, 6'000));
  ASSERT_NE(loaded.module, nullptr);
  const std::string expected = interpreted(loaded);
  EXPECT_NE(expected.find("trapped"), std::string::npos) << expected;
  EXPECT_NE(expected.find("returned"), std::string::npos) << expected;
  for (const EngineOptions& configuration : kConfigurations) {
    JitCompiler* compiler = nullptr;
    const auto engine = make_engine(loaded.types, configuration, &compiler);
    EXPECT_EQ(answers(*engine, loaded), expected) << "level " << static_cast<int>(configuration.level);
    EXPECT_EQ(compiler->stats().baseline_instead, configuration.level == OptLevel::kO0 ? 0u : 1u);
    EXPECT_EQ(compiler->stats().functions, 1u);
    EXPECT_EQ(compiler->stats().failures, 0u);
  }
}

TEST(TooLarge, WithPassesChosenOneByOneToo) {
  const Loaded loaded = load(many_blocks(15'000, 6'000));
  ASSERT_NE(loaded.module, nullptr);
  JitCompiler* compiler = nullptr;
  const auto engine = make_engine(loaded.types, kConfigurations[0], &compiler);
  compiler->gate().disabled = opt::bit(opt::PassId::kDce);
  EXPECT_EQ(answers(*engine, loaded), interpreted(loaded));
  EXPECT_EQ(compiler->stats().baseline_instead, 1u);
}

TEST(TooLarge, WhatIsTooLargeForBothIsRefused) {
  std::string wide = "(local";
  for (int i = 0; i < 40'000; ++i) wide += " i64";
  const Loaded loaded = load(many_blocks(15'000, 6'000, wide + ")"));
  ASSERT_NE(loaded.module, nullptr);
  for (const size_t configuration : {0, 2}) {
    JitCompiler* compiler = nullptr;
    const auto engine = make_engine(loaded.types, kConfigurations[configuration], &compiler);
    EXPECT_NE(answers(*engine, loaded).find("unsupported function too large"), std::string::npos);
    EXPECT_EQ(compiler->stats().baseline_instead, 0u);
    EXPECT_EQ(compiler->stats().functions, 0u);
  }
}

// More entries of stack maps than the safepoint pass makes, because all references live over all allocations.
TEST(TooLarge, ManyReferencesThatLiveOverALoop) {
  constexpr int kRefs = 2'500;
  const auto local = [](int n) { return "(local.get " + std::to_string(2 + n % kRefs) + ")"; };
  std::string source =
      "(module (type $s (struct (field i32) (field (ref null $s)))) (func (export \"f\") (param i32) (result i32) "
      "(local $n i32) (local";
  for (int i = 0; i < kRefs; ++i) source += " (ref null $s)";
  source += ")\n";
  for (int i = 0; i < kRefs; ++i) {
    source += "(local.set " + std::to_string(2 + i) + " (struct.new $s (i32.const " + std::to_string(i) +
              ") (ref.null $s)))\n";
  }
  source += "(local.set $n (i32.const 2)) (loop\n";
  for (int i = 0; i < kRefs; ++i) {
    source += "(local.set " + std::to_string(2 + i) + " (struct.new $s (i32.add (local.get 0) (struct.get $s 0 " +
              local(i + 1) + ")) " + local(i + 7) + "))\n";
  }
  source += "(br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1))))) (local.get 0)\n";
  for (int i = 0; i < kRefs; ++i) source += "(i32.add (struct.get $s 0 " + local(i) + "))";
  const Loaded loaded = load(source + "))");
  ASSERT_NE(loaded.module, nullptr);
  const std::string expected = interpreted(loaded);
  for (const OptLevel level : {OptLevel::kO0, OptLevel::kO1, OptLevel::kO2}) {
    JitCompiler* compiler = nullptr;
    const auto engine = make_engine(
        loaded.types, {.level = level, .zeal = {.mode = runtime::ZealMode::kNth, .n = 400}, .heap_bytes = 1 << 24},
        &compiler);
    EXPECT_EQ(answers(*engine, loaded), expected);
    EXPECT_EQ(compiler->stats().baseline_instead, level == OptLevel::kO0 ? 0u : 1u);
    EXPECT_EQ(compiler->stats().failures, 0u);
  }
}

// Many parameters of one loop: every pass has to look at each of them a bounded number of times.
TEST(TooLarge, ALoopOverManyLocalsIsCompiledInLinearTime) {
  constexpr int kLocals = 20'000;
  std::string source = "(module (func (export \"f\") (param i32) (result i32) (local";
  for (int i = 1; i < kLocals; ++i) source += " i32";
  source += ") (loop\n";
  for (int i = 1; i < kLocals; ++i) {
    source +=
        "(local.set " + std::to_string(i) + " (i32.add (local.get " + std::to_string(i - 1) + ") (i32.const 3)))\n";
  }
  source += "(br_if 0 (i32.eqz (local.get " + std::to_string(kLocals - 1) + ")))) (local.get 0)";
  for (int i = 1; i < kLocals; ++i) source += "(i32.add (local.get " + std::to_string(i) + "))";
  const Loaded loaded = load(source + "))");
  ASSERT_NE(loaded.module, nullptr);
  const auto engine = make_engine(loaded.types, {.level = OptLevel::kO2});
  EXPECT_EQ(answers(*engine, loaded), interpreted(loaded));
}

}  // namespace
}  // namespace parallax::jit
