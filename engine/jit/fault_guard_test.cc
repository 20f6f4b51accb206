// Guarded memories: faults become traps with their place, and everything else stays as with explicit checks.
#include "engine/jit/fault_guard.h"

#include <gtest/gtest.h>

#include <csignal>
#include <thread>

#include "engine/gc/region.h"
#include "engine/jit/test_program.h"

namespace parallax::jit {
namespace {

using runtime::EngineOptions;
using runtime::MemoryChecks;
using wasm::Outcome;
using wasm::OutcomeKind;
using wasm::TrapKind;
using wasm::Value;

EngineOptions guarded(runtime::OptLevel level = runtime::OptLevel::kO2) {
  return {.level = level, .memory = MemoryChecks::kGuard, .verify = true, .heap_bytes = 1 << 20};
}

const char* const kAccesses = R"((module
  (memory (export "memory") 1 3)
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "store") (param i32 i64) (i64.store (local.get 0) (local.get 1)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func $deep (param i32 i32) (result i32)
    (if (result i32) (local.get 1)
      (then (call $deep (local.get 0) (i32.sub (local.get 1) (i32.const 1))))
      (else (i32.load offset=65532 (local.get 0)))))
  (func (export "deep") (param i32) (result i32) (call $deep (local.get 0) (i32.const 100)))))";

bool traps(const Outcome& got) { return got.kind == OutcomeKind::kTrapped && got.trap == TrapKind::kMemoryOutOfBounds; }

TEST(GuardedMemory, FaultsAreTrapsOfTheSamePlace) {
  Program by_fault(kAccesses, guarded());
  Program by_comparing(kAccesses, {.level = runtime::OptLevel::kO2, .heap_bytes = 1 << 20});
  for (const char* name : {"load", "deep"}) {
    for (const uint32_t where : {0u, 1u, 65533u, 65536u, 0x7fffffffu, 0xffffffffu}) {
      const Outcome fault = by_fault.call(name, {Value::i32(where)});
      const Outcome compared = by_comparing.call(name, {Value::i32(where)});
      EXPECT_EQ(fault.kind, compared.kind) << name << " " << where;
      if (compared.returned()) continue;
      EXPECT_TRUE(traps(fault));
      EXPECT_EQ(fault.func, compared.func);
      EXPECT_EQ(fault.offset, compared.offset);
    }
  }
}

TEST(GuardedMemory, StoresAcrossTheEndWriteNothing) {
  Program program(kAccesses, guarded());
  for (uint32_t where = 65529; where < 65536; ++where) {
    EXPECT_TRUE(traps(program.call("store", {Value::i32(where), Value::i64(~uint64_t{0})})));
  }
  EXPECT_EQ(program.call("load", {Value::i32(65532)}).values[0].low, 0u);
}

TEST(GuardedMemory, GrowingOpensWhatFaulted) {
  Program program(kAccesses, guarded());
  EXPECT_TRUE(traps(program.call("load", {Value::i32(65536)})));
  EXPECT_EQ(program.call("grow", {Value::i32(1)}).values[0].low, 1u);
  EXPECT_EQ(program.call("load", {Value::i32(65536)}).values[0].low, 0u);
  EXPECT_TRUE(traps(program.call("load", {Value::i32(2 * 65536 - 3)})));
  EXPECT_EQ(program.call("grow", {Value::i32(2)}).values[0].low, 0xffffffffu);
}

// What an earlier memory left accessible must not be so in the next one of that region.
TEST(GuardedMemory, RegionsAreCutToSize) {
  for (const char* pages : {"10", "1", "4", "0", "1"}) {
    Program program(std::string("(module (memory ") + pages +
                        ") (func (export \"load\") (param i32) (result i32) (i32.load8_u (local.get 0))) "
                        "(func (export \"fill\") (memory.fill (i32.const 0) (i32.const 7) "
                        "(i32.mul (memory.size) (i32.const 65536)))))",
                    guarded());
    const auto bytes = static_cast<uint32_t>(std::atoi(pages)) * 65536;
    EXPECT_TRUE(traps(program.call("load", {Value::i32(bytes)}))) << pages;
    if (bytes != 0) EXPECT_EQ(program.call("load", {Value::i32(bytes - 1)}).values[0].low, 0u) << pages;
    EXPECT_TRUE(program.call("fill").returned());
  }
}

TEST(GuardedMemory, BudgetsAreAsAfterAnyTrap) {
  Program program(kAccesses, guarded());
  for (int n = 0; n < 3; ++n) {
    program.engine().set_budget({.fuel = 102, .call_depth = 102});
    EXPECT_TRUE(traps(program.call("deep", {Value::i32(1)})));
    program.engine().set_budget({.fuel = 102, .call_depth = 102});
    EXPECT_TRUE(program.call("deep", {Value::i32(0)}).returned());
    program.engine().set_budget({.fuel = 101, .call_depth = 102});
    EXPECT_EQ(program.call("deep", {Value::i32(1)}).kind, OutcomeKind::kFuelExhausted);
  }
}

TEST(GuardedMemory, EveryThreadMayTrap) {
  for (int n = 0; n < 3; ++n) {
    std::thread([] {
      Program program(kAccesses, guarded());
      EXPECT_TRUE(traps(program.call("load", {Value::i32(1 << 20)})));
      EXPECT_TRUE(program.call("load", {Value::i32(0)}).returned());
    }).join();
  }
}

TEST(GuardedMemory, MoreThanThereIsRoomForAreChecked) {
  constexpr uint32_t kEach = 100;  // memories of one module
  std::string source = "(module\n";
  for (uint32_t n = 0; n < kEach; ++n) source += "(memory 1)\n";
  source += "(func (export \"load\") (param i32) (result i32) (i32.load 99 (local.get 0))))\n";
  std::vector<std::unique_ptr<Program>> programs;
  for (uint32_t n = 0; n < gc::kMostGuardedMemories / kEach + 2; ++n) {
    programs.push_back(std::make_unique<Program>(source, guarded()));
    EXPECT_TRUE(programs.back()->call("load", {Value::i32(65532)}).returned());
    EXPECT_TRUE(traps(programs.back()->call("load", {Value::i32(65533)})));
  }
}

TEST(GuardedMemoryDeathTest, OtherFaultsStayWhatTheyWere) {
  Program program(kAccesses, guarded());
  EXPECT_TRUE(traps(program.call("load", {Value::i32(1 << 20)})));
  EXPECT_DEATH(
      {
        volatile int* volatile nowhere = nullptr;
        *nowhere = 1;
      },
      "");
}

}  // namespace
}  // namespace parallax::jit
