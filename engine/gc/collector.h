// Collector: how a heap gets and reclaims memory. Three implementations, made by make_collector.
#pragma once

#include <memory>

#include "engine/base/faults.h"
#include "engine/gc/heap.h"

namespace parallax::gc {

// How hard to try before asking for a collection.
enum class Effort : uint8_t {
  kUntilDue,   // give up when a collection is due
  kUntilFull,  // give up when there is no room
};

// How much a collection must look at.
enum class Scope : uint8_t {
  kAsDue,  // what the collector finds due
  kMinor,  // the young objects, if there is such a thing
  kFull,
};

class Collector {
 public:
  explicit Collector(Heap& heap) : heap_(heap) {}
  virtual ~Collector() = default;

  // Offset of `bytes` zeroed bytes (a multiple of kObjectAlign), or 0. Does not collect.
  virtual uint64_t allocate(uint64_t bytes, Effort effort) = 0;
  // Reclaims what no root reaches. On a violation it stops half-way, and the heap is not used any more.
  virtual void collect(Scope scope) = 0;
  // Where the oldest object may start; the newest ends at the window's `next`.
  virtual uint64_t space_begin() const = 0;
  // What objects and free cells fill without gaps, ascending: all of it together is the live space.
  virtual std::vector<ByteRange> spaces() const { return {{space_begin(), *heap_.window_.next}}; }
  // The one that `offset` lies in; empty if there is none.
  virtual ByteRange space_of(uint64_t offset) const {
    const ByteRange all{space_begin(), *heap_.window_.next};
    return all.has(offset) ? all : ByteRange{};
  }
  // Bytes of the region that were ever written, at most Region::kMaxDirty ranges.
  virtual std::vector<ByteRange> dirty() const = 0;
  // Judge's help: names that were put on the list of remembered objects.
  virtual std::vector<Ref> remembered() const { return {}; }
  // Whether an object at `offset` is young: references to it in old objects must be remembered.
  virtual bool is_young(uint64_t offset) const {
    (void)offset;
    return true;
  }
  // Whether the memory of a name inside the live space may be touched.
  virtual bool readable(Ref ref) const {
    (void)ref;
    return true;
  }
  virtual void begin_walk() {}
  virtual void end_walk() {}
  // Judge's help: what the collector can assert about space that holds no objects (poison), up to so many bytes. Empty
  // or a violation.
  virtual std::string verify_retired(uint64_t limit) const {
    (void)limit;
    return {};
  }

 protected:
  // For all of them: names, sizes and bounds of what roots and fields hold.
  // Where a reference was found, for messages.
  struct Place {
    const char* invariant;
    const char* what;
    uint64_t site;
    static Place root(RootKind kind, uint64_t site) {
      return {invariant_of(kind), kRootKindText[static_cast<size_t>(kind)], site};
    }
    static Place field(uint64_t at) { return {"I1", "field at", at}; }
  };
  // Whether a root or field holds something to follow. Hosts planted fault I31a.
  static bool is_followed(Ref ref) {
    return ref.is_object() && ((ref.bits & 2 * kObjectAlign) == 0 || !fault_fires(Fault::kI31a));
  }
  // Whether `ref` names a parsable object inside [begin, end); records a violation otherwise. Gives its size.
  bool admit(Ref ref, uint64_t begin, uint64_t end, const Place& place, uint64_t& bytes);
  // Records the violation that `ref` was found where `place` says; answers false.
  bool reject(Ref ref, const Place& place, const char* why, uint64_t begin, uint64_t end);
  uint8_t* at(uint64_t offset) const { return heap_.base_ + offset; }
  // Calls visit(Ref*, field offset) for every reference in the object.
  template <class Visit>
  void for_each_ref(Ref object, const ObjectHeader& header, Visit&& visit) {
    const Layout& layout = heap_.layouts_.at(header.layout());
    if (layout.kind == LayoutKind::kFixed) {
      for (const uint32_t offset : layout.ref_offsets) visit(reinterpret_cast<Ref*>(at(object.bits + offset)), offset);
    } else if (layout.elements_are_refs) {
      Ref* elements = reinterpret_cast<Ref*>(at(object.bits + kHeaderBytes));
      for (uint32_t i = 0; i < header.length; ++i) visit(&elements[i], kHeaderBytes + i * 4);
    }
  }
  // Whether [begin, end) is all poison; records a violation otherwise.
  bool still_poisoned(uint64_t begin, uint64_t end);
  static bool is_poison(const uint8_t* begin, uint64_t bytes);

  Heap& heap_;
};

std::unique_ptr<Collector> make_collector(GcKind kind, Heap& heap);

}  // namespace parallax::gc
