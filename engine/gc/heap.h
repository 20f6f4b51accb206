// Heap: the objects of one store, and when they are collected.   [establishes I1 for heap references]
//
// A heap is one Region; a Ref is an offset into it. Behind one slow path for allocation stand three collectors
// (collector.h); zeal settings decide when to collect besides "when full" and what happens to retired space. Heap
// contents are untrusted: whatever the collector finds wrong in a root or field (a name outside the live space, an
// unknown layout, a size beyond the end) is recorded as a violation and ends the collection, never followed. A heap with
// a violation must not be used any more; it stays safe to read and to destroy.
//
// Not synchronised; one thread at a time. Knows nothing of WebAssembly: budgets and size traps are the caller's.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/origin.h"
#include "engine/gc/layout.h"
#include "engine/gc/object.h"
#include "engine/gc/options.h"
#include "engine/gc/ref.h"
#include "engine/gc/region.h"
#include "engine/gc/roots.h"

namespace parallax::gc {

class Collector;
class Rooted;
enum class Scope : uint8_t;  // collector.h

// What a home slot of a frame holds that no stack map lists, with zeal `zap`: an odd (i31) value that hardly any program
// makes, so that following it is harmless and using it is noticed.
inline constexpr uint32_t kUnlistedSlot = 0xd5d5d5d5u;

// The bump window that compiled code may allocate from: offsets of zeroed memory.
struct BumpWindow {
  uint64_t* next = nullptr;
  uint64_t* limit = nullptr;
  uint64_t* begin = nullptr;  // of live space; not asked for when null
  // Where compiled code appends the name of an old object that was stored into; nobody's when null.
  uint32_t** remembered = nullptr;
  // What inline allocations charge to a budget: `charged` collects charge << kChargeShift | 1 for each; settle() moves that
  // to the other two. Not asked for when null. The window is kept so short that `left` covers whatever is allocated in it,
  // which is why nobody has to compare: a charge is at most kChargePerByte for every byte of an object.
  uint64_t* charged = nullptr;
  uint64_t* left = nullptr;
  uint64_t* objects = nullptr;
};
// So that the objects of one window are counted below the charges.
inline constexpr uint64_t kLongestWindow = uint64_t{256} << 10;
static_assert(kLongestWindow / kObjectAlign < uint64_t{1} << kChargeShift);

// The owner of a heap.
class HeapClient : public RootSource {
 public:
  // The box that carried this host object's slab id was found dead. Must not touch the heap.
  virtual void host_box_died(uint64_t host_id) = 0;
};

struct HeapStats {
  uint64_t collections = 0;
  uint64_t minor_collections = 0;  // of these: young objects only
  uint64_t promoted_bytes = 0;     // generational: copied from the young to the old
  uint64_t remembered = 0;         // generational: old objects that minor collections looked into
  uint64_t live_bytes_after_last = 0;
  uint64_t safepoints = 0;  // points at which zeal could have collected
  uint64_t moved_objects = 0;
  uint64_t freed_cells = 0;     // non-moving
  uint64_t reused_cells = 0;    // non-moving: allocations served from freed cells
  uint64_t poison_checked = 0;  // bytes of retired space that were asserted to be untouched
  uint64_t names_admitted = 0;  // references of roots and fields that a collection checked before it followed them
  uint64_t verifications = 0;
};

class Heap {
 public:
  // `window` outlives the heap and belongs to it.
  Heap(const HeapOptions& options, const LayoutTable& layouts, HeapClient& client, BumpWindow window);
  ~Heap();
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  // As new, with another schedule: the same base, all memory zero, nothing counted. Requires: ok(); pages and tiny as they
  // were; no Rooted alive.
  void rewind(const Zeal& zeal);

  // False when the machine refused the address space; then every allocation answers null.
  bool ok() const { return !region_.empty(); }
  uint8_t* base() const { return base_; }
  uint64_t bytes() const { return region_.usable(); }

  // A zeroed object. Requires: bytes == layouts.at(layout).size(length). Null: no memory, or a violation. [may collect]
  Ref allocate(LayoutId layout, uint32_t length, uint64_t bytes);
  // A box for a host object. [may collect]
  Ref allocate_box(uint64_t host_id);
  // Everything that is not reachable goes. [may collect, always does unless the collector is "never"]
  void collect();
  // Brings the budget's words up to date with what was allocated inline.
  void settle() {
    if (window_.charged == nullptr || *window_.charged == 0) return;
    *window_.left -= *window_.charged >> kChargeShift;
    *window_.objects += *window_.charged & ((uint64_t{1} << kChargeShift) - 1);
    *window_.charged = 0;
  }
  // To be called after the budget's words were changed by others; those must have been settled.
  void budget_changed() { publish_window(open_limit_); }
  // A safepoint without allocation: collects when zeal says so. [may collect]
  void poll();

  // --- Reading and writing objects. Requires: plausible(ref) or a live object.
  ObjectHeader& header(Ref ref) const { return *reinterpret_cast<ObjectHeader*>(base_ + ref.bits); }
  template <class T>
  T load(Ref ref, uint32_t offset) const {
    T value;
    std::memcpy(&value, base_ + ref.bits + offset, sizeof(T));
    return value;
  }
  template <class T>
  void store(Ref ref, uint64_t offset, T value) {
    std::memcpy(base_ + ref.bits + offset, &value, sizeof(T));
  }
  uint8_t* at(Ref ref, uint64_t offset) const { return base_ + ref.bits + offset; }
  // The write barrier: to be called with every store of a reference into an object that has been there at a safepoint,
  // before the next one.   [establishes I9]
  void note_store(Ref object) {
    ObjectHeader& head = header(object);
    if (!head.has(kWatched)) [[likely]]
      return;
    head.meta &= ~uint32_t{kWatched};
    *(*window_.remembered)++ = object.bits;
  }
  void store_ref(Ref object, uint64_t offset, Ref value) {
    note_store(object);
    store(object, offset, value);
  }

  // Whether `ref` is null, an i31, or lies in live space with a known layout and a size that fits: what can be told
  // without walking. An interior name can pass; verify() tells exactly.
  bool plausible(Ref ref) const;
  // As plausible; with origins kept also false for names inside objects: what armed checks ask.
  bool is_object_start(Ref ref) const;

  // From now on notes for every object where it was made (a word of address space per 8 bytes of heap). `source` outlives
  // the heap.
  void keep_origins(const OriginSource* source);
  // Where compiled code notes the site itself: at this address plus the Ref, 64 bits. Null: not kept.
  uint8_t* origin_base() const { return origins_.base(); }
  // For reports: what stands at `ref` (live, retired, never allocated), and where it was allocated if that is known.
  std::string describe(Ref ref) const;
  // The start of the object that stands or stood at this offset, as far as origins tell; null otherwise.
  Ref nearest_start(uint64_t offset) const;

  // Judge (verify.cc): empty, or the first violation. Shares no code with the collectors' tracing. Of retired space at
  // most `retired_bytes` are looked at, the most recently retired first.
  std::string verify(uint64_t retired_bytes = ~uint64_t{0});
  // Calls visit(Ref, ObjectHeader&) for every object, dead ones not collected yet included, in order of address. Stops
  // at the first cell that cannot be parsed and answers its offset, otherwise 0.
  template <class Visit>
  uint64_t for_each_object(Visit&& visit) const;

  // What went wrong, starting with the invariant's id; empty while all is well.
  const std::string& violation() const { return violation_; }
  // Records the first violation.
  void set_violation(std::string text);

  const HeapStats& stats() const { return stats_; }
  const HeapOptions& options() const { return options_; }
  const LayoutTable& layouts() const { return layouts_; }
  // Live space: every object lies in [begin, end); spaces() are the parts of it that have no gaps.
  uint64_t space_begin() const;
  uint64_t space_end() const { return *window_.next; }
  std::vector<ByteRange> spaces() const;
  // Memory of the region that the system has given and not got back.
  uint64_t resident_bytes() const { return region_.resident_bytes(); }
  size_t box_count() const { return boxes_.size(); }

 private:
  friend class Collector;
  friend class Moving;
  friend class NonMoving;
  friend class Never;
  friend class Generational;
  friend class Rooted;

  void open();
  bool zeal_fires(bool at_allocation);
  // Brings retired space back for a walk over all cells, and away again (non-moving under `protect`).
  void begin_walk() const;
  void end_walk() const;
  bool zeal_can_pay() const;
  void collect_for_zeal();
  Scope zeal_scope() const;
  uint64_t room_for(uint64_t bytes) const { return options_.zeal.pages ? page_up(bytes) : bytes; }
  void fill_room(uint64_t at, uint64_t bytes);
  void note_origin(Ref ref);
  void publish_begin(uint64_t begin) {
    if (window_.begin != nullptr) *window_.begin = begin;
  }
  void collect_now(Scope scope);
  void visit_all_roots(RootVisitor& visitor);
  void publish_window(uint64_t zeroed_until);

  HeapOptions options_;
  const LayoutTable& layouts_;
  HeapClient& client_;
  BumpWindow window_;
  uint32_t* own_remembered_ = nullptr;  // when the window has no such word
  Region region_;
  uint8_t* base_ = nullptr;
  std::unique_ptr<Collector> collector_;
  Rooted* handles_ = nullptr;
  std::vector<Ref> boxes_;  // every host box, live or not collected yet
  std::string violation_;
  HeapStats stats_;
  uint64_t zeal_traced_ = 0;      // bytes that survived collections which zeal asked for
  uint64_t last_zeal_point_ = 0;  // the safepoint of the last such collection
  uint64_t zeal_collections_ = 0;
  Region origins_;
  const OriginSource* origin_source_ = nullptr;
  uint64_t open_limit_ = 0;  // end of zeroed memory; *window_.limit is this, or *window_.next under zeal
};

// Keeps a reference alive and up to date while runtime code may collect. Strictly nested (a local variable).
class Rooted {
 public:
  Rooted(Heap& heap, Ref ref) : ref(ref), heap_(heap), previous_(heap.handles_) { heap.handles_ = this; }
  ~Rooted() { heap_.handles_ = previous_; }
  Rooted(const Rooted&) = delete;
  Rooted& operator=(const Rooted&) = delete;

  Ref ref;

 private:
  friend class Heap;
  Heap& heap_;
  Rooted* previous_;
};

template <class Visit>
uint64_t Heap::for_each_object(Visit&& visit) const {
  struct Walk {
    const Heap& heap;
    explicit Walk(const Heap& h) : heap(h) { heap.begin_walk(); }
    ~Walk() { heap.end_walk(); }
  } walk(*this);
  for (const auto& [begin, end] : spaces()) {
    for (uint64_t at = begin; at < end;) {
      ObjectHeader& cell = header(Ref{static_cast<uint32_t>(at)});
      const LayoutId id = cell.layout();
      uint64_t bytes = 0;
      if (id == kFreeLayout) {
        bytes = uint64_t{cell.length} * kObjectAlign;
      } else {
        const Layout& layout = layouts_.at(id);
        if (layout.kind != LayoutKind::kNone) bytes = layout.size(cell.length);
      }
      if (bytes < kHeaderBytes || bytes > end - at) return at;
      if (id != kFreeLayout) visit(Ref{static_cast<uint32_t>(at)}, cell);
      at += bytes;
    }
  }
  return 0;
}

}  // namespace parallax::gc
