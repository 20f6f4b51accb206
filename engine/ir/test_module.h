// For tests of IR and passes: a module from text, and a function from IR text.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "engine/ir/func.h"
#include "engine/ir/text.h"
#include "engine/wasm/text/parse.h"

namespace parallax::ir {

inline wasm::Module module_of(const std::string& source, const wasm::Features& features = {}) {
  auto bytes = wasm::text::parse_module(source);
  EXPECT_TRUE(bytes.has_value()) << (bytes ? "" : bytes.error().to_string());
  auto module =
      wasm::load(std::move(bytes).value_or(std::vector<uint8_t>{}), std::make_shared<wasm::TypeStore>(), features);
  EXPECT_TRUE(module.has_value()) << (module ? "" : module.error().to_string());
  return std::move(module).value_or(wasm::Module{});
}

// Types 0 struct {mut i32}, 1 struct sub 0 {mut i32, mut anyref}, 2 array mut i32; functions 0..: of several shapes.
inline const wasm::Module& test_module() {
  static const wasm::Module module = module_of(R"(
    (type $s (sub (struct (field (mut i32)))))
    (type $t (sub $s (struct (field (mut i32)) (field (mut anyref)))))
    (type $a (array (mut i32)))
    (func $void)
    (func $i_i (param i32) (result i32) local.get 0)
    (func $r_r (param anyref) (result anyref) local.get 0)
    (func $s_i (param (ref null $s)) (result i32) i32.const 0)
    (func $ri_i (param anyref i32) (result i32) i32.const 0)
    (func $rr_r (param anyref anyref) (result anyref) local.get 0)
    (tag $e (param i32))
    (global $g (mut anyref) (ref.null any))
    (memory 1))");
  return module;
}

inline Func func_of(const std::string& text, const wasm::Module& module = test_module()) {
  Func func;
  const auto parsed = parse(text, module, func);
  EXPECT_TRUE(parsed.has_value()) << (parsed ? "" : parsed.error().to_string());
  return func;
}

}  // namespace parallax::ir
