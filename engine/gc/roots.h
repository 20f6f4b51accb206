// RootVisitor: the one interface through which a collector or verifier sees references outside the heap.
#pragma once

#include <cstdint>

#include "engine/gc/ref.h"

namespace parallax::gc {

// Where a root stands; printed when it is wrong.
enum class RootKind : uint8_t {
  kGlobal,
  kTable,
  kElemSegment,
  kHostRoot,   // RootId of the embedder
  kHandle,     // Rooted of runtime code, constant expressions included
  kException,  // in flight
  kFrame,      // home slot of a compiled frame
};
inline constexpr const char* kRootKindText[] = {"global",    "table", "element segment", "host root", "handle",
                                                "exception", "frame"};  // ORDER: matches RootKind

// The invariant that a wrong root of this kind breaks: a slot named by a stack map is I2's, everything else I1's.
constexpr const char* invariant_of(RootKind kind) { return kind == RootKind::kFrame ? "I2" : "I1"; }

class RootVisitor {
 public:
  virtual ~RootVisitor() = default;
  // `slot` may be overwritten with the object's new name. `site` tells roots of one kind apart in messages: table or
  // global number, wasm offset of the safepoint for frames.
  virtual void visit(Ref* slot, RootKind kind, uint64_t site) = 0;
};

// Whoever holds roots: the store, and behind it the compiled frames.
class RootSource {
 public:
  virtual ~RootSource() = default;
  // Visits every slot exactly once. Must not allocate in the heap.
  virtual void visit_roots(RootVisitor& visitor) = 0;
};

}  // namespace parallax::gc
