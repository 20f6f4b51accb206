#include "engine/wasm/text/parse.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/text.h"

namespace parallax::wasm::text {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// Without the spaces that make expected bytes readable.
std::string plain(std::string bytes) {
  std::erase(bytes, ' ');
  return bytes;
}

// The module's bytes behind magic and version, in hexadecimal; or the error.
std::string hex(std::string source, NameSection names = NameSection::kOmit) {
  const auto bytes = parse_module(std::move(source), {.names = names});
  if (!bytes) return bytes.error().to_string();
  std::string out;
  for (size_t i = 8; i < bytes->size(); ++i) out += parallax::text::format("{:02x}", (*bytes)[i]);
  return out;
}

Error error_of(std::string source) {
  const auto bytes = parse_module(std::move(source));
  return bytes ? Error{ErrorCode::kUsage, 0, "no error"} : bytes.error();
}

std::string body(const std::string& code) { return hex("(func " + code + ")"); }
// What `body` gives for these code bytes, in a function without parameters, results and locals.
std::string body_bytes(const std::string& bytes) {
  const size_t size = bytes.size() / 2 + 2;
  return parallax::text::format("010401600000030201000a{:02x}01{:02x}00{}0b", size + 2, size, bytes);
}

TEST(TextParser, AnEmptyModuleIsMagicAndVersion) {
  EXPECT_EQ(hex("(module)"), "");
  EXPECT_EQ(hex(""), "");
  EXPECT_EQ(hex(";; nothing (; at all ;)"), "");
}

TEST(TextParser, FieldsAloneAreAModule) { EXPECT_EQ(hex("(func)"), hex("(module (func))")); }

TEST(TextParser, FoldedAndFlatInstructionsAreTheSame) {
  EXPECT_EQ(body("(drop (i32.add (i32.const 1) (i32.const -1)))"), body_bytes("4101417f6a1a"));
  EXPECT_EQ(body("i32.const 1 i32.const -1 i32.add drop"), body_bytes("4101417f6a1a"));
  EXPECT_EQ(body("(if (i32.const 0) (then nop) (else))"), body("i32.const 0 if nop else end"));
  EXPECT_EQ(body("(block $l (loop (br $l)))"), body("block $l loop br 1 end end $l"));
}

TEST(TextParser, LabelsShadowAndCountFromTheInside) {
  EXPECT_EQ(body("(block $a (block $a (br $a) (br 1)))"), body_bytes(plain("0240 0240 0c00 0c01 0b 0b")));
}

TEST(TextParser, CatchLabelsAreCountedFromOutsideTheTryTable) {
  EXPECT_EQ(body("(block $h (try_table $t (catch_all $h)))"), body_bytes(plain("0240 1f40 01 02 00 0b 0b")));
  EXPECT_EQ(error_of("(func (try_table $t (catch_all $t)))").code, ErrorCode::kSyntax);
}

TEST(TextParser, DeprecatedTryComesInAllItsForms) {
  EXPECT_EQ(body("(try (do nop) (catch_all drop))"), body("try nop catch_all drop end"));
  EXPECT_EQ(body("(try $t (do nop) (delegate 0))"), body("try nop delegate 0"));
  EXPECT_EQ(hex("(tag $e) (func (try (do) (catch $e rethrow 0)))"), hex("(tag) (func try catch 0 rethrow 0 end)"));
}

TEST(TextParser, InlineFunctionTypesAreFoundOrAppendedInOrder) {
  // i32 -> i32 exists as type 1; the block's new type comes behind the explicit ones.
  const std::string out =
      hex("(type (func)) (type (func (param i32) (result i32)))"
          "(func (param i32) (result i32) local.get 0 (block (param i32) (result i32 i32) unreachable) drop)");
  EXPECT_THAT(out, StartsWith(plain("010f 03 600000 60017f017f 60017f027f7f 03020101")));
}

TEST(TextParser, AFunctionTypeInARecGroupOfSeveralIsNotReused) {
  EXPECT_THAT(hex("(rec (type (func)) (type (func))) (func)"),
              StartsWith(plain("010c 02 4e02600000600000 600000 03020102")));
}

TEST(TextParser, AnInlineTypeMustMatchTheDeclaredOne) {
  EXPECT_THAT(error_of("(type $t (func (param i32))) (func (type $t) (param i64))").message,
              HasSubstr("inline function type"));
  // Type 1 is the inline one of the second function: the first has a parameter, so its local has index 1.
  EXPECT_EQ(hex("(type (func)) (func (type 1) (local $x i32) (local.set $x (i32.const 0))) (func (param i32))"),
            hex("(type (func)) (type (func (param i32)))"
                "(func (type 1) (local $x i32) (local.set 1 (i32.const 0))) (func (type 1))"));
  EXPECT_EQ(hex("(type $t (func (param funcref))) (func (type $t) (param (ref null func)))"),
            hex("(type $t (func (param funcref))) (func (type $t))"));
}

TEST(TextParser, NamesMayBeUsedBeforeTheirDefinition) {
  EXPECT_EQ(hex("(export \"f\" (func $f)) (func $f (call $g)) (func $g)"),
            hex("(export \"f\" (func 0)) (func (call 1)) (func)"));
  EXPECT_EQ(hex("(type $a (struct (field (ref null $b)))) (type $b (struct))"),
            hex("(type (struct (field (ref null 1)))) (type (struct))"));
}

TEST(TextParser, TypesHaveSupertypesFieldsAndFinality) {
  EXPECT_EQ(
      hex("(type $p (sub (struct (field $x i8)))) (type (sub final $p (struct (field i8) (field (mut (ref $p))))))"),
      plain("0111 02 50005f017800 4f01005f02 7800 640001"));
  EXPECT_EQ(hex("(type (sub final (func)))"), hex("(type (func))"));
}

TEST(TextParser, FieldNamesBelongToTheirType) {
  const std::string types = "(type $a (struct (field $x i32) (field $y i32))) (type $b (struct (field $y i32)))";
  EXPECT_THAT(hex(types + "(func (drop (struct.get $a $y (ref.null $a))) (drop (struct.get $b $y (ref.null $b))))"),
              HasSubstr(plain("d000 fb020001 1a d001 fb020100 1a")));
  EXPECT_THAT(error_of(types + "(func (drop (struct.get $b $x (ref.null $b))))").message,
              HasSubstr("unknown field $x"));
}

TEST(TextParser, ReferenceInstructionsChooseTheirOpcodeByNullness) {
  EXPECT_EQ(body("unreachable ref.test (ref eq) drop"), body_bytes(plain("00 fb146d 1a")));
  EXPECT_EQ(body("unreachable ref.test eqref drop"), body_bytes(plain("00 fb156d 1a")));
  EXPECT_EQ(body("unreachable br_on_cast 0 anyref (ref i31)"), body_bytes(plain("00 fb18 01 00 6e 6c")));
}

TEST(TextParser, MemoryArgumentsKnowTheirNaturalAlignment) {
  EXPECT_EQ(body("unreachable i64.load32_u offset=3 align=1 v128.load8x8_s"), body_bytes(plain("00 350003 fd010300")));
  EXPECT_EQ(body("unreachable v128.load16_lane 7"), body_bytes(plain("00 fd55 0100 07")));
  EXPECT_EQ(body("unreachable v128.load16_lane 1 7"), body_bytes(plain("00 fd55 410100 07")));
  EXPECT_EQ(body("unreachable v128.load16_lane 1 offset=2 7"), body_bytes(plain("00 fd55 410102 07")));
  EXPECT_THAT(error_of("(func i32.load align=3)").message, HasSubstr("alignment must be a power of two"));
}

TEST(TextParser, SegmentsUseTheShortestForm) {
  EXPECT_EQ(hex("(table 1 funcref) (func) (elem (i32.const 0) 0)"),
            hex("(table 1 funcref) (func) (elem (table 0) (offset i32.const 0) func 0)"));
  EXPECT_THAT(hex("(elem funcref (ref.null func))"), HasSubstr(plain("0907 01 05 70 01 d070 0b")));
  EXPECT_THAT(hex("(elem declare func)"), HasSubstr(plain("0904 01 03 00 00")));
  EXPECT_EQ(hex("(memory (data \"ab\" \"c\"))"), plain("0504 01 01 01 01 0b09 01 00 41000b 03616263"));
}

TEST(TextParser, TheDataCountIsWrittenWhenAnInstructionNeedsIt) {
  EXPECT_THAT(hex("(memory 1) (data \"\") (func data.drop 0)"), HasSubstr("0c0101"));
  EXPECT_THAT(hex("(memory 1) (data \"\") (func)"), Not(HasSubstr("0c0101")));
}

TEST(TextParser, StringsAreBytesAndNamesAreUtf8) {
  EXPECT_EQ(hex("(memory (data \"\\00\\ff\\u{20ac}\\t\"))"),
            plain("0504 01 01 01 01 0b0c 01 00 41000b 06 00ff e282ac 09"));
  EXPECT_THAT(error_of("(func (export \"\\ff\"))").message, HasSubstr("malformed UTF-8"));
}

TEST(TextParser, ErrorsSayLineColumnAndOffset) {
  const Error error = error_of("(module\n  (func\n    frob))");
  EXPECT_EQ(error.code, ErrorCode::kSyntax);
  EXPECT_EQ(error.message, "3:5: unknown operator frob");
  EXPECT_EQ(error.offset, 20u);
}

TEST(TextParser, LaterProposalsAreUnsupportedNotMalformed) {
  EXPECT_EQ(error_of("(memory 1 1 shared)").code, ErrorCode::kUnsupported);
  EXPECT_EQ(error_of("(func i32.atomic.load)").code, ErrorCode::kUnsupported);
  EXPECT_EQ(error_of("(memory 1 (pagesize 1))").code, ErrorCode::kUnsupported);
}

TEST(TextParser, MalformedTextIsASyntaxError) {
  for (const char* source : {
           "(",
           ")",
           "(module",
           "(module))",
           "(module) (module)",
           "(func (i32.const))",
           "(func i32.const 4294967296)",
           "(func $f) (func $f)",
           "(func (param $x i32) (local $x i32))",
           "(func block)",
           "(func end)",
           "(func else)",
           "(func block $a end $b)",
           "(func (block end))",
           "(func (then))",
           "(func (if (then) (then)))",
           "(func (if (i32.const 0)))",
           "(func (if (then) (i32.const 0)))",
           "(func (nop) (import \"a\" \"b\"))",
           "(func) (import \"a\" \"b\" (func))",
           "(start 0) (start 0)",
           "(func (local.get $x))",
           "(func (br $l))",
           "(func (call_indirect (type 0) (param $x i32)))",
           "(global i32 i32.const0)",
           "(func (result i32) (param i32))",
           "(func (drop nop))",
           "(data \"a\"\"b\")",
           "(memory)",
           "(table 1)",
           "(type (struct (field $x i32 i32)))",
           "(func (i32.load offset=))",
           "(func (v128.const i32x4 0 0 0))",
           "(func (i8x16.shuffle 0))",
           "(func \"\")",
           "(export \"a\")",
           "(func (select (result i32) (result)) x)",
           "(@x",
           "(;",
           "\"",
           "(func $)",
       }) {
    EXPECT_EQ(error_of(source).code, ErrorCode::kSyntax) << source;
  }
}

TEST(TextParser, DeepNestingNeedsNoStack) {
  constexpr int kDepth = 200'000;
  std::string folded, groups;
  for (int i = 0; i < kDepth; ++i) folded += "(block ";
  folded += std::string(kDepth, ')');
  EXPECT_TRUE(parse_module("(func " + folded + ")").has_value());
  EXPECT_TRUE(parse_module("(@x " + std::string(kDepth, '(') + std::string(kDepth, ')') + ")").has_value());
  std::string comment;
  for (int i = 0; i < kDepth; ++i) comment += "(;";
  for (int i = 0; i < kDepth; ++i) comment += ";)";
  EXPECT_TRUE(parse_module(comment).has_value());
}

TEST(TextParser, IdentifiersBecomeTheNameSection) {
  const std::string out = hex("(module $m (func $f (param $p i32) (local $l i32) (block $b)))", NameSection::kEmit);
  EXPECT_THAT(out, HasSubstr(plain("046e616d65 00 02 01 6d 01 04 01 00 01 66")));
  EXPECT_THAT(hex("(func (@name \"a b\"))", NameSection::kEmit), HasSubstr(plain("046e616d65 01 06 01 00 03 612062")));
}

TEST(TextParser, WithoutNamesThereIsNoNameSection) {
  EXPECT_EQ(hex("(module $m (@name \"n\") (func $f (@name \"a b\") (param $p i32)))"), hex("(func (param i32))"));
}

TEST(Annotations, UnknownOnesAreSkippedWhereverTheyStand) {
  EXPECT_EQ(hex("(module (@a (b) \")\" [,;] (@c)) (func (@d) (@\"e f\")))"), hex("(module (func))"));
}

TEST(Annotations, CustomSectionsGoWhereTheyAreTold) {
  EXPECT_EQ(hex("(@custom \"a\" (before first) \"x\") (@custom \"b\" (after func) \"y\" \"z\") (func)"),
            plain("0003016178 0104016000 00 03020100 0004016279 7a 0a040102000b"));
}

TEST(Annotations, MisplacedOnesAreErrors) {
  EXPECT_THAT(error_of("(func (@custom \"a\"))").message, HasSubstr("misplaced @custom annotation"));
  EXPECT_THAT(error_of("(start $f (@name \"a\")) (func $f)").message, HasSubstr("misplaced @name annotation"));
  EXPECT_THAT(error_of("(@metadata.code.branch_hint \"\\01\") (func)").message, HasSubstr("not in a function"));
}

TEST(Annotations, BranchHintsAreASectionBeforeTheCode) {
  EXPECT_THAT(hex("(func (@metadata.code.branch_hint \"\\01\") (if (i32.const 0) (then)))"),
              HasSubstr(plain("196d657461646174612e636f64652e6272616e63685f68696e74 01 00 01 03 01 01")));
  EXPECT_EQ(error_of("(func (@metadata.code.branch_hint \"\\01\") nop)").code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace parallax::wasm::text
