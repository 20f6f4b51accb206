// Load a module, link it with a lambda, call it.
#include "examples/cpp/support.h"

int main() {
  api::Engine engine;
  const api::Module module = need(engine.load_text(R"((module
    (import "host" "log" (func $log (param i32)))
    (func (export "add") (param i32 i32) (result i32)
      (call $log (local.get 0))
      (i32.add (local.get 0) (local.get 1)))))"),
                                  "module");
  api::Store store(engine);
  int seen = 0;
  api::Imports imports;
  imports.add("host", "log", store.func([&](int32_t x) { seen = x; }));
  const api::Instance instance = need(store.instantiate(module, imports), "instance");
  const auto add = need(instance.func<int32_t(int32_t, int32_t)>("add"), "export");
  CHECK_THAT(need(add(2, 3), "call") == 5);
  CHECK_THAT(seen == 2);
  return 0;
}
