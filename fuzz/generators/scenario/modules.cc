// The modules that scenarios use. The client is linked against an instance of the library.
#include "engine/base/check.h"
#include "engine/wasm/text/parse.h"
#include "fuzz/generators/scenario/scenario.h"

namespace parallax::fuzz {

namespace {

constexpr ExportRow kRows[] = {
#define EXPORT(id, name, params, results, summary) {name, params, results},
#include "fuzz/generators/scenario/exports.def"
#undef EXPORT
};

// ORDER: table, global and tag are exported before the functions of exports.def.
constexpr const char* kLibrary = R"((module
  (rec (type $pair (struct (field (mut i32)) (field (mut (ref null $pair))))))
  (type $bytes (array (mut i8)))
  (type $div_type (func (param i32 i32) (result i32)))
  (import "" "host" (func $host (param i32 externref) (result externref)))
  (table $kept (export "kept") 4 externref)
  (global $root (export "root") (mut (ref null $pair)) (ref.null $pair))
  (tag $tag (export "tag") (param i32 externref))
  (func $make (export "make") (param i32) (result (ref $pair))
    (struct.new $pair (local.get 0) (ref.null $pair)))
  (func (export "value") (param (ref null $pair)) (result i32) (struct.get $pair 0 (local.get 0)))
  (func (export "set") (param (ref null $pair) i32) (struct.set $pair 0 (local.get 0) (local.get 1)))
  (func (export "link") (param (ref null $pair) (ref null $pair)) (struct.set $pair 1 (local.get 0) (local.get 1)))
  (func (export "next") (param (ref null $pair)) (result (ref null $pair)) (struct.get $pair 1 (local.get 0)))
  (func (export "keep") (param i32 externref) (table.set $kept (local.get 0) (local.get 1)))
  (func (export "give") (param i32) (result externref) (table.get $kept (local.get 0)))
  (func $div (export "div") (type $div_type) (i32.div_s (local.get 0) (local.get 1)))
  (func $raise (export "raise") (param i32 externref) (throw $tag (local.get 0) (local.get 1)))
  (func (export "churn") (param $n i32) (result i32) (local $mine (ref null $pair))
    (local.set $mine (call $make (local.get $n)))
    (loop $more
      (drop (array.new_default $bytes (i32.const 1000)))
      (struct.set $pair 1 (local.get $mine) (call $make (i32.const 1)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $more (i32.gt_s (local.get $n) (i32.const 0))))
    (struct.get $pair 0 (local.get $mine)))
  (func $ask (export "ask") (param i32 externref) (result externref) (local $mine (ref null $pair))
    (local.set $mine (call $make (i32.const 77)))
    (call $host (local.get 0) (local.get 1))
    (if (i32.ne (struct.get $pair 0 (local.get $mine)) (i32.const 77)) (then (unreachable))))
  (func (export "ask_catch") (param i32 externref) (result externref) (local $kept externref)
    (local.set $kept (local.get 1))
    (block $caught (result i32 externref)
      (try_table (result externref) (catch $tag $caught)
        (call $ask (local.get 0) (local.get 1)))
      (return))
    (local.set $kept) (drop) (local.get $kept))
  (func (export "pick") (result funcref) (ref.func $div))
  (func (export "call_it") (param funcref i32 i32) (result i32)
    (call_ref $div_type (local.get 1) (local.get 2) (ref.cast (ref $div_type) (local.get 0))))))";

constexpr const char* kClient = R"((module
  (rec (type $pair (struct (field (mut i32)) (field (mut (ref null $pair))))))
  (import "lib" "make" (func $make (param i32) (result (ref $pair))))
  (import "lib" "kept" (table $kept 4 externref))
  (import "lib" "root" (global $root (mut (ref null $pair))))
  (import "lib" "tag" (tag $tag (param i32 externref)))
  (func (export "poke") (param i32) (global.set $root (call $make (local.get 0))))
  (func (export "steal") (param i32) (result externref) (table.get $kept (local.get 0)))
  (func (export "toss") (param i32) (throw $tag (local.get 0) (ref.null extern)))))";

std::vector<char> assemble(const char* text) {
  const auto bytes = wasm::text::parse_module(text);
  CHECK(bytes.has_value(), "I5: a module of the scenarios does not parse: {}", bytes.error().to_string());
  return {bytes->begin(), bytes->end()};
}

}  // namespace

const ExportRow& row(ExportName name) { return kRows[static_cast<size_t>(name)]; }

const std::vector<char>& module_bytes(ModuleText text) {
  static const std::vector<char> kBytes[] = {assemble(kLibrary), assemble(kClient),
                                             assemble("(module (func (result i32)))")};  // ORDER: ModuleText
  return kBytes[static_cast<size_t>(text)];
}

}  // namespace parallax::fuzz
