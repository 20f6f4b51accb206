// Editable modules: everything comes back as it was, and what dangles is refused.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/wasm/edit/module.h"
#include "engine/wasm/edit/refs.h"
#include "engine/wasm/testing.h"
#include "engine/wasm/text/print.h"
#include "engine/wasm/text/script.h"
#include "engine/wasm/text/script_runner.h"
#include "fuzz/generators/generators.h"

namespace parallax::wasm::edit {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::wat;

Module lifted(const char* source) {
  auto m = lift(wat(source));
  EXPECT_TRUE(m) << m.error().to_string();
  return m ? std::move(*m) : Module();
}

fs::path suites() {
  std::vector<fs::path> places;
  if (const char* set = std::getenv("PARALLAX_SUITES")) places.emplace_back(set);
  places.emplace_back("../shared/suites");
  if (const char* cache = std::getenv("PARALLAX_CACHE")) places.push_back(fs::path(cache) / "suites");
  if (const char* home = std::getenv("HOME")) places.push_back(fs::path(home) / ".cache/parallax/suites");
  for (const fs::path& place : places) {
    if (fs::is_directory(place / "spec")) return place;
  }
  return {};
}

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

void round_trip(const std::vector<uint8_t>& bytes, const Features& features, const std::string& where) {
  const auto valid = load(bytes, std::make_shared<TypeStore>(), features);
  if (!valid) return;  // no valid module
  const auto m = lift(*valid, features);
  ASSERT_TRUE(m) << where << ": " << m.error().to_string();
  const auto again = encode(*m);
  ASSERT_TRUE(again) << where << ": " << again.error().to_string();
  if (*again == bytes) return;
  // Encodings longer than necessary, and places of custom sections behind empty sections, are not kept.
  const text::PrintOptions options{.features = features, .customs = false};
  const auto before = text::print_binary(bytes, options);
  const auto after = text::print_binary(*again, options);
  ASSERT_TRUE(before && after) << where;
  EXPECT_EQ(*before, *after) << where;
}

TEST(Edit, EveryModuleOfTheSuitesComesBackUnchanged) {
  if (suites().empty()) GTEST_SKIP() << "no suites here";
  size_t modules = 0;
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(suites())) {
    if (entry.is_regular_file() && entry.path().extension() == ".wast") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    const auto script = text::parse_script(read(file));
    if (!script) continue;
    const Features features = text::options_for_path(fs::relative(file, suites()).generic_string()).features;
    for (const text::Command& command : script->commands) {
      if (command.kind != text::CommandKind::kModule && command.kind != text::CommandKind::kModuleDefinition) continue;
      const auto bytes = script->binary(*command.module);
      if (!bytes) continue;
      ++modules;
      round_trip(*bytes, features, file.string() + ":" + std::to_string(command.line));
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(modules, 1000u);
}

TEST(Edit, GeneratedModulesComeBackUnchanged) {
  for (uint64_t index = 0; index < 60; ++index) {
    const auto subject = fuzz::generate_at(fuzz::GeneratorKind::kMix, 3, index);
    if (!subject) continue;
    for (const auto& bytes : subject->modules) round_trip(bytes, {}, "index " + std::to_string(index));
  }
}

TEST(Edit, OperandsAreChildrenAndStatementsBetweenThemToo) {
  const Module m =
      lifted("(module (func $f) (func (result i32) (i32.const 1) (call $f) (i32.const 2) (i32.add) (nop) (i32.eqz)))");
  const Code& code = *m.funcs[1].code;
  ASSERT_EQ(code.body.size(), 1u);
  const Node& eqz = code[code.body[0]];
  EXPECT_EQ(eqz.op(), Opcode::I32Eqz);
  EXPECT_TRUE(eqz.is_value());
  ASSERT_EQ(eqz.children.size(), 2u);
  EXPECT_EQ(code[eqz.children[0]].op(), Opcode::I32Add);
  EXPECT_EQ(code[code[eqz.children[0]].children[1]].op(), Opcode::Call);
  EXPECT_EQ(code[eqz.children[1]].op(), Opcode::Nop);
}

TEST(Edit, ManyResultsMayBeSplitBetweenConsumers) {
  const Module m = lifted(
      "(module (func $two (result i32 i32) (i32.const 1) (i32.const 2)) (func (result i32) (call $two) (i32.eqz) "
      "(i32.add)))");
  const Code& code = *m.funcs[1].code;
  const Node& add = code[code.body.at(0)];
  ASSERT_EQ(add.children.size(), 1u);
  EXPECT_EQ(code[add.children[0]].op(), Opcode::I32Eqz);
  EXPECT_EQ(code[add.children[0]].net, 2u);
  EXPECT_FALSE(code[add.children[0]].is_value());
  EXPECT_TRUE(add.is_value());
}

TEST(Edit, ARemovedFunctionRenumbersTheOthers) {
  Module m = lifted("(module (func $gone) (func $f (result i32) (call $g)) (func $g (result i32) (i32.const 7)))");
  m.funcs[0].alive = false;
  const auto bytes = encode(m);
  ASSERT_TRUE(bytes) << bytes.error().to_string();
  EXPECT_EQ(testing::verdict_of(*bytes), "");
  EXPECT_THAT(text::print_binary(*bytes).value_or(""), HasSubstr("call 1"));
}

TEST(Edit, WhatNamesARemovedThingIsRefused) {
  Module m = lifted("(module (func $gone) (func (call $gone)))");
  m.funcs[0].alive = false;
  const auto bytes = encode(m);
  ASSERT_FALSE(bytes);
  EXPECT_THAT(bytes.error().message, HasSubstr("function 0 is named, but was removed"));
}

TEST(Edit, ABranchToABlockThatIsNotAroundItIsRefused) {
  Module m = lifted("(module (func (block (br 0)) (block)))");
  Code& code = m.funcs[0].code.mut();
  const NodeId inner = code[code.body[0]].bodies[0].seq[0];
  code[inner].targets[0] = code.body[1];
  EXPECT_FALSE(encode(m));
}

TEST(Edit, DepthsFollowWhenCodeMoves) {
  Module m = lifted("(module (func (block $a (block $b (br $a)))))");
  Code& code = m.funcs[0].code.mut();
  const NodeId a = code.body[0], b = code[a].bodies[0].seq[0];
  code[a].bodies[0].seq = code[b].bodies[0].seq;  // b unwrapped
  const auto bytes = encode(m);
  ASSERT_TRUE(bytes);
  EXPECT_EQ(testing::verdict_of(*bytes), "");
  EXPECT_THAT(text::print_binary(*bytes).value_or(""), HasSubstr("br 0"));
}

TEST(Edit, NamedFunctionsStayDeclared) {
  Module m = lifted("(module (elem declare func $f) (func $f (result funcref) (ref.func $f)))");
  m.elems[0].alive = false;
  const auto bytes = encode(m);
  ASSERT_TRUE(bytes);
  EXPECT_EQ(testing::verdict_of(*bytes), "");
}

TEST(Edit, CopiesShareBodiesUntilOneIsChanged) {
  Module a = lifted("(module (func (nop)) (func (nop)))");
  Module b = a;
  b.funcs[0].code.mut().body.clear();
  EXPECT_FALSE(a.funcs[0].code.same(b.funcs[0].code));
  EXPECT_TRUE(a.funcs[1].code.same(b.funcs[1].code));
  EXPECT_EQ(a.funcs[0].code->body.size(), 1u);
}

TEST(Edit, TypesAtNodesAreStableIds) {
  const Module m = lifted(
      "(module (type $other (struct (field i32))) (type $t (struct (field i64))) (func (result i64) (struct.get $t 0 "
      "(struct.new $t (i64.const 1)))))");
  const Code& code = *m.funcs[0].code;
  const Node& get = code[code.body.at(0)];
  EXPECT_EQ(get.popped.at(0), ValType::ref(HeapType::concrete(1), true).as_non_null());
}

}  // namespace
}  // namespace parallax::wasm::edit
