// Stubs that outlive their stores serve the next one as new ones would, whatever that one is and the last one was.
#include "engine/jit/stub_cache.h"

#include <gtest/gtest.h>

#include <cstring>

#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "engine/jit/test_program.h"

namespace parallax::jit {
namespace {

using runtime::EngineOptions;
using wasm::Outcome;
using wasm::Value;

// Calls of the host, allocation, a catch over frames, a trap.
constexpr const char* kSource = R"((module
  (type $box (struct (field (mut i64)) (field (ref null $box))))
  (import "m" "twice" (func $twice (param i64 f64) (result i64)))
  (tag $t (param i64))
  (func $chain (param i32 i64) (result (ref null $box)) (local (ref null $box))
    (loop $next
      (local.set 2 (struct.new $box (local.get 1) (local.get 2)))
      (br_if $next (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 2))
  (func $fail (param i64) (throw $t (local.get 0)))
  (func (export "f") (param i64) (result i64)
    (local $b (ref null $box))
    (local.set $b (call $chain (i32.const 20) (call $twice (local.get 0) (f64.const 2))))
    (block $caught (result i64)
      (try_table (catch $t $caught) (call $fail (struct.get $box 0 (local.get $b))))
      (unreachable)))
  (func (export "trap") (result i64) (i64.div_u (i64.const 1) (i64.const 0)))))";

EngineOptions options_of(int kind) {
  EngineOptions options;
  options.level = static_cast<runtime::OptLevel>(kind % 3);
  options.collector = kind % 2 == 0 ? runtime::GcKind::kMoving : runtime::GcKind::kGenerational;
  options.armed = kind % 4 >= 2;
  options.zeal.pages = kind % 5 == 4;
  if (kind % 3 == 1) options.zeal.mode = runtime::ZealMode::kEverySafepoint;
  return options;
}

void run_program(const EngineOptions& options, const std::string& what) {
  SCOPED_TRACE(what);
  Program program(kSource, options);
  uint64_t calls = 0;
  const wasm::Extern twice =
      program.engine().make_func(program.types().intern_func({wasm::kI64, wasm::kF64}, {wasm::kI64}),
                                 [&](wasm::Embedding& store, std::span<const Value> args) {
                                   ++calls;
                                   store.collect();
                                   return Outcome::ok({Value::i64(2 * args[0].low)});
                                 });
  const wasm::Extern imports[] = {twice};
  program.start(imports);
  for (uint64_t i = 0; i < 3; ++i) {
    const Outcome outcome = program.call("f", {Value::i64(i + 20)});
    ASSERT_TRUE(outcome.returned()) << to_string(outcome.kind) << outcome.error.message;
    EXPECT_EQ(outcome.values[0].low, 2 * (i + 20));
  }
  EXPECT_EQ(calls, 3u);
  EXPECT_EQ(program.call("trap").trap, wasm::TrapKind::kIntegerDivideByZero);
  EXPECT_TRUE(program.engine().verify().has_value());
}

TEST(StubCache, ServesStoresOfAllKindsOneAfterTheOther) {
  for (int kind = 0; kind < 60; ++kind) run_program(options_of(kind * 7 % 60), text::format("store {}", kind));
}

// Stubs of a recycled space are not made again, and what the last store compiled is gone.
TEST(StubCache, StaysWithItsSpace) {
  x64::Asm a;
  auto space = std::move(*CodeSpace::acquire());
  const auto unwind = [](runtime::StoreContext*, const void*, void*) { return x64::UnwindTarget{}; };
  ASSERT_TRUE(space->stubs().start(a, *space, unwind).has_value());
  StubCache::Signature& signature = space->stubs().signature("ild", "rr");
  ASSERT_TRUE(space->stubs().need_entry(a, *space, signature).has_value());
  const auto entry = signature.entry;
  const size_t bytes = space->stub_bytes();
  const uint8_t* const exit = space->stubs().shared().exit;
  std::memset(space->room().data(), 0x90, 100);
  space->commit(100);
  const uint8_t* const code = space->at(CodeSpace::kStubBytes);
  EXPECT_EQ(code[0], 0x90);
  space->reset();
  EXPECT_EQ(code[0], 0xcc);
  EXPECT_EQ(code[99], 0xcc);
  ASSERT_TRUE(space->stubs().start(a, *space, unwind).has_value());
  EXPECT_EQ(space->stub_bytes(), bytes);
  EXPECT_EQ(space->stubs().shared().exit, exit);
  EXPECT_EQ(space->stubs().signature("ild", "rr").entry, entry);
  CodeSpace::release(std::move(space));
}

// Signatures without end: the part for them fills, then the store's; the next store begins anew.
TEST(StubCache, GoesOnElsewhereWhenItsPartIsFull) {
  x64::Asm a;
  auto space = std::move(*CodeSpace::acquire());
  const auto unwind = [](runtime::StoreContext*, const void*, void*) { return x64::UnwindTarget{}; };
  StubCache& cache = space->stubs();
  ASSERT_TRUE(cache.start(a, *space, unwind).has_value());
  CallSites own;
  own.set_stubs(&cache.sites(), CodeSpace::kStubBytes);
  size_t outside = 0;
  for (size_t n = 0; n < 100; ++n) {
    StubCache::Signature& signature = cache.signature(std::string(900 + n, 'v'), "i");
    ASSERT_TRUE(cache.need_entry(a, *space, signature).has_value()) << n;
    ASSERT_TRUE(cache.need_host(a, *space, signature, own).has_value()) << n;
    ASSERT_NE(signature.host, nullptr);
    outside += space->offset_of(signature.host) >= CodeSpace::kStubBytes;
  }
  EXPECT_GT(outside, 10u);
  EXPECT_LT(outside, 100u);
  EXPECT_EQ(own.size(), outside);
  for (const CallSite& site : cache.sites().all()) EXPECT_EQ(own.find(site.pc), &site);
  space->reset();
  ASSERT_TRUE(cache.start(a, *space, unwind).has_value());
  EXPECT_LT(space->stub_bytes(), size_t{64} << 10);
  EXPECT_EQ(cache.signature(std::string(900, 'v'), "i").host, nullptr);
  CodeSpace::release(std::move(space));
  run_program({}, "after the full one");
}

// A fault in a stub may not reach stores after it, nor miss those that it was planted for.
TEST(StubCache, KeepsNoStubsWithAPlantedFault) {
  x64::Asm a;
  auto space = std::move(*CodeSpace::acquire());
  const auto unwind = [](runtime::StoreContext*, const void*, void*) { return x64::UnwindTarget{}; };
  const auto stubs = [&] {
    EXPECT_TRUE(space->stubs().start(a, *space, unwind).has_value());
    return std::vector<uint8_t>(space->at(0), space->stubs().shared_end());
  };
  const std::vector<uint8_t> sound = stubs();
  ASSERT_TRUE(choose_fault("FUEL1"));
  const std::vector<uint8_t> faulty = stubs();
  EXPECT_NE(sound, faulty);
  g_fault = {};
  EXPECT_EQ(sound, stubs());
  CodeSpace::release(std::move(space));
}

}  // namespace
}  // namespace parallax::jit
