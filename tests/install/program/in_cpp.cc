// A C++ program that knows only what is installed.
#include "engine/api/parallax.h"

int main() {
  namespace api = parallax::api;
  api::Engine engine;
  const auto module = engine.load_text(
      R"((module (func (export "f") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))))");
  if (!module) return 1;
  api::Store store(engine);
  const auto instance = store.instantiate(*module);
  if (!instance) return 2;
  const auto f = instance->func<int32_t(int32_t)>("f");
  return f && *(*f)(41) == 42 ? 0 : 3;
}
