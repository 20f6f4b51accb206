// Planted faults: deliberate bugs, off unless one is chosen at run time.
//
// fuzz/faults/faults.def has one row per fault. Code that hosts a fault asks fault_fires(Fault::kX) at the place
// where the wrong decision would be made; the answer is false unless that fault was chosen, and then true for every
// site, or for the one chosen site only. At most one fault is active in a process; it is set once at start-up
// (--fault NAME[:SITE]). Reached and infected are counted so that a benchmark can tell a weak generator from a weak
// oracle.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace parallax {

enum class Fault : uint16_t {
  kNone,
#define PARALLAX_FAULT(id, name, invariant, summary) id,
#include "fuzz/faults/faults.def"
#undef PARALLAX_FAULT
};

struct FaultInfo {
  Fault fault;
  const char* name;       // as given on the command line, e.g. "SM1"
  const char* invariant;  // "I1", "I2", "I3"
  const char* summary;
};

struct FaultState {
  static constexpr uint32_t kEverySite = ~uint32_t{0};

  Fault active = Fault::kNone;
  uint32_t site = kEverySite;  // which site (counted from 0 in order of being asked, per compilation) decides wrongly
  uint32_t next_site = 0;
  uint64_t reached = 0;   // how often an active fault's site was asked
  uint64_t infected = 0;  // how often it decided wrongly
};

extern FaultState g_fault;

bool fault_fires_slow(Fault fault);

// Whether the code at this place must now do the wrong thing.
inline bool fault_fires(Fault fault) {
  if (g_fault.active != fault) [[likely]]
    return false;
  return fault_fires_slow(fault);
}

// "SM1" or "SM1:3" -> chosen; false when there is no such fault. Resets the counters.
bool choose_fault(std::string_view spec);
// Restarts the numbering of sites: called at the start of every case, so that a chosen site is replayable.
inline void restart_fault_sites() { g_fault.next_site = 0; }

const FaultInfo* find_fault(std::string_view name);
// All rows, in the table's order.
const FaultInfo* fault_table(uint32_t& count);

}  // namespace parallax
