// Translation: what text becomes which IR, and that everything in the specification's suite passes the judges.
#include "engine/jit/translate.h"

#include <gtest/gtest.h>

#include <algorithm>
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
                 bool poll, ir::Func& out) {
  static Translator translator;
  static opt::Pipeline pipeline;
  TRY(translator.translate(module, func, {.features = features, .poll_at_budget = poll}, out));
  return pipeline.run(out, {.level = level, .verify = true});
}

void expect_round_trip(const ir::Func& func) {
  const std::string text = ir::print(func);
  ir::Func again;
  const auto parsed = ir::parse(text, func.module(), again);
  ASSERT_TRUE(parsed.has_value()) << parsed.error().to_string() << "\n" << text;
  ASSERT_EQ(ir::print(again), text);
}

struct SuiteCounts {
  size_t modules = 0;
  size_t functions = 0;
  size_t vectors = 0;
  size_t rejected = 0;  // modules that the front end rejects although the script does not say so
};

void check_module(const wasm::Module& module, const wasm::Features& features, const std::string& where,
                  SuiteCounts& counts) {
  ++counts.modules;
  ir::Func func;
  for (uint32_t f = module.imported_funcs; f < module.funcs.size(); ++f) {
    for (const Level level : {Level::kO0, Level::kO1, Level::kO2}) {
      const bool poll = level == Level::kO1;
      const auto done = compile(module, wasm::FuncIndex(f), features, level, poll, func);
      if (!done && done.error().code == ErrorCode::kUnsupported) {
        ++counts.vectors;
        break;
      }
      ASSERT_TRUE(done.has_value()) << where << " function " << f << " O" << static_cast<int>(level) << ": "
                                    << done.error().to_string();
      expect_round_trip(func);
    }
    ++counts.functions;
  }
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
                            "wasmtime-memory64", "wasmtime-tail-call"}) {
    const std::filesystem::path root = std::filesystem::path(suites) / suite;
    if (!std::filesystem::exists(root)) continue;
    std::vector<std::filesystem::path> scripts;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
      if (entry.path().extension() == ".wast") scripts.push_back(entry.path());
    }
    std::ranges::sort(scripts);
    for (const auto& script : scripts) {
      check_script(script, features, counts);
      if (HasFatalFailure()) return;
    }
  }
  std::cout << counts.modules << " modules, " << counts.functions << " functions, " << counts.vectors
            << " of them with vectors (not compiled); " << counts.rejected << " modules rejected by the front end\n";
  EXPECT_GT(counts.functions, 9000u);
}

}  // namespace
}  // namespace parallax::jit
