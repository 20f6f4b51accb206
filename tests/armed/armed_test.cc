// A check that never runs proves nothing: over a corpus of generated programs every armed check (engine/runtime/checks.def)
// must be evaluated, and must find nothing.
#include <gtest/gtest.h>

#include <map>

#include "engine/wasm/text/parse.h"
#include "fuzz/executors/probe.h"
#include "fuzz/generators/generators.h"
#include "fuzz/oracle/judge.h"
#include "fuzz/oracle/observe.h"

namespace parallax::fuzz {
namespace {

// What generated programs do rarely: function references through tables, bulk operations, segments that stay.
constexpr const char* kRare = R"((module
  (type $s (struct (field (mut i32))))
  (type $a (array (mut (ref null $s))))
  (type $f (func (result i32)))
  (import "parallax" "echo" (func $echo (param anyref anyref) (result anyref anyref)))
  (tag $e (param (ref $s)))
  (func $seven (type $f) (i32.const 7))
  (table $refs 4 (ref null $s))
  (table $funcs 4 funcref)
  (elem (table $funcs) (i32.const 0) func $seven)
  (elem $passive (ref null $s) (struct.new $s (i32.const 8)) (ref.null $s))
  (global $g (mut (ref null $s)) (struct.new $s (i32.const 5)))
  (func $throw (throw $e (struct.new $s (i32.const 3))))
  (func (export "tables") (result i32)
    (table.set $refs (i32.const 1) (global.get $g))
    (table.fill $refs (i32.const 2) (struct.new $s (i32.const 9)) (i32.const 2))
    (drop (table.grow $refs (global.get $g) (i32.const 1)))
    (table.set $funcs (i32.const 1) (table.get $funcs (i32.const 0)))
    (i32.add (call_indirect $funcs (type $f) (i32.const 1)) (struct.get $s 0 (table.get $refs (i32.const 3)))))
  (func (export "arrays") (result i32) (local $x (ref null $a))
    (local.set $x (array.new_elem $a $passive (i32.const 0) (i32.const 2)))
    (array.fill $a (local.get $x) (i32.const 1) (global.get $g) (i32.const 1))
    (array.copy $a $a (local.get $x) (i32.const 0) (local.get $x) (i32.const 1) (i32.const 1))
    (struct.get $s 0 (array.get $a (local.get $x) (i32.const 0))))
  (func (export "exceptions") (result i32)
    (struct.get $s 0 (block $h (result (ref $s)) (try_table (catch $e $h) (call $throw)) (unreachable))))
  (func (export "host") (result anyref anyref) (call $echo (global.get $g) (ref.i31 (i32.const 1))))
  (func (export "kept") (result (ref null $s)) (global.get $g))
  (func (export "uncaught") (call $throw))))";

class Corpus {
 public:
  void run(const Case& subject, const char* executor) {
    const auto spec = parse_spec(executor);
    ASSERT_TRUE(spec) << executor;
    const auto loaded = load_case(subject);
    if (!loaded) return;
    const MakeStore make = [&] { return make_executor(*spec, loaded->types); };
    auto store = make();
    ASSERT_TRUE(store);
    Observation seen;
    observe(*loaded, **store, make, seen);
    EXPECT_EQ(seen.fault, FaultClass::kNone) << executor << ": " << subject.origin << ": " << seen.fault_text;
    for (const CheckCount& check : check_counts(*spec, **store)) evaluated[check.name] += check.evaluated;
    ++runs;
  }

  std::map<std::string, uint64_t> evaluated;
  uint64_t runs = 0;
};

TEST(ArmedChecks, EachIsEvaluatedOverTheCorpusAndFindsNothing) {
  Corpus corpus;
  Case rare;
  auto bytes = wasm::text::parse_module(kRare);
  ASSERT_TRUE(bytes) << bytes.error().to_string();
  rare.modules.push_back(std::move(*bytes));
  rare.origin = "rare";
  for (const char* executor : {"jit:O0:moving:zeal=every:armed", "jit:O2:moving:zeal=every:armed:zap:verify-before",
                               "jit:O1:nonmoving:zeal=3:armed", "jit:O2:moving:zeal=every:armed:pages"}) {
    corpus.run(rare, executor);
    for (uint64_t index = 0; index < 25; ++index) {
      auto subject = generate_at(GeneratorKind::kGc, 11, index);
      if (!subject || subject->claims_invalid) continue;
      subject->configuration.fuel = 2'000;
      subject->configuration.allocated_bytes = 1 << 18;
      corpus.run(*subject, executor);
    }
  }
  EXPECT_GT(corpus.runs, 50u);
  ASSERT_GE(corpus.evaluated.size(), 13u);
  for (const auto& [check, evaluated] : corpus.evaluated) {
    EXPECT_GT(evaluated, 0u) << check << " was never evaluated";
    RecordProperty(check, std::to_string(evaluated));
  }
}

// Without the budget of forced collections this is quadratic, and a watchdog calls it a hang.
TEST(Zeal, AChainOf300000LiveObjectsEndsAndAgrees) {
  Case subject;
  auto bytes = wasm::text::parse_module(R"((module
    (type $link (struct (field (ref null $link)) (field i32)))
    (global $head (mut (ref null $link)) (ref.null $link))
    (func (export "grow") (local $i i32)
      (loop $l
        (global.set $head (struct.new $link (global.get $head) (local.get $i)))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 300000)))))
    (func (export "sum") (result i32) (local $x (ref null $link)) (local $n i32)
      (local.set $x (global.get $head))
      (block $done (loop $l
        (br_if $done (ref.is_null (local.get $x)))
        (local.set $n (i32.add (local.get $n) (struct.get $link 1 (local.get $x))))
        (local.set $x (struct.get $link 0 (local.get $x)))
        (br $l)))
      (local.get $n))))");
  ASSERT_TRUE(bytes) << bytes.error().to_string();
  subject.modules.push_back(std::move(*bytes));
  subject.configuration.fuel = 1'000'000;
  subject.configuration.allocated_bytes = uint64_t{64} << 20;
  JudgeOptions options;
  for (const char* executor : {"interp", "interp:zeal=every", "jit:O2:moving:zeal=every:armed",
                               "jit:O1:nonmoving:zeal=every", "jit:O2:moving:zeal=alloc"}) {
    const auto spec = parse_spec(executor);
    ASSERT_TRUE(spec);
    options.executors.push_back(*spec);
  }
  const Verdict verdict = judge(subject, options);
  EXPECT_EQ(verdict.kind, VerdictKind::kAgreed) << verdict.reason << verdict.finding.difference;
  EXPECT_EQ(verdict.exhausted, 0u);
}

}  // namespace
}  // namespace parallax::fuzz
