// FaultGuard: accesses of compiled code to retired heap space, caught and turned into a report.   [judge of I1]
//
// With zeal `protect` retired space is inaccessible, and with `pages` every object has pages of its own, so that a wrong
// name faults at the instruction that uses it. While compiled code of such a store runs on a thread, a guard stands; the
// handler of SIGSEGV asks the innermost one. A fault of that store's compiled code inside its heap's address space
// becomes an exit with an I1 report that names the access, the object that stood there and where that was allocated.
// Everything else goes to the handler that was there before.
//
// The handler runs on the faulting thread at an instruction of compiled code, where no lock is held and nothing is half
// done, so that it may call the runtime. This is the file of sigaction and of machine contexts.
#pragma once

#include "engine/jit/code_space.h"
#include "engine/runtime/vm_context.h"

namespace parallax::jit {

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
