// For tests of inlining and of objects that become values: the interpreter and compiled code, under every small budget.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/base/text.h"
#include "engine/jit/compiler.h"
#include "engine/runtime/store.h"
#include "engine/wasm/text/parse.h"
#include "interp/interp.h"

namespace parallax::jit {

using runtime::EngineOptions;
using wasm::Outcome;
using wasm::Value;

// What one call under one budget came to, as text: outcome, place of a trap, what the global "g" holds afterwards.
inline std::string result_of(wasm::Embedding& store, wasm::InstanceId instance, uint32_t arg, wasm::Budget budget) {
  store.set_budget(budget);
  const Value args[] = {Value::i32(arg)};
  const Outcome outcome = store.call(*store.find_export(instance, "f"), args);
  std::string out = to_string(outcome.kind);
  if (outcome.kind == wasm::OutcomeKind::kTrapped) {
    out += text::format(" {} in {} at {:#x}", to_string(outcome.trap), outcome.func.raw, outcome.offset);
  }
  for (const Value& v : outcome.values) out += text::format(" {:#x}", v.low);
  store.set_budget({});
  const Outcome global = store.call(*store.find_export(instance, "g"), {});
  for (const Value& v : global.values) out += text::format(" g={:#x}", v.low);
  return out;
}

struct Sides {
  explicit Sides(const std::string& source, const EngineOptions& options) {
    auto bytes = wasm::text::parse_module(source);
    EXPECT_TRUE(bytes.has_value()) << (bytes ? "" : bytes.error().to_string());
    auto module = wasm::load(std::move(*bytes), types);
    EXPECT_TRUE(module.has_value()) << (module ? "" : module.error().to_string());
    shared = std::make_shared<wasm::Module>(std::move(*module));
    auto made = std::make_unique<JitCompiler>(options);
    compiler = made.get();
    jit = std::make_unique<runtime::Store>(types, options, std::move(made));
    interp = interp::make_interpreter(types, {});
    EXPECT_TRUE(jit->instantiate(shared, {}, jit_instance).returned());
    EXPECT_TRUE(interp->instantiate(shared, {}, interp_instance).returned());
  }
  uint64_t count(opt::Rewrite rewrite) const { return compiler->gate().by_rewrite[static_cast<size_t>(rewrite)]; }

  std::shared_ptr<wasm::TypeStore> types = std::make_shared<wasm::TypeStore>();
  std::shared_ptr<const wasm::Module> shared;
  JitCompiler* compiler = nullptr;
  std::unique_ptr<wasm::Embedding> jit;
  std::unique_ptr<wasm::Embedding> interp;
  wasm::InstanceId jit_instance = 0;
  wasm::InstanceId interp_instance = 0;
};

inline const EngineOptions kBudgetConfigurations[] = {
    {.level = runtime::OptLevel::kO2, .verify = true, .heap_bytes = 1 << 24},
    {.level = runtime::OptLevel::kO2,
     .zeal = {.mode = runtime::ZealMode::kEverySafepoint},
     .armed = true,
     .heap_bytes = 1 << 24},
    {.level = runtime::OptLevel::kO2, .verify = true, .chaos_seed = 7, .heap_bytes = 1 << 24},
};

// Every fuel up to `fuel` and every depth up to `depth`, for arguments 0 to 3.
inline void same_under_all_budgets(const std::string& source, uint64_t fuel, uint32_t depth, uint64_t least_inlined) {
  for (const EngineOptions& options : kBudgetConfigurations) {
    Sides sides(source, options);
    for (uint32_t arg = 0; arg < 4; ++arg) {
      for (uint64_t f = 0; f <= fuel; ++f) {
        for (uint32_t d = 0; d <= depth; ++d) {
          const wasm::Budget budget{.fuel = f, .call_depth = d};
          const std::string expected = result_of(*sides.interp, sides.interp_instance, arg, budget);
          const std::string got = result_of(*sides.jit, sides.jit_instance, arg, budget);
          ASSERT_EQ(got, expected) << "argument " << arg << " fuel " << f << " depth " << d;
        }
      }
    }
    EXPECT_GE(sides.count(opt::Rewrite::kInline), least_inlined);
  }
}

inline constexpr const char* kGlobal =
    R"((global $g (mut i32) (i32.const 0)) (func (export "g") (result i32) (global.get $g)))";

inline std::string module_of(const std::string& rest) { return std::string("(module ") + kGlobal + rest + ")"; }

// Every heap of these sizes, for arguments 0 to 3; `least` objects become values.
inline void same_under_all_heaps(const std::string& source, uint64_t most, uint64_t least) {
  for (const EngineOptions& options : kBudgetConfigurations) {
    Sides sides(source, options);
    for (uint32_t arg = 0; arg < 4; ++arg) {
      for (uint64_t bytes = 0; bytes <= most; ++bytes) {
        const wasm::Budget budget{.fuel = 1000, .allocated_bytes = bytes};
        const std::string expected = result_of(*sides.interp, sides.interp_instance, arg, budget);
        const std::string got = result_of(*sides.jit, sides.jit_instance, arg, budget);
        ASSERT_EQ(got, expected) << "argument " << arg << " heap of " << bytes;
      }
    }
    EXPECT_GE(sides.count(opt::Rewrite::kScalars), least);
  }
}

}  // namespace parallax::jit
