// One function per generator, each in its own file.
#pragma once

#include "fuzz/generators/generators.h"

namespace parallax::fuzz {

// gc_program.cc: valid by construction, with plan and configuration.
Result<Case> make_gc_program(ChoiceStream& choices);
// One module of such a program, valid, for others to begin with: never of so many types that reading them is all that
// happens.
enum class GcModuleSize : uint8_t { kSmall, kAny };
std::vector<uint8_t> make_gc_module(ChoiceStream& choices, GcModuleSize size);

// single_op.cc: one instruction at a time, on corner values.
Result<Case> make_single_op(ChoiceStream& choices);

bool have_binaryen();
// binaryen_generator.cc: Binaryen's generator on these bytes. It may end the process (its Fatal), and its memory grows
// with every call: run it in a process that can be replaced.
Result<Case> make_binaryen(std::span<const uint8_t> bytes);

}  // namespace parallax::fuzz
