// StubCache: the stubs in front of a code space, made once and used by every store that gets the space.
//
// Stubs name nothing of one store: they find it through the register that holds its StoreContext. So they stay when the
// space is recycled, and a store costs no assembling. Shared stubs are made first; entry trampolines and host stubs follow
// as signatures are met, until half of the part for stubs is full: then the next store begins anew. Call sites of stubs are
// kept here too, CallSites looks them up.
//
// While a fault is planted, stubs are made again for every store, because they may host it.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "engine/base/result.h"
#include "engine/jit/call_sites.h"
#include "engine/jit/x64/stubs.h"

namespace parallax::jit {

class StubCache {
 public:
  // Both stubs of one signature, as far as somebody asked for them.
  struct Signature {
    std::string params;  // letters (stubs.h)
    std::string results;
    x64::EntryTrampoline entry = nullptr;
    const uint8_t* host = nullptr;
    size_t entry_bytes = 0;
    size_t host_bytes = 0;
  };

  // Called for every store that gets the space, before anything else. Ensures: the shared stubs are there.
  Result<> start(x64::Asm& a, CodeSpace& space, x64::UnwindFunction unwind);

  const x64::StubTable& shared() const { return shared_; }
  // Where the unwinder sends what nobody catches.
  const void* leave_threw() const { return leave_threw_; }
  // Behind the last shared stub.
  const uint8_t* shared_end() const { return shared_end_; }
  const CallSites& sites() const { return sites_; }

  // The signature with these letters. The address stays until the next start().
  Signature& signature(std::string params, std::string results);
  // Makes signature.entry or signature.host, if it is not there. A stub that does not fit any more goes among the code of
  // the store, its call site to `own`, so that how full the part for stubs was is not seen. Error kLimit: no room there.
  Result<> need_entry(x64::Asm& a, CodeSpace& space, Signature& signature);
  Result<> need_host(x64::Asm& a, CodeSpace& space, Signature& signature, CallSites& own);

 private:
  x64::StubTable shared_;
  const void* leave_threw_ = nullptr;
  const uint8_t* shared_end_ = nullptr;
  x64::UnwindFunction unwind_ = nullptr;
  bool may_host_fault_ = false;
  bool some_outside_ = false;  // among the code of the store that has the space
  CallSites sites_;
  std::unordered_map<std::string, std::unique_ptr<Signature>> signatures_;  // by letters; never iterated
};

}  // namespace parallax::jit
