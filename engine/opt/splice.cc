// Splitting around calls, and the order of blocks.
#include "engine/opt/splice.h"

#include <algorithm>
#include <tuple>

namespace parallax::opt {

using ir::BlockId;
using ir::Inst;
using ir::InstId;
using ir::Op;
using ir::Type;
using ir::ValueId;

OpenCall Splicer::open(InstId call) {
  ++group_;
  index_ = 0;
  opened_ = true;
  block_ = func_.inst(call).block;
  OpenCall place{.block = block_};
  if (is_tail_call(func_.inst(call).op)) {
    func_.remove(call);
    return place;
  }
  const bool invoke = func_.is_invoke(func_.inst(call));
  place.after = invoke ? func_.add_block() : func_.split_after(call);
  after_.push_back({block_.raw, group_, kLast, place.after});
  for (uint32_t n = 0; n < func_.inst(call).results_count; ++n) {
    const ValueId result = func_.result(call, n);
    func_.replace(result, func_.add_param(place.after, func_.type(result)));
  }
  if (invoke) {
    const BlockId normal = func_.targets(call)[0];
    place.handler = func_.targets(call)[1];
    jump(place.after, normal, {}, func_.inst(call).offset);
    open_handler(place.handler);
  }
  func_.remove(call);
  return place;
}

// A landing block becomes one that is jumped to, with the exception as its parameter.
void Splicer::open_handler(BlockId handler) {
  const InstId caught = func_.block(handler).first;
  const ValueId exn = func_.result(caught);
  func_.replace(exn, func_.add_param(handler, func_.type(exn)));
  func_.remove(caught);
  func_.edit(handler).landing = false;
}

BlockId Splicer::new_block() {
  const BlockId made = func_.add_block();
  after_.push_back({block_.raw, group_, index_++, made});
  return made;
}

InstId Splicer::append(BlockId at, const Inst& proto, std::span<const ValueId> args, std::span<const Type> results,
                       std::span<const BlockId> targets) {
  const InstId made = func_.make(proto, args, results, targets);
  func_.append(at, made);
  return made;
}

InstId Splicer::call(BlockId& at, const Inst& proto, std::span<const ValueId> args, std::span<const Type> results,
                     BlockId handler) {
  if (!handler.valid()) return append(at, proto, args, results);
  const BlockId targets[] = {new_block(), new_block()};
  func_.edit(targets[1]).landing = true;
  const InstId made = append(at, proto, args, results, targets);
  const Type exn = func_.type(func_.params(handler)[0]);
  const InstId caught = append(targets[1], {.op = Op::CaughtExn, .offset = proto.offset}, {}, std::span(&exn, 1));
  const ValueId thrown[] = {func_.result(caught)};
  jump(targets[1], handler, thrown, proto.offset);
  at = targets[0];
  return made;
}

void Splicer::finish() {
  std::ranges::sort(after_, {}, [](const After& a) { return std::tuple(a.behind, ~a.group, a.index); });
  order_.clear();
  for (const BlockId b : func_.order()) {
    if (b.index() < first_new_) place_with_followers(b);
  }
  func_.set_order(order_);
}

void Splicer::place_with_followers(BlockId b) {
  work_.push_back(b);
  while (!work_.empty()) {
    const BlockId at = work_.back();
    work_.pop_back();
    order_.push_back(at);
    auto it = std::ranges::upper_bound(after_, at.raw, {}, &After::behind);
    while (it != after_.begin() && (--it)->behind == at.raw) work_.push_back(it->made);
  }
}

}  // namespace parallax::opt
