// Stack maps against the interpreter: which references each frame holds, compared at every allocation.  [judge of I2]
//
// The interpreter and the JIT at O0 run a case and stop at the same allocations, which are numbered in the order of the
// program in both; then once more, with functions compiled through the IR instead of in one pass. At each, frame by frame from the innermost outwards,
//   * both have the same frames, at the same function and wasm offset;
//   * whatever the JIT's stack map lists is a reference that the interpreter's frame holds there (listed implies valid and
//     of that frame; identities are allocation numbers and i31 values, never addresses);
//   * whatever the interpreter's frame holds in a slot that is live by liveness on the WebAssembly code itself
//     (liveness.h) is listed by the stack map (live implies listed).
// The sources share no algorithm: the interpreter records operand positions while it translates, the baseline compiler
// reads its operand stack, the safepoint pass maps SSA values to home slots, liveness is data flow on the code as written.
//
// Not checked: O1 and O2, whose frames may rightly hold more (a forwarded load) or less (a dead use) than the program's;
// verify_refs judges them. Operands that the interpreter keeps as copies of locals count as the local. Functions with
// legacy exceptions, function references, i31 and null in the second direction. Host references are told apart from
// objects only.
#pragma once

#include <string>

#include "fuzz/oracle/observe.h"

namespace parallax::fuzz {

struct RootsOptions {
  uint64_t max_events = 20'000;  // allocations compared at most
};

struct RootsReport {
  uint64_t events = 0;  // allocations compared
  uint64_t frames = 0;  // frames compared
  uint64_t listed = 0;  // references that maps listed and the interpreter held
  uint64_t live = 0;    // live references that had to be listed and were
  std::string problem;  // first violation, "I2: ..."; empty when there is none
  std::string refused;  // why nothing could be compared
};

RootsReport compare_roots(const LoadedCase& subject, const RootsOptions& options = {});

}  // namespace parallax::fuzz
