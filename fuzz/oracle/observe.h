// Runs a case on one executor and writes down what it does.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "fuzz/case/case.h"
#include "fuzz/oracle/observation.h"

namespace parallax::fuzz {

// A case whose modules are decoded and validated; the same for all executors.
struct LoadedCase {
  std::shared_ptr<wasm::TypeStore> types;
  std::vector<std::shared_ptr<const wasm::Module>> modules;
  std::vector<Step> plan;
  Configuration configuration;
  bool claims_valid = false;  // modules, and how they are linked
};
// Decodes and validates all modules of the case in one new TypeStore.
Result<LoadedCase> load_case(const Case& subject, const wasm::Features& features = {});

// Makes another store of the same kind as the one observed, for probes with foreign references.
using MakeStore = std::function<Result<std::unique_ptr<wasm::Embedding>>()>;

// Follows the plan on a fresh store. `out` is emptied first. `other` may be empty: probes that need it are then skipped
// in this executor only if they are skipped in all, so give it to all or none.
// `at_end` is called before the store goes, with its instances by number (0: not there, or dropped).
using AtEnd = std::function<void(wasm::Embedding& store, std::span<const wasm::InstanceId> instances)>;
void observe(const LoadedCase& subject, wasm::Embedding& store, const MakeStore& other, Observation& out,
             const AtEnd& at_end = {});

}  // namespace parallax::fuzz
