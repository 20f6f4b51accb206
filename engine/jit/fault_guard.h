// Faults of compiled code: out of bounds of a guarded memory, and in retired heap space.   [judge of I1]
//
// Behind a guarded memory (engine/gc/region.h) nothing is accessible, and compiled code accesses it without comparing. The
// handler of SIGSEGV, installed once per process, looks the faulting instruction up among those accesses (guard_sites.h)
// and goes on in the exit stub, as an explicit check would. That needs nothing at an entry but an alternate stack, once per
// thread.
//
// With zeal `protect` retired space is inaccessible, and with `pages` every object has pages of its own, so that a wrong
// name faults at the instruction that uses it. While compiled code of such a store runs on a thread, a guard stands; the
// handler of SIGSEGV asks the innermost one. A fault of that store's compiled code inside its heap's address space
// becomes an exit with an I1 report that names the access, the object that stood there and where that was allocated.
// Everything else goes to the handler that was there before.
//
// The handler runs on the faulting thread at an instruction of compiled code, where no lock is held and nothing is half
// done, so that it may call the runtime. Registers are as at the fault: an access writes none before it faults, and the exit
// stub finds what it needs in those that are never allocated. This is the file of sigaction and of machine contexts.
#pragma once

#include "engine/jit/code_space.h"
#include "engine/runtime/vm_context.h"

namespace parallax::jit {

// Makes the process handle faults in guarded memories, and this thread run its signal handlers on a stack of their own
// unless it has one. To be called on every thread before it enters code with guarded accesses; cheap after the first time.
void handle_memory_faults();

// FaultGuard: accesses of compiled code to retired heap space become a report.
class FaultGuard {
 public:
  // `exit` is the shared exit stub (stubs.h). Everything outlives the guard.
  FaultGuard(const CodeSpace& space, const void* exit, runtime::StoreContext& store);
  ~FaultGuard();
  FaultGuard(const FaultGuard&) = delete;
  FaultGuard& operator=(const FaultGuard&) = delete;

  // Handles a fault of compiled code at `pc` on `address`; false when it is not ours.
  bool handle(const void* pc, const void* address, bool is_write, void* machine_context);
  FaultGuard* outer() const { return outer_; }

 private:
  const CodeSpace& space_;
  const void* exit_;
  runtime::StoreContext& store_;
  FaultGuard* outer_;
};

}  // namespace parallax::jit
