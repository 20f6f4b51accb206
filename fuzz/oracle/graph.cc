#include "fuzz/oracle/graph.h"

namespace parallax::fuzz {

using wasm::RefKind;
using wasm::ValKind;
using wasm::Value;

GraphWalk::GraphWalk(wasm::Embedding& store, Hosts& hosts, Observation& out)
    : store_(store), hosts_(hosts), out_(out), slots_(64) {}

void GraphWalk::grow() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.number == 0) continue;
    size_t at = (slot.ref.name * 0x9e3779b97f4a7c15ull >> 32) & (slots_.size() - 1);
    while (slots_[at].number != 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = slot;
  }
}

uint32_t GraphWalk::number_of(const wasm::Ref& ref, bool& is_new) {
  size_t at = (ref.name * 0x9e3779b97f4a7c15ull >> 32) & (slots_.size() - 1);
  while (slots_[at].number != 0) {
    if (slots_[at].ref == ref) {
      is_new = false;
      return slots_[at].number - 1;
    }
    at = (at + 1) & (slots_.size() - 1);
  }
  is_new = true;
  const auto number = static_cast<uint32_t>(queue_.size());
  slots_[at] = {ref, number + 1};
  return number;
}

void GraphWalk::put(const Value& value) {
  if (value.kind != ValKind::kRef || value.ref.kind == RefKind::kNull || value.ref.kind == RefKind::kI31 ||
      value.ref.kind == RefKind::kHost) {
    return hosts_.put_shallow(value);
  }
  if (value.ref.kind == RefKind::kFunc && hosts_.put_func(value)) return;
  bool is_new = false;
  const uint32_t number = number_of(value.ref, is_new);
  out_.put(is_new ? Tok::kObject : Tok::kSeen, static_cast<uint32_t>(value.ref.kind), number);
  if (!is_new) return;
  queue_.push_back(value);
  if (queue_.size() * 2 > slots_.size()) grow();
}

void GraphWalk::put_contents(uint32_t number) {
  const Value value = queue_[number];
  out_.put(Tok::kContents, static_cast<uint32_t>(value.ref.kind), number);
  const auto view = store_.inspect(value);
  if (!view) {
    out_.fail(FaultClass::kInvariant, view.error().message);
    return out_.put(Tok::kBroken);
  }
  if (view->kind == RefKind::kExn) {
    hosts_.put_tag(view->tag);
  } else {
    out_.put(Tok::kType, view->type.raw);
  }
  if (view->kind == RefKind::kFunc) return;
  out_.put(Tok::kLength, view->length);
  const uint64_t visited = view->length < kMaxElements ? view->length : kMaxElements;
  for (uint64_t i = 0; i < visited; ++i) {
    const auto field = store_.field(value, i);
    if (!field) {
      out_.fail(FaultClass::kInvariant, field.error().message);
      return out_.put(Tok::kBroken);
    }
    out_.put(Tok::kField, i);
    put(*field);
  }
  values_ += visited;
}

void GraphWalk::drain() {
  while (drained_ < queue_.size() && !truncated_) {
    if (drained_ >= kMaxObjects || values_ >= kMaxValues) {
      truncated_ = true;
      return out_.put(Tok::kTruncated);
    }
    put_contents(static_cast<uint32_t>(drained_++));
  }
}

}  // namespace parallax::fuzz
