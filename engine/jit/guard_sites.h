// GuardSites: which ranges of compiled code access a guarded memory, and what a fault there means.
//
// Code is only appended, so the sites are in address order and a lookup is a binary search. The handler of faults
// (fault_guard.cc) reads them while the code runs, on the thread that runs it: nothing is added then.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/runtime/vm_context.h"
#include "engine/wasm/instr.h"

namespace parallax::jit {

struct GuardSite {
  uint32_t begin = 0;  // [begin, end) in the code space
  uint32_t end = 0;
  uint32_t func = ~0u;  // FuncIndex
  wasm::WasmOffset offset = 0;
  const runtime::MemoryDef* memory = nullptr;
};

class GuardSites {
 public:
  // Requires: ranges ascend.
  void add(const GuardSite& site);
  // The site whose range holds `pc`, or null.
  const GuardSite* find(uint32_t pc) const;
  size_t size() const { return sites_.size(); }

  const void* exit = nullptr;  // the shared exit stub (stubs.h)

 private:
  std::vector<GuardSite> sites_;
};

}  // namespace parallax::jit
