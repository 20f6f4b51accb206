// One function per generator, each in its own file.
#pragma once

#include "fuzz/generators/generators.h"

namespace parallax::fuzz {

// gc_program.cc: valid by construction, with plan and configuration.
Result<Case> make_gc_program(ChoiceStream& choices);

// single_op.cc: one instruction at a time, on corner values.
Result<Case> make_single_op(ChoiceStream& choices);

bool have_binaryen();
// binaryen_generator.cc: Binaryen's generator on these bytes. It may end the process (its Fatal), and its memory grows
// with every call: run it in a process that can be replaced.
Result<Case> make_binaryen(std::span<const uint8_t> bytes);

}  // namespace parallax::fuzz
