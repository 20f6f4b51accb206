// Every mutator of mutators.def, as a function.
#pragma once

#include "fuzz/mutators/mutation.h"

namespace parallax::fuzz {

#define MUTATOR(id, weight, summary) bool mutate_##id(Mutation& mutation);
#include "fuzz/mutators/mutators.def"
#undef MUTATOR

}  // namespace parallax::fuzz
