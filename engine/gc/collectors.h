// Three of the collectors; generational.h has the fourth. Only their own files and make_collector need this.
#pragma once

#include <array>
#include <utility>
#include <vector>

#include "engine/gc/collector.h"

namespace parallax::gc {

class Moving final : public Collector {
 public:
  explicit Moving(Heap& heap);
  uint64_t allocate(uint64_t bytes, Effort effort) override;
  void collect(Scope scope) override;
  uint64_t space_begin() const override { return begin_; }
  std::vector<ByteRange> dirty() const override { return {{0, pristine_}}; }
  std::string verify_retired(uint64_t limit) const override;

 private:
  void place(uint64_t begin);
  void set_soft_limit();
  bool open(uint64_t until, uint64_t limit);
  uint64_t next_place(uint64_t used) const;
  Ref evacuate(Ref ref, const Place& place);
  void update_boxes();
  void retire(uint64_t begin, uint64_t end);

  bool eager_ = false;         // advance through the ring, open page by page
  uint64_t begin_ = 0;         // of the current space; page-aligned, like the next three
  uint64_t opened_ = 0;        // memory of the space is zeroed up to here
  uint64_t soft_ = 0;          // a collection is due when allocation would pass this
  uint64_t hard_ = 0;          // survivors could not be placed beyond this
  uint64_t pristine_ = kPage;  // never opened from here on: still zero
  uint64_t from_begin_ = 0;    // during a collection: the space being evacuated
  uint64_t from_end_ = 0;
};

class NonMoving final : public Collector {
 public:
  explicit NonMoving(Heap& heap);
  uint64_t allocate(uint64_t bytes, Effort effort) override;
  void collect(Scope scope) override;
  uint64_t space_begin() const override { return kPage; }
  std::vector<ByteRange> dirty() const override { return {{0, dirty_}}; }
  bool readable(Ref ref) const override;
  void begin_walk() override;
  void end_walk() override;
  std::string verify_retired(uint64_t limit) const override;

 private:
  // Free cells of exactly i * kObjectAlign bytes, for small i; bin 0 holds all larger ones.
  static constexpr uint64_t kBins = 128;

  bool poisons() const;
  void mark(Ref ref, const Place& place);
  void sweep();
  void free_run(uint64_t begin, uint64_t end);
  uint64_t take_from_bins(uint64_t bytes);
  uint64_t take_from_bin(uint64_t bin, uint64_t index, uint64_t bytes);

  uint64_t due_at_ = 0;  // a collection is due when so much was allocated in all
  uint64_t allocated_ = 0;
  uint64_t live_ = 0;
  uint64_t dirty_ = kPage;
  // Under `protect`: the inaccessible pages, ascending. Cells are not reused before the heap was full once.
  std::vector<std::pair<uint64_t, uint64_t>> shut_;
  bool was_full_ = false;
  uint32_t walks_ = 0;
  std::array<std::vector<uint32_t>, kBins> bins_;
  std::vector<Ref> stack_;
};

class Never final : public Collector {
 public:
  using Collector::Collector;
  uint64_t allocate(uint64_t bytes, Effort effort) override;
  void collect(Scope) override {}
  uint64_t space_begin() const override { return kPage; }
  std::vector<ByteRange> dirty() const override;
};

}  // namespace parallax::gc
