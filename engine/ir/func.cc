// Storage and edits of Func, and the choke point of rewrites.   [establishes I3]
#include "engine/ir/func.h"

#include <algorithm>

#include "engine/base/check.h"
#include "engine/base/text.h"

namespace parallax::ir {

const OpInfo kOpTable[kOpCount] = {
#define IR_OP(id, text, immediates, operands, results, flags) {text, immediates, operands, results, flags},
#include "engine/ir/ops.def"
#undef IR_OP
};

void Func::reset(const wasm::Module& module, wasm::FuncIndex func) {
  module_ = &module;
  index_ = func;
  poll_at_budget = false;
  has_maps = false;
  failure.reset();
  rewrites = 0;
  inlined = {};
  blocks_.clear();
  order_.clear();
  insts_.clear();
  values_.clear();
  pool_.clear();
  targets_.clear();
  forward_.clear();
  contents_ = {};
  slot_count_ = 0;
  maps_.clear();
  map_slots_.clear();
}

// --- Home slots and stack maps -----------------------------------------------------------------------------------

void Func::set_stack_map(InstId inst, std::span<const SlotId> slots) {
  const auto begin = static_cast<uint32_t>(map_slots_.size());
  map_slots_.insert(map_slots_.end(), slots.begin(), slots.end());
  maps_.push_back({begin, static_cast<uint32_t>(slots.size())});
  insts_[inst.index()].map = static_cast<uint32_t>(maps_.size() - 1);
}

// --- Building ------------------------------------------------------------------------------------------------------

BlockId Func::add_block() {
  const BlockId id(blocks_.size());
  blocks_.emplace_back();
  order_.push_back(id);
  return id;
}

Value& Func::add_value(const Value& value) {
  if (value.rep == Rep::kF32 || value.rep == Rep::kF64) contents_.note(Trait::kFloat);
  return values_.emplace_back(value);
}

ValueId Func::add_param(BlockId id, Type type) {
  Block& block = blocks_[id.index()];
  if (block.params_begin + block.params_count != pool_.size()) {  // grow at the end of the pool
    const auto begin = static_cast<uint32_t>(pool_.size());
    for (uint32_t i = 0; i < block.params_count; ++i) pool_.push_back(pool_[block.params_begin + i]);
    block.params_begin = begin;
  }
  const ValueId value(values_.size());
  if (id != kEntry) contents_.note(Trait::kParams);
  add_value({.type = type, .rep = rep_of(types(), type), .block = id, .inst = {}, .index = block.params_count});
  pool_.push_back(value);
  ++block.params_count;
  return value;
}

InstId Func::make(const Inst& proto, std::span<const ValueId> args, std::span<const Type> results,
                  std::span<const BlockId> targets) {
  const InstId id(insts_.size());
  insts_.push_back(proto);
  Inst& inst = insts_.back();
  contents_.note(inst.op);
  if (inst.op == Op::Compute && inst.opcode >= wasm::Opcode::I32DivS && inst.opcode <= wasm::Opcode::I32RemU) {
    contents_.note(Trait::kDivision);
  }
  inst.block = {};
  inst.prev = inst.next = {};
  inst.args_begin = static_cast<uint32_t>(pool_.size());
  inst.args_count = static_cast<uint32_t>(args.size());
  if (!args.empty() && args.data() >= pool_.data() && args.data() < pool_.data() + pool_.size()) {
    const size_t from = static_cast<size_t>(args.data() - pool_.data());  // operands of another instruction
    for (size_t n = 0; n < inst.args_count; ++n) pool_.push_back(ValueId(pool_[from + n]));
  } else {
    for (const ValueId arg : args) pool_.push_back(arg);
  }
  inst.targets_begin = static_cast<uint32_t>(targets_.size());
  inst.targets_count = static_cast<uint32_t>(targets.size());
  for (const BlockId target : targets) targets_.push_back(target);
  inst.first_result = results.empty() ? ValueId() : ValueId(values_.size());
  inst.results_count = static_cast<uint32_t>(results.size());
  for (uint32_t i = 0; i < results.size(); ++i) {
    add_value({.type = results[i], .rep = rep_of(types(), results[i]), .block = {}, .inst = id, .index = i});
  }
  return id;
}

void Func::append(BlockId block_id, InstId id) {
  Block& block = blocks_[block_id.index()];
  Inst& inst = insts_[id.index()];
  inst.block = block_id;
  inst.prev = block.last;
  inst.next = {};
  (block.last.valid() ? insts_[block.last.index()].next : block.first) = id;
  block.last = id;
}

void Func::insert_before(InstId position, InstId id) {
  Inst& at = insts_[position.index()];
  Inst& inst = insts_[id.index()];
  Block& block = blocks_[at.block.index()];
  inst.block = at.block;
  inst.prev = at.prev;
  inst.next = position;
  (at.prev.valid() ? insts_[at.prev.index()].next : block.first) = id;
  at.prev = id;
}

void Func::insert_after(InstId position, InstId id) {
  const Inst& at = insts_[position.index()];
  if (at.next.valid()) return insert_before(at.next, id);
  append(at.block, id);
}

void Func::insert_first(BlockId block_id, InstId id) {
  const InstId first = blocks_[block_id.index()].first;
  if (!first.valid()) return append(block_id, id);
  if (insts_[first.index()].op == Op::CaughtExn) return insert_after(first, id);
  insert_before(first, id);
}

void Func::remove(InstId id) {
  Inst& inst = insts_[id.index()];
  if (!inst.block.valid()) return record_failure("removal of a removed instruction", inst.first_result, kNone, kNone);
  Block& block = blocks_[inst.block.index()];
  (inst.prev.valid() ? insts_[inst.prev.index()].next : block.first) = inst.next;
  (inst.next.valid() ? insts_[inst.next.index()].prev : block.last) = inst.prev;
  inst.block = {};
}

void Func::remove_block(BlockId id) {
  for_each_inst(*this, id, [&](InstId i) { insts_[i.index()].block = {}; });
  Block& block = blocks_[id.index()];
  block.first = block.last = {};
  block.live = false;
}

void Func::splice(BlockId to, BlockId from) {
  for_each_inst(*this, from, [&](InstId i) { append(to, i); });
  blocks_[from.index()].first = blocks_[from.index()].last = {};
  blocks_[from.index()].live = false;
}

BlockId Func::split_after(InstId id) {
  const BlockId made = add_block();
  const BlockId from = insts_[id.index()].block;
  for (InstId i = insts_[id.index()].next; i.valid();) {
    const InstId next = insts_[i.index()].next;
    append(made, i);
    i = next;
  }
  insts_[id.index()].next = {};
  blocks_[from.index()].last = id;
  return made;
}

void Func::compact_order() {
  std::erase_if(order_, [&](BlockId b) { return !blocks_[b.index()].live; });
}

void Func::set_args(InstId id, std::span<const ValueId> args) {
  Inst& inst = insts_[id.index()];
  if (args.size() > inst.args_count) {
    inst.args_begin = static_cast<uint32_t>(pool_.size());
    pool_.resize(pool_.size() + args.size());
  }
  inst.args_count = static_cast<uint32_t>(args.size());
  std::copy(args.begin(), args.end(), pool_.begin() + inst.args_begin);
}

void Func::set_targets(InstId id, std::span<const BlockId> targets) {
  Inst& inst = insts_[id.index()];
  if (targets.size() > inst.targets_count) {
    inst.targets_begin = static_cast<uint32_t>(targets_.size());
    targets_.resize(targets_.size() + targets.size());
  }
  inst.targets_count = static_cast<uint32_t>(targets.size());
  std::copy(targets.begin(), targets.end(), targets_.begin() + inst.targets_begin);
}

void Func::set_params(BlockId id, std::span<const ValueId> params) {
  Block& block = blocks_[id.index()];
  CHECK(params.size() <= block.params_count, "I3: block b{} gains parameters by set_params", id.raw);
  for (uint32_t i = 0; i < params.size(); ++i) {
    pool_[block.params_begin + i] = params[i];
    values_[params[i].index()].index = i;
  }
  block.params_count = static_cast<uint32_t>(params.size());
}

// --- Rewriting -------------------------------------------------------------------------------------------------------

void Func::record_failure(const char* what, ValueId a, Type was, Type now) {
  if (failure) return;
  const Inst* def = a.valid() ? this->def(a) : nullptr;
  failure = Error{ErrorCode::kInvariant, def != nullptr ? def->offset : 0,
                  text::format("I3: rewrite {} ({}) of v{} in function {}: type {} is not a subtype of {}", rewrites,
                               what, a.raw, index_.raw, to_string(now), to_string(was))};
}

void Func::narrow(ValueId id, Type type) {
  ++rewrites;
  Value& value = values_[id.index()];
  if (!types().matches(type, value.type)) return record_failure("narrow", id, value.type, type);
  value.type = type;
}

void Func::replace(ValueId a, ValueId b) {
  ++rewrites;
  b = resolve(b);
  if (a == b) return record_failure("replacement by itself", a, type(a), type(b));
  if (!types().matches(type(b), type(a))) return record_failure("replace", a, type(a), type(b));
  if (forward_.size() < values_.size()) forward_.resize(values_.size());
  forward_[a.index()] = b;
}

void Func::commit() {
  if (forward_.empty()) return;
  for (ValueId& v : forward_) {  // compress paths first, so that the sweep below is one step a use
    if (v.valid()) v = resolve(v);
  }
  for (const BlockId b : order_) {
    if (!blocks_[b.index()].live) continue;
    for (InstId i = blocks_[b.index()].first; i.valid(); i = insts_[i.index()].next) {
      const Inst& inst = insts_[i.index()];
      for (uint32_t n = 0; n < inst.args_count; ++n) {
        ValueId& arg = pool_[inst.args_begin + n];
        arg = resolve(arg);
      }
    }
  }
  forward_.clear();
}

}  // namespace parallax::ir
