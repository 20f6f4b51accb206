// What both register allocators take: arbitrary choices for fuzzing, and wrong ones for the tests of their judge.
#pragma once

#include <cstdint>

namespace parallax::jit {

// Wrong decisions on purpose, for the tests of the checker.
enum class AllocatorFault : uint8_t {
  kNone,
  kForgetSpill,    // one store behind a definition is missing
  kForgetReload,   // one reload is missing
  kSkipEdgeMove,   // the last move of an edge is missing
  kSerializeEdge,  // edge moves in textual order instead of as parallel ones
  kShareSlots,     // two spilled values get the same slot although both are live
  kIgnoreClobber,  // a clobbered register is believed to keep its value
  kWrongFixed,     // a fixed operand's move is missing
  kNarrowSlot,     // a value of 16 bytes gets a slot of 8
  // Of the global allocator only.
  kForgetDropStore,   // a value loses its last register without being stored
  kForgetEdgeStore,   // the same on an edge
  kSplitWithoutMove,  // a value changes its register without a move
  kWrongConstant,     // a constant is made again as another one
  kForgetBackReload,  // what a loop begins with is not brought back on a back edge
  kStaleSlot,         // a slot is believed to hold a value that was never stored
};

// Of the global allocator.
enum class Chaos : uint8_t {
  kNone,
  kArbitrary,  // any register, any victim, any set of values in registers where blocks begin
  kMemory,     // nothing stays in a register longer than one instruction
  kWorst,      // the victim is what is needed next
  kSplit,      // values change place between instructions for no reason
};

struct AllocatorOptions {
  uint64_t chaos_seed = 0;  // not 0: arbitrary instead of good choices, from this seed; its low bits choose a Chaos
  AllocatorFault fault = AllocatorFault::kNone;
  uint32_t fault_site = 0;  // which opportunity for the fault is taken
};

// Counts a fault's sites and says which one goes wrong.
class FaultSites {
 public:
  void reset(const AllocatorOptions& options) {
    fault_ = options.fault;
    left_ = options.fault_site;
    planted_ = false;
  }
  bool fires(AllocatorFault fault) {
    if (fault_ != fault) [[likely]]
      return false;
    if (planted_ || left_-- != 0) return false;
    planted_ = true;
    return true;
  }
  bool planted() const { return planted_; }

 private:
  AllocatorFault fault_ = AllocatorFault::kNone;
  uint32_t left_ = 0;
  bool planted_ = false;
};

}  // namespace parallax::jit
