// Translation: what text becomes which IR, and that everything in the specification's suite passes the judges.
#include "engine/jit/translate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "engine/ir/text.h"
#include "engine/ir/verify.h"
#include "engine/ir/verify_refs.h"
#include "engine/opt/pipeline.h"
#include "engine/wasm/text/parse.h"
#include "engine/wasm/text/script.h"

namespace parallax::jit {
namespace {

using opt::Level;

// A validated module from text.
wasm::Module load_text(const std::string& source, const wasm::Features& features = {}) {
  auto bytes = wasm::text::parse_module(source);
  EXPECT_TRUE(bytes.has_value()) << (bytes ? "" : bytes.error().to_string());
  auto module =
      wasm::load(std::move(bytes).value_or(std::vector<uint8_t>{}), std::make_shared<wasm::TypeStore>(), features);
  EXPECT_TRUE(module.has_value()) << (module ? "" : module.error().to_string());
  return std::move(module).value_or(wasm::Module{});
}

// Translates, optimises and judges one function; the text must come through print and parse unchanged.
Result<> compile(const wasm::Module& module, wasm::FuncIndex func, const wasm::Features& features, Level level,
                 bool poll, ir::Func& out, opt::Gate& gate) {
  static Translator translator;
  static opt::Pipeline pipeline;
  TRY(translator.translate(module, func, {.features = features, .poll_at_budget = poll}, out));
  return pipeline.run(out, {.level = level, .verify = true, .gate = &gate});
}

void expect_round_trip(const ir::Func& func) {
  const std::string text = ir::print(func);
  ir::Func again;
  const auto parsed = ir::parse(text, func.module(), again);
  ASSERT_TRUE(parsed.has_value()) << parsed.error().to_string() << "\n" << text;
  ASSERT_EQ(ir::print(again), text);
}

// Function 0 of a module with this text, translated and nothing else.
std::string translated(const std::string& source, bool legacy = false) {
  wasm::Features features;
  features.set(wasm::Feature::kLegacyExceptions, legacy);
  const wasm::Module module = load_text(source, features);
  Translator translator;
  ir::Func func;
  const auto done = translator.translate(module, wasm::FuncIndex(module.imported_funcs), {.features = features}, func);
  if (!done) return done.error().to_string();
  const auto judged = ir::verify(func, "translate");
  EXPECT_TRUE(judged.has_value()) << (judged ? "" : judged.error().to_string());
  std::string text = ir::print(func);
  // Offsets are of no interest here.
  std::string without;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ' ' && i + 1 < text.size() && text[i + 1] == '@') {
      i += 2;
      while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
    }
    without += text[i];
  }
  return without;
}

TEST(Translate, AJoinHasParametersOnlyForWhatDiffers) {
  EXPECT_EQ(translated("(module (func (param i32 i32) (result i32) (local i32 i32)"
                       "  (if (local.get 0) (then (local.set 2 (local.get 1))) (else (local.set 3 (local.get 1))"
                       "    (local.set 2 (local.get 1)))) (i32.add (local.get 2) (local.get 3))))"),
            "func 0 {\n"
            "b0(v0: i32, v1: i32):\n"
            "  budget\n"
            "  v2: i32 = const\n"
            "  branch v0 -> b1 b2\n"
            "b1:\n"
            "  jump v2 -> b3\n"
            "b2:\n"
            "  jump v1 -> b3\n"
            "b3(v3: i32):\n"
            "  v4: i32 = compute opcode=i32.add v1, v3\n"
            "  return v4\n"
            "}\n");
}

TEST(Translate, ALoopHeadHasParametersForAssignedLocalsAndSpendsFuel) {
  EXPECT_EQ(
      translated("(module (func (param i32 i32) (result i32) (loop (local.set 0 (i32.sub (local.get 0) (local.get 1)))"
                 "  (br_if 0 (local.get 0))) (local.get 0)))"),
      "func 0 {\n"
      "b0(v0: i32, v1: i32):\n"
      "  budget\n"
      "  jump v0 -> b1\n"
      "b1(v2: i32) loop:\n"
      "  budget\n"
      "  v3: i32 = compute opcode=i32.sub v2, v1\n"
      "  branch v3 -> b2 b3\n"
      "b2:\n"
      "  jump v3 -> b1\n"
      "b3:\n"
      "  return v3\n"
      "}\n");
}

TEST(Translate, CastsInBranchesRefineOnBothWays) {
  EXPECT_EQ(translated("(module (type $s (struct)) (func (param anyref) (result (ref $s))"
                       "  (block (result anyref) (return (br_on_cast_fail 0 anyref (ref $s) (local.get 0)))) (drop)"
                       "  (unreachable)))"),
            "func 0 {\n"
            "b0(v0: anyref):\n"
            "  budget\n"
            "  v1: i32 = ref_test type=(ref 0) v0\n"
            "  branch v1 -> b1 b2\n"
            "b1:\n"
            "  v2: (ref 0) = refine sense=0x1 v0, v1\n"
            "  return v2\n"
            "b2:\n"
            "  trap trap=0\n"
            "}\n");
}

TEST(Translate, CallsInATryEndTheirBlockAndLandInTheDispatch) {
  EXPECT_EQ(translated("(module (tag $e (param i32)) (func (result i32) (block (result i32)"
                       "  (try_table (catch $e 0) (call 1) (call 1)) (i32.const 7))) (func))"),
            "func 0 {\n"
            "b0:\n"
            "  budget\n"
            "  call a=0x1 -> b1 b2\n"
            "b1:\n"
            "  call a=0x1 -> b3 b4\n"
            "b2 landing:\n"
            "  v0: (ref exn) = caught_exn\n"
            "  jump v0 -> b5\n"
            "b3:\n"
            "  v5: i32 = const imm=0x7\n"
            "  jump v5 -> b8\n"
            "b4 landing:\n"
            "  v1: (ref exn) = caught_exn\n"
            "  jump v1 -> b5\n"
            "b5(v2: (ref exn)):\n"
            "  v3: i32 = exn_test v2\n"
            "  branch v3 -> b6 b7\n"
            "b6:\n"
            "  v4: i32 = exn_get v2\n"
            "  jump v4 -> b8\n"
            "b7:\n"
            "  throw v2\n"
            "b8(v6: i32):\n"
            "  return v6\n"
            "}\n");
}

TEST(Translate, AThrowInATryGoesStraightToItsDispatch) {
  const std::string text = translated(
      "(module (tag $e (param i32)) (func (result i32) (block (result i32)"
      "  (try_table (catch $e 0) (throw $e (i32.const 3))) (unreachable))))");
  EXPECT_EQ(text.find("  throw"), text.rfind("  throw")) << "only where no clause matches\n" << text;
  EXPECT_NE(text.find("exn_alloc"), std::string::npos);
}

TEST(Translate, DelegateSkipsTheHandlersInBetween) {
  const std::string text = translated(
      "(module (tag $e) (func (try (do (try (do (try (do (call 1)) (delegate 1))) (catch_all (call 2)))) (catch $e)))"
      "  (func) (func))",
      true);
  EXPECT_EQ(text.find("a=0x2"), std::string::npos) << "the middle handler is never reached\n" << text;
  EXPECT_NE(text.find("exn_test"), std::string::npos) << text;
}

TEST(Translate, DeadCodeLeavesNoTrace) {
  const std::string text = translated(
      "(module (func (result i32) (block (br 0) (loop (br 0)) (if (i32.const 1) (then) (else (unreachable)))) "
      "(i32.const 1)))");
  EXPECT_EQ(text, "func 0 {\nb0:\n  budget\n  v0: i32 = const imm=0x1\n  return v0\n}\n");
}

TEST(Translate, VectorsCarryTheirLanes) {
  const std::string text = translated(R"((module (memory 1) (func (param v128) (result v128)
    (v128.load16_lane offset=4 3 (i32.const 0)
      (i8x16.shuffle 16 1 2 3 4 5 6 7 8 9 10 11 12 13 14 31 (local.get 0) (v128.const i64x2 5 -1))))))");
  EXPECT_EQ(text, R"(func 0 {
b0(v0: v128):
  budget
  v1: i32 = const
  v2: v128 = const imm=0x5 high=0xffffffffffffffff
  v3: v128 = compute opcode=i8x16.shuffle imm=0x706050403020110 high=0x1f0e0d0c0b0a0908 v0, v2
  v4: v128 = mem_load opcode=v128.load16_lane b=0x3 imm=0x4 v1, v3
  return v4
}
)");
}

std::string repeat(const std::string& text, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

TEST(Translate, DeepNestingIsLinear) {
  constexpr size_t kDepth = 20'000;
  std::string source = "(module (func (param i32) (result i32) (local i32) " + repeat("block ", kDepth) +
                       "local.get 0 br_if 0 local.get 0 local.set 1 " + repeat("local.get 0 br_if 0 end ", kDepth) +
                       "local.get 1))";
  const wasm::Module module = load_text(source);
  Translator translator;
  ir::Func func;
  ASSERT_TRUE(translator.translate(module, wasm::FuncIndex(0), {}, func).has_value());
  EXPECT_LT(func.inst_count(), 20 * kDepth);
  EXPECT_TRUE(ir::verify(func, "translate").has_value());
}

TEST(Translate, TooManyEdgeArgumentsEndWithALimit) {
  constexpr size_t kLocals = 4000;
  std::string source = "(module (func (param i32) (local" + repeat(" i32", kLocals) + ") block ";
  for (size_t i = 1; i <= kLocals; ++i)
    source += "local.get 0 local.set " + std::to_string(i) + " local.get 0 br_if 0 ";
  source += "end))";
  const std::string text = translated(source);
  EXPECT_NE(text.find("limit"), std::string::npos) << text.substr(0, 200);
}

// Any prefix of the rewrites must be correct, or bisection would find something else.
void check_prefixes(const wasm::Module& module, wasm::FuncIndex index, const wasm::Features& features,
                    uint64_t rewrites, const std::string& where) {
  static Translator translator;
  static opt::Pipeline pipeline;
  ir::Func func;
  for (uint64_t limit = 1; limit < rewrites; limit += 1 + rewrites / 8) {
    opt::Gate gate;
    gate.limit = limit;
    ASSERT_TRUE(translator.translate(module, index, {.features = features}, func).has_value());
    const auto done = pipeline.run(func, {.level = Level::kO2, .verify = true, .gate = &gate});
    ASSERT_TRUE(done.has_value()) << where << " after " << limit << " rewrites: " << done.error().to_string();
  }
}

struct SuiteCounts {
  size_t modules = 0;
  size_t functions = 0;
  std::array<uint64_t, opt::kRewriteCount> rewrites{};
  size_t rejected = 0;  // modules that the front end rejects although the script does not say so
};

void check_module(const wasm::Module& module, const wasm::Features& features, const std::string& where,
                  SuiteCounts& counts) {
  ++counts.modules;
  ir::Func func;
  for (uint32_t f = module.imported_funcs; f < module.funcs.size(); ++f) {
    for (const Level level : {Level::kO0, Level::kO1, Level::kO2}) {
      const bool poll = level == Level::kO1;
      opt::Gate gate;
      const auto done = compile(module, wasm::FuncIndex(f), features, level, poll, func, gate);
      ASSERT_TRUE(done.has_value()) << where << " function " << f << " O" << static_cast<int>(level) << ": "
                                    << done.error().to_string();
      expect_round_trip(func);
      if (level == Level::kO2) check_prefixes(module, wasm::FuncIndex(f), features, gate.asked, where);
      for (uint32_t r = 0; r < opt::kRewriteCount; ++r) counts.rewrites[r] += gate.by_rewrite[r];
    }
    ++counts.functions;
  }
}

// What compilers made.
void check_binary(const std::filesystem::path& path, const wasm::Features& features, SuiteCounts& counts) {
  std::ifstream in(path, std::ios::binary);
  std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(in), {}};
  const auto module = wasm::load(std::move(bytes), std::make_shared<wasm::TypeStore>(), features);
  ASSERT_TRUE(module) << path << ": " << module.error().to_string();
  check_module(*module, features, path.filename().string(), counts);
}

void check_script(const std::filesystem::path& path, const wasm::Features& features, SuiteCounts& counts) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream buffer;
  buffer << in.rdbuf();
  const auto script = wasm::text::parse_script(buffer.str());
  if (!script) return;  // other tests judge the parser
  for (const wasm::text::Command& command : script->commands) {
    if (!command.module) continue;
    auto bytes = script->binary(*command.module);
    const bool expected = command.kind == wasm::text::CommandKind::kModule;
    if (!bytes) {
      counts.rejected += expected ? 1 : 0;
      continue;
    }
    const auto module = wasm::load(std::move(*bytes), std::make_shared<wasm::TypeStore>(), features);
    if (!module) {
      counts.rejected += expected ? 1 : 0;
      continue;
    }
    check_module(*module, features, path.filename().string() + ":" + std::to_string(command.line), counts);
  }
}

TEST(Translate, EveryModuleOfTheSuitesPassesTheJudgesAtEveryLevel) {
  const char* suites = std::getenv("PARALLAX_SUITES");
  if (suites == nullptr) GTEST_SKIP() << "PARALLAX_SUITES is not set: the specification's suite was NOT checked";
  SuiteCounts counts;
  wasm::Features features;
  features.set(wasm::Feature::kLegacyExceptions, true);
  for (const char* suite : {"spec", "legacy", "proposals", "wasmtime-gc", "wasmtime-function-references",
                            "wasmtime-memory64", "wasmtime-simd", "wasmtime-tail-call", "programs"}) {
    const std::filesystem::path root = std::filesystem::path(suites) / suite;
    if (!std::filesystem::exists(root)) continue;
    std::vector<std::filesystem::path> scripts;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
      if (entry.path().extension() == ".wast" || entry.path().extension() == ".wasm") scripts.push_back(entry.path());
    }
    std::ranges::sort(scripts);
    for (const auto& script : scripts) {
      if (script.extension() == ".wasm") {
        check_binary(script, features, counts);
      } else {
        check_script(script, features, counts);
      }
      if (HasFatalFailure()) return;
    }
  }
  std::cout << counts.modules << " modules, " << counts.functions << " functions; " << counts.rejected
            << " modules rejected by the front end\n";
  for (uint32_t r = 0; r < opt::kRewriteCount; ++r) {
    std::cout << "  " << opt::info(static_cast<opt::Rewrite>(r)).name << " " << counts.rewrites[r] << "\n";
  }
  EXPECT_GT(counts.functions, 9000u);
}

}  // namespace
}  // namespace parallax::jit
