#include "engine/jit/frames.h"
#include "engine/base/faults.h"

#include "engine/base/check.h"
#include "engine/base/text.h"
#include "engine/runtime/store.h"

namespace parallax::jit {
namespace {

template <class T>
T& at(void* frame, int64_t offset) {
  return *reinterpret_cast<T*>(static_cast<char*>(frame) + offset);
}

// Calls body(site, frame) for the frames of one segment, innermost first; body answers whether to go on.
template <class Body>
void walk_segment(const FrameView& view, const void* pc, void* frame, const void* entry_frame, Body&& body) {
  while (frame != entry_frame) {
    const CallSite* site = view.space->contains(pc) ? view.sites->find(view.space->offset_of(pc)) : nullptr;
    CHECK(site != nullptr, "I2: return address without a call site in a compiled frame");
    if (!body(*site, frame)) return;
    pc = at<const void*>(frame, 8);
    frame = at<void*>(frame, 0);
  }
}

class SlotVisitor {
 public:
  SlotVisitor(const FrameView& view, gc::RootVisitor& visitor, bool poison)
      : view_(view), visitor_(visitor), poison_(poison) {}

  void frame(const CallSite& site, void* frame) {
    uint32_t next = 0;  // maps are ascending
    for (const uint32_t slot : view_.sites->live(site)) {
      if (poison_) poison_range(frame, next, slot);
      next = slot + 1;
      gc::Ref& held = at<gc::Ref>(frame, home_offset(slot));
      if (poison_ && held.bits == gc::kUnlistedSlot) {
        view_.store->store->heap().set_violation(text::format(
            "I2: the map at {:#x} of function {} lists slot {}, which was not stored since no map listed it",
            site.offset, site.func, slot));
      }
      visitor_.visit(&held, gc::RootKind::kFrame, site.offset);
    }
    if (poison_) poison_range(frame, next, site.homes);
  }

 private:
  static void poison_range(void* frame, uint32_t begin, uint32_t end) {
    for (uint32_t slot = begin; slot < end; ++slot) at<uint32_t>(frame, home_offset(slot)) = gc::kUnlistedSlot;
  }
  const FrameView& view_;
  gc::RootVisitor& visitor_;
  bool poison_;
};

}  // namespace

// Calls body(site, frame) for the frames of all segments, innermost first.
template <class Body>
static void walk_all(const FrameView& view, Body&& body) {
  const void* pc = view.store->last_pc;
  void* frame = view.store->last_frame;
  const void* entry_frame = view.store->entry_frame;
  for (const EntryRecord* entry = view.entries; entry != nullptr && entry_frame != nullptr; entry = entry->outer) {
    walk_segment(view, pc, frame, entry_frame, [&](const CallSite& site, void* f) {
      body(site, f);
      return true;
    });
    pc = entry->last_pc;
    frame = entry->last_frame;
    entry_frame = entry->entry_frame;
  }
}

void visit_frames(const FrameView& view, gc::RootVisitor& visitor, bool poison) {
  SlotVisitor slots(view, visitor, poison);
  walk_all(view, [&](const CallSite& site, void* frame) { slots.frame(site, frame); });
}

void describe_frames(const FrameView& view, const DescribeFrame& visit) {
  std::vector<gc::Ref> listed;
  walk_all(view, [&](const CallSite& site, void* frame) {
    listed.clear();
    for (const uint32_t slot : view.sites->live(site)) listed.push_back(at<gc::Ref>(frame, home_offset(slot)));
    visit(site, listed);
  });
}

Handler find_handler(const FrameView& view, const void* pc, void* frame) {
  Handler found;
  bool passed = false;
  walk_segment(view, pc, frame, view.store->entry_frame, [&](const CallSite& site, void* f) {
    if (site.landing == CallSite::kNone) return true;
    if (!passed && fault_fires(Fault::kEXC3)) return passed = true;
    found = {view.space->at(site.landing), f};
    return false;
  });
  return found;
}

}  // namespace parallax::jit
