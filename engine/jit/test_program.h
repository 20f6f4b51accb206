// Test support: a module given as text, compiled and called.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/jit/compiler.h"
#include "engine/runtime/store.h"
#include "engine/wasm/text/parse.h"

namespace parallax::jit {

// One instance of a module given as text, for tests.
class Program {
 public:
  explicit Program(const std::string& source, runtime::EngineOptions options = {},
                   const x64::CpuFeatures* cpu = nullptr) {
    auto compiler = std::make_unique<JitCompiler>(options);
    if (cpu != nullptr) compiler->set_cpu(*cpu);
    engine_ = std::make_unique<runtime::Store>(types_, options, std::move(compiler));
    auto bytes = wasm::text::parse_module(source);
    if (!bytes) {
      ADD_FAILURE() << bytes.error().to_string();
      return;
    }
    auto module = wasm::load(std::move(*bytes), types_);
    if (!module) {
      ADD_FAILURE() << module.error().to_string();
      return;
    }
    module_ = std::make_shared<wasm::Module>(std::move(*module));
  }
  void start(std::span<const wasm::Extern> imports = {}) {
    const wasm::Outcome made = engine_->instantiate(module_, imports, instance_);
    ASSERT_TRUE(made.returned()) << to_string(made.kind) << made.error.to_string();
  }
  wasm::Outcome call(const char* name, std::vector<wasm::Value> args = {}) {
    if (instance_ == 0) start();
    return engine_->call(*engine_->find_export(instance_, name), args);
  }
  wasm::Extern exported(const char* name) { return *engine_->find_export(instance_, name); }
  wasm::Embedding& engine() { return *engine_; }
  wasm::TypeStore& types() { return *types_; }

 private:
  std::shared_ptr<wasm::TypeStore> types_ = std::make_shared<wasm::TypeStore>();
  std::unique_ptr<wasm::Embedding> engine_;
  std::shared_ptr<const wasm::Module> module_;
  wasm::InstanceId instance_ = 0;
};

}  // namespace parallax::jit
