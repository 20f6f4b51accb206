// Structure-aware mutation: valid modules to valid modules, cases to cases.
//
// A mutator works on the editable form of a module (engine/wasm/edit), where code is trees with types, and keeps the
// module valid by construction: values are replaced by values of subtypes, moved only where their locals and labels are
// visible, and nothing disturbs the initialisation of non-defaultable locals. Every choice comes from the stream that is
// given, so the same bytes and choices give the same module. What mutation makes claims nothing: it is valid, but it is
// nobody's program with known answers.
//
// Types at nodes are as of lift(); replaced values are of subtypes, so stale types err to the safe side and several
// mutators can follow each other without lifting again.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/base/choices.h"
#include "engine/base/result.h"
#include "engine/wasm/edit/module.h"
#include "fuzz/case/case.h"

namespace parallax::fuzz {

enum class Mutator : uint8_t {
#define MUTATOR(id, weight, summary) id,
#include "fuzz/mutators/mutators.def"
#undef MUTATOR
};
inline constexpr size_t kMutatorCount = 0
#define MUTATOR(id, weight, summary) +1
#include "fuzz/mutators/mutators.def"
#undef MUTATOR
    ;

struct MutatorInfo {
  const char* name;
  uint32_t weight;
  const char* summary;
  bool needs_donor;
};
extern const MutatorInfo kMutatorTable[kMutatorCount];
inline const MutatorInfo& info(Mutator mutator) { return kMutatorTable[static_cast<size_t>(mutator)]; }

// The other parent of a crossover: a valid module, loaded into the type store of the one that is changed.
struct Donor {
  const wasm::Module* valid = nullptr;
  const wasm::edit::Module* module = nullptr;
};

// Applies one mutator. `valid` is what `module` was lifted from. Answers whether the module was changed.
bool apply(Mutator mutator, const wasm::Module& valid, wasm::edit::Module& module, ChoiceStream& choices,
           const Donor& donor = {});

// What was done to make a mutation: mutators in order, with repetitions.
struct MutationTrace {
  std::vector<Mutator> mutators;
  bool plan = false, schedule = false;  // of a case
};

struct MutateOptions {
  uint32_t max_steps = 3;  // mutators that are applied, at least one
  size_t max_bytes = 64 << 10;
  MutationTrace* trace = nullptr;  // filled if given
};

// A mutation of a valid module. Error kInvalid or kMalformed when `module` is not valid, kLimit when nothing applied.
// With `donor`, crossover is among what may happen; a donor that is not valid is ignored.
Result<std::vector<uint8_t>> mutate_module(std::span<const uint8_t> module, std::span<const uint8_t> donor,
                                           ChoiceStream& choices, const MutateOptions& options = {});

// A mutation of a case: of one of its modules, of its plan, of the collection schedule and other settings. `donor` may be
// null.
Result<Case> mutate_case(const Case& subject, const Case* donor, ChoiceStream& choices,
                         const MutateOptions& options = {});

// For fuzzing engines: envelopes in, envelope out, cut to nothing (empty) when it does not fit into `max_size` or
// `input` is not a valid case.
std::vector<uint8_t> mutate_input(std::span<const uint8_t> input, std::span<const uint8_t> donor, size_t max_size,
                                  uint64_t seed);

}  // namespace parallax::fuzz
