// The validator on arbitrary bytes, and its two forms against each other.
//
// The pure validator and a walk that drives a sink must give the same verdict on every body. A valid module stays valid
// when it is encoded again, and its types are found again in the store.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/base/check.h"
#include "engine/wasm/encode.h"
#include "engine/wasm/func_walk.h"
#include "engine/wasm/func_walk_rules.h"
#include "engine/wasm/module.h"

using namespace parallax;        // NOLINT: glue
using namespace parallax::wasm;  // NOLINT: glue

namespace {

// Checks what the walk promises its sinks.
struct Listener {
  static constexpr bool kWantsEvents = true;
  size_t height = 0;
  Result<> on_begin(const WalkView&) { return {}; }
  Result<> on_instr(const Instr& instr, const InstrTypes& types, const WalkView& view) {
    size_t present = 0;  // values of unreachable code are popped without having been there
    for (const ValType type : types.popped) present += type.is_bottom() ? 0 : 1;
    if (types.reachable) {
      CHECK(present == types.popped.size(), "I7: {} pops a bottom in live code", info(instr.op).text);
    }
    if (types.closed == nullptr && !view.label(0).unreachable) {
      CHECK(view.stack().size() == height - present + types.pushed.size(), "I7: {} leaves {} values",
            info(instr.op).text, view.stack().size());
    }
    height = view.stack().size();
    return {};
  }
  Result<> on_finish(const WalkView& view) {
    CHECK(view.stack().empty() && view.labels().empty(), "I7: walk ends with values or labels");
    return {};
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Features features;
  features.set(Feature::kLegacyExceptions, true);
  const auto store = std::make_shared<TypeStore>();
  const auto module = load({data, data + size}, store, features);
  if (!module) return 0;
  for (size_t i = module->imported_funcs; i < module->funcs.size(); ++i) {
    Listener listener;
    const Result<> walked = walk_func(*module, FuncIndex(i), features, listener);
    CHECK(walked.has_value(), "I7: valid body rejected by a walk with events: {}", walked.error().to_string());
  }
  const size_t types = store->size();
  const auto written = decode({data, data + size}, nullptr, {.features = features, .naming = TypeNaming::kModule});
  CHECK(written.has_value(), "I7: valid module does not decode as written: {}", written.error().to_string());
  const auto again = load(encode(*written), store, features);
  CHECK(again.has_value(), "I7: encoded module is invalid: {}", again.error().to_string());
  CHECK(store->size() == types && again->type_ids == module->type_ids, "I7: types are not found again in their store");
  return 0;
}
