// The embedding API as its users see it.
#include "engine/api/parallax.h"

#include <gtest/gtest.h>

namespace parallax::api {
namespace {

Module load(const Engine& engine, std::string text) {
  auto module = engine.load_text(std::move(text));
  EXPECT_TRUE(module) << module.error().to_string();
  return *module;
}

TEST(Api, CallsAnExportedFunction) {
  Engine engine;
  Store store(engine);
  auto instance = store.instantiate(load(engine, R"((module
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "swap") (param i32 f64) (result f64 i32) (local.get 1) (local.get 0)))
  )"));
  ASSERT_TRUE(instance);
  auto add = *instance->func<int32_t(int32_t, int32_t)>("add");
  EXPECT_EQ(*add(2, -5), -3);
  auto swap = *instance->func<std::tuple<double, int32_t>(int32_t, double)>("swap");
  EXPECT_EQ(*swap(7, 1.5), std::tuple(1.5, 7));
}

TEST(Api, WrongNamesAndSignaturesAreErrors) {
  Engine engine;
  Store store(engine);
  auto instance = store.instantiate(load(engine, R"((module (func (export "f") (param i32))))"));
  ASSERT_TRUE(instance);
  EXPECT_FALSE(instance->func<void(int32_t)>("g"));
  EXPECT_FALSE(instance->func<void(int64_t)>("f"));
  EXPECT_FALSE(instance->func<int32_t(int32_t)>("f"));
  EXPECT_FALSE(instance->memory("f"));
  EXPECT_TRUE(instance->func<void(uint32_t)>("f"));
  EXPECT_FALSE(engine.load_text("(module (func (result i32)))"));
  EXPECT_FALSE(engine.load({1, 2, 3}));
}

TEST(Api, TrapsAndBudgetsComeBackAsStops) {
  Engine engine;
  Store store(engine);
  auto instance = store.instantiate(load(engine, R"((module
    (func (export "div") (param i32 i32) (result i32) (i32.div_u (local.get 0) (local.get 1)))
    (func (export "spin") (loop $l (br $l)))))"));
  ASSERT_TRUE(instance);
  const auto quotient = (*instance->func<uint32_t(uint32_t, uint32_t)>("div"))(1, 0);
  ASSERT_FALSE(quotient);
  EXPECT_TRUE(quotient.error().is_trap());
  EXPECT_EQ(quotient.error().trap(), TrapKind::kIntegerDivideByZero);
  EXPECT_TRUE(quotient.error().text().starts_with("trap: integer divide by zero")) << quotient.error().text();
  store.set_budget({.fuel = 1000});
  EXPECT_EQ((*instance->func<void()>("spin"))().error().kind(), wasm::OutcomeKind::kFuelExhausted);
}

TEST(Api, HostFunctionsAreLambdas) {
  Engine engine;
  Store store(engine);
  std::vector<int64_t> seen;
  Imports imports;
  imports.add("env", "log", store.func([&](int64_t x) { seen.push_back(x); }));
  imports.add("env", "half", store.func([](int32_t x) -> Expected<int32_t> {
    if (x % 2 != 0) return std::unexpected(trap());
    return x / 2;
  }));
  auto instance = store.instantiate(load(engine, R"((module
    (import "env" "log" (func $log (param i64)))
    (import "env" "half" (func $half (param i32) (result i32)))
    (func (export "f") (param i32) (result i32)
      (call $log (i64.extend_i32_s (local.get 0))) (call $half (local.get 0)))))"),
                                    imports);
  ASSERT_TRUE(instance) << instance.error().text();
  auto f = *instance->func<int32_t(int32_t)>("f");
  EXPECT_EQ(*f(-8), -4);
  EXPECT_EQ(f(3).error().trap(), TrapKind::kHostTrap);
  EXPECT_EQ(seen, (std::vector<int64_t>{-8, 3}));
  EXPECT_FALSE(store.instantiate(load(engine, R"((module (import "no" "thing" (func))))")));
}

TEST(Api, ReferencesStayAliveAndReadable) {
  Engine engine;
  Store store(engine);
  auto instance = store.instantiate(load(engine, R"((module
    (type $list (struct (field i32) (field (ref null $list))))
    (func (export "cons") (param i32 (ref null $list)) (result (ref $list))
      (struct.new $list (local.get 0) (local.get 1)))
    (func (export "echo") (param externref) (result externref) (local.get 0))
    (func (export "small") (result anyref) (ref.i31 (i32.const -5)))))"));
  ASSERT_TRUE(instance) << instance.error().text();
  auto cons = *instance->func<Ref(int32_t, Ref)>("cons");
  Ref list;
  for (int32_t i = 1; i <= 100; ++i) {
    list = *cons(i, list);
    store.collect();
  }
  const Ref copy = list;
  int32_t sum = 0;
  for (Ref at = list; !at.is_null(); at = *at.get<Ref>(1)) sum += *at.get<int32_t>(0);
  EXPECT_EQ(sum, 5050);
  EXPECT_TRUE(copy.same_as(list));
  EXPECT_EQ(*list.length(), 2u);
  EXPECT_FALSE(list.get<double>(0));
  EXPECT_FALSE(list.get<int32_t>(2));

  const Ref host = store.host_ref(1234);
  const Ref back = *(*instance->func<Ref(Ref)>("echo"))(host);
  EXPECT_TRUE(back.same_as(host));
  EXPECT_EQ(*back.host_value(), 1234u);
  EXPECT_EQ((*(*instance->func<Ref()>("small"))()).i31_value(), -5);
}

TEST(Api, UseAfterTheStoreIsAnErrorNotACrash) {
  Engine engine;
  std::optional<Func<int32_t()>> func;
  std::optional<Instance> instance;
  Ref ref;
  {
    Store store(engine);
    auto made = store.instantiate(load(engine, R"((module (func (export "f") (result i32) (i32.const 1))))"));
    instance = *made;
    func = *made->func<int32_t()>("f");
    ref = store.host_ref(1);
    EXPECT_EQ(*(*func)(), 1);
  }
  EXPECT_EQ((*func)().error().kind(), wasm::OutcomeKind::kMisuse);
  EXPECT_FALSE(instance->func<int32_t()>("f"));
  EXPECT_FALSE(ref.host_value());
  Store other(engine);
  const Ref foreign = ref;
  EXPECT_FALSE(foreign.value());
}

TEST(Api, ReferencesOfAnotherStoreAreMisuse) {
  Engine engine;
  Store store(engine);
  Store other(engine);
  auto instance = store.instantiate(load(engine, R"((module (func (export "f") (param externref))))"));
  const auto called = (*instance->func<void(Ref)>("f"))(other.host_ref(5));
  ASSERT_FALSE(called);
  EXPECT_EQ(called.error().kind(), wasm::OutcomeKind::kMisuse);
  EXPECT_NE(called.error().text().find("id from different slab"), std::string::npos) << called.error().text();
}

TEST(Api, MemoriesAndGlobalsAreReadable) {
  Engine engine;
  Store store(engine);
  auto instance = store.instantiate(load(engine, R"((module
    (memory (export "m") 1) (data (i32.const 2) "xyz") (global (export "g") f64 (f64.const 2.5))))"));
  ASSERT_TRUE(instance);
  EXPECT_EQ((*instance->memory("m"))[3], 'y');
  EXPECT_EQ(*instance->global<double>("g"), 2.5);
  EXPECT_FALSE(instance->global<float>("g"));
}

}  // namespace
}  // namespace parallax::api
