// The IR as text: printing and parsing.                                                              [I5]
//
//   func 12 poll maps {
//     homes 1
//   b0(v0: i32, v1: (ref null 3)):
//     budget @33
//     v2: i32 = compute opcode=i32.add v0, v0 @35
//     v3: i32 = call a=4 v2 -> b1 b2 @37 map[s0]
//   b1:
//     return v3 @40
//   b2 landing:
//     ...
//   }
//
// A line is results, operation, immediates by name (those of its row in ops.def that are not zero), operands, targets,
// offset of the WebAssembly instruction, stack map. Ids are those of the Func, so that messages, dumps and debuggers
// agree; parsing keeps them. print(parse(print(f))) = print(f) for every Func. Numbers in types are TypeIds. A parsed
// function is not verified.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/ir/func.h"

namespace parallax::ir {

// Requires no pending replacements (Func::commit).
std::string print(const Func& func);
// One line, without line end.
std::string print(const Func& func, InstId inst);

// Makes `out` the function in `text`; `module` is what its indices mean. Errors: kSyntax with the offset in the text.
Result<> parse(std::string_view text, const wasm::Module& module, Func& out);

}  // namespace parallax::ir
