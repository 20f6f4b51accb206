// Handlers of control: moves, branches, calls, returns, exceptions, exits, hooks.
#include "interp/handler.h"

namespace parallax::interp {

// --- Moves -------------------------------------------------------------------------------------------------------

INTERP_HANDLER(op_copy) {
  fp[ip->a] = fp[ip->b];
  INTERP_NEXT();
}
INTERP_HANDLER(op_copy_copy) {
  fp[ip->a] = fp[ip->b];
  fp[ip->c] = fp[static_cast<uint32_t>(ip->d)];
  INTERP_NEXT();
}
INTERP_HANDLER(op_copy2) {
  const uint64_t low = fp[ip->b], high = fp[ip->b + 1];
  fp[ip->a] = low;
  fp[ip->a + 1] = high;
  INTERP_NEXT();
}
INTERP_HANDLER(op_const) {
  fp[ip->a] = ip->imm;
  INTERP_NEXT();
}
INTERP_HANDLER(op_const2) {
  std::memcpy(fp + ip->a, ip->pointer<const uint64_t>(), 16);
  INTERP_NEXT();
}
INTERP_HANDLER(op_zero_range) {
  zero_slots(fp + ip->a, ip->b);
  INTERP_NEXT();
}
INTERP_HANDLER(op_select) {
  fp[ip->a] = static_cast<uint32_t>(fp[static_cast<uint32_t>(ip->d)]) != 0 ? fp[ip->b] : fp[ip->c];
  INTERP_NEXT();
}
INTERP_HANDLER(op_select2) {
  const uint64_t* from = fp + (static_cast<uint32_t>(fp[static_cast<uint32_t>(ip->d)]) != 0 ? ip->b : ip->c);
  const uint64_t low = from[0], high = from[1];
  fp[ip->a] = low;
  fp[ip->a + 1] = high;
  INTERP_NEXT();
}

// --- Branches ----------------------------------------------------------------------------------------------------

INTERP_HANDLER(op_jump) { INTERP_JUMP(ip + ip->d); }
INTERP_HANDLER(op_jump_loop) { INTERP_JUMP(branch_target<true>(ip, m)); }

namespace {
template <bool when, bool to_loop>
INTERP_HANDLER(br_if) {
  if ((static_cast<uint32_t>(fp[ip->b]) != 0) == when) INTERP_JUMP(branch_target<to_loop>(ip, m));
  INTERP_NEXT();
}
template <bool when, bool to_loop>
INTERP_HANDLER(br_null) {
  if ((fp[ip->b] == kNullWord) == when) INTERP_JUMP(branch_target<to_loop>(ip, m));
  INTERP_NEXT();
}
}  // namespace

const BranchHandlers kBranchIf = {br_if<true, false>, br_if<false, false>, br_if<true, true>, br_if<false, true>};
const BranchHandlers kBranchNull = {br_null<true, false>, br_null<false, false>, br_null<true, true>,
                                    br_null<false, true>};

INTERP_HANDLER(op_br_table) {
  const auto index = static_cast<uint32_t>(fp[ip->b]);
  INTERP_JUMP(ip + ip->pointer<const int32_t>()[index < ip->c ? index : ip->c]);
}
// Arrival at a loop's head.
INTERP_HANDLER(op_fuel) {
  if (m->fuel == 0) [[unlikely]] {
    m->exit.kind = wasm::OutcomeKind::kFuelExhausted;
    INTERP_EXIT();
  }
  --m->fuel;
  INTERP_NEXT();
}

// --- Exits -------------------------------------------------------------------------------------------------------

INTERP_HANDLER(op_exit) {
  m->top->ip = ip;
  m->store->locate_exit(ip);
}
INTERP_HANDLER(op_trapped) {
  m->exit.kind = wasm::OutcomeKind::kTrapped;
  INTERP_EXIT();
}
INTERP_HANDLER(op_unreachable) { INTERP_TRAP(kUnreachable); }
INTERP_HANDLER(op_leave_run) {}

// --- Returns -----------------------------------------------------------------------------------------------------

#define INTERP_RETURN()          \
  do {                           \
    --m->top;                    \
    fp = m->top->fp;             \
    INTERP_JUMP(m->top->ip + 1); \
  } while (false)

INTERP_HANDLER(op_return0) { INTERP_RETURN(); }
INTERP_HANDLER(op_return1) {
  fp[0] = fp[ip->b];
  INTERP_RETURN();
}
INTERP_HANDLER(op_return_n) {
  std::memmove(fp, fp + ip->b, uint64_t{ip->c} * sizeof(uint64_t));
  INTERP_RETURN();
}

// --- Calls -------------------------------------------------------------------------------------------------------

namespace {

template <bool tail>
INTERP_HANDLER(enter_slow) {
  ip = m->store->enter_slowly(ip, *m->pending, m->pending_args, tail);
  if (ip == nullptr) return;
  fp = m->top->fp;
  [[clang::musttail]] return ip->handler(ip, fp, m);
}

}  // namespace

// The fast way in: translated, with room on both stacks and fuel. Everything else is Store::enter_slowly.
#define INTERP_CALL(function, first)                                                             \
  do {                                                                                           \
    Func* callee = (function);                                                                   \
    const Code* code = callee->code;                                                             \
    FrameRecord* next = m->top + 1;                                                              \
    if (code == nullptr || next >= m->frames_end || m->fuel == 0 ||                              \
        code->frame_slots > static_cast<uint64_t>(m->stack_end - (fp + (first)))) [[unlikely]] { \
      m->pending = callee;                                                                       \
      m->pending_args = (first);                                                                 \
      [[clang::musttail]] return enter_slow<false>(ip, fp, m);                                   \
    }                                                                                            \
    m->top->ip = ip;                                                                             \
    fp += (first);                                                                               \
    *next = {callee, code, fp, nullptr};                                                         \
    m->top = next;                                                                               \
    --m->fuel;                                                                                   \
    INTERP_JUMP(code->ins.data());                                                               \
  } while (false)

#define INTERP_TAIL_CALL(function, first)                                                                \
  do {                                                                                                   \
    Func* callee = (function);                                                                           \
    const Code* code = callee->code;                                                                     \
    if (code == nullptr || m->fuel == 0 || code->frame_slots > static_cast<uint64_t>(m->stack_end - fp)) \
        [[unlikely]] {                                                                                   \
      m->pending = callee;                                                                               \
      m->pending_args = (first);                                                                         \
      [[clang::musttail]] return enter_slow<true>(ip, fp, m);                                            \
    }                                                                                                    \
    std::memmove(fp, fp + (first), uint64_t{code->param_slots} * sizeof(uint64_t));                      \
    m->top->func = callee;                                                                               \
    m->top->code = code;                                                                                 \
    --m->fuel;                                                                                           \
    INTERP_JUMP(code->ins.data());                                                                       \
  } while (false)

INTERP_HANDLER(op_call) { INTERP_CALL(ip->pointer<Func>(), ip->a); }
INTERP_HANDLER(op_tail_call) { INTERP_TAIL_CALL(ip->pointer<Func>(), ip->a); }

INTERP_HANDLER(op_call_ref) {
  const Word ref = fp[ip->b];
  if (ref == kNullWord) [[unlikely]]
    INTERP_TRAP(kNullFunctionReference);
  INTERP_CALL(Func::of(ref), ip->a);
}
INTERP_HANDLER(op_tail_call_ref) {
  const Word ref = fp[ip->b];
  if (ref == kNullWord) [[unlikely]]
    INTERP_TRAP(kNullFunctionReference);
  INTERP_TAIL_CALL(Func::of(ref), ip->a);
}

// The element must exist, be a function, and have a subtype of the expected type.
#define INTERP_CALLEE(name)                                                                                   \
  const auto* table = ip->pointer<const Table>();                                                             \
  const uint64_t index = fp[ip->b];                                                                           \
  if (index >= table->size) [[unlikely]]                                                                      \
    INTERP_TRAP(kUndefinedElement);                                                                           \
  const Word element = table->elements[index];                                                                \
  if (element == kNullWord) [[unlikely]]                                                                      \
    INTERP_TRAP(kUninitializedElement);                                                                       \
  Func* name = Func::of(element);                                                                             \
  if (name->cell.type != ip->c && !m->store->infos().store().is_subtype(name->type->id, wasm::TypeId(ip->c))) \
      [[unlikely]]                                                                                            \
  INTERP_TRAP(kIndirectCallTypeMismatch)

INTERP_HANDLER(op_call_indirect) {
  INTERP_CALLEE(target);
  INTERP_CALL(target, ip->a);
}
INTERP_HANDLER(op_tail_call_indirect) {
  INTERP_CALLEE(target);
  INTERP_TAIL_CALL(target, ip->a);
}

// --- Exceptions --------------------------------------------------------------------------------------------------

namespace {

// The exception object for the payload at slot a, or null with exit set.
__attribute__((noinline)) ExnCell* make_exception(const Ins* ip, uint64_t* fp, Machine* m) {
  auto* tag = ip->pointer<Tag>();
  m->top->ip = ip;
  ExnCell* exn = m->store->new_exn(*tag);
  if (exn == nullptr) return nullptr;
  const TypeInfo& type = *tag->type;
  const uint64_t* from = fp + ip->a;
  for (uint32_t i = 0; i < type.length(); ++i) {
    exn->slots[i] = *from++;
    if (type.fields[i].kind == FieldKind::kV128) exn->slots[type.length() + i] = *from++;
  }
  return exn;
}

}  // namespace

INTERP_HANDLER(op_throw) {
  ExnCell* exn = make_exception(ip, fp, m);
  if (exn == nullptr) INTERP_EXIT();
  ip = m->store->unwind(ip, word_of(exn));
  if (ip == nullptr) return;
  fp = m->top->fp;
  [[clang::musttail]] return ip->handler(ip, fp, m);
}
INTERP_HANDLER(op_throw_ref) {
  const Word exn = fp[ip->b];
  if (exn == kNullWord) [[unlikely]]
    INTERP_TRAP(kNullExceptionReference);
  ip = m->store->unwind(ip, exn);
  if (ip == nullptr) return;
  fp = m->top->fp;
  [[clang::musttail]] return ip->handler(ip, fp, m);
}

// --- Hooks -------------------------------------------------------------------------------------------------------

INTERP_HANDLER(op_hook_safepoint) {
  m->store->call_hook(m->store->options().on_safepoint, ip, fp);
  INTERP_NEXT();
}
namespace {
__attribute__((noinline)) void trace(Machine* m, const Ins* ip, TraceKind kind, uint64_t digest) {
  const FrameRecord& top = *m->top;
  const wasm::WasmOffset offset = top.code->offsets[static_cast<size_t>(ip - top.code->ins.data())];
  const auto& hook = m->store->options().on_trace;
  if (hook) hook({.kind = kind, .func = top.func->index, .offset = offset, .digest = digest});
}
}  // namespace
INTERP_HANDLER(op_hook_enter) {
  trace(m, ip, TraceKind::kEnter, m->store->digest(ip->pointer<const Func>()->type->sub->params, fp));
  INTERP_NEXT();
}
INTERP_HANDLER(op_hook_leave) {
  trace(m, ip, TraceKind::kLeave, m->store->digest(ip->pointer<const Func>()->type->sub->results, fp + ip->b));
  INTERP_NEXT();
}
INTERP_HANDLER(op_hook_value) {
  const auto kind = static_cast<wasm::ValKind>(ip->a);
  uint64_t digest = kind == wasm::ValKind::kRef ? m->store->digest_word(fp[ip->b]) : fp[ip->b];
  if (kind == wasm::ValKind::kV128) digest ^= fp[ip->b + 1] * 0x9e3779b97f4a7c15ull;
  trace(m, ip, TraceKind::kValue, digest);
  INTERP_NEXT();
}

}  // namespace parallax::interp
