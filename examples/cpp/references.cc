// References: to objects of WebAssembly and of the host, kept by C++ values and by scopes, over collections.
#include <optional>

#include "examples/cpp/support.h"

int main() {
  api::Engine engine;
  api::Store store(engine);
  // Types of the program's own; equal rec groups of modules are the same types.
  const auto types = need(engine.load_types("(rec (type $list (struct (field i32) (field (mut (ref null $list))))))"
                                            "(type (array (mut i16)))"),
                          "types");
  const api::Type list = types[0];
  const auto instance = need(store.instantiate(need(engine.load_text(R"((module
    (rec (type $list (struct (field i32) (field (mut (ref null $list))))))
    (func (export "sum") (param (ref null $list)) (result i32) (local $sum i32)
      (loop $next
        (if (ref.is_null (local.get 0)) (then (return (local.get $sum))))
        (local.set $sum (i32.add (local.get $sum) (struct.get $list 0 (local.get 0))))
        (local.set 0 (struct.get $list 1 (local.get 0)))
        (br $next))
      (unreachable))
    (func (export "echo") (param externref) (result externref) (local.get 0))))"),
                                                    "module")),
                             "instance");
  const auto sum = need(instance.func<int32_t(api::Ref)>("sum"), "export");

  // Objects made by the host, read and written by both sides.
  api::Ref head;
  for (int32_t i = 1; i <= 10; ++i) {
    head = need(store.make_struct(list, i, head), "struct");
    store.collect();
  }
  CHECK_THAT(need(sum(head), "call") == 55);
  need(head.set<api::Ref>(1, api::Ref()), "set");
  CHECK_THAT(need(sum(head), "call") == 10);
  CHECK_THAT(!head.set<int32_t>(0, 1));  // immutable
  CHECK_THAT(need(head.get<int32_t>(0), "get") == 10);
  const int32_t shorts[] = {1, -1, 70000};
  const auto array = need(store.make_array<int32_t>(types[1], shorts), "array");
  CHECK_THAT(need(array.length(), "length") == 3 && need(array.get<int32_t>(1), "get") == 0xffff);
  CHECK_THAT(need(array.get<int32_t>(2), "get") == 70000 % 65536);

  // Things of the host: a number each, identity kept.
  const auto echo = need(instance.func<api::Ref(api::Ref)>("echo"), "export");
  const api::Ref thing = store.host_ref(1234);
  const api::Ref back = need(echo(thing), "call");
  CHECK_THAT(back.same_as(thing) && need(back.host_value(), "host value") == 1234);
  CHECK_THAT(need(echo(api::Ref::i31(5)), "call").i31_value() == 5);

  // A scope releases many at once; what is to stay is copied out.
  api::Ref kept;
  std::optional<api::Local> outlived;
  {
    api::Scope scope(store);
    for (int i = 0; i < 100; ++i) outlived = scope.keep(need(store.make_struct(list, i, api::Ref()), "struct"));
    CHECK_THAT(scope.size() == 100);
    kept = need(outlived->get(), "local");
  }
  store.collect();
  CHECK_THAT(need(kept.get<int32_t>(0), "get") == 99);
  CHECK_THAT(refused(outlived->get(), "after its scope was closed"));
  return 0;
}
