// What is refused, and what the refusal says: other stores, stores that are gone, other engines.
#include <optional>

#include "examples/cpp/support.h"

int main() {
  api::Engine engine;
  const auto module = need(engine.load_text(R"((module
    (import "host" "f" (func $f (param externref)))
    (func (export "give") (param externref))
    (func (export "pass") (param externref) (call $f (local.get 0)))))"),
                           "module");
  api::Store one(engine);
  std::optional<api::Store> two(std::in_place, engine);
  api::Imports of_one, of_two;
  of_one.add("host", "f", one.func([](api::Ref) {}));
  of_two.add("host", "f", two->func([](api::Ref) {}));
  const auto instance = need(one.instantiate(module, of_one), "instance");
  const auto give = need(instance.func<void(api::Ref)>("give"), "export");

  // A reference of another store; imports of another store.
  const api::Ref foreign = two->host_ref(7);
  CHECK_THAT(refused(give(foreign), "I8: id from different slab: a reference of store"));
  CHECK_THAT(refused(one.instantiate(module, of_two), "different slab"));
  // A host function may not give one back either.
  api::Imports giver;
  giver.add("host", "f", one.func([&]() { return foreign; }));
  const auto gives = need(
      one.instantiate(
          need(
              engine.load_text(
                  R"((module (import "host" "f" (func $f (result externref))) (func (export "go") (drop (call $f)))))"),
              "module"),
          giver),
      "instance");
  CHECK_THAT(refused(need(gives.func<void()>("go"), "export")(), "is used in store"));

  // A store that is gone: everything of it says so, and other stores refuse what is left.
  const auto other = need(two->instantiate(module, of_two), "instance");
  const auto other_give = need(other.func<void(api::Ref)>("give"), "export");
  two.reset();
  CHECK_THAT(refused(other_give(api::Ref()), "the store is gone"));
  CHECK_THAT(refused(other.func<void()>("give"), "the store is gone"));
  CHECK_THAT(refused(foreign.host_value(), "the store is gone"));
  CHECK_THAT(refused(give(foreign), "the store is gone"));
  CHECK_THAT(!foreign.same_as(foreign));

  // Types and modules belong to their engine.
  api::Engine elsewhere;
  const auto strange = need(elsewhere.load_text("(module)"), "module");
  CHECK_THAT(refused(one.instantiate(strange), "a module of another engine"));
  const auto types = need(elsewhere.load_types("(type (struct (field i32)))"), "types");
  CHECK_THAT(refused(one.make_struct(types[0], 1), "a type of another engine"));
  // So do signatures, fields and values.
  CHECK_THAT(refused(instance.func<int32_t()>("give"), "has another type"));
  const auto own = need(engine.load_types("(type (struct (field i32)))"), "types");
  CHECK_THAT(refused(one.make_struct(own[0], 1, 2), "values"));
  CHECK_THAT(refused(one.make_struct(own[0], 1.5), ""));

  // After all of it the store is sound.
  need(one.verify(), "verify");
  need(give(one.host_ref(1)), "call");
  return 0;
}
