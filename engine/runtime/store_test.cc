// The store without compiled code: linking, instantiation, handles, references, builtins called as compiled code would.
#include "engine/runtime/store.h"

#include <gtest/gtest.h>

#include "engine/base/faults.h"
#include "engine/runtime/builtins.h"
#include "engine/wasm/text/parse.h"

namespace parallax::runtime {
namespace {

using wasm::Extern;
using wasm::ExternKind;
using wasm::Outcome;
using wasm::OutcomeKind;
using wasm::RefKind;
using wasm::TrapKind;
using wasm::TypeId;
using wasm::ValType;
using wasm::Value;

// Runs C++ instead of code: by function index of the module.
struct FakeCompiler final : Compiler {
  using Body = std::function<void(VmContext*, Slot*)>;
  std::map<uint32_t, Body> bodies;
  std::vector<gc::Ref*> frame_slots;
  StoreContext* store = nullptr;

  const char* name() const override { return "fake"; }
  void attach(StoreContext& context) override { store = &context; }
  const void* initial_code(const FuncEntry&) override { return this; }
  Result<const void*> compile(FuncEntry&) override { return fail(ErrorCode::kUnsupported, 0, "fake"); }
  OutcomeKind enter(FuncEntry& entry, Slot* slots) override {
    if (const auto it = bodies.find(entry.func_index); it != bodies.end()) {
      it->second(entry.ctx, slots);
    } else {
      store->store->exit_with(OutcomeKind::kUnsupported, {ErrorCode::kUnsupported, 0, "no body"});
    }
    if (store->exit_kind != 0) return static_cast<OutcomeKind>(store->exit_kind);
    return store->pending_exception.is_null() ? OutcomeKind::kReturned : OutcomeKind::kThrew;
  }
  void visit_frames(gc::RootVisitor& visitor) override {
    for (gc::Ref* slot : frame_slots) visitor.visit(slot, gc::RootKind::kFrame, 0);
  }
};

class StoreTest : public testing::TestWithParam<GcKind> {
 protected:
  StoreTest() { reset({}); }
  ~StoreTest() override { g_fault = {}; }

  void reset(EngineOptions options) {
    types = std::make_shared<wasm::TypeStore>();
    auto made = std::make_unique<FakeCompiler>();
    fake = made.get();
    options.collector = GetParam();
    options.heap_bytes = 16 << 20;
    store = std::make_unique<Store>(types, options, std::move(made));
    ASSERT_TRUE(store->ok());
  }

  std::shared_ptr<const wasm::Module> module(std::string text) {
    auto bytes = wasm::text::parse_module(std::move(text));
    EXPECT_TRUE(bytes) << bytes.error().to_string();
    auto loaded = wasm::load(std::move(*bytes), types);
    EXPECT_TRUE(loaded) << loaded.error().to_string();
    return std::make_shared<const wasm::Module>(std::move(*loaded));
  }
  Outcome instantiate(std::string text, std::vector<Extern> imports = {}) {
    Outcome outcome = store->instantiate(module(std::move(text)), imports, instance);
    ctx = nullptr;
    return outcome;
  }
  Extern exported(const char* name) {
    const auto found = store->find_export(instance, name);
    EXPECT_TRUE(found) << name;
    return found ? *found : Extern{};
  }
  Value global(const char* name) {
    const auto value = store->global_get(exported(name));
    EXPECT_TRUE(value);
    return value.value_or(Value{});
  }
  // Runs `body` as the exported function "f", which must be function 0 of the module or the first after the imports.
  Outcome run(FakeCompiler::Body body, uint32_t index = 0, std::vector<Value> args = {}) {
    fake->bodies[index] = std::move(body);
    return store->call(exported("f"), args);
  }
  void expect_sound() {
    const auto sound = store->verify();
    EXPECT_TRUE(sound) << sound.error().message;
  }

  std::shared_ptr<wasm::TypeStore> types;
  FakeCompiler* fake = nullptr;
  std::unique_ptr<Store> store;
  wasm::InstanceId instance = 0;
  VmContext* ctx = nullptr;
};
INSTANTIATE_TEST_SUITE_P(All, StoreTest,
                         testing::Values(GcKind::kMoving, GcKind::kNonMoving, GcKind::kNever, GcKind::kGenerational),
                         [](const auto& info) { return gc::kGcKindText[static_cast<size_t>(info.param)]; });

TEST_P(StoreTest, GlobalsAreEvaluatedInOrderAndReadEachOther) {
  ASSERT_TRUE(instantiate(R"((module
    (global $a i32 (i32.const 40))
    (global (export "b") i32 (i32.add (global.get $a) (i32.const 2)))
    (global (export "c") i64 (i64.mul (i64.const -3) (i64.const 5)))
    (global (export "d") (mut f64) (f64.const 1.5))
    (global (export "e") v128 (v128.const i64x2 1 2))))")
                  .returned());
  EXPECT_EQ(global("b").low, 42u);
  EXPECT_EQ(global("c").low, static_cast<uint64_t>(-15));
  EXPECT_EQ(global("d").low, 0x3ff8000000000000u);
  EXPECT_EQ(global("e").high, 2u);
  expect_sound();
}

TEST_P(StoreTest, ConstantExpressionsAllocateUnderZealAndKeepTheirOperands) {
  EngineOptions options;
  options.zeal = {.mode = ZealMode::kEveryAlloc, .poison = true, .verify_before = true, .verify_after = true};
  reset(options);
  const Outcome outcome = instantiate(R"((module
    (type $p (struct (field (mut i32)) (field (ref null $p)) (field i8)))
    (type $a (array (mut (ref null $p))))
    (type $n (array (mut i16)))
    (global (export "list") (ref $p)
      (struct.new $p (i32.const 1) (struct.new $p (i32.const 2) (struct.new_default $p) (i32.const -1)) (i32.const 255)))
    (global (export "array") (ref $a)
      (array.new_fixed $a 3 (struct.new_default $p) (ref.null $p) (struct.new $p (i32.const 9) (ref.null $p) (i32.const 3))))
    (global (export "fill") (ref $a) (array.new $a (struct.new $p (i32.const 5) (ref.null $p) (i32.const 0)) (i32.const 4)))
    (global (export "numbers") (ref $n) (array.new $n (i32.const -2) (i32.const 3)))
    (global (export "small") (ref i31) (ref.i31 (i32.const -1)))
    (global (export "outside") externref (extern.convert_any (ref.i31 (i32.const 7))))))");
  ASSERT_TRUE(outcome.returned()) << outcome.error.message;
  store->collect();
  const Value list = global("list");
  EXPECT_EQ(store->inspect(list)->length, 3u);
  EXPECT_EQ(store->field(list, 0)->low, 1u);
  EXPECT_EQ(store->field(list, 2)->low, 255u);
  const Value second = *store->field(list, 1);
  EXPECT_EQ(store->field(second, 0)->low, 2u);
  EXPECT_EQ(store->field(second, 2)->low, 255u);
  EXPECT_EQ(store->field(*store->field(second, 1), 0)->low, 0u);
  EXPECT_EQ(store->field(*store->field(global("array"), 2), 0)->low, 9u);
  EXPECT_EQ(store->field(global("array"), 1)->ref.kind, RefKind::kNull);
  const Value fill = global("fill");
  EXPECT_TRUE(store->same(*store->field(fill, 0), *store->field(fill, 3)));
  EXPECT_EQ(store->field(global("numbers"), 2)->low, 0xfffeu);
  EXPECT_EQ(global("small").ref, (wasm::Ref{RefKind::kI31, 0x7fffffff}));
  EXPECT_EQ(global("outside").ref, (wasm::Ref{RefKind::kI31, 7}));
  expect_sound();
}

TEST_P(StoreTest, ActiveSegmentsRunInOrderAndTrapsKeepWhatHappenedBefore) {
  const Extern memory = store->make_memory({.limits = {.min = 1}});
  const Extern table = store->make_table({.element = wasm::kFuncRef, .limits = {.min = 4}}, Value::null());
  const Outcome outcome = instantiate(R"((module
    (import "a" "m" (memory 1)) (import "a" "t" (table 4 funcref))
    (func $f)
    (elem (i32.const 1) $f $f)
    (data (i32.const 3) "abc")
    (data (i32.const 65535) "xy")))",
                                      {memory, table});
  EXPECT_EQ(outcome.kind, OutcomeKind::kTrapped);
  EXPECT_EQ(outcome.trap, TrapKind::kMemoryOutOfBounds);
  EXPECT_EQ(instance, 0u);
  EXPECT_EQ((*store->memory(memory))[4], 'b');
  EXPECT_EQ((*store->memory(memory))[65535], 0);
  EXPECT_EQ(store->table_get(table, 0).values[0].ref.kind, RefKind::kNull);
  EXPECT_EQ(store->table_get(table, 2).values[0].ref.kind, RefKind::kFunc);
  expect_sound();
}

TEST_P(StoreTest, TablesOfReferencesAreRootsAndKeepInitialisers) {
  ASSERT_TRUE(instantiate(R"((module
    (type $s (struct (field i64)))
    (table (export "t") 3 (ref null $s) (struct.new $s (i64.const 11)))
    (table (export "u") 3 anyref)
    (elem (table 1) (i32.const 1) anyref (struct.new $s (i64.const 22)) (ref.i31 (i32.const 3)))))")
                  .returned());
  store->collect();
  store->collect();
  EXPECT_EQ(store->field(store->table_get(exported("t"), 2).values[0], 0)->low, 11u);
  EXPECT_EQ(store->field(store->table_get(exported("u"), 1).values[0], 0)->low, 22u);
  EXPECT_EQ(store->table_get(exported("u"), 2).values[0].ref.kind, RefKind::kI31);
  EXPECT_EQ(store->table_get(exported("u"), 3).trap, TrapKind::kTableOutOfBounds);
  expect_sound();
}

TEST_P(StoreTest, ImportsThatDoNotMatchAreUnlinkable) {
  const TypeId nothing = types->intern_func({}, {});
  const Extern func = store->make_func(nothing, [](auto&, auto) { return Outcome::ok(); });
  const Extern global = store->make_global({.value = wasm::kI32}, Value::i32(1));
  const Extern memory = store->make_memory({.limits = {.min = 1, .max = 2}});
  const Extern table = store->make_table({.element = wasm::kFuncRef, .limits = {.min = 5}}, Value::null());
  const Extern tag = store->make_tag(nothing);
  const std::pair<const char*, Extern> wrong[] = {
      {R"((module (import "a" "b" (func (param i32)))))", func},
      {R"((module (import "a" "b" (func))))", global},
      {R"((module (import "a" "b" (func))))", Extern{}},
      {R"((module (import "a" "b" (global (mut i32)))))", global},
      {R"((module (import "a" "b" (global i64))))", global},
      {R"((module (import "a" "b" (memory 2))))", memory},
      {R"((module (import "a" "b" (memory 1 1))))", memory},
      {R"((module (import "a" "b" (memory i64 1))))", memory},
      {R"((module (import "a" "b" (table 6 funcref))))", table},
      {R"((module (import "a" "b" (table 1 9 funcref))))", table},
      {R"((module (import "a" "b" (table 1 externref))))", table},
      {R"((module (import "a" "b" (tag (param i32)))))", tag},
  };
  for (const auto& [text, given] : wrong) {
    EXPECT_EQ(instantiate(text, {given}).kind, OutcomeKind::kUnlinkable) << text;
  }
  EXPECT_TRUE(instantiate(R"((module (import "a" "b" (memory 1 3))))", {memory}).returned());
  EXPECT_TRUE(instantiate(R"((module (import "a" "b" (table 2 funcref))))", {table}).returned());
  EXPECT_TRUE(instantiate(R"((module (import "a" "b" (tag))))", {tag}).returned());
}

TEST_P(StoreTest, HandlesOfADroppedInstanceAreMisuseForEver) {
  ASSERT_TRUE(instantiate(R"((module (func (export "f")) (global (export "g") i32 (i32.const 1))))").returned());
  const Extern f = exported("f");
  const Extern g = exported("g");
  EXPECT_EQ(exported("f"), f);
  const wasm::InstanceId old = instance;
  ASSERT_TRUE(store->drop_instance(old));
  ASSERT_TRUE(instantiate(R"((module (func (export "f")) (global (export "g") i32 (i32.const 2))))").returned());
  exported("f");
  exported("g");
  EXPECT_EQ(store->call(f, {}).kind, OutcomeKind::kMisuse);
  EXPECT_NE(store->call(f, {}).error.message.find("stale id"), std::string::npos);
  EXPECT_FALSE(store->global_get(g));
  EXPECT_FALSE(store->find_export(old, "f"));
  EXPECT_FALSE(store->drop_instance(old));
}

TEST_P(StoreTest, HandlesAndReferencesOfAnotherStoreAreMisuse) {
  Store other(types, {}, nullptr);
  const Extern foreign = other.make_func(types->intern_func({}, {}), [](auto&, auto) { return Outcome::ok(); });
  const Outcome called = store->call(foreign, {});
  EXPECT_EQ(called.kind, OutcomeKind::kMisuse);
  EXPECT_NE(called.error.message.find("id from different slab"), std::string::npos) << called.error.message;

  const Value box = other.make_host_ref(5);
  store->make_host_ref(6);
  EXPECT_FALSE(store->inspect(box));
  EXPECT_FALSE(store->matches(box, wasm::kExternRef));
  EXPECT_EQ(store->root(box), 0u);
  const Extern table = store->make_table({.element = wasm::kExternRef, .limits = {.min = 1}}, Value::null());
  const Outcome set = store->table_set(table, 0, box);
  EXPECT_EQ(set.kind, OutcomeKind::kMisuse);
  EXPECT_NE(set.error.message.find("'heap reference' of store"), std::string::npos) << set.error.message;
}

TEST_P(StoreTest, WrongArgumentsAreMisuse) {
  const Extern f = store->make_func(types->intern_func({wasm::kI32, ValType::ref(wasm::HeapKind::kStruct, false)}, {}),
                                    [](auto&, auto) { return Outcome::ok(); });
  const Value one = Value::i32(1);
  const std::vector<std::vector<Value>> wrong = {{},
                                                 {one},
                                                 {one, one},
                                                 {one, Value::null()},
                                                 {Value::i64(1), Value::null()},
                                                 {one, Value::reference({RefKind::kI31, 5})},
                                                 {one, store->make_host_ref(1)},
                                                 {one, store->func_ref(f)},
                                                 {one, Value::reference({RefKind::kStruct, 0x12345678})}};
  for (const auto& args : wrong) EXPECT_EQ(store->call(f, args).kind, OutcomeKind::kMisuse);
}

TEST_P(StoreTest, HostFunctionsReturnTrapAndThrowThroughCall) {
  const TypeId type = types->intern_func({wasm::kI32}, {wasm::kI32});
  const Extern tag = store->make_tag(types->intern_func({wasm::kI64}, {}));
  const Extern f = store->make_func(type, [&](auto&, std::span<const Value> args) {
    if (args[0].low == 1) return Outcome::trapped(TrapKind::kHostTrap);
    if (args[0].low == 2) return Outcome{.kind = OutcomeKind::kThrew, .tag = tag, .values = {Value::i64(7)}};
    if (args[0].low == 3) return Outcome::ok({Value::i64(1)});
    return Outcome::ok({Value::i32(static_cast<uint32_t>(args[0].low) * 2)});
  });
  const auto call = [&](uint32_t n) {
    const Value arg = Value::i32(n);
    return store->call(f, {&arg, 1});
  };
  EXPECT_EQ(call(21).values[0].low, 42u);
  EXPECT_EQ(call(1).trap, TrapKind::kHostTrap);
  EXPECT_EQ(call(2).tag, tag);
  EXPECT_EQ(call(3).kind, OutcomeKind::kMisuse);
}

TEST_P(StoreTest, RootsFollowAndHostObjectsDieWithTheirLastReference) {
  const Value kept = store->make_host_ref(11);
  const wasm::RootId root = store->root(kept);
  store->make_host_ref(22);
  store->collect();
  const Value again = *store->rooted(root);
  EXPECT_EQ(store->inspect(again)->host_value, 11u);
  EXPECT_EQ(store->inspect(again)->kind, RefKind::kHost);
  expect_sound();
  ASSERT_TRUE(store->unroot(root));
  EXPECT_FALSE(store->rooted(root));
  EXPECT_FALSE(store->unroot(root));
  if (GetParam() == GcKind::kNever) return;
  const auto stale = store->inspect(kept);
  ASSERT_FALSE(stale);
  EXPECT_NE(stale.error().message.find("stale reference"), std::string::npos) << stale.error().message;
}

constexpr const char* kObjects = R"((module
  (type $s (struct (field (mut i32)) (field (mut anyref))))
  (type $refs (array (mut anyref)))
  (type $bytes (array (mut i8)))
  (type $longs (array (mut i64)))
  (type $funcs (array (mut funcref)))
  (tag $e (export "e") (param i32 anyref))
  (func $f (export "f") (result anyref) (ref.null any))
  (func $g)
  (memory (export "m") 1 3)
  (table (export "t") 2 10 funcref)
  (table (export "r") 2 anyref)
  (elem $el funcref (ref.func $f) (ref.func $g) (ref.null func))
  (elem $er anyref (ref.i31 (i32.const 4)) (struct.new_default $s))
  (data $d "\01\02\03\04\05\06\07\08\09")))";

TEST_P(StoreTest, ArrayBuiltinsFollowTheSpecification) {
  ASSERT_TRUE(instantiate(kObjects).returned());
  const Outcome outcome = run([&](VmContext* c, Slot* slots) {
    gc::Heap& heap = store->heap();
    const uint32_t bytes = c->types[2];
    const uint32_t longs = c->types[3];
    const gc::Ref a = builtin::array_new_data(c, bytes, 0, 2, 5);
    EXPECT_EQ(*heap.at(a, 8), 3);
    EXPECT_EQ(*heap.at(a, 12), 7);
    builtin::array_copy(c, a, 1, a, 0, 4);  // overlapping
    EXPECT_EQ(*heap.at(a, 9), 3);
    EXPECT_EQ(*heap.at(a, 12), 6);
    builtin::array_fill(c, a, 3, 0xabff, 2);
    EXPECT_EQ(*heap.at(a, 11), 0xff);
    EXPECT_EQ(*heap.at(a, 12), 0xff);
    const gc::Ref l = builtin::alloc_array(c, longs, 2);
    builtin::array_init_data(c, 0, l, 1, 1, 1);
    EXPECT_EQ(heap.load<uint64_t>(l, 16), 0x0908070605040302u);
    const gc::Ref f = builtin::array_new_elem(c, c->types[4], 0, 1, 2);
    EXPECT_EQ(heap.load<uint64_t>(f, 8), c->funcs[1]->id);
    EXPECT_EQ(heap.load<uint64_t>(f, 16), 0u);
    const gc::Ref r = builtin::array_new_elem(c, c->types[1], 1, 0, 2);
    EXPECT_EQ(heap.load<gc::Ref>(r, 8), gc::Ref::i31(4));
    slots[0] = Slot{r.bits, 0};
  });
  ASSERT_TRUE(outcome.returned()) << outcome.error.message;
  EXPECT_EQ(store->inspect(outcome.values[0])->length, 2u);
  expect_sound();
}

TEST_P(StoreTest, ArrayBuiltinsTrapAtTheirBounds) {
  ASSERT_TRUE(instantiate(kObjects).returned());
  struct Row {
    TrapKind trap;
    std::function<void(VmContext*, gc::Ref)> body;
  };
  const Row rows[] = {
      {TrapKind::kMemoryOutOfBounds, [](VmContext* c, gc::Ref) { builtin::array_new_data(c, c->types[2], 0, 5, 5); }},
      {TrapKind::kMemoryOutOfBounds, [](VmContext* c, gc::Ref) { builtin::array_new_data(c, c->types[3], 0, 0, ~0u); }},
      {TrapKind::kTableOutOfBounds, [](VmContext* c, gc::Ref) { builtin::array_new_elem(c, c->types[4], 0, 3, 1); }},
      {TrapKind::kArrayOutOfBounds, [](VmContext* c, gc::Ref a) { builtin::array_fill(c, a, 4, 0, 1); }},
      {TrapKind::kArrayOutOfBounds, [](VmContext* c, gc::Ref a) { builtin::array_fill(c, a, ~0u, 0, 2); }},
      {TrapKind::kArrayOutOfBounds, [](VmContext* c, gc::Ref a) { builtin::array_copy(c, a, 3, a, 0, 2); }},
      {TrapKind::kArrayOutOfBounds, [](VmContext* c, gc::Ref a) { builtin::array_copy(c, a, 0, a, 3, 2); }},
      {TrapKind::kArrayOutOfBounds, [](VmContext* c, gc::Ref a) { builtin::array_init_data(c, 0, a, 5, 99, 0); }},
      {TrapKind::kMemoryOutOfBounds, [](VmContext* c, gc::Ref a) { builtin::array_init_data(c, 0, a, 0, 8, 2); }},
      {TrapKind::kNullArrayReference, [](VmContext* c, gc::Ref) { builtin::array_fill(c, gc::kNullRef, 0, 0, 0); }},
      {TrapKind::kAllocationSizeTooLarge,
       [](VmContext* c, gc::Ref) { builtin::alloc_array(c, c->types[3], (1u << 24) + 1); }},
      {TrapKind::kTableOutOfBounds, [](VmContext* c, gc::Ref) { builtin::table_get_func(c, 0, 2); }},
      {TrapKind::kTableOutOfBounds, [](VmContext* c, gc::Ref) { builtin::table_fill(c, 0, 1, 0, 2); }},
      {TrapKind::kTableOutOfBounds, [](VmContext* c, gc::Ref) { builtin::table_copy(c, 0, 0, 0, 1, 2); }},
      {TrapKind::kTableOutOfBounds, [](VmContext* c, gc::Ref) { builtin::table_init(c, 0, 0, 0, 2, 2); }},
      {TrapKind::kMemoryOutOfBounds, [](VmContext* c, gc::Ref) { builtin::memory_fill(c, 0, 65536, 0, 1); }},
      {TrapKind::kMemoryOutOfBounds, [](VmContext* c, gc::Ref) { builtin::memory_copy(c, 0, 0, 1, 0, 65536); }},
      {TrapKind::kMemoryOutOfBounds, [](VmContext* c, gc::Ref) { builtin::memory_init(c, 0, 0, 0, 9, 1); }},
      {TrapKind::kUndefinedElement, [](VmContext* c, gc::Ref) { builtin::func_lookup(c, 0, 2, c->funcs[0]->type); }},
      {TrapKind::kUninitializedElement,
       [](VmContext* c, gc::Ref) { builtin::func_lookup(c, 0, 1, c->funcs[0]->type); }},
      {TrapKind::kNullFunctionReference, [](VmContext* c, gc::Ref) { builtin::func_deref(c, 0, 0); }},
      {TrapKind::kCastFailure,
       [](VmContext* c, gc::Ref a) { builtin::ref_cast(c, a, ValType::ref(wasm::HeapKind::kStruct, true).bits()); }},
  };
  for (const Row& row : rows) {
    const Outcome outcome = run([&](VmContext* c, Slot*) { row.body(c, builtin::alloc_array(c, c->types[2], 4)); });
    EXPECT_EQ(outcome.kind, OutcomeKind::kTrapped) << outcome.error.message;
    EXPECT_EQ(outcome.trap, row.trap) << wasm::to_string(outcome.trap) << " / " << wasm::to_string(row.trap);
  }
  const Outcome dropped = run([&](VmContext* c, Slot*) {
    builtin::data_drop(c, 0);
    builtin::memory_init(c, 0, 0, 0, 0, 0);
    builtin::memory_init(c, 0, 0, 0, 0, 1);
  });
  EXPECT_EQ(dropped.trap, TrapKind::kMemoryOutOfBounds);
}

TEST_P(StoreTest, GrowingStopsAtTypeAndBudget) {
  ASSERT_TRUE(instantiate(kObjects).returned());
  wasm::Budget budget;
  budget.memory_pages = 2;
  budget.table_elements = 8;
  store->set_budget(budget);
  const Outcome outcome = run([&](VmContext* c, Slot*) {
    EXPECT_EQ(builtin::memory_grow(c, 0, 2), ~uint64_t{0});
    EXPECT_EQ(builtin::memory_grow(c, 0, 1), 1u);
    EXPECT_EQ(builtin::memory_size(c, 0), 2u);
    EXPECT_EQ(c->memory0->bytes, 2 * kWasmPage);
    c->memory0->base[2 * kWasmPage - 1] = 5;
    EXPECT_EQ(builtin::memory_grow(c, 0, 0), 2u);
    EXPECT_EQ(builtin::memory_grow(c, 0, ~uint64_t{0}), ~uint64_t{0});
    EXPECT_EQ(builtin::table_grow(c, 0, c->funcs[1]->id, 6), 2u);
    EXPECT_EQ(builtin::table_get_func(c, 0, 7), c->funcs[1]->id);
    EXPECT_EQ(builtin::table_grow(c, 0, 0, 1), ~uint64_t{0});
  });
  EXPECT_TRUE(outcome.returned());
}

TEST_P(StoreTest, AllocationIsChargedByDeclaredSizeAndStopsAtTheBudget) {
  ASSERT_TRUE(instantiate(kObjects).returned());
  wasm::Budget budget;
  budget.allocated_bytes = 100;
  store->set_budget(budget);
  const Outcome outcome = run([&](VmContext* c, Slot*) {
    builtin::alloc_struct(c, c->types[0]);
    EXPECT_EQ(store->stats().allocated_bytes, 16u + 4 + 8);
    builtin::alloc_array(c, c->types[1], 3);
    EXPECT_EQ(store->stats().allocated_bytes, 28u + 16 + 24);
    builtin::alloc_exn(c, 0);
    EXPECT_EQ(store->stats().allocated_bytes, 68u + 28);
    EXPECT_FALSE(store->exiting());
    builtin::alloc_array(c, c->types[2], 0);
  });
  EXPECT_EQ(outcome.kind, OutcomeKind::kHeapExhausted);
  EXPECT_EQ(store->stats().allocated_objects, 3u);
}

TEST_P(StoreTest, HeapWithoutRoomIsOutOfMemoryNotACrash) {
  ASSERT_TRUE(instantiate(kObjects).returned());
  const Outcome outcome = run([&](VmContext* c, Slot*) { builtin::alloc_array(c, c->types[3], 1u << 22); });
  EXPECT_EQ(outcome.kind, OutcomeKind::kOutOfMemory);
  expect_sound();
}

TEST_P(StoreTest, FrameSlotsAreRootsAndThrownExceptionsCarryTagAndPayload) {
  EngineOptions options;
  options.armed = true;
  options.zeal.mode = ZealMode::kEverySafepoint;
  reset(options);
  ASSERT_TRUE(instantiate(kObjects).returned());
  const Extern tag = exported("e");
  const Outcome outcome = run([&](VmContext* c, Slot*) {
    gc::Ref kept = builtin::alloc_struct(c, c->types[0]);
    fake->frame_slots = {&kept};
    store->heap().store(kept, store->layouts().of(TypeId(c->types[0])).fields[0].offset, uint32_t{77});
    builtin::safepoint_poll(c);
    const gc::Ref exn = builtin::alloc_exn(c, 0);
    const TypeLayout& layout = store->layouts().of(store->tags().find(c->tags[0])->type);
    store->heap().store(exn, layout.fields[0].offset, uint32_t{5});
    store->heap().store(exn, layout.fields[1].offset, kept);
    fake->frame_slots.clear();
    c->store->pending_exception = exn;
  });
  ASSERT_EQ(outcome.kind, OutcomeKind::kThrew);
  EXPECT_EQ(outcome.tag, tag);
  EXPECT_EQ(outcome.values[0].low, 5u);
  EXPECT_EQ(store->field(outcome.values[1], 0)->low, 77u);
  if (GetParam() != GcKind::kNever)
    EXPECT_GT(store->armed_counts()[static_cast<size_t>(ArmedCheck::kFrameSlot)].evaluated, 0u);
  expect_sound();
}

TEST_P(StoreTest, HostFunctionsCalledByCodeSeeCollectedArgumentsAndMayReenter) {
  EngineOptions options;
  options.zeal = {.mode = ZealMode::kEverySafepoint, .poison = true};
  reset(options);
  const Extern h =
      store->make_func(types->intern_func({wasm::kAnyRef}, {wasm::kAnyRef}), [&](wasm::Embedding& e, auto args) {
        const wasm::RootId root = e.root(args[0]);
        e.collect();
        const Outcome nested = e.call(exported("g"), {});
        EXPECT_EQ(nested.kind, OutcomeKind::kTrapped);
        const Value value = *e.rooted(root);
        EXPECT_TRUE(e.unroot(root));
        return Outcome::ok({value});
      });
  ASSERT_TRUE(instantiate(R"((module
    (type $s (struct (field (mut i32))))
    (import "a" "h" (func (param anyref) (result anyref)))
    (func (export "f") (result anyref) (ref.null any))
    (func (export "g"))))",
                          {h})
                  .returned());
  fake->bodies[2] = [](VmContext* c, Slot*) { builtin::trap(c, static_cast<uint32_t>(TrapKind::kUnreachable), 5); };
  const Outcome outcome = run(
      [&](VmContext* c, Slot* slots) {
        const gc::Ref s = builtin::alloc_struct(c, c->types[0]);
        store->heap().store(s, 8, uint32_t{123});
        slots[0] = Slot{s.bits, 0};
        builtin::host_call(c, c->funcs[0], slots);
      },
      1);
  ASSERT_TRUE(outcome.returned()) << outcome.error.message;
  EXPECT_EQ(store->field(outcome.values[0], 0)->low, 123u);
}

TEST_P(StoreTest, ArmedChecksSeeWrongNamesAndWrongTypes) {
  ASSERT_TRUE(instantiate(kObjects).returned());
  const uint32_t struct_bits = ValType::ref(wasm::HeapKind::kStruct, false).bits();
  const auto check = [&](std::function<void(VmContext*)> body) {
    return run([&](VmContext* c, Slot*) { body(c); }).error.message;
  };
  // Compiled code asks only about what it refused; a sound reference means that the two disagree.
  EXPECT_NE(check([&](VmContext* c) {
              builtin::check_ref(c, builtin::alloc_struct(c, c->types[0]), struct_bits, 9);
            }).find("was refused by compiled code and matches"),
            std::string::npos);
  EXPECT_TRUE(
      check([&](VmContext* c) { builtin::check_ref(c, gc::Ref{0x77777770}, struct_bits, 9); }).starts_with("I1: "));
  EXPECT_TRUE(check([&](VmContext* c) { builtin::check_ref(c, gc::kNullRef, struct_bits, 9); }).starts_with("I3: "));
  EXPECT_TRUE(check([&](VmContext* c) { builtin::check_ref(c, gc::Ref::i31(1), struct_bits, 9); }).starts_with("I3: "));
  EXPECT_TRUE(check([&](VmContext* c) { builtin::check_func(c, 5, wasm::kFuncRef.bits(), 9); }).starts_with("I1: "));
  EXPECT_NE(check([&](VmContext* c) {
              builtin::check_func(c, c->funcs[0]->id, wasm::kFuncRef.bits(), 9);
            }).find("was refused by compiled code and matches"),
            std::string::npos);
  EXPECT_TRUE(check([&](VmContext* c) { builtin::array_fill(c, gc::Ref::i31(3), 0, 0, 0); }).starts_with("I3: "));
  EXPECT_TRUE(check([&](VmContext* c) { builtin::array_fill(c, gc::Ref{0xfffffff8}, 0, 0, 0); }).starts_with("I1: "));
}

TEST_P(StoreTest, VerifySeesAValueOfTheWrongTypeInAFieldAndAGlobal) {
  ASSERT_TRUE(instantiate(R"((module
    (type $s (struct (field (mut (ref i31)))))
    (global (export "g") (ref null $s) (struct.new $s (ref.i31 (i32.const 1))))))")
                  .returned());
  expect_sound();
  const wasm::RootId root = store->root(global("g"));
  const gc::Ref ref{static_cast<uint32_t>(store->rooted(root)->ref.name)};
  store->heap().store(ref, 8, gc::kNullRef);
  const auto broken = store->verify();
  ASSERT_FALSE(broken);
  EXPECT_TRUE(broken.error().message.starts_with("I3: field 0 of object")) << broken.error().message;
}

TEST_P(StoreTest, PlantedFaultSL1MakesReferencesThatTheirUseFindsOut) {
  ASSERT_TRUE(choose_fault("SL1"));
  ASSERT_TRUE(instantiate(kObjects).returned());
  const Outcome outcome = run([&](VmContext* c, Slot*) {
    const uint64_t id = builtin::ref_func(c, 1);
    builtin::func_deref(c, id, c->funcs[1]->type);
  });
  EXPECT_EQ(outcome.kind, OutcomeKind::kInvariant);
  EXPECT_NE(outcome.error.message.find("I1: id from different slab"), std::string::npos) << outcome.error.message;
}

TEST_P(StoreTest, StartFunctionsRunAndTheirTrapsKeepTheInstanceOut) {
  bool ran = false;
  const TypeId nothing = types->intern_func({}, {});
  const Extern good = store->make_func(nothing, [&](auto&, auto) {
    ran = true;
    return Outcome::ok();
  });
  const Extern bad = store->make_func(nothing, [&](auto&, auto) { return Outcome::trapped(TrapKind::kHostTrap); });
  EXPECT_TRUE(instantiate(R"((module (import "a" "b" (func $s)) (start $s)))", {good}).returned());
  EXPECT_TRUE(ran);
  EXPECT_EQ(instantiate(R"((module (import "a" "b" (func $s)) (start $s)))", {bad}).trap, TrapKind::kHostTrap);
  EXPECT_EQ(instance, 0u);
}

}  // namespace
}  // namespace parallax::runtime
