// FastWalk: the common instructions of the validator's walk, without events, in one loop over registers.
//
// An instruction is handled here completely or not at all: anything unusual (a mistake, a long number, code behind a
// branch, a rare instruction) leaves everything as it is, and WalkCore::step() takes it, with its errors. So this file can
// only accept what the rules accept; func_walk_test.cc compares the verdicts on broken bytes. It admits WebAssembly 3.0 as a
// whole; with fewer features, the plain walk does everything.
//
// Measured on modules compiled from OCaml and Dart (docs/benchmarks.md): the plain walk alone takes more than twice as long.
#pragma once

#include "engine/wasm/limits.h"
#include "engine/wasm/type_codes.h"
#include "engine/wasm/walk_core.h"

namespace parallax::wasm {
namespace detail {

// What an instruction of one byte without immediates does to operands of one type.
struct FastRow {
  uint8_t operands = 0;  // 0: not such an instruction
  ValType operand, result;
};
// A load or store.
struct FastAccess {
  bool is_load = false, is_store = false;
  uint8_t natural = 0;
  ValType type;
};

constexpr ValType fast_type(char letter) {
  return letter == 'i' ? kI32 : letter == 'l' ? kI64 : letter == 'f' ? kF32 : kF64;
}

inline constexpr uint8_t kNoHeapKind = 0xff;

struct FastTables {
  std::array<FastRow, 256> rows;
  std::array<FastAccess, 256> accesses;
  std::array<uint8_t, 256> heap_kinds;  // by code

  consteval void add(Opcode op, ImmKind kind, std::string_view signature) {
    const Encoding at = kEncodings[static_cast<size_t>(op)];
    const size_t colon = signature.find(':');
    if (at.prefix != 0 || colon == signature.npos) return;
    if (kind == ImmKind::MemArg) {
      const bool is_load = colon == 1;
      accesses[at.code] = {.is_load = is_load,
                           .is_store = !is_load,
                           .natural = kShapes[static_cast<size_t>(op)].access_log2,
                           .type = fast_type(signature[is_load ? 2 : 1])};
    }
    const bool same = colon == 1 || (colon == 2 && signature[0] == signature[1]);
    if (kind != ImmKind::None || !same || signature.size() != colon + 2) return;
    rows[at.code] = {static_cast<uint8_t>(colon), fast_type(signature[0]), fast_type(signature[colon + 1])};
  }
  consteval FastTables() {
    heap_kinds.fill(kNoHeapKind);
    for (size_t kind = 0; kind < kHeapCodes.size(); ++kind) heap_kinds[kHeapCodes[kind]] = static_cast<uint8_t>(kind);
#define OPCODE(id, prefix, code, text, immediates, signature, effects, feature) \
  add(Opcode::id, ImmKind::immediates, signature);
#include "engine/wasm/opcodes.def"
#undef OPCODE
  }
};
inline constexpr FastTables kFast;

consteval uint8_t fast_code(Opcode op) { return static_cast<uint8_t>(kEncodings[static_cast<size_t>(op)].code); }

}  // namespace detail

class FastWalk {
 public:
  static bool admits(const Features& features) { return (features.bits & Features().bits) == Features().bits; }

  // Handles instructions as long as it can; the walk stands before the next one afterwards.
  // The state is a variable of this function alone, everything is inlined into it: it lives in registers.
  static void run(WalkCore<false>& walk) {
    FastWalk fast(walk);
    if (!fast.enter()) return;
    if (walk.constant_) {
      while (fast.p_ < fast.end_ && fast.top_ < fast.last_top_ && fast.one_constant()) {}
    } else {
      while (fast.p_ < fast.end_ && fast.top_ < fast.last_top_ && fast.one()) {}
    }
    fast.leave();
  }

 private:
#define FAST [[gnu::always_inline]] inline
  // What nullness adds to a reference type's bits.
  static constexpr uint32_t kNullable = kI31Ref.bits() - kI31Ref.as_non_null().bits();
  static constexpr ptrdiff_t kLongest = 32;  // bytes that an instruction handled here may take
  static constexpr size_t kFewFields = 32;   // a short instruction may ask about so many
  static constexpr size_t kRoom = 512;       // operands above the top; a single instruction may push half of them

  explicit FastWalk(WalkCore<false>& walk) : walk_(walk), module_(*walk.module_), types_(*walk.store_) {}

  FAST bool enter() {
    p_ = walk_.in().position();
    end_ = p_ + walk_.in().remaining();
    // Whatever an instruction turns out to be, reading it stays inside the module.
    const uint8_t* const module_end = module_.bytes.data() + module_.bytes.size();
    if (module_end - end_ < kLongest || walk_.stack_.size() + kRoom > kMaxOperands) return false;
    walk_.stack_.ensure_room(kRoom);
    base_ = walk_.stack_.data();
    top_ = base_ + walk_.stack_.size();
    last_top_ = top_ + kRoom / 2;
    floor_ = base_ + walk_.labels_.back().height;
    locals_ = walk_.locals_.data();
    return true;
  }
  FAST void leave() {
    walk_.in().jump(p_);
    walk_.stack_.set_size(static_cast<size_t>(top_ - base_));
  }

  FAST bool one() {
    using detail::fast_code;
    using enum Opcode;
    switch (*p_) {
      case fast_code(LocalGet): return local_get();
      case fast_code(LocalSet): return local_set<false>();
      case fast_code(LocalTee): return local_set<true>();
      case fast_code(I32Const): return constant<4>(kI32);
      case fast_code(I64Const): return constant<9>(kI64);
      case fast_code(F32Const): return advance(p_ + 5) && push(kF32);
      case fast_code(F64Const): return advance(p_ + 9) && push(kF64);
      case fast_code(GlobalGet): return global_get(Mutability::kAny);
      case fast_code(GlobalSet): return global_set();
      case fast_code(Drop): return has(1) && advance(p_ + 1) && pop(1);
      case fast_code(Select): return select();
      case fast_code(SelectTyped): return select_typed();
      case fast_code(Block): return open(LabelKind::kBlock);
      case fast_code(Loop): return open(LabelKind::kLoop);
      case fast_code(If): return has(1) && top_[-1] == kI32 && open(LabelKind::kIf);
      case fast_code(Else): return begin_else();
      case fast_code(End): return end();
      case fast_code(Br): return br();
      case fast_code(BrIf): return br_if();
      case fast_code(Return): return fit(walk_.type_->results) && advance(p_ + 1) && dead_end();
      case fast_code(Call): return call();
      case fast_code(CallRef): return call_ref();
      case fast_code(ReturnCall): return return_call();
      case fast_code(BrOnNull): return br_on_null();
      case fast_code(BrOnNonNull): return br_on_non_null();
      case fast_code(TableGet): return table_get();
      case fast_code(TableSet): return table_set();
      case fast_code(RefNull): return ref_null();
      case fast_code(RefFunc): return ref_func();
      case fast_code(RefIsNull): return has(1) && top_[-1].is_ref() && advance(p_ + 1) && replace(1, kI32);
      case fast_code(RefEq):
        return has(2) && fits(top_[-1], kEqRef) && fits(top_[-2], kEqRef) && advance(p_ + 1) && replace(2, kI32);
      case fast_code(RefAsNonNull):
        return has(1) && top_[-1].is_ref() && top_[-1] != kBottomRef && advance(p_ + 1) &&
               replace(1, top_[-1].as_non_null());
      case 0xfb: return gc();
      default: return numeric() || access();
    }
  }

  // Of constant expressions (func_walk.cc, kConstant).
  FAST bool one_constant() {
    using detail::fast_code;
    using enum Opcode;
    switch (*p_) {
      case fast_code(I32Const): return constant<4>(kI32);
      case fast_code(I64Const): return constant<9>(kI64);
      case fast_code(F32Const): return advance(p_ + 5) && push(kF32);
      case fast_code(F64Const): return advance(p_ + 9) && push(kF64);
      case fast_code(GlobalGet): return global_get(Mutability::kImmutable);
      case fast_code(RefNull): return ref_null();
      case fast_code(RefFunc): return ref_func();
      case 0xfb: break;
      default: return false;
    }
    switch (p_[1]) {
      case fast_code(StructNew): return struct_new();
      case fast_code(StructNewDefault): return struct_new_default();
      case fast_code(ArrayNewDefault): return array_new(false);
      case fast_code(ArrayNewFixed): return array_new_fixed();
      case fast_code(RefI31): return ref_i31();
      default: return false;
    }
  }

  // --- Effects, in a chain behind all other conditions: true, except that an instruction must end where the code does ---
  FAST bool advance(const uint8_t* to) {
    if (to > end_) return false;
    p_ = to;
    return true;
  }
  FAST bool push(ValType type) { return *top_++ = type, true; }
  FAST bool pop(size_t n) { return top_ -= n, true; }
  FAST bool replace(size_t n, ValType by) { return top_ -= n, push(by); }
  FAST bool dead_end() {
    top_ = floor_;
    walk_.labels_.back().unreachable = true;
    walk_.reachable_ = false;
    return true;
  }

  // --- Questions ---
  FAST bool has(size_t n) const { return static_cast<size_t>(top_ - floor_) >= n; }
  // Nullness apart, most values have just the type that is asked for.
  FAST bool fits(ValType have, ValType want) const {
    return have == want || (have.bits() | kNullable) == want.bits() || types_.matches(have, want);
  }
  // Whether the values below `top` have these types.
  FAST bool fit_below(const ValType* top, std::span<const ValType> want) const {
    if (static_cast<size_t>(top - floor_) < want.size()) return false;
    const ValType* have = top - want.size();
    for (size_t i = 0; i < want.size(); ++i) {
      if (!fits(have[i], want[i])) return false;
    }
    return true;
  }
  FAST bool fit(std::span<const ValType> want) const { return fit_below(top_, want); }
  // An unsigned number of at most three bytes at `at`, which moves behind it.
  FAST static bool number(const uint8_t*& at, uint32_t& value) {
    value = *at++;
    if (value < 0x80) [[likely]]
      return true;
    value = (value & 0x7f) | uint32_t{*at} << 7;
    if (*at++ < 0x80) return true;
    value = (value & 0x3fff) | uint32_t{*at} << 14;
    return *at++ < 0x80;
  }
  FAST const SubType* composite(uint32_t type, CompositeKind kind) const {
    if (type >= module_.types.size() || module_.types[type].kind != kind) return nullptr;
    return &module_.types[type];
  }
  FAST ValType concrete(uint32_t type, bool nullable) const {
    return ValType::ref(HeapType::concrete(module_.type_ids[type]), nullable);
  }

  // --- Variables, numbers ---
  FAST bool local_get() {
    const uint8_t* at = p_ + 1;
    uint32_t index;
    if (!number(at, index) || index >= walk_.locals_.size() || walk_.unset_[index] != 0) return false;
    return advance(at) && push(locals_[index]);
  }
  template <bool tee>
  FAST bool local_set() {
    const uint8_t* at = p_ + 1;
    uint32_t index;
    if (!number(at, index) || index >= walk_.locals_.size()) return false;
    if (!has(1) || !fits(top_[-1], locals_[index]) || !advance(at)) return false;
    if (walk_.unset_[index] != 0) walk_.local_initialised(index);
    return pop(1) && (!tee || push(locals_[index]));
  }
  // Numbers are skipped: they are well-formed if they are shorter than the longest possible.
  template <size_t kMost>
  FAST bool constant(ValType type) {
    const uint8_t* at = p_ + 1;
    while (*at >= 0x80) ++at;
    if (at >= p_ + 1 + kMost) return false;
    return advance(at + 1) && push(type);
  }
  enum class Mutability : uint8_t { kAny, kImmutable };
  FAST bool global_get(Mutability mutability) {
    const uint8_t* at = p_ + 1;
    uint32_t index;
    if (!number(at, index) || index >= walk_.visible_globals_) return false;
    const GlobalType& type = module_.globals[index].type;
    if (mutability == Mutability::kImmutable && type.is_mutable) return false;
    return advance(at) && push(type.value);
  }
  FAST bool global_set() {
    const uint8_t* at = p_ + 1;
    uint32_t index;
    if (!number(at, index) || index >= walk_.visible_globals_) return false;
    const GlobalType& type = module_.globals[index].type;
    if (!type.is_mutable || !has(1) || !fits(top_[-1], type.value)) return false;
    return advance(at) && pop(1);
  }
  FAST bool select() {
    if (!has(3) || top_[-1] != kI32 || top_[-2] != top_[-3] || !top_[-2].is_num()) return false;
    return advance(p_ + 1) && pop(2);
  }
  FAST bool select_typed() {
    const uint8_t* at = p_ + 2;
    ValType type;
    if (p_[1] != 1 || !value_type(at, type) || !has(3) || top_[-1] != kI32) return false;
    return fits(top_[-2], type) && fits(top_[-3], type) && advance(at) && replace(3, type);
  }
  FAST bool table_get() {
    const uint8_t* at = p_ + 1;
    uint32_t index;
    if (!number(at, index) || index >= module_.tables.size() || !has(1)) return false;
    const TableType& type = module_.tables[index].type;
    return top_[-1] == walk_.address_type(type.limits) && advance(at) && replace(1, type.element);
  }
  FAST bool table_set() {
    const uint8_t* at = p_ + 1;
    uint32_t index;
    if (!number(at, index) || index >= module_.tables.size() || !has(2)) return false;
    const TableType& type = module_.tables[index].type;
    return fits(top_[-1], type.element) && top_[-2] == walk_.address_type(type.limits) && advance(at) && pop(2);
  }
  FAST bool numeric() {
    const detail::FastRow& row = detail::kFast.rows[*p_];
    if (row.operands == 0 || !has(row.operands)) return false;
    if (top_[-1] != row.operand || top_[-static_cast<ptrdiff_t>(row.operands)] != row.operand) return false;
    return advance(p_ + 1) && replace(row.operands, row.result);
  }
  FAST bool access() {
    const detail::FastAccess& row = detail::kFast.accesses[*p_];
    if (!row.is_load && !row.is_store) return false;
    const uint8_t* at = p_ + 2;
    uint32_t offset;
    if (p_[1] > row.natural || !number(at, offset)) return false;
    if (module_.memories.empty() || module_.memories[0].type.limits.is_64) return false;
    if (row.is_load) return has(1) && top_[-1] == kI32 && advance(at) && replace(1, row.type);
    return has(2) && top_[-1] == row.type && top_[-2] == kI32 && advance(at) && pop(2);
  }

  // --- Control ---
  FAST bool open(LabelKind kind) {
    const uint8_t* at = p_ + 1;
    ValType type;
    const bool has_result = *at != kCodeEmptyBlock;
    if (!has_result) {
      ++at;
    } else if (!value_type(at, type)) {
      return false;
    }
    if (walk_.labels_.size() > kMaxControlDepth) return false;
    const WasmOffset offset = walk_.in().offset_of(p_);
    if (!advance(at)) return false;
    std::span<const ValType> results;
    if (has_result) results = walk_.single(type);
    if (kind == LabelKind::kIf) pop(1);
    walk_.labels_.push_back({.kind = kind,
                             .offset = offset,
                             .results = results,
                             .height = static_cast<uint32_t>(top_ - base_),
                             .reachable_at_entry = walk_.reachable_});
    walk_.hidden_.push_back({.init_height = static_cast<uint32_t>(walk_.init_undo_.size())});
    floor_ = top_;
    return true;
  }
  FAST bool end() {
    const Label& label = walk_.labels_.back();
    const bool one_armed = label.kind == LabelKind::kIf;
    if (label.kind > LabelKind::kElse || walk_.labels_.size() == 1) return false;
    if (one_armed && (!label.params.empty() || !label.results.empty())) return false;
    if (static_cast<size_t>(top_ - floor_) != label.results.size() || !fit(label.results)) return false;
    if (walk_.init_undo_.size() != walk_.hidden_.back().init_height) return false;
    top_ = std::copy(label.results.begin(), label.results.end(), floor_);
    const bool by_branch = label.kind != LabelKind::kLoop && label.branched_to;
    walk_.reachable_ |= by_branch || walk_.hidden_.back().end_reached || (one_armed && label.reachable_at_entry);
    walk_.labels_.pop_back();
    walk_.hidden_.pop_back();
    floor_ = base_ + walk_.labels_.back().height;
    return advance(p_ + 1);
  }
  FAST bool begin_else() {
    Label& label = walk_.labels_.back();
    if (label.kind != LabelKind::kIf || !label.params.empty()) return false;
    if (static_cast<size_t>(top_ - floor_) != label.results.size() || !fit(label.results)) return false;
    if (walk_.init_undo_.size() != walk_.hidden_.back().init_height || !advance(p_ + 1)) return false;
    walk_.hidden_.back().end_reached |= walk_.reachable_;
    walk_.reachable_ = label.reachable_at_entry;
    label.kind = LabelKind::kElse;
    label.unreachable = false;
    top_ = floor_;
    return true;
  }
  FAST bool br() {
    const uint8_t* at = p_ + 1;
    uint32_t depth;
    if (!number(at, depth) || depth >= walk_.labels_.size()) return false;
    if (!fit(walk_.label_at(depth).branch_types())) return false;
    if (!advance(at)) return false;
    walk_.mark_branch(depth);
    return dead_end();
  }
  FAST bool br_if() {
    const uint8_t* at = p_ + 1;
    uint32_t depth;
    if (!number(at, depth) || depth >= walk_.labels_.size() || !has(1) || top_[-1] != kI32) return false;
    const auto types = walk_.label_at(depth).branch_types();
    if (!fit_below(top_ - 1, types) || !advance(at)) return false;
    walk_.mark_branch(depth);
    pop(1);
    std::copy(types.begin(), types.end(), top_ - types.size());
    return true;
  }
  FAST bool br_on_null() {
    const uint8_t* at = p_ + 1;
    uint32_t depth;
    if (!number(at, depth) || depth >= walk_.labels_.size() || !has(1)) return false;
    const ValType ref = top_[-1];
    const auto types = walk_.label_at(depth).branch_types();
    if (!ref.is_ref() || ref == kBottomRef || !fit_below(top_ - 1, types) || !advance(at)) return false;
    walk_.mark_branch(depth);
    std::copy(types.begin(), types.end(), top_ - 1 - types.size());
    top_[-1] = ref.as_non_null();
    return true;
  }
  FAST bool br_on_non_null() {
    const uint8_t* at = p_ + 1;
    uint32_t depth;
    if (!number(at, depth) || depth >= walk_.labels_.size() || !has(1)) return false;
    const ValType ref = top_[-1];
    const auto types = walk_.label_at(depth).branch_types();
    if (!ref.is_ref() || ref == kBottomRef || types.empty() || !types.back().is_ref()) return false;
    const auto below = types.first(types.size() - 1);
    if (!fits(ref.as_non_null(), types.back()) || !fit_below(top_ - 1, below) || !advance(at)) return false;
    walk_.mark_branch(depth);
    std::copy(below.begin(), below.end(), top_ - 1 - below.size());
    return pop(1);
  }
  FAST bool br_on_cast(bool on_success) {
    const uint8_t* at = p_ + 3;
    uint32_t depth;
    HeapType source = HeapKind::kAny, target = HeapKind::kAny;
    if (p_[2] > 3 || !number(at, depth) || depth >= walk_.labels_.size()) return false;
    if (!heap_type(at, source) || !heap_type(at, target) || !has(1)) return false;
    const ValType from = ValType::ref(source, (p_[2] & 1) != 0), to = ValType::ref(target, (p_[2] & 2) != 0);
    const ValType failed = types_.difference(from, to);
    const auto types = walk_.label_at(depth).branch_types();
    if (!fits(to, from) || !fits(top_[-1], from) || types.empty()) return false;
    if (!fits(on_success ? to : failed, types.back())) return false;
    const auto below = types.first(types.size() - 1);
    if (!fit_below(top_ - 1, below) || !advance(at)) return false;
    walk_.mark_branch(depth);
    std::copy(below.begin(), below.end(), top_ - 1 - below.size());
    top_[-1] = on_success ? failed : to;
    return true;
  }
  FAST bool call() {
    const uint8_t* at = p_ + 1;
    uint32_t index;
    if (!number(at, index) || index >= module_.funcs.size()) return false;
    const SubType& type = module_.types[module_.funcs[index].type];
    return type.results.size() <= kRoom / 2 && fit(type.params) && advance(at) && apply(type);
  }
  FAST bool return_call() {
    const uint8_t* at = p_ + 1;
    uint32_t index;
    if (!number(at, index) || index >= module_.funcs.size()) return false;
    const SubType& type = module_.types[module_.funcs[index].type];
    if (!std::ranges::equal(type.results, walk_.type_->results)) return false;
    return fit(type.params) && advance(at) && dead_end();
  }
  FAST bool call_ref() {
    const uint8_t* at = p_ + 1;
    uint32_t index;
    if (!number(at, index)) return false;
    const SubType* type = composite(index, CompositeKind::kFunc);
    if (type == nullptr || !has(1) || !fits(top_[-1], concrete(index, true))) return false;
    return fit_below(top_ - 1, type->params) && type->results.size() <= kRoom / 2 && advance(at) && pop(1) &&
           apply(*type);
  }
  FAST bool apply(const SubType& type) {
    top_ = std::copy(type.results.begin(), type.results.end(), top_ - type.params.size());
    return true;
  }

  // --- References ---
  // A heap type at `at`, which moves behind it.
  FAST bool heap_type(const uint8_t*& at, HeapType& heap) const {
    const uint8_t code = *at;
    if (code < 0x40 || code >= 0x80) {
      uint32_t type;
      const uint8_t* const start = at;
      // Signed in the binary format: the last byte's sign bit must not be set.
      if (!number(at, type) || (at[-1] & 0x40) != 0 || type >= module_.types.size()) return at = start, false;
      heap = HeapType::concrete(module_.type_ids[type]);
      return true;
    }
    const uint8_t kind = detail::kFast.heap_kinds[code];
    if (kind == detail::kNoHeapKind) return false;
    heap = HeapType(static_cast<HeapKind>(kind));
    ++at;
    return true;
  }
  // A value type other than v128.
  FAST bool value_type(const uint8_t*& at, ValType& type) const {
    const uint8_t code = *at;
    if (code <= kNumberCodes[0] && code >= kNumberCodes[3]) {
      type = ValType(static_cast<ValKind>(kNumberCodes[0] - code));
      return ++at, true;
    }
    HeapType heap = HeapKind::kAny;
    if (code == kCodeRef || code == kCodeRefNull) {
      if (!heap_type(++at, heap)) return false;
      type = ValType::ref(heap, code == kCodeRefNull);
      return true;
    }
    if (code < 0x40 || code >= 0x80 || !heap_type(at, heap)) return false;
    type = ValType::ref(heap, true);
    return true;
  }
  FAST bool ref_func() {
    const uint8_t* at = p_ + 1;
    uint32_t index;
    if (!number(at, index) || index >= module_.funcs.size()) return false;
    const Func& func = module_.funcs[index];
    return (walk_.constant_ || func.declared_ref) && advance(at) && push(concrete(func.type, false));
  }
  FAST bool ref_i31() { return has(1) && top_[-1] == kI32 && advance(p_ + 2) && replace(1, kI31Ref.as_non_null()); }
  FAST bool array_new_fixed() {
    const uint8_t* at = p_ + 2;
    uint32_t type, count;
    if (!number(at, type) || !number(at, count) || count > kMaxArrayNewFixed || !has(count)) return false;
    const SubType* found = composite(type, CompositeKind::kArray);
    if (found == nullptr) return false;
    const ValType element = found->fields[0].storage.unpacked;
    for (const ValType* value = top_ - count; value != top_; ++value) {
      if (!fits(*value, element)) return false;
    }
    return advance(at) && replace(count, concrete(type, false));
  }
  FAST bool ref_null() {
    const uint8_t* at = p_ + 1;
    HeapType heap = HeapKind::kAny;
    return heap_type(at, heap) && advance(at) && push(ValType::ref(heap, true));
  }
  FAST bool cast(bool nullable, bool is_test) {
    const uint8_t* at = p_ + 2;
    HeapType heap = HeapKind::kAny;
    if (!has(1) || !heap_type(at, heap) || !fits(top_[-1], ValType::ref(types_.top(heap), true))) return false;
    return advance(at) && replace(1, is_test ? kI32 : ValType::ref(heap, nullable));
  }
  FAST bool struct_get(bool packed) {
    const uint8_t* at = p_ + 2;
    uint32_t type, field;
    if (!number(at, type) || !number(at, field)) return false;
    const SubType* found = composite(type, CompositeKind::kStruct);
    if (found == nullptr || field >= found->fields.size() || !has(1)) return false;
    const StorageType& storage = found->fields[field].storage;
    if ((storage.packed != Packed::kNone) != packed || !fits(top_[-1], concrete(type, true))) return false;
    return advance(at) && replace(1, storage.unpacked);
  }
  FAST bool struct_set() {
    const uint8_t* at = p_ + 2;
    uint32_t type, field;
    if (!number(at, type) || !number(at, field)) return false;
    const SubType* found = composite(type, CompositeKind::kStruct);
    if (found == nullptr || field >= found->fields.size() || !found->fields[field].is_mutable || !has(2)) return false;
    if (!fits(top_[-1], found->fields[field].storage.unpacked) || !fits(top_[-2], concrete(type, true))) return false;
    return advance(at) && pop(2);
  }
  FAST bool struct_new() {
    const uint8_t* at = p_ + 2;
    uint32_t type;
    if (!number(at, type)) return false;
    const SubType* found = composite(type, CompositeKind::kStruct);
    if (found == nullptr || !has(found->fields.size())) return false;
    const size_t n = found->fields.size();
    const ValType* have = top_ - n;
    for (size_t i = 0; i < n; ++i) {
      if (!fits(have[i], found->fields[i].storage.unpacked)) return false;
    }
    return advance(at) && replace(n, concrete(type, false));
  }
  FAST bool struct_new_default() {
    const uint8_t* at = p_ + 2;
    uint32_t type;
    if (!number(at, type)) return false;
    const SubType* found = composite(type, CompositeKind::kStruct);
    if (found == nullptr || found->fields.size() > kFewFields) return false;
    for (const FieldType& field : found->fields) {
      if (!field.storage.unpacked.is_defaultable()) return false;
    }
    return advance(at) && push(concrete(type, false));
  }
  FAST bool array_new(bool has_value) {
    const uint8_t* at = p_ + 2;
    uint32_t type;
    if (!number(at, type)) return false;
    const SubType* found = composite(type, CompositeKind::kArray);
    const size_t operands = has_value ? 2 : 1;
    if (found == nullptr || !has(operands) || top_[-1] != kI32) return false;
    const ValType element = found->fields[0].storage.unpacked;
    if (has_value ? !fits(top_[-2], element) : !element.is_defaultable()) return false;
    return advance(at) && replace(operands, concrete(type, false));
  }
  FAST bool array_get(bool packed) {
    const uint8_t* at = p_ + 2;
    uint32_t type;
    if (!number(at, type)) return false;
    const SubType* found = composite(type, CompositeKind::kArray);
    if (found == nullptr || !has(2)) return false;
    const StorageType& storage = found->fields[0].storage;
    if ((storage.packed != Packed::kNone) != packed) return false;
    if (top_[-1] != kI32 || !fits(top_[-2], concrete(type, true))) return false;
    return advance(at) && replace(2, storage.unpacked);
  }
  FAST bool array_set() {
    const uint8_t* at = p_ + 2;
    uint32_t type;
    if (!number(at, type)) return false;
    const SubType* found = composite(type, CompositeKind::kArray);
    if (found == nullptr || !found->fields[0].is_mutable || !has(3)) return false;
    if (!fits(top_[-1], found->fields[0].storage.unpacked) || top_[-2] != kI32) return false;
    return fits(top_[-3], concrete(type, true)) && advance(at) && pop(3);
  }
  FAST bool gc() {
    using detail::fast_code;
    using enum Opcode;
    switch (p_[1]) {
      case fast_code(StructNew): return struct_new();
      case fast_code(StructGet): return struct_get(false);
      case fast_code(StructGetS):
      case fast_code(StructGetU): return struct_get(true);
      case fast_code(StructSet): return struct_set();
      case fast_code(ArrayGet): return array_get(false);
      case fast_code(ArrayGetS):
      case fast_code(ArrayGetU): return array_get(true);
      case fast_code(ArraySet): return array_set();
      case fast_code(ArrayLen):
        return has(1) && fits(top_[-1], ValType::ref(HeapKind::kArray, true)) && advance(p_ + 2) && replace(1, kI32);
      case fast_code(RefTest): return cast(false, true);
      case fast_code(RefTestNull): return cast(true, true);
      case fast_code(RefCast): return cast(false, false);
      case fast_code(RefCastNull): return cast(true, false);
      case fast_code(StructNewDefault): return struct_new_default();
      case fast_code(ArrayNew): return array_new(true);
      case fast_code(ArrayNewDefault): return array_new(false);
      case fast_code(ArrayNewFixed): return array_new_fixed();
      case fast_code(BrOnCast): return br_on_cast(true);
      case fast_code(BrOnCastFail): return br_on_cast(false);
      case fast_code(RefI31): return ref_i31();
      case fast_code(I31GetS):
      case fast_code(I31GetU): return has(1) && fits(top_[-1], kI31Ref) && advance(p_ + 2) && replace(1, kI32);
      default: return false;
    }
  }
#undef FAST

  WalkCore<false>& walk_;
  const Module& module_;
  const TypeStore& types_;
  const uint8_t* p_ = nullptr;
  const uint8_t* end_ = nullptr;  // of the code
  ValType* top_ = nullptr;
  ValType* floor_ = nullptr;  // of the innermost label
  ValType* base_ = nullptr;
  ValType* last_top_ = nullptr;
  const ValType* locals_ = nullptr;
};

}  // namespace parallax::wasm
