// What the interpreter's tests are written with: a store, modules from text, short spellings. Included by tests only.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/wasm/embed.h"
#include "engine/wasm/module.h"
#include "engine/wasm/text/parse.h"
#include "interp/interp.h"

namespace parallax::interp::testing {

using wasm::Extern;
using wasm::ExternKind;
using wasm::Outcome;
using wasm::OutcomeKind;
using wasm::TrapKind;
using wasm::Value;

struct Fixture {
  std::shared_ptr<wasm::TypeStore> types = std::make_shared<wasm::TypeStore>();
  InterpOptions options;
  std::unique_ptr<wasm::Embedding> store;

  explicit Fixture(InterpOptions o = {}) : options(std::move(o)), store(make_interpreter(types, options)) {}

  // A store in which every allocation collects and every collection is verified.
  static InterpOptions zealous() {
    InterpOptions options;
    options.collect_every = 1;
    options.armed = true;
    return options;
  }

  std::shared_ptr<const wasm::Module> load(const std::string& text) const {
    auto bytes = wasm::text::parse_module(text);
    EXPECT_TRUE(bytes.has_value()) << (bytes ? "" : bytes.error().to_string());
    if (!bytes) return nullptr;
    auto module = wasm::load(std::move(*bytes), types, options.features);
    EXPECT_TRUE(module.has_value()) << (module ? "" : module.error().to_string());
    return module ? std::make_shared<const wasm::Module>(std::move(*module)) : nullptr;
  }
  wasm::InstanceId instantiate(const std::string& text, std::vector<Extern> imports = {}) const {
    wasm::InstanceId id = 0;
    const Outcome outcome = store->instantiate(load(text), imports, id);
    EXPECT_TRUE(outcome.returned()) << wasm::to_string(outcome.kind) << ": " << outcome.error.message;
    return id;
  }
  Extern find(wasm::InstanceId instance, std::string_view name) const {
    const auto found = store->find_export(instance, name);
    EXPECT_TRUE(found.has_value()) << name;
    return found.value_or(Extern{});
  }
  Outcome call(wasm::InstanceId instance, std::string_view name, std::vector<Value> args = {}) const {
    return store->call(find(instance, name), args);
  }
  // The one i32 result.
  uint32_t i32(wasm::InstanceId instance, std::string_view name, std::vector<Value> args = {}) const {
    const Outcome outcome = call(instance, name, std::move(args));
    EXPECT_TRUE(outcome.returned() && outcome.values.size() == 1) << describe(outcome);
    return outcome.values.size() == 1 ? static_cast<uint32_t>(outcome.values[0].low) : 0xdead;
  }
  wasm::TypeId func_type(std::vector<wasm::ValType> params, std::vector<wasm::ValType> results) const {
    return types->intern_func(std::move(params), std::move(results));
  }
  static std::string describe(const Outcome& outcome) {
    return std::string(wasm::to_string(outcome.kind)) +
           (outcome.kind == OutcomeKind::kTrapped ? std::string(": ") + wasm::to_string(outcome.trap) : "") + " " +
           outcome.error.message;
  }
};

MATCHER_P(TrappedWith, kind, "") { return arg.kind == OutcomeKind::kTrapped && arg.trap == kind; }
MATCHER_P(EndedWith, kind, "") { return arg.kind == kind; }

}  // namespace parallax::interp::testing
