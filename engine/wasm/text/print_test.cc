#include "engine/wasm/text/print.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/wasm/text/parse.h"

namespace parallax::wasm::text {
namespace {

using ::testing::HasSubstr;

std::string print(const std::string& source) {
  const auto bytes = parse_module(source);
  if (!bytes) return bytes.error().to_string();
  return print_binary(*bytes).value_or("does not print");
}

// Text, then bytes, then text, then bytes: both times the same.
void expect_round_trip(const std::string& source) {
  const auto bytes = parse_module(source);
  ASSERT_TRUE(bytes) << bytes.error().to_string();
  const auto text = print_binary(*bytes);
  ASSERT_TRUE(text) << text.error().to_string();
  const auto again = parse_module(*text);
  ASSERT_TRUE(again) << again.error().to_string() << "\n" << *text;
  EXPECT_EQ(*bytes, *again) << *text;
  EXPECT_EQ(*text, print_binary(*again).value_or("does not print"));
}

constexpr const char* kEverything = R"(
(module $everything
  (rec
    (type $node (sub (struct (field $next (mut (ref null $node))) (field $tag i8) (field (mut f64)))))
    (type $leaf (sub final $node (struct (field (mut (ref null $node))) (field i8) (field (mut f64)) (field v128)))))
  (type $bytes (array (mut i8)))
  (type $f (func (param i32) (param $x i64) (result anyref)))
  (import "m" "f" (func $imported (param $first i32)))
  (import "m" "t" (table $it i64 1 2 (ref null $node)))
  (import "m" "m" (memory $im 1))
  (import "m" "g" (global $ig (mut externref)))
  (import "m" "e" (tag $ie (param i32)))
  (table $t 3 funcref)
  (table $t2 3 (ref func) (ref.func $imported))
  (memory $m2 i64 1 2)
  (tag $e (param i32 exnref))
  (global $g (ref null $node) (ref.null $leaf))
  (global $sum i32 (i32.add (i32.const 1) (i32.const -2)))
  (export "run \"it\"" (func $run))
  (start $start)
  (elem $active (table $t) (i32.const 0) func $run $start)
  (elem $passive (ref $f))
  (elem declare func $run)
  (elem (table $t2) (offset (i32.const 1)) funcref (item (ref.null func)) (ref.func $run))
  (func $start)
  (func $run (export "run") (param $p i32) (param i64) (result f32) (local $l v128) (local i32 i32) (local $n (ref null $node))
    (block $out (result f32)
      (loop $again
        (br_if $again (local.get $p))
        (br_table $again $out 1 (f32.const nan:0x123456) (local.get 0)))
      (drop (struct.new $node (ref.null none) (i32.const 5) (f64.const -0x1.8p-3)))
      (struct.set $node $next (local.get $n) (ref.null $leaf))
      (drop (struct.get_s $node $tag (local.get $n)))
      (drop (array.new_data $bytes $d (i32.const 0) (i32.const 1)))
      (drop (array.new_fixed $bytes 2 (i32.const 0) (i32.const 1)))
      (array.copy $bytes $bytes (ref.null $bytes) (i32.const 0) (ref.null $bytes) (i32.const 0) (i32.const 0))
      (if $out (local.get 0) (then (throw $e (i32.const 1) (ref.null exn))) (else nop))
      (drop (block $caught (result i32 exnref) (try_table (catch_ref $ie $caught) (catch_all $out) (call $imported (i32.const 1))) unreachable) )
      drop
      (drop (block $cast (result (ref $leaf)) (br_on_cast $cast (ref null $node) (ref $leaf) (local.get $n)) unreachable))
      (drop (ref.test (ref null i31) (ref.null any)))
      (drop (select (result (ref null $node)) (local.get $n) (local.get $n) (i32.const 0)))
      (drop (call_indirect $t (type $f) (i32.const 1) (i64.const -5) (i32.const 0)))
      (memory.copy $im $m2 (i32.const 0) (i64.const 0) (i32.const 0))
      (memory.init $m2 $d (i64.const 0) (i32.const 0) (i32.const 0))
      (table.init $t $active (i32.const 0) (i32.const 0) (i32.const 0))
      (i64.store8 $m2 offset=7 align=1 (i64.const 0) (i64.const 1))
      (drop (v128.load16_lane $m2 offset=2 3 (i64.const 0) (v128.const i8x16 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)))
      (drop (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 31 (local.get $l) (local.get $l)))
      (drop (i32x4.extract_lane 3 (local.get $l)))
      (f32.const 1e10))
  )
  (data $d "abc\00\ff\"\\")
  (data (memory $m2) (i64.const 1) "x"))
)";

TEST(Printer, WhatItPrintsParsesBackToTheSameBytes) { expect_round_trip(kEverything); }

TEST(Printer, UsesTheNames) {
  const std::string text = print(kEverything);
  for (const char* piece : {"(module $everything", "(struct (field $next (mut (ref null $node)))", "br_if $again",
                            "struct.set $node $next", "catch_ref $ie $caught", "(param $p i32) (param i64)",
                            "(export \"run \\\"it\\\"\" (func $run))", "i64.store8 $m2 offset=7"}) {
    EXPECT_THAT(text, HasSubstr(piece));
  }
}

TEST(Printer, NamesThatCannotBeIdentifiersBecomeAnnotations) {
  expect_round_trip("(func (@name \"a b\")) (func $\"a b\") (func $x) (func (@name \"x\")) (func $\"\\\"\")");
}

TEST(Printer, InnerLabelsOfTheSameNameAreCounted) { expect_round_trip("(func (block $a (block $a (br $a) (br 1))))"); }

TEST(Printer, DeprecatedExceptionsRoundTrip) {
  const auto bytes = parse_module(
      "(tag $e) (func (try $t (do) (catch $e (rethrow $t)) (catch_all))"
      " (block $b (try (do (throw $e)) (delegate $b))))");
  ASSERT_TRUE(bytes);
  PrintOptions options;
  options.features.set(Feature::kLegacyExceptions, true);
  const auto text = print_binary(*bytes, options);
  ASSERT_TRUE(text) << text.error().to_string();
  EXPECT_EQ(parse_module(*text).value(), *bytes) << *text;
}

TEST(Printer, OtherCustomSectionsStay) {
  expect_round_trip("(@custom \"a\" (before first) \"x\") (@custom \"b\" (after func) \"y\") (func)");
}

TEST(Printer, OffsetsAreThoseOfTheBinary) {
  const auto bytes = parse_module("(func nop)", {.names = NameSection::kOmit});
  EXPECT_THAT(print_binary(*bytes, {.offsets = true}).value(), HasSubstr("nop  (;0x17;)"));
}

TEST(Printer, TextWithOffsetsParsesBackToo) {
  const auto bytes = *parse_module(kEverything);
  EXPECT_EQ(parse_module(print_binary(bytes, {.offsets = true}).value()).value(), bytes);
}

TEST(Printer, AnUnreadableBodyIsAnError) {
  auto bytes = *parse_module("(func nop)", {.names = NameSection::kOmit});
  bytes[0x17] = 0xff;
  EXPECT_FALSE(print_binary(bytes).has_value());
}

TEST(Printer, AnEmptyInitialiserOfATableCannotBeSaid) {
  const std::vector<uint8_t> bytes = {0, 'a', 's', 'm', 1, 0, 0, 0, 4, 7, 1, 0x40, 0, 0x70, 0, 1, 0x0b};
  EXPECT_FALSE(print_binary(bytes).has_value());
}

TEST(Printer, ABodyThatIsNotNestedIsAnError) {
  const auto bytes = *parse_module("(func nop)", {.names = NameSection::kOmit});
  for (const uint8_t op : {0x05 /* else */, 0x0b /* end */, 0x19 /* catch_all */, 0x02 /* block */}) {
    auto broken = bytes;
    broken[0x17] = op;
    EXPECT_FALSE(print_binary(broken, {.features = {.bits = ~0u}}).has_value()) << int{op};
  }
}

}  // namespace
}  // namespace parallax::wasm::text
