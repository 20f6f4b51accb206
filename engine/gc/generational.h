// The generational collector: young objects apart from old ones, large ones apart from both.   [establishes I9]
//
//   first page | old objects, copied as a whole now and then ->      <- large objects, never moved | young objects
//
// Names ascend with age reversed: whatever is at or above `young_begin_` is young, so that one comparison tells. A minor
// collection copies what is reachable of the young: new objects to a run of survivors, survivors to the old. It finds
// references from old to young objects by the list of remembered objects: an old object carries kWatched, and whoever
// stores a reference into it clears the flag and appends its name (Heap::note_store). So an object is on the list at most
// once, stores into young objects cost a test, and there is no table to clear when a store goes. Large objects start on the
// list, so that initialising them needs no barrier either. A full collection copies all but large objects into one old run.
//
// Room: a full collection must always be possible. It needs a run that is free and as long as all old and young objects
// together; the young get less room, in the end none, before that fails (eden_room), and a minor collection after which it
// would fail becomes a full one (minor_is_safe).
#pragma once

#include <vector>

#include "engine/gc/collector.h"

namespace parallax::gc {

class Generational final : public Collector {
 public:
  explicit Generational(Heap& heap);
  uint64_t allocate(uint64_t bytes, Effort effort) override;
  void collect(Scope scope) override;
  uint64_t space_begin() const override { return kPage; }
  std::vector<ByteRange> spaces() const override;
  ByteRange space_of(uint64_t offset) const override;
  std::vector<ByteRange> dirty() const override;
  std::vector<Ref> remembered() const override;
  bool is_young(uint64_t offset) const override { return offset >= young_begin_; }
  std::string verify_retired(uint64_t limit) const override;

 private:
  // Memory that is handed out and retired again and again, upwards; from `pristine` on it never was, and is zero.
  struct Strip {
    uint64_t begin = 0;
    uint64_t end = 0;
    uint64_t pristine = 0;
  };
  // Objects without gaps, in a strip. Memory is usable up to `opened`, and may be opened up to `limit`.
  struct Run {
    Strip* strip = nullptr;
    uint64_t begin = 0;
    uint64_t next = 0;
    uint64_t opened = 0;
    uint64_t limit = 0;

    uint64_t used() const { return next - begin; }
    ByteRange objects() const { return {begin, next}; }
  };
  struct Large {
    uint64_t at;
    uint64_t bytes;
    bool marked;
    uint64_t end() const { return at + page_up(bytes); }
  };
  enum class Contents : uint8_t { kAny, kZero };

  // --- Memory
  void divide();
  bool clean(uint64_t from, uint64_t to, Contents contents);
  bool ready(Strip& strip, uint64_t from, uint64_t to, Contents contents);
  bool ready_shared(uint64_t from, uint64_t to, Contents contents);
  bool open(Run& run, uint64_t until, Contents contents);
  uint64_t take(Run& run, uint64_t bytes);
  void retire(const Run& run);
  uint64_t allocate_large(uint64_t bytes, Effort effort);
  uint64_t find_gap(uint64_t room) const;
  void free_large(const Large& large);
  Large* find_large(uint64_t offset);
  const Large* find_large(uint64_t offset) const { return const_cast<Generational*>(this)->find_large(offset); }

  // --- Room
  ByteRange eden() const { return {eden_.begin, *heap_.window_.next}; }
  uint64_t room_for_all(uint64_t opened, uint64_t floor) const;
  uint64_t eden_room() const;
  bool minor_is_safe() const;
  uint64_t next_old_place(uint64_t bytes) const;
  void place_survivors();
  void place_eden();

  // --- Collecting
  void minor();
  void full();
  void give_back();
  template <bool kFull>
  void visit_all_roots();
  void scan_remembered();
  template <bool kFull>
  void scan_copies(uint64_t old_from);
  uint64_t prefetch(uint64_t from, uint64_t until);
  template <bool kFull>
  uint64_t scan_run(Run& run, uint64_t from);
  // Evacuates what the object's fields hold; answers whether one of them is young afterwards.
  template <bool kFull>
  bool scan_object(Ref object, ObjectHeader header, const TraceRow& row);
  // The new name of a young or (full) any object. `where` makes the Place that a message names. Null after a violation.
  template <bool kFull, class Where>
  Ref evacuate(Ref ref, Where&& where);
  Ref forwarded(Ref ref) const;
  bool is_copy(uint64_t offset) const {
    return fresh_old_.has(offset) || (offset >= survivors_.begin && offset < survivors_.next);
  }
  void remember(Ref object);
  void sweep_large();
  void update_boxes(size_t from);
  void adapt(uint64_t had, uint64_t survived);

  // --- Shape
  bool eager_ = false;        // young runs advance through a ring of pages instead of staying where caches know them
  uint64_t young_begin_ = 0;  // large objects end, and young ones begin
  uint64_t large_bytes_ = 0;  // what is larger is a large object
  uint64_t eden_least_ = 0;
  uint64_t eden_most_ = 0;
  Strip old_strip_, eden_strip_, survivor_strips_[2];
  Region list_;  // the remembered objects; the word in the window says where it ends

  // --- State
  Run old_, survivors_, eden_;  // eden_.next is the window's
  uint64_t eden_size_ = 0;
  uint64_t floor_ = 0;        // lowest large object
  uint64_t large_low_ = 0;    // the lowest that ever was
  std::vector<Large> large_;  // by address
  uint64_t large_used_ = 0;
  uint64_t old_due_ = 0;  // a full collection is due when old and large objects take so much
  bool full_due_ = false;
  bool most_survive_ = false;  // of the young, at the last collection: the next one makes survivors old at once
  size_t old_boxes_ = 0;       // so many of the heap's boxes are old

  // --- While collecting
  ByteRange from_eden_, from_survivors_, from_old_;
  ByteRange fresh_old_;  // end is kept up to date by scan_copies and evacuate
  std::vector<uint64_t> large_stack_;
  bool fault_i31_ = false;
};

}  // namespace parallax::gc
