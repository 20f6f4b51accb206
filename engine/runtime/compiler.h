// Compiler: what the runtime needs from whoever makes functions executable. Implemented by engine/jit, and by a fake in
// tests; the runtime never includes the JIT.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "engine/base/origin.h"
#include "engine/base/result.h"
#include "engine/gc/roots.h"
#include "engine/runtime/vm_context.h"
#include "engine/wasm/module.h"

namespace parallax::runtime {

class Compiler {
 public:
  virtual ~Compiler() = default;
  virtual const char* name() const = 0;

  // Called once, before anything else; `store` outlives the compiler's use but not its destruction.
  virtual void attach(StoreContext& store) = 0;

  // The store becomes as new (Store::rewind): `entries` are its functions of the run that ended. From now on initial_code()
  // answers with the code of the entry that had the same place, for whoever makes the same entries again, until forget().
  // False: this compiler cannot, and nothing has changed.
  virtual bool rewind(StoreContext& store, std::span<const FuncEntry> entries) {
    (void)store;
    (void)entries;
    return false;
  }
  // Entries from this place on are other ones than in the run before.
  virtual void forget(uint64_t first) { (void)first; }

  // What a new entry's `code` is: a stub that compiles on the first call, or that calls the host (entry.host).
  virtual const void* initial_code(const FuncEntry& entry) = 0;

  // Makes code for a WebAssembly function; the caller stores it in entry.code. Errors: kUnsupported, kLimit, kInvariant,
  // kIo (no memory); each ends the run with the like outcome and never the process.
  virtual Result<const void*> compile(FuncEntry& entry) = 0;

  // Runs a function: `slots` holds the arguments and receives the results; it has room for the larger of both. Saves and
  // restores depth_left and the frame fields of StoreContext, so that entries nest. Answers kReturned; kThrew with
  // pending_exception set; or exit_kind.  [may collect]
  virtual wasm::OutcomeKind enter(FuncEntry& entry, Slot* slots) = 0;

  // Where in the program the return address `site` of compiled code stands; unknown when it is none.
  virtual Place place_of(const void* site) const {
    (void)site;
    return {};
  }
  // The first known place at or behind an address of compiled code, for reports about an instruction between two calls.
  virtual Place place_after(const void* pc) const {
    (void)pc;
    return {};
  }
  // Calls visit(func, offset, live home slots) for every frame of compiled code, innermost first. For judges.
  using FrameVisitor = std::function<void(const Place& place, std::span<const gc::Ref> listed)>;
  virtual void describe_frames(const FrameVisitor& visit) const { (void)visit; }

  // Visits every live home slot of every compiled frame of every entry of the chain (RootKind::kFrame).
  virtual void visit_frames(gc::RootVisitor& visitor) = 0;
};

}  // namespace parallax::runtime
