// Which stack maps leave out what: the maps of whole modules compared with the liveness of their home slots.
//
// After the safepoint pass a slot is needed at a safepoint if some path from there reads it before it is written again;
// that is liveness over slots, computed here by itself. What a map lacks or names too much is counted by the kind of
// value and the kind of safepoint, because a defect of the pass that makes maps is a rule about kinds, and the same in
// every case: "every slot at invokes", "every block parameter". Nothing is executed.                          [I2]
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "engine/wasm/module.h"
#include "fuzz/executors/executors.h"

namespace parallax::fuzz {

struct MapCount {
  uint64_t needed = 0;   // slots needed at safepoints
  uint64_t missing = 0;  // of them, not in the map
};

struct MapAudit {
  std::map<std::string, MapCount> by_value;      // "param", "struct_alloc", "call", ...
  std::map<std::string, MapCount> by_safepoint;  // "call", "call in try", "struct_alloc", ...
  uint64_t extra = 0;                            // named, but not needed
  uint64_t clobbered = 0;                        // reads of a home that may hold another value
  uint64_t safepoints = 0;                       // with slots needed
  uint64_t lacking = 0;                          // of them, with a slot missing

  // One phrase without numbers; empty when nothing is wrong.
  std::string pattern() const;
};

// Adds what the functions of the module show under the spec's level and passes. Functions that cannot be compiled are
// skipped.
void audit_maps(const wasm::Module& module, const ExecutorSpec& spec, MapAudit& out);

}  // namespace parallax::fuzz
