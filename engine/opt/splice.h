// Splicer: takes calls out of a function and puts other code in their place.
//
// What the inliner and the devirtualiser share: splitting a block behind a call, so that results arrive as parameters of
// the second half; making a landing block one that is jumped to, so that several calls and throws reach it; calls that
// stand below such a handler; and the order of blocks, in which new code stands where the call stood.
//
// Expand the calls of one block from the last to the first: each instruction is then moved once.
#pragma once

#include <span>

#include "engine/base/scratch.h"
#include "engine/ir/func.h"

namespace parallax::opt {

// Where a call was.
struct OpenCall {
  ir::BlockId block;    // ends without terminator: the new code begins here
  ir::BlockId after;    // takes the results as parameters; invalid for a tail call
  ir::BlockId handler;  // takes exceptions as its parameter; invalid: they leave the function
};

class Splicer {
 public:
  // Blocks that `func` has now keep their order.
  explicit Splicer(ir::Func& func) : func_(func), first_new_(func.block_count()) {}

  // Removes a call, an invoke or a tail call.
  OpenCall open(ir::InstId call);
  // A block of the code that takes the place of the call that was opened last.
  ir::BlockId new_block();
  // Appends a call (no tail call) to `at`. Below a handler it becomes an invoke, and `at` its normal block.
  ir::InstId call(ir::BlockId& at, const ir::Inst& proto, std::span<const ir::ValueId> args,
                  std::span<const ir::Type> results, ir::BlockId handler);
  ir::InstId append(ir::BlockId at, const ir::Inst& proto, std::span<const ir::ValueId> args,
                    std::span<const ir::Type> results = {}, std::span<const ir::BlockId> targets = {});
  void jump(ir::BlockId from, ir::BlockId target, std::span<const ir::ValueId> args, wasm::WasmOffset offset) {
    append(from, {.op = ir::Op::Jump, .offset = offset}, args, {}, std::span(&target, 1));
  }
  bool changed() const { return !after_.empty() || opened_; }
  // Gives the new blocks their places. Control flow has changed.
  void finish();

 private:
  // What was put in the place of a call stands behind the block that the call stood in, and what followed the call behind
  // that. Of several calls in one block the first was opened last.
  struct After {
    uint32_t behind;
    uint32_t group;  // the call
    uint32_t index;
    ir::BlockId made;
  };
  static constexpr uint32_t kLast = ~0u;

  void open_handler(ir::BlockId handler);
  void place_with_followers(ir::BlockId b);

  ir::Func& func_;
  const size_t first_new_;
  bool opened_ = false;
  uint32_t group_ = 0;
  uint32_t index_ = 0;
  ir::BlockId block_;  // of the call opened last
  Scratch<After> after_;
  Scratch<ir::BlockId> order_;
  Scratch<ir::BlockId> work_;
};

// Operations of calls by kind.
inline bool is_call(ir::Op op) { return op == ir::Op::Call || op == ir::Op::CallRef || op == ir::Op::CallIndirect; }
inline bool is_tail_call(ir::Op op) {
  return op == ir::Op::ReturnCall || op == ir::Op::ReturnCallRef || op == ir::Op::ReturnCallIndirect;
}
// The call that is like a tail call.
inline ir::Op call_for(ir::Op tail) {
  return tail == ir::Op::ReturnCall      ? ir::Op::Call
         : tail == ir::Op::ReturnCallRef ? ir::Op::CallRef
                                         : ir::Op::CallIndirect;
}

}  // namespace parallax::opt
