// Host functions: they call WebAssembly again, collect, trap, throw, and give references.
#include <optional>

#include "examples/cpp/support.h"

using parallax::wasm::Outcome;
using parallax::wasm::OutcomeKind;
using parallax::wasm::Value;

int main() {
  api::Engine engine;
  api::Store store(engine);
  std::optional<api::Func<int32_t(int32_t)>> again;
  api::Imports imports;
  // Re-entrant: factorial by turns.
  imports.add("host", "times", store.func([&](int32_t n) -> api::Expected<int32_t> {
    if (n <= 1) return 1;
    const auto below = (*again)(n - 1);
    if (!below) return std::unexpected(below.error());  // a trap from inside is passed on
    return n * *below;
  }));
  // Collecting: what the caller holds in WebAssembly moves and lives.
  imports.add("host", "collect", store.func([&](api::Ref object) {
    store.collect();
    return object;
  }));
  imports.add("host", "refuse", store.func([](int32_t n) -> api::Expected<int32_t> {
    if (n < 0) return std::unexpected(api::trap());
    return n;
  }));
  // Throwing: an exception with a payload, which WebAssembly may catch.
  const auto tag_type = engine.types().intern_func({parallax::wasm::kI32}, {});
  const auto tag = store.embedding().make_tag(tag_type);
  imports.add("host", "error", tag);
  const auto none = engine.types().intern_func({}, {});
  imports.add("host", "throw", store.func(none, [tag](parallax::wasm::Embedding&, std::span<const Value>) {
    return Outcome{.kind = OutcomeKind::kThrew, .tag = tag, .values = {Value::i32(42)}};
  }));

  const auto instance = need(store.instantiate(need(engine.load_text(R"((module
    (type $box (struct (field i32)))
    (import "host" "times" (func $times (param i32) (result i32)))
    (import "host" "collect" (func $collect (param externref) (result externref)))
    (import "host" "refuse" (func $refuse (param i32) (result i32)))
    (import "host" "error" (tag $error (param i32)))
    (import "host" "throw" (func $throw))
    (func (export "factorial") (param i32) (result i32) (call $times (local.get 0)))
    (func (export "through") (param i32) (result i32)
      (struct.get $box 0 (ref.cast (ref $box) (any.convert_extern
        (call $collect (extern.convert_any (struct.new $box (local.get 0))))))))
    (func (export "refuse") (param i32) (result i32) (call $refuse (local.get 0)))
    (func (export "catch") (result i32)
      (block $caught (result i32)
        (try_table (catch $error $caught) (call $throw))
        (i32.const 0)))
    (func (export "fly") (call $throw))))"),
                                                    "module"),
                                               imports),
                             "instance");

  again = need(instance.func<int32_t(int32_t)>("factorial"), "export");
  CHECK_THAT(need((*again)(6), "call") == 720);
  CHECK_THAT(need(need(instance.func<int32_t(int32_t)>("through"), "export")(77), "call") == 77);
  const auto refuse = need(instance.func<int32_t(int32_t)>("refuse"), "export");
  CHECK_THAT(need(refuse(3), "call") == 3);
  const auto stopped = refuse(-1);
  CHECK_THAT(!stopped && stopped.error().is_trap() && stopped.error().trap() == api::TrapKind::kHostTrap);
  CHECK_THAT(need(need(instance.func<int32_t()>("catch"), "export")(), "call") == 42);
  const auto thrown = need(instance.func<void()>("fly"), "export")();
  CHECK_THAT(!thrown && thrown.error().is_exception() && thrown.error().outcome().values[0].low == 42);
  return 0;
}
