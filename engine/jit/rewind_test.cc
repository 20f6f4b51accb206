// A store that was rewound is as new, and its kept code is used exactly as long as the same happens again.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/base/faults.h"
#include "engine/jit/compiler.h"
#include "engine/jit/engine.h"
#include "engine/runtime/store.h"
#include "engine/wasm/text/parse.h"

namespace parallax::jit {
namespace {

using runtime::EngineOptions;
using runtime::ZealMode;
using wasm::Extern;
using wasm::Outcome;
using wasm::Value;

class World {
 public:
  explicit World(EngineOptions options = {}) : options_(options) {
    auto compiler = std::make_unique<JitCompiler>(options);
    compiler_ = compiler.get();
    store = std::make_unique<runtime::Store>(types, options, std::move(compiler));
  }
  std::shared_ptr<const wasm::Module> load(const std::string& source) {
    auto bytes = wasm::text::parse_module(source);
    EXPECT_TRUE(bytes.has_value()) << (bytes ? "" : bytes.error().to_string());
    auto module = wasm::load(std::move(*bytes), types);
    EXPECT_TRUE(module.has_value()) << (module ? "" : module.error().to_string());
    return std::make_shared<const wasm::Module>(std::move(*module));
  }
  wasm::InstanceId make(const std::shared_ptr<const wasm::Module>& module, std::vector<Extern> imports = {}) {
    wasm::InstanceId id = 0;
    const Outcome outcome = store->instantiate(module, imports, id);
    EXPECT_TRUE(outcome.returned()) << to_string(outcome.kind) << outcome.error.to_string();
    return id;
  }
  Outcome call(wasm::InstanceId id, const char* name, std::vector<Value> args = {}) {
    return store->call(*store->find_export(id, name), args);
  }
  uint32_t number(wasm::InstanceId id, const char* name, std::vector<Value> args = {}) {
    const Outcome outcome = call(id, name, std::move(args));
    EXPECT_TRUE(outcome.returned()) << to_string(outcome.kind) << outcome.error.message;
    return outcome.values.empty() ? ~0u : static_cast<uint32_t>(outcome.values[0].low);
  }
  uint64_t compiled() const { return compiler_->stats().functions; }
  bool rewind() { return store->rewind(options_.zeal); }
  JitCompiler& compiler() { return *compiler_; }

  std::shared_ptr<wasm::TypeStore> types = std::make_shared<wasm::TypeStore>();
  std::unique_ptr<runtime::Store> store;

 private:
  EngineOptions options_;
  JitCompiler* compiler_ = nullptr;
};

// Everything that a run can leave behind, in one module.
constexpr const char* kState = R"((module
  (type $s (struct (field (mut i32)) (field (mut (ref null $s)))))
  (type $f (func (result i32)))
  (memory 1 4)
  (table $t 3 3 funcref)
  (table $grows 1 8 funcref)
  (table $objects 2 (ref null $s))
  (global $g (mut i32) (i32.const 5))
  (global $o (mut (ref null $s)) (ref.null $s))
  (tag $e (param i32))
  (elem (table $t) (i32.const 0) func $one $two)
  (elem $passive func $two)
  (data $d "\07\08")
  (func $one (result i32) (i32.const 1))
  (func $two (result i32) (i32.const 2))
  (func (export "sum") (result i32)
    (i32.add (global.get $g)
      (i32.add (i32.load8_u (i32.const 9))
        (i32.add (memory.size)
          (i32.add (table.size $grows)
            (i32.add (ref.is_null (global.get $o))
              (i32.add (ref.is_null (table.get $objects (i32.const 1)))
                (call_indirect $t (type $f) (i32.const 1)))))))))
  (func (export "spoil")
    (global.set $g (i32.const 100))
    (memory.init $d (i32.const 8) (i32.const 0) (i32.const 2))
    (data.drop $d)
    (table.init $t $passive (i32.const 0) (i32.const 0) (i32.const 1))
    (elem.drop $passive)
    (drop (memory.grow (i32.const 2)))
    (drop (table.grow $grows (ref.null func) (i32.const 7)))
    (global.set $o (struct.new $s (i32.const 1) (ref.null $s)))
    (table.set $objects (i32.const 1) (global.get $o)))
  (func (export "throw") (throw $e (i32.const 3)))
  (func (export "fill") (param i32) (result i32) (local $last (ref null $s))
    (loop $more
      (local.set $last (struct.new $s (local.get 0) (local.get $last)))
      (br_if $more (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (struct.get $s 0 (local.get $last)))
  (func (export "fresh") (result i32) (struct.get $s 0 (struct.new_default $s)))))";

void expect_as_new(World& world, const std::shared_ptr<const wasm::Module>& module) {
  const wasm::InstanceId id = world.make(module);
  EXPECT_EQ(world.number(id, "sum"), 5u + 0 + 1 + 1 + 1 + 1 + 2);
  EXPECT_EQ(world.number(id, "fresh"), 0u);
  EXPECT_EQ(world.call(id, "throw").kind, wasm::OutcomeKind::kThrew);
  EXPECT_EQ(world.number(id, "fill", {Value::i32(2000)}), 1u);
  EXPECT_TRUE(world.call(id, "spoil").returned());
  EXPECT_EQ(world.number(id, "sum"), 100u + 8 + 3 + 8 + 0 + 0 + 2);
  EXPECT_TRUE(world.store->verify().has_value());
}

TEST(Rewind, StateIsAsNewAndCodeIsKept) {
  for (int kind = 0; kind < 24; ++kind) {
    SCOPED_TRACE(kind);
    EngineOptions options;
    options.level = static_cast<runtime::OptLevel>(kind % 3);
    options.collector = static_cast<runtime::GcKind>(kind % 4);
    options.armed = kind % 5 == 1;
    options.zeal.pages = kind == 9;
    options.zeal.protect = kind == 13;
    options.zeal.poison = kind == 14;
    if (kind % 2 == 1) options.zeal.mode = ZealMode::kNth, options.zeal.n = 3;
    World world(options);
    const auto module = world.load(kState);
    expect_as_new(world, module);
    const uint64_t compiled = world.compiled();
    const wasm::StoreStats stats = world.store->stats();
    for (int run = 0; run < 3; ++run) {
      ASSERT_TRUE(world.rewind());
      EXPECT_EQ(world.store->stats().allocated_bytes, 0u);
      expect_as_new(world, module);
      EXPECT_EQ(world.compiled(), compiled) << "the code of the first run serves";
      EXPECT_EQ(world.store->stats().collections, stats.collections);
      EXPECT_EQ(world.store->stats().fuel_used, stats.fuel_used);
    }
  }
}

// Calls "f" of whatever is imported.
constexpr const char* kCaller = R"((module (import "m" "f" (func $f (result i32)))
  (func (export "go") (result i32) (call $f))))";
std::string answering(int number) {
  return "(module (global $g (mut i32) (i32.const " + std::to_string(number) +
         ")) (func (export \"f\") (result i32) (global.get $g)))";
}

TEST(Rewind, AnotherModuleIsNotTakenForTheOldOne) {
  World world;
  const auto one = world.load(answering(1)), two = world.load(answering(2)), caller = world.load(kCaller);
  const auto run = [&](const auto& callee) {
    const wasm::InstanceId instance = world.make(callee);
    return world.number(world.make(caller, {*world.store->find_export(instance, "f")}), "go");
  };
  EXPECT_EQ(run(one), 1u);
  ASSERT_TRUE(world.rewind());
  EXPECT_EQ(run(two), 2u);
  ASSERT_TRUE(world.rewind());
  EXPECT_EQ(run(one), 1u);
  ASSERT_TRUE(world.rewind());
  const uint64_t compiled = world.compiled();
  EXPECT_EQ(run(one), 1u);
  EXPECT_EQ(world.compiled(), compiled);
}

TEST(Rewind, AnotherOrderOrOtherImportsAreSeen) {
  World world;
  const auto one = world.load(answering(1)), two = world.load(answering(2)), caller = world.load(kCaller);
  const auto func_type = [&] { return world.types->intern_func({}, {wasm::kI32}); };
  const auto host = [&](uint32_t answer) {
    return world.store->make_func(
        func_type(), [answer](wasm::Embedding&, std::span<const Value>) { return Outcome::ok({Value::i32(answer)}); });
  };
  for (int run = 0; run < 12; ++run) {
    SCOPED_TRACE(run);
    // The callee: the first instance, the second, or the host; instances in either order.
    const bool swapped = run % 2 == 1;
    const wasm::InstanceId a = world.make(swapped ? two : one), b = world.make(swapped ? one : two);
    const auto f = run % 3 == 0   ? *world.store->find_export(a, "f")
                   : run % 3 == 1 ? *world.store->find_export(b, "f")
                                  : host(7 + run);
    const uint32_t expected = run % 3 == 2 ? static_cast<uint32_t>(7 + run) : (run % 3 == 0) != swapped ? 1u : 2u;
    EXPECT_EQ(world.number(world.make(caller, {f}), "go"), expected);
    ASSERT_TRUE(world.rewind());
  }
  // The host answers otherwise each time, with the code of the run before.
  for (uint32_t run = 0; run < 3; ++run) {
    EXPECT_EQ(world.number(world.make(caller, {host(run)}), "go"), run);
    ASSERT_TRUE(world.rewind());
  }
}

// A table that has grown to its end is no constant for a run in which it has not.
TEST(Rewind, GrownTablesAreNoConstants) {
  World world;
  const auto module = world.load(R"((module
    (type $f (func (result i32)))
    (table $t (export "t") 1 4 funcref)
    (elem (table $t) (i32.const 0) func $a)
    (func $a (result i32) (i32.const 41))
    (func (export "grow") (result i32) (table.grow $t (ref.func $a) (i32.const 3)))
    (func (export "call") (param i32) (result i32) (call_indirect $t (type $f) (local.get 0)))))");
  wasm::InstanceId id = world.make(module);
  EXPECT_EQ(world.number(id, "grow"), 1u);
  EXPECT_EQ(world.number(id, "call", {Value::i32(3)}), 41u);
  ASSERT_TRUE(world.rewind());
  id = world.make(module);
  EXPECT_EQ(world.call(id, "call", {Value::i32(3)}).trap, wasm::TrapKind::kUndefinedElement);
  EXPECT_EQ(world.number(id, "call", {Value::i32(0)}), 41u);
}

TEST(Rewind, TrapsWhileInstantiatingAndStartFunctions) {
  World world;
  const auto module = world.load(R"((module
    (import "m" "go" (func $go (result i32)))
    (global $g (export "g") (mut i32) (i32.const 1))
    (func $start (if (call $go) (then unreachable)) (global.set $g (i32.const 2)))
    (start $start)
    (func (export "f") (result i32) (global.get $g))))");
  const auto type = world.types->intern_func({}, {wasm::kI32});
  for (const bool traps : {false, true, true, false, false}) {
    const Extern go = world.store->make_func(
        type, [traps](wasm::Embedding&, std::span<const Value>) { return Outcome::ok({Value::i32(traps ? 1 : 0)}); });
    wasm::InstanceId id = 0;
    const Extern imports[] = {go};
    const Outcome outcome = world.store->instantiate(module, imports, id);
    EXPECT_EQ(outcome.kind, traps ? wasm::OutcomeKind::kTrapped : wasm::OutcomeKind::kReturned);
    if (!traps) EXPECT_EQ(world.number(id, "f"), 2u);
    ASSERT_TRUE(world.rewind());
  }
}

// A table that a failed instantiation left half-filled was a constant for the code of that run.
TEST(Rewind, AnInstantiationThatEndsElsewhereIsAnother) {
  World world;
  const auto grower = world.load(R"((module
    (type $f (func (result i32)))
    (import "m" "t" (table $t 1 10 funcref))
    (func (export "grow") (drop (table.grow $t (ref.null func) (i32.const 8))))
    (func (export "call") (result i32) (call_indirect $t (type $f) (i32.const 0)))))");
  const auto leaker = world.load(R"((module
    (type $f (func (result i32)))
    (import "m" "t" (table $t 1 10 funcref))
    (table $own 1 1 funcref)
    (elem (table $t) (i32.const 0) func $leak)
    (elem (table $t) (i32.const 5) func $leak)
    (elem (table $own) (i32.const 0) func $answer)
    (func $leak (result i32) (call_indirect $own (type $f) (i32.const 0)))
    (func $answer (result i32) (i32.const 41))))");
  wasm::TableType type;
  type.element = wasm::kFuncRef;
  type.limits = {.min = 1, .max = 10};
  for (const bool grows : {false, true, false, false, true, true}) {
    const Extern imports[] = {world.store->make_table(type, Value::null())};
    const wasm::InstanceId a = world.make(grower, {imports[0]});
    if (grows) EXPECT_TRUE(world.call(a, "grow").returned());
    wasm::InstanceId b = 0;
    EXPECT_EQ(world.store->instantiate(leaker, imports, b).returned(), grows);
    const Outcome outcome = world.call(a, "call");
    if (grows) {
      ASSERT_TRUE(outcome.returned()) << to_string(outcome.trap);
      EXPECT_EQ(outcome.values[0].low, 41u);
    } else {
      EXPECT_EQ(outcome.trap, wasm::TrapKind::kUninitializedElement);
    }
    ASSERT_TRUE(world.rewind());
  }
}

TEST(Rewind, SchedulesMayChangeAndCodeMayNot) {
  EngineOptions options;
  options.zeal.mode = ZealMode::kNth;
  options.zeal.n = 5;
  World world(options);
  const auto module = world.load(kState);
  expect_as_new(world, module);
  const uint64_t collections = world.store->stats().collections;
  runtime::Zeal zeal = options.zeal;
  zeal.n = 50;
  ASSERT_TRUE(world.store->rewind(zeal));
  expect_as_new(world, module);
  EXPECT_LT(world.store->stats().collections, collections);
  zeal.mode = ZealMode::kOnlyNth;
  zeal.n = 4;
  ASSERT_TRUE(world.store->rewind(zeal));
  expect_as_new(world, module);
  EXPECT_EQ(world.store->stats().collections, 1u);
  zeal.mode = ZealMode::kNone;
  EXPECT_FALSE(world.store->rewind(zeal)) << "code without polls is other code";
  zeal = options.zeal;
  zeal.pages = true;
  EXPECT_FALSE(world.store->rewind(zeal));
}

TEST(Rewind, WhatIsCountedOverCompilationsIsNotRewound) {
  World world;
  expect_as_new(world, world.load(kState));
  world.compiler().gate().limit = 1000;
  EXPECT_FALSE(world.rewind());
  world.compiler().gate().limit = opt::Gate::kNoLimit;
  EXPECT_TRUE(world.rewind());
  ASSERT_TRUE(choose_fault("OPT7:3"));
  EXPECT_FALSE(world.rewind());
  g_fault = {};
  EngineOptions guarded;
  guarded.memory = runtime::MemoryChecks::kGuard;
  EXPECT_FALSE(World(guarded).rewind());
}

}  // namespace
}  // namespace parallax::jit
