// Frames of compiled code: walking them for the collector, unwinding them for exceptions.   [I2]
//
// Compiled frames are chained by rbp and named by return addresses (call_sites.h). They form segments: each entry of C++
// into compiled code starts one, which ends at the entry trampoline's frame. The innermost segment starts where compiled
// code called the builtin now running (StoreContext::last_frame, last_pc); of the outer ones the entry records remember
// the same.
#pragma once

#include <functional>
#include <span>

#include "engine/gc/roots.h"
#include "engine/jit/call_sites.h"
#include "engine/jit/code_space.h"
#include "engine/runtime/vm_context.h"

namespace parallax::jit {

// What an entry saved of the one around it. Lives on the native stack of JitCompiler::enter.
struct EntryRecord {
  EntryRecord* outer = nullptr;
  void* entry_frame = nullptr;
  void* entry_sp = nullptr;
  void* last_frame = nullptr;
  void* last_pc = nullptr;
  uint64_t depth_left = 0;

  void save(const runtime::StoreContext& store) {
    entry_frame = store.entry_frame;
    entry_sp = store.entry_sp;
    last_frame = store.last_frame;
    last_pc = store.last_pc;
    depth_left = store.depth_left;
  }
  void restore(runtime::StoreContext& store) const {
    store.entry_frame = entry_frame;
    store.entry_sp = entry_sp;
    store.last_frame = last_frame;
    store.last_pc = last_pc;
    store.depth_left = depth_left;
  }
};

struct FrameView {
  const CodeSpace* space = nullptr;
  const CallSites* sites = nullptr;
  const runtime::StoreContext* store = nullptr;
  const EntryRecord* entries = nullptr;  // innermost
};

// Visits the live home slots of all frames. With `poison`, the other home slots are overwritten: whoever reads one of
// them afterwards was not in the map.
void visit_frames(const FrameView& view, gc::RootVisitor& visitor, bool poison);

// Calls visit(site, live references) for every frame, innermost first.
using DescribeFrame = std::function<void(const CallSite& site, std::span<const gc::Ref> listed)>;
void describe_frames(const FrameView& view, const DescribeFrame& visit);

// The innermost landing pad for an exception at `pc` of `frame`, or null: nobody in this segment catches it.
struct Handler {
  const void* pc = nullptr;
  void* frame = nullptr;
};
Handler find_handler(const FrameView& view, const void* pc, void* frame);

}  // namespace parallax::jit
