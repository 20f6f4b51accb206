// Several stores on one engine: modules are shared, objects are not; stores end in any order.
#include <memory>
#include <vector>

#include "examples/cpp/support.h"

int main() {
  api::Engine engine;
  const api::Module counter = need(engine.load_text(R"((module
    (global $n (mut i32) (i32.const 0))
    (func (export "next") (result i32)
      (global.set $n (i32.add (global.get $n) (i32.const 1)))
      (global.get $n))))"),
                                   "module");
  std::vector<std::unique_ptr<api::Store>> stores;
  std::vector<api::Func<int32_t()>> next;
  for (int i = 0; i < 4; ++i) {
    stores.push_back(std::make_unique<api::Store>(engine));
    const auto instance = need(stores.back()->instantiate(counter), "instance");
    next.push_back(need(instance.func<int32_t()>("next"), "export"));
  }
  // Each has its own global.
  for (int i = 0; i < 4; ++i) {
    for (int n = 1; n <= i + 1; ++n) CHECK_THAT(need(next[i](), "call") == n);
  }
  // Dropping some does not concern the others; what was theirs is refused.
  stores[1].reset();
  stores[3].reset();
  CHECK_THAT(need(next[0](), "call") == 2);
  CHECK_THAT(need(next[2](), "call") == 4);
  CHECK_THAT(refused(next[1](), "the store is gone"));
  CHECK_THAT(refused(next[3](), "the store is gone"));

  // The same module again in the same store: another instance, with state of its own.
  const auto again = need(stores[0]->instantiate(counter), "instance");
  CHECK_THAT(need(need(again.func<int32_t()>("next"), "export")(), "call") == 1);
  // A dropped instance's functions are refused; one that WebAssembly still refers to would go on working.
  const auto old = need(again.func<int32_t()>("next"), "export");
  need(stores[0]->drop(again), "drop");
  CHECK_THAT(refused(old(), "I1"));
  CHECK_THAT(refused(again.func<int32_t()>("next"), "I1"));
  CHECK_THAT(refused(stores[2]->drop(again), "dropped by store"));
  return 0;
}
