// Liveness of slots, their contents, and liveness of traced values, each by iteration over all blocks.
#include "engine/ir/verify_refs.h"

#include <algorithm>
#include <vector>

#include "engine/base/text.h"
#include "engine/ir/text.h"

namespace parallax::ir {

namespace {

constexpr size_t kMaxBits = size_t{1} << 29;
// What a slot holds: a ValueId, or one of these.
constexpr uint32_t kUnseen = ~0u;   // not reached yet
constexpr uint32_t kNoValue = ~1u;  // nothing, or different values on different ways

// One set of `bits` bits for every block.
class BlockSets {
 public:
  BlockSets(size_t blocks, size_t bits, bool full)
      : words_((bits + 63) / 64), data_(blocks * words_, full ? ~0ull : 0) {}

  uint64_t* row(BlockId b) { return data_.data() + b.index() * words_; }
  size_t words() const { return words_; }

 private:
  size_t words_;
  std::vector<uint64_t> data_;
};

bool has(const uint64_t* row, size_t bit) { return (row[bit / 64] >> (bit % 64) & 1) != 0; }
void set(uint64_t* row, size_t bit) { row[bit / 64] |= uint64_t{1} << (bit % 64); }
void clear(uint64_t* row, size_t bit) { row[bit / 64] &= ~(uint64_t{1} << (bit % 64)); }

class RefVerifier {
 public:
  explicit RefVerifier(const Func& func) : func_(func) {}

  Result<> run() {
    find_reached();
    number_values();
    if (func_.block_count() * (32 * func_.slot_count() + traced_count_) > kMaxBits) {
      return fail(ErrorCode::kLimit, 0, "function too large for verify_refs");
    }
    if (!slots()) return fail(ErrorCode::kInvariant, offset_, problem_);
    if (!contents()) return fail(ErrorCode::kInvariant, offset_, problem_);
    if (!values()) return fail(ErrorCode::kInvariant, offset_, problem_);
    return {};
  }

 private:
  bool wrong(std::string what, InstId at) {
    problem_ = text::format("I2: after safepoints: {} in function {}: {}", what, func_.index().raw, print(func_, at));
    offset_ = func_.inst(at).offset;
    return false;
  }
  std::span<const BlockId> targets(BlockId b) const { return func_.targets(func_.terminator(b)); }

  // Blocks reachable from the entry, in any order.
  void find_reached() {
    std::vector<bool> seen(func_.block_count());
    blocks_.push_back(Func::kEntry);
    seen[0] = true;
    for (size_t n = 0; n < blocks_.size(); ++n) {
      for (const BlockId to : targets(blocks_[n])) {
        if (seen[to.index()]) continue;
        seen[to.index()] = true;
        blocks_.push_back(to);
      }
    }
  }

  void number_values() {
    number_.assign(func_.value_count(), kNotTraced);
    for (uint32_t v = 0; v < func_.value_count(); ++v) {
      if (is_traced(func_.rep(ValueId(v)))) {
        number_[v] = traced_count_++;
        traced_.push_back(ValueId(v));
      }
    }
  }

  // Repeats `step(block)` over all blocks until none answers that it changed something.
  template <class Step>
  void iterate(Step&& step) {
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t n = blocks_.size(); n-- > 0;) changed |= step(blocks_[n]);
    }
  }

  // --- Maps list exactly the live slots.
  bool slots() {
    BlockSets live_in(func_.block_count(), func_.slot_count(), false);
    std::vector<uint64_t> live(live_in.words());
    const auto at_end = [&](BlockId b) {
      std::fill(live.begin(), live.end(), 0);
      for (const BlockId to : targets(b)) {
        for (size_t w = 0; w < live.size(); ++w) live[w] |= live_in.row(to)[w];
      }
    };
    const auto before = [&](const Inst& inst) {
      if (inst.op == Op::HomeLoad) set(live.data(), inst.a);
      if (inst.op == Op::HomeStore) clear(live.data(), inst.a);
    };
    iterate([&](BlockId b) {
      at_end(b);
      for (InstId i = func_.block(b).last; i.valid(); i = func_.inst(i).prev) before(func_.inst(i));
      const bool changed = !std::equal(live.begin(), live.end(), live_in.row(b));
      std::copy(live.begin(), live.end(), live_in.row(b));
      return changed;
    });
    for (const BlockId b : blocks_) {
      at_end(b);
      for (InstId i = func_.block(b).last; i.valid(); i = func_.inst(i).prev) {
        const Inst& inst = func_.inst(i);
        if (func_.is_safepoint(inst) != (inst.map != Inst::kNoMap))
          return wrong("safepoint without map, or map without safepoint", i);
        if (func_.is_safepoint(inst) && !map_is(i, live)) return false;
        before(inst);
      }
    }
    return true;
  }

  bool map_is(InstId i, const std::vector<uint64_t>& live) {
    std::vector<uint64_t> listed(live.size());
    for (const SlotId slot : func_.stack_map(func_.inst(i))) set(listed.data(), slot.index());
    if (listed == live) return true;
    for (uint32_t s = 0; s < func_.slot_count(); ++s) {
      if (has(listed.data(), s) == has(live.data(), s)) continue;
      const char* what = has(live.data(), s) ? "live but not listed" : "listed but not live";
      return wrong(text::format("slot s{} (home of v{}) is {}", s, value_of(s), what), i);
    }
    return true;
  }

  // For messages: some value whose home the slot is.
  uint32_t value_of(uint32_t slot) const {
    for (const BlockId b : blocks_) {
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) {
        if (func_.inst(i).op == Op::HomeLoad && func_.inst(i).a == slot) return func_.inst(i).b;
      }
    }
    return ~0u;
  }

  // --- What slots hold: one value on every way, and the one that is read.
  bool contents() {
    const size_t slots = func_.slot_count();
    std::vector<uint32_t> in(func_.block_count() * slots, kUnseen);
    std::fill_n(in.begin(), slots, kNoValue);  // the entry block is the first
    std::vector<uint32_t> now(slots);
    const auto start = [&](BlockId b) { std::copy_n(in.begin() + ptrdiff_t(b.index() * slots), slots, now.begin()); };
    const auto step = [&](InstId i) {
      if (func_.inst(i).op == Op::HomeStore) now[func_.inst(i).a] = func_.args(i)[0].raw;
    };
    iterate([&](BlockId b) {
      start(b);
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) step(i);
      bool changed = false;
      for (const BlockId to : targets(b)) {
        uint32_t* target = in.data() + to.index() * slots;
        for (size_t s = 0; s < slots; ++s) {
          const uint32_t met = target[s] == kUnseen || target[s] == now[s] ? now[s]
                               : now[s] == kUnseen                         ? target[s]
                                                                           : kNoValue;
          changed |= met != target[s];
          target[s] = met;
        }
      }
      return changed;
    });
    for (const BlockId b : blocks_) {
      start(b);
      for (InstId i = func_.block(b).first; i.valid(); i = func_.inst(i).next) {
        const Inst& inst = func_.inst(i);
        if (inst.op == Op::HomeLoad && now[inst.a] == kNoValue) return wrong("home read before it is stored", i);
        if (inst.op == Op::HomeLoad && now[inst.a] != inst.b) {
          return wrong(text::format("slot s{} holds v{}, but v{} is read", inst.a, now[inst.a], inst.b), i);
        }
        if (inst.op == Op::HomeStore && !is_traced(func_.rep(func_.args(i)[0]))) {
          return wrong("home of a value that is not traced", i);
        }
        if (inst.map != Inst::kNoMap) {
          for (const SlotId slot : func_.stack_map(inst)) {
            if (now[slot.index()] == kNoValue) {
              return wrong(text::format("slot s{} is listed but not stored on every way", slot.raw), i);
            }
          }
        }
        step(i);
      }
    }
    return true;
  }

  // --- No traced value lives across.
  bool values() {
    BlockSets live_in(func_.block_count(), traced_count_, false);
    std::vector<uint64_t> live(live_in.words());
    const auto at_end = [&](BlockId b) {
      std::fill(live.begin(), live.end(), 0);
      for (const BlockId to : targets(b)) {
        for (size_t w = 0; w < live.size(); ++w) live[w] |= live_in.row(to)[w];
      }
    };
    const auto undefine = [&](ValueId v) {
      if (number_[v.index()] != kNotTraced) clear(live.data(), number_[v.index()]);
    };
    const auto undefine_results = [&](InstId i) {
      for (uint32_t n = 0; n < func_.inst(i).results_count; ++n) undefine(func_.result(i, n));
    };
    const auto use_args = [&](InstId i) {
      for (const ValueId v : func_.args(i)) {
        if (number_[v.index()] != kNotTraced) set(live.data(), number_[v.index()]);
      }
    };
    iterate([&](BlockId b) {
      at_end(b);
      for (InstId i = func_.block(b).last; i.valid(); i = func_.inst(i).prev) undefine_results(i), use_args(i);
      for (const ValueId v : func_.params(b)) undefine(v);
      const bool changed = !std::equal(live.begin(), live.end(), live_in.row(b));
      std::copy(live.begin(), live.end(), live_in.row(b));
      return changed;
    });
    for (const BlockId b : blocks_) {
      at_end(b);
      for (InstId i = func_.block(b).last; i.valid(); i = func_.inst(i).prev) {
        undefine_results(i);
        if (func_.is_safepoint(func_.inst(i))) {
          for (size_t n = 0; n < traced_count_; ++n) {
            if (has(live.data(), n)) return wrong(text::format("v{} is live across a safepoint", traced_[n].raw), i);
          }
        }
        use_args(i);
      }
    }
    return true;
  }

  static constexpr uint32_t kNotTraced = ~0u;
  const Func& func_;
  std::vector<BlockId> blocks_;
  std::vector<uint32_t> number_;
  std::vector<ValueId> traced_;
  uint32_t traced_count_ = 0;
  std::string problem_;
  uint64_t offset_ = 0;
};

}  // namespace

Result<> verify_refs(const Func& func) { return RefVerifier(func).run(); }

}  // namespace parallax::ir
