// Collection, names and the verifier.
#include "interp/store.h"
#include "interp/testing.h"

namespace parallax::interp {

struct StorePeer {
  static Word word(Store& store, const wasm::Value& value) { return *store.word_of_ref(value.ref); }
  static Code& running_code(Store& store) { return const_cast<Code&>(*store.machine_.top->code); }
};

namespace testing {
namespace {

constexpr const char* kList = R"((module
    (rec (type $node (struct (field i32) (field (mut (ref null $node))))))
    (global $head (mut (ref null $node)) (ref.null $node))
    (func (export "push") (param i32)
      (global.set $head (struct.new $node (local.get 0) (global.get $head))))
    (func (export "clear") (global.set $head (ref.null $node)))
    (func (export "head") (result (ref null $node)) (global.get $head))
    (func $build (param i32) (result (ref null $node))
      (if (result (ref null $node)) (local.get 0)
        (then (struct.new $node (local.get 0) (call $build (i32.sub (local.get 0) (i32.const 1)))))
        (else (ref.null $node))))
    (func (export "sum") (param i32) (result i32) (local $n (ref null $node)) (local $s i32)
      (local.set $n (call $build (local.get 0)))
      (drop (call $build (local.get 0)))
      (block $done
        (loop $next
          (br_if $done (ref.is_null (local.get $n)))
          (local.set $s (i32.add (local.get $s) (struct.get $node 0 (local.get $n))))
          (local.set $n (struct.get $node 1 (local.get $n)))
          (br $next)))
      (local.get $s))))";

TEST(Collection, AtEveryAllocationKeepsFramesOperandsAndGlobalsAlive) {
  Fixture f(Fixture::zealous());
  const auto m = f.instantiate(kList);
  EXPECT_EQ(f.i32(m, "sum", {Value::i32(60)}), 60u * 61 / 2);
  EXPECT_GE(f.store->stats().collections, 120u);
}

TEST(Collection, FreesWhatIsUnreachable) {
  Fixture f;
  const auto m = f.instantiate(kList);
  for (uint32_t i = 0; i < 1000; ++i) f.call(m, "push", {Value::i32(i)});
  f.store->collect();
  const uint64_t full = f.store->stats().live_bytes_after_last;
  f.call(m, "clear");
  f.store->collect();
  EXPECT_LT(f.store->stats().live_bytes_after_last, full);
}

TEST(Collection, OldValueOfAnOverwrittenLocalIsARootWhileItIsOnTheStack) {
  Fixture f(Fixture::zealous());
  const auto m = f.instantiate(R"((module (type $s (struct (field i32)))
      (func (export "f") (result i32) (local $x (ref null $s))
        (local.set $x (struct.new $s (i32.const 11)))
        local.get $x
        (local.set $x (struct.new $s (i32.const 22)))
        (drop (struct.new $s (i32.const 33)))
        (struct.get $s 0))))");
  EXPECT_EQ(f.i32(m, "f"), 11u);
}

TEST(Collection, ConstantExpressionsKeepTheirOperands) {
  Fixture f(Fixture::zealous());
  const auto m =
      f.instantiate(R"((module (type $s (struct (field i32))) (type $p (struct (field (ref $s)) (field (ref $s))))
      (type $a (array (ref $p)))
      (global $g (ref $a) (array.new_fixed $a 2
        (struct.new $p (struct.new $s (i32.const 1)) (struct.new $s (i32.const 2)))
        (struct.new $p (struct.new $s (i32.const 3)) (struct.new $s (i32.const 4)))))
      (elem $e (ref $p) (item (struct.new $p (struct.new $s (i32.const 5)) (struct.new $s (i32.const 6)))))
      (func (export "f") (result i32)
        (i32.add
          (struct.get $s 0 (struct.get $p 1 (array.get $a (global.get $g) (i32.const 0))))
          (struct.get $s 0 (struct.get $p 1 (array.get $a (array.new_elem $a $e (i32.const 0) (i32.const 1)) (i32.const 0))))))))");
  EXPECT_EQ(f.i32(m, "f"), 2u + 6u);
}

TEST(Names, OfCollectedObjectsAreStale) {
  Fixture f;
  const auto m = f.instantiate(kList);
  f.call(m, "push", {Value::i32(1)});
  const Value head = f.call(m, "head").values[0];
  EXPECT_TRUE(f.store->inspect(head).has_value());
  f.call(m, "clear");
  f.store->collect();
  for (int i = 0; i < 10; ++i) f.call(m, "push", {Value::i32(2)});  // reuses the place
  const auto view = f.store->inspect(head);
  ASSERT_FALSE(view.has_value());
  EXPECT_EQ(view.error().code, ErrorCode::kInvariant);
  EXPECT_THAT(view.error().message, ::testing::HasSubstr("stale id"));
}

TEST(Names, OfAnotherStoreAreRefused) {
  Fixture f, g;
  const auto m = f.instantiate(kList);
  const auto n = g.instantiate(kList);
  f.call(m, "push", {Value::i32(1)});
  const Value head = f.call(m, "head").values[0];
  const auto view = g.store->inspect(head);
  ASSERT_FALSE(view.has_value());
  EXPECT_THAT(view.error().message, ::testing::HasSubstr("different store"));
  EXPECT_FALSE(g.store->matches(head, wasm::kAnyRef));
  static_cast<void>(n);
}

TEST(Roots, KeepObjectsAlive) {
  Fixture f(Fixture::zealous());
  const auto m = f.instantiate(kList);
  f.call(m, "push", {Value::i32(9)});
  const wasm::RootId root = f.store->root(f.call(m, "head").values[0]);
  f.call(m, "clear");
  f.store->collect();
  EXPECT_EQ(f.store->field(*f.store->rooted(root), 0)->low, 9u);
  EXPECT_TRUE(f.store->unroot(root).has_value());
  EXPECT_FALSE(f.store->rooted(root).has_value());
  EXPECT_THAT(f.store->rooted(root).error().message, ::testing::HasSubstr("stale id"));
}

TEST(DroppedInstances, LeaveStaleHandlesButWorkingFunctions) {
  Fixture f;
  const auto a = f.instantiate(R"((module (global $g (mut i32) (i32.const 5))
      (func (export "f") (result i32) (global.set $g (i32.add (global.get $g) (i32.const 1))) (global.get $g))))");
  const auto b =
      f.instantiate(R"((module (import "a" "f" (func $f (result i32))) (func (export "f") (result i32) (call $f))))",
                    {f.find(a, "f")});
  const Extern old = f.find(a, "f");
  EXPECT_TRUE(f.store->drop_instance(a).has_value());
  f.store->collect();
  EXPECT_EQ(f.i32(b, "f"), 6u);
  const Outcome misuse = f.store->call(old, {});
  EXPECT_THAT(misuse, EndedWith(OutcomeKind::kMisuse));
  EXPECT_THAT(misuse.error.message, ::testing::HasSubstr("stale id: function"));
  EXPECT_FALSE(f.store->find_export(a, "f").has_value());
  EXPECT_FALSE(f.store->drop_instance(a).has_value());
}

TEST(DroppedInstances, AreFreedWhenNothingUsesThem) {
  Fixture f;
  auto module = f.load("(module (memory 1) (func (export \"f\")))");
  wasm::InstanceId id = 0;
  ASSERT_TRUE(f.store->instantiate(module, {}, id).returned());
  EXPECT_EQ(module.use_count(), 2);
  f.store->collect();
  EXPECT_EQ(module.use_count(), 2);
  EXPECT_TRUE(f.store->drop_instance(id).has_value());
  f.store->collect();
  EXPECT_EQ(module.use_count(), 1);
}

TEST(Handles, OfAnotherStoreAndOfAnotherKindAreMisuse) {
  Fixture f, g;
  const auto m = f.instantiate("(module (func (export \"f\")) (memory (export \"m\") 1))");
  const Outcome foreign = g.store->call(f.find(m, "f"), {});
  EXPECT_THAT(foreign, EndedWith(OutcomeKind::kMisuse));
  EXPECT_THAT(foreign.error.message, ::testing::HasSubstr("id from different slab"));
  const Outcome kind = f.store->call({ExternKind::kFunc, f.find(m, "m").id}, {});
  EXPECT_THAT(kind, EndedWith(OutcomeKind::kMisuse));
  EXPECT_THAT(kind.error.message, ::testing::HasSubstr("memory, used as a function"));
  EXPECT_THAT(f.call(m, "f", {Value::i32(1)}), EndedWith(OutcomeKind::kMisuse));
}

TEST(Verifier, SeesAReferenceToNothing) {
  Fixture f;
  const auto m = f.instantiate(kList);
  f.call(m, "push", {Value::i32(1)});
  EXPECT_TRUE(f.store->verify().has_value());
  auto& store = static_cast<Store&>(*f.store);
  struct_of(StorePeer::word(store, f.call(m, "head").values[0]))->slots[1] = 0x123450;
  const auto verdict = f.store->verify();
  ASSERT_FALSE(verdict.has_value());
  EXPECT_THAT(verdict.error().message, ::testing::StartsWith("I1: field 1 of struct"));
}

TEST(Verifier, SeesAValueOfAnotherType) {
  Fixture f;
  const auto m = f.instantiate(kList);
  f.call(m, "push", {Value::i32(1)});
  auto& store = static_cast<Store&>(*f.store);
  struct_of(StorePeer::word(store, f.call(m, "head").values[0]))->slots[1] = i31_word(3);
  const auto verdict = f.store->verify();
  ASSERT_FALSE(verdict.has_value());
  EXPECT_THAT(verdict.error().message, ::testing::StartsWith("I3: field 1 of struct"));
}

TEST(Verifier, SeesAFrameSlotThatIsListedButHoldsNoReference) {
  Fixture f;
  Result<> before, during, after;
  const Extern host = f.store->make_func(f.func_type({}, {}), [&](wasm::Embedding& embedding, std::span<const Value>) {
    Code& code = StorePeer::running_code(static_cast<Store&>(embedding));
    before = embedding.verify();
    code.ref_locals.push_back(0);
    during = embedding.verify();
    code.ref_locals.pop_back();
    after = embedding.verify();
    return Outcome::ok();
  });
  const auto m =
      f.instantiate(R"((module (import "h" "f" (func $h)) (func (export "f") (param i32) (call $h))))", {host});
  EXPECT_TRUE(f.call(m, "f", {Value::i32(0x1230)}).returned());
  EXPECT_TRUE(before.has_value());
  ASSERT_FALSE(during.has_value());
  EXPECT_THAT(during.error().message, ::testing::StartsWith("I2: slot 0 of function 1"));
  EXPECT_TRUE(after.has_value());
}

}  // namespace
}  // namespace testing
}  // namespace parallax::interp
