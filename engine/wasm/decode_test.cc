// Decoder, encoder, builder and names: round trips, and input that is malformed on purpose.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/choices.h"
#include "engine/wasm/builder.h"
#include "engine/wasm/encode.h"
#include "engine/wasm/limits.h"
#include "engine/wasm/module.h"
#include "engine/wasm/names.h"
#include "engine/wasm/sections.h"
#include "engine/wasm/testing.h"

namespace parallax::wasm {
namespace {

using namespace testing;  // NOLINT: this unit's helpers
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A module that has every section and most forms of their entries.
const char* const kRichModule = R"((module
  (type $f (func (param i32) (result i32)))
  (rec (type $a (sub (struct (field (mut i32)) (field i8) (field (ref null $b)))))
       (type $b (sub final $a (struct (field (mut i32)) (field i8) (field (ref null $b)) (field v128)))))
  (type $arr (array (mut i16)))
  (import "m" "f" (func $imported (type $f)))
  (import "m" "g" (global $g i32))
  (import "m" "t" (table 1 10 funcref))
  (import "m" "mem" (memory 1))
  (import "m" "tag" (tag (param i32)))
  (table $t 3 (ref null $f))
  (table $i 2 (ref func) (ref.func $main))
  (memory i64 1 2)
  (tag $e (param i64))
  (global $c (mut i64) (i64.add (i64.const 3) (i64.const -4)))
  (global $s (ref $a) (struct.new $a (i32.const 1) (i32.const 2) (ref.null $b)))
  (export "main" (func $main))
  (export "mem" (memory 0))
  (start $init)
  (elem (table $t) (i32.const 0) (ref null $f) (ref.func $main) (ref.null $f))
  (elem func $main $init)
  (elem declare func $imported)
  (elem $p anyref (ref.i31 (i32.const 5)) (array.new_default $arr (i32.const 3)))
  (data $d (i32.const 8) "hello")
  (data $q "passive")
  (func $init (local i64 i64 f32)
    (block (try_table (catch $e 0) (catch_all 1) (throw $e (i64.const 1))) unreachable) drop
    (memory.init 1 $q (i64.const 0) (i32.const 0) (i32.const 1)))
  (func $main (type $f) (local $v v128) (local (ref null $arr))
    (local.set $v (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 31 (local.get $v) (v128.const i64x2 1 2)))
    (drop (select (result anyref) (ref.null any) (ref.null any) (i32.const 1)))
    (block (block (br_table 0 1 (local.get 0))))
    (drop (i64.load32_s 1 offset=4294967297 align=2 (i64.const 7)))
    (drop (br_on_cast_fail 0 anyref (ref $a) (global.get $s)) (return (f32.const nan:0x200000) (drop) (i32.const 3)))
    (return_call $imported (local.get 0)))))";

std::vector<uint8_t> rich_module() {
  std::string source = kRichModule;
  // The branch with values is easier to say in two steps.
  const size_t at = source.find("(drop (br_on_cast_fail");
  const size_t end = source.find('\n', at);
  source.replace(
      at, end - at,
      "(drop (block (result anyref) (drop (br_on_cast_fail 0 anyref (ref $a) (global.get $s))) (ref.null none)))");
  const size_t block = source.find("(block (try_table");
  source.replace(block, source.find('\n', block) - block,
                 "(block (result i64) (block (try_table (catch $e 1) (catch_all 0) (throw $e (i64.const 1)))) "
                 "(i64.const 2)) drop");
  return wat(source);
}

Result<Module> decode_as_written(std::vector<uint8_t> bytes) {
  return decode(std::move(bytes), nullptr, {.naming = TypeNaming::kModule});
}

TEST(Decode, AModuleWithEverySectionIsValid) { EXPECT_EQ(verdict_of(rich_module()), ""); }

TEST(Decode, TheEmptyModuleIsValid) { EXPECT_EQ(verdict_of(ModuleBuilder().encode()), ""); }

TEST(Decode, HeadersAreExact) {
  EXPECT_THAT(verdict_of({}), HasSubstr("unexpected end"));
  EXPECT_THAT(verdict_of({0, 'a', 's'}), HasSubstr("unexpected end"));
  EXPECT_THAT(verdict_of({0, 'a', 's', 'n', 1, 0, 0, 0}), HasSubstr("magic header not detected"));
  EXPECT_THAT(verdict_of({0, 'a', 's', 'm', 2, 0, 0, 0}), HasSubstr("unknown binary version"));
}

// --- Malformed input -----------------------------------------------------------------------------------------------------

TEST(Decode, EveryProperPrefixIsRejectedOrEndsBetweenSections) {
  const std::vector<uint8_t> bytes = rich_module();
  for (size_t n = 0; n < bytes.size(); ++n) {
    const auto result = load(std::vector<uint8_t>(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(n)),
                             std::make_shared<TypeStore>());
    if (n < 8) EXPECT_FALSE(result.has_value()) << n;
    if (!result.has_value()) EXPECT_LE(result.error().offset, n);
  }
}

// Total on all neighbours of a valid module; an error's offset lies in the module.
TEST(Decode, FlippedBytesNeverGoWrong) {
  const std::vector<uint8_t> bytes = rich_module();
  size_t accepted = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const uint8_t flip : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff}) {
      std::vector<uint8_t> flipped = bytes;
      flipped[i] ^= flip;
      const auto result = load(std::move(flipped), std::make_shared<TypeStore>(), all_features());
      if (result.has_value()) ++accepted;
      else EXPECT_LE(result.error().offset, bytes.size());
    }
  }
  EXPECT_GT(accepted, 0u);
}

TEST(Decode, SplicedModulesNeverGoWrong) {
  const std::vector<uint8_t> bytes = rich_module();
  ChoiceStream choices(uint64_t{42});
  for (int round = 0; round < 20'000; ++round) {
    std::vector<uint8_t> spliced = bytes;
    const uint32_t edits = 1 + choices.below(4);
    for (uint32_t e = 0; e < edits; ++e) {
      const uint32_t to = choices.below(static_cast<uint32_t>(spliced.size()));
      const uint32_t from = choices.below(static_cast<uint32_t>(bytes.size()));
      const uint32_t n = std::min<uint32_t>(choices.below(8), static_cast<uint32_t>(bytes.size()) - from);
      if (choices.chance(1, 2)) {
        spliced.insert(spliced.begin() + to, bytes.begin() + from, bytes.begin() + from + n);
      } else {
        for (uint32_t i = 0; i < n && to + i < spliced.size(); ++i) spliced[to + i] = bytes[from + i];
      }
    }
    const auto result = load(spliced, std::make_shared<TypeStore>(), all_features());
    if (!result.has_value()) EXPECT_LE(result.error().offset, spliced.size());
  }
}

// The same header, then `n` zero bytes: an empty custom section needs a name, so this ends at once.
TEST(Decode, AHundredMegabytesOfZerosAreRejectedAtOnce) {
  std::vector<uint8_t> bytes = ModuleBuilder().encode();
  bytes.resize(100'000'000, 0);
  EXPECT_THAT(verdict_of(std::move(bytes)), StartsWith("malformed at 0xa: unexpected end"));
}

std::vector<uint8_t> with_section(uint8_t id, std::vector<uint8_t> content) {
  ByteWriter out;
  out.fixed32(0x6d736100);
  out.fixed32(1);
  out.u8(id);
  out.sized(content);
  return std::move(out).take();
}

// A count of four billion in a section of a few bytes: no allocation may follow it.
TEST(Decode, HugeCountsAllocateNothing) {
  for (const SectionRow& row : kSections) {
    if (row.section == Section::kStart || row.section == Section::kDataCount) continue;
    EXPECT_THAT(verdict_of(with_section(row.code, {0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x00})),
                HasSubstr("unexpected end"))
        << row.text;
  }
  EXPECT_THAT(verdict_of(with_section(1, {0x01, 0x4e, 0xff, 0xff, 0xff, 0xff, 0x0f})), HasSubstr("unexpected end"));
  EXPECT_THAT(verdict_of(with_section(1, {0x01, 0x60, 0xff, 0xff, 0xff, 0xff, 0x0f})), HasSubstr("unexpected end"));
}

TEST(Decode, SectionsStandInOrderAndOnce) {
  EXPECT_EQ(verdict_of(with_section(1, {0})), "");
  std::vector<uint8_t> twice = with_section(1, {0});
  twice.insert(twice.end(), {1, 1, 0});
  EXPECT_THAT(verdict_of(twice), HasSubstr("unexpected content after last section: type section after type section"));
  EXPECT_THAT(verdict_of(with_section(14, {})), HasSubstr("malformed section id 14"));
  EXPECT_THAT(verdict_of(with_section(1, {0, 0})), HasSubstr("section size mismatch"));
}

TEST(Decode, CustomSectionsKeepTheirPlace) {
  ModuleBuilder m;
  m.add_func_type({}, {});
  m.add_memory({});
  m.add_custom("first", {1, 2, 3}, 0);
  m.add_custom("middle", {}, 1);
  m.add_custom("last", {9});
  const auto module = load(m.encode(), std::make_shared<TypeStore>());
  ASSERT_TRUE(module.has_value());
  ASSERT_EQ(module->customs.size(), 3u);
  EXPECT_EQ(module->customs[0].after_section, 0u);
  EXPECT_EQ(module->customs[1].name, "middle");
  EXPECT_EQ(module->customs[1].after_section, 1u);
  EXPECT_EQ(module->at(module->customs[0].content).size(), 3u);
  EXPECT_EQ(module->customs[2].after_section, code_of(Section::kMemory));
}

TEST(Decode, MalformedBranchHintsAreIgnored) {
  ModuleBuilder m;
  CodeWriter code;
  m.add_func(m.add_func_type({}, {}), {}, code.end());
  m.add_custom("metadata.code.branch_hint", {0xff, 0xff, 0xff}, code_of(Section::kDataCount));
  EXPECT_EQ(verdict_of(m.encode()), "");
}

// --- Types as written and canonical ------------------------------------------------------------------------------------------

TEST(Decode, CanonicalNumbersAreSharedBetweenModulesOfOneStore) {
  const auto store = std::make_shared<TypeStore>();
  const auto first =
      load(wat("(type (struct)) (rec (type $a (struct (field (ref $b)))) (type $b (array (ref $a))))"), store);
  const auto second =
      load(wat("(rec (type $a (struct (field (ref $b)))) (type $b (array (ref $a)))) (type (struct))"), store);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->type_ids[1], second->type_ids[0]);
  EXPECT_EQ(first->type_ids[0], second->type_ids[2]);
  EXPECT_EQ(store->size(), 3u);
  EXPECT_EQ(first->types[1].fields[0].storage.unpacked.heap().type_id(), first->type_ids[2]);
}

TEST(Decode, WrittenNumbersStayAsTheyAre) {
  const auto module =
      decode_as_written(wat("(type (struct)) (rec (type $a (struct (field (ref $b)))) (type $b (array (ref $a))))"));
  ASSERT_TRUE(module.has_value());
  EXPECT_EQ(module->types[1].fields[0].storage.unpacked.heap().number(), 2u);
  EXPECT_TRUE(module->rec_groups[1].explicit_rec);
  EXPECT_EQ(module->rec_groups[1].count, 2u);
}

TEST(Decode, TypeDefinitionsAreValidated) {
  EXPECT_THAT(verdict("(type (struct (field (ref 1))))"), StartsWith("unknown type 1"));
  EXPECT_THAT(verdict("(type (func)) (type (sub 0 (func)))"), HasSubstr("which is final"));
  EXPECT_THAT(verdict("(type (sub (struct (field i32)))) (type (sub 0 (struct (field i64))))"),
              HasSubstr("of another structure"));
  EXPECT_THAT(verdict("(rec (type (sub 1 (struct))) (type (sub (struct))))"), StartsWith("unknown type"));
  EXPECT_EQ(
      verdict("(rec (type $a (sub (struct (field (ref null $b))))) (type $b (sub $a (struct (field (ref null $b))))))"),
      "");
}

TEST(Decode, SubtypesMayStandSixtyThreeDeep) {
  const auto chain = [](uint32_t length) {
    ModuleBuilder m;
    for (uint32_t i = 0; i < length; ++i) {
      m.add_type({.kind = CompositeKind::kStruct, .is_final = false, .has_super = i > 0, .super = i > 0 ? i - 1 : 0});
    }
    return verdict_of(m.encode());
  };
  EXPECT_EQ(chain(kMaxSubtypeDepth + 1), "");
  EXPECT_THAT(chain(kMaxSubtypeDepth + 2), StartsWith("limit"));
}

// --- Round trips -------------------------------------------------------------------------------------------------------------

TEST(Encode, GivesBackTheBytesItWasDecodedFrom) {
  const std::vector<uint8_t> bytes = rich_module();
  const auto module = decode_as_written(bytes);
  ASSERT_TRUE(module.has_value()) << module.error().to_string();
  EXPECT_EQ(encode(*module), bytes);
}

TEST(Encode, RunsOfEqualLocalsArePacked) {
  const std::vector<ValType> locals = {kI32, kI32, kF64, kI32};
  EXPECT_EQ(encode_body(locals, {}), (std::vector<uint8_t>{3, 2, 0x7f, 1, 0x7c, 1, 0x7f}));
}

TEST(Builder, MakesModulesWithEveryKindOfItem) {
  ModuleBuilder m;
  const TypeIndex unary = m.add_func_type({kI32}, {kI32});
  EXPECT_EQ(m.add_func_type({kI32}, {kI32}), unary);
  const TypeIndex node = m.next_type();
  SubType structure{.kind = CompositeKind::kStruct, .is_final = false};
  structure.fields.push_back({{ValType::ref(HeapType::concrete(node.raw), true), Packed::kNone}, true});
  EXPECT_EQ(m.add_rec_group({structure}), node);
  const TypeIndex payload = m.add_func_type({kI32}, {});
  m.import_func("env", "f", unary);
  m.import_global("env", "g", {kI32, false});
  const TagIndex tag = m.add_tag(payload);
  const FuncIndex callee = m.declare_func(unary);
  const TableIndex table = m.add_table({kFuncRef, {.min = 1, .max = 2}});
  m.add_memory({{.min = 1}});
  m.add_global({ValType::ref(HeapType::concrete(node.raw), true), true},
               CodeWriter().ref_null(HeapType::concrete(node.raw)).end().take());
  m.add_elem({.mode = SegmentMode::kActive,
              .table = table,
              .offset = CodeWriter().i32_const(0).end().take(),
              .funcs = {callee}});
  m.add_data({.mode = SegmentMode::kPassive, .bytes = {1, 2, 3}});
  CodeWriter code;
  const Catch clauses[] = {{CatchKind::kCatch, tag, 0}};
  code.block(Opcode::Block, kI32)
      .try_table({}, clauses)
      .local_get(0)
      .op(Opcode::Throw, tag.raw)
      .end()
      .i32_const(1)
      .end()
      .op(Opcode::ReturnCallIndirect, unary.raw, table.raw)
      .end();
  m.set_body(callee, {}, code.take());
  m.add_export("f", ExternKind::kFunc, callee.raw);
  m.names().funcs.push_back({callee.raw, "callee"});
  m.names().module = "made";
  const auto bytes = m.encode();
  EXPECT_THAT(verdict_of(bytes), HasSubstr("type mismatch"));  // the tail call lacks its argument

  code.local_get(0).local_get(0).op(Opcode::ReturnCallIndirect, unary.raw, table.raw).end();
  m.set_body(callee, {}, code.take());
  EXPECT_EQ(verdict_of(m.encode()), "");
  const auto module = decode_as_written(m.encode());
  EXPECT_EQ(read_names(*module).module, "made");
  EXPECT_EQ(ModuleNames::find(read_names(*module).funcs, callee.raw), "callee");
}

// --- Names -------------------------------------------------------------------------------------------------------------------

ModuleNames names_of_section(std::vector<uint8_t> content) {
  ModuleBuilder m;
  m.add_custom("name", std::move(content));
  return read_names(*decode_as_written(m.encode()));
}

TEST(Names, AreWrittenSortedAndReadBack) {
  ModuleNames names;
  names.module = "m";
  names.funcs = {{7, "seven"}, {2, "two"}, {7, "again"}};
  names.locals = {{3, 1, "b"}, {3, 0, "a"}, {1, 9, "c"}};
  names.fields = {{0, 0, "field"}};
  names.tags = {{0, "tag"}};
  ByteWriter out;
  encode(out, names);
  const ModuleNames read = names_of_section({out.bytes().begin(), out.bytes().end()});
  EXPECT_EQ(read.funcs, (std::vector<NameEntry>{{2, "two"}, {7, "seven"}}));
  EXPECT_EQ(ModuleNames::find(read.locals, 3, 0), "a");
  EXPECT_EQ(ModuleNames::find(read.locals, 1, 9), "c");
  EXPECT_EQ(ModuleNames::find(read.locals, 1, 8), "");
  EXPECT_EQ(ModuleNames::find(read.fields, 0, 0), "field");
  EXPECT_EQ(ModuleNames::find(read.tags, 0), "tag");
}

TEST(Names, WhatIsMalformedIsLeftOut) {
  EXPECT_TRUE(names_of_section({0xff}).empty());
  EXPECT_TRUE(names_of_section({1, 100, 1}).empty());
  // The first entry is whole, the second one is not.
  EXPECT_EQ(names_of_section({1, 6, 2, 0, 1, 'a', 1, 9}).funcs, (std::vector<NameEntry>{{0, "a"}}));
  EXPECT_TRUE(names_of_section({1, 4, 1, 0, 1, 0xff}).empty());
}

}  // namespace
}  // namespace parallax::wasm
