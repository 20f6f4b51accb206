#include "engine/jit/fault_guard.h"

#include <signal.h>
#include <ucontext.h>

#include <mutex>

#include "engine/base/text.h"
#include "engine/runtime/store.h"

namespace parallax::jit {

namespace {

thread_local FaultGuard* t_innermost = nullptr;
struct sigaction g_previous;

// Names are 32 bits, elements of 2^32 arrays lie behind them (region.h).
constexpr uint64_t kHeapReach = uint64_t{68} << 30;

void pass_on(int signal, siginfo_t* info, void* context) {
  if ((g_previous.sa_flags & SA_SIGINFO) != 0) {
    g_previous.sa_sigaction(signal, info, context);
  } else if (g_previous.sa_handler != SIG_DFL && g_previous.sa_handler != SIG_IGN) {
    g_previous.sa_handler(signal);
  } else {  // returning repeats the access, now with the default action
    sigaction(signal, &g_previous, nullptr);
  }
}

void on_fault(int signal, siginfo_t* info, void* context) {
  auto* const machine = static_cast<ucontext_t*>(context);
  const auto* const pc = reinterpret_cast<const void*>(machine->uc_mcontext.gregs[REG_RIP]);
  const bool is_write = (machine->uc_mcontext.gregs[REG_ERR] & 2) != 0;
  for (FaultGuard* guard = t_innermost; guard != nullptr; guard = guard->outer()) {
    if (guard->handle(pc, info->si_addr, is_write, context)) return;
  }
  pass_on(signal, info, context);
}

void install_once() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, &g_previous);
  });
}

// The function whose code begins last before `pc`.
uint32_t function_at(runtime::StoreContext& store, const void* pc) {
  const runtime::FuncEntry* found = nullptr;
  for (uint64_t i = 1; i < store.func_count; ++i) {
    const runtime::FuncEntry& entry = store.funcs[i];
    if (entry.host != nullptr || entry.code > pc) continue;
    if (found == nullptr || entry.code > found->code) found = &entry;
  }
  return found == nullptr ? ~0u : found->func_index;
}

}  // namespace

FaultGuard::FaultGuard(const CodeSpace& space, const void* exit, runtime::StoreContext& store)
    : space_(space), exit_(exit), store_(store), outer_(t_innermost) {
  install_once();
  t_innermost = this;
}

FaultGuard::~FaultGuard() { t_innermost = outer_; }

bool FaultGuard::handle(const void* pc, const void* address, bool is_write, void* machine_context) {
  if (!space_.contains(pc)) return false;
  const auto at = static_cast<uint64_t>(static_cast<const uint8_t*>(address) - store_.heap_base);
  if (at >= kHeapReach) return false;
  runtime::Store& store = *store_.store;
  const uint32_t func = function_at(store_, pc);
  std::string text = text::format("I1: compiled code {} retired space at {:#x} in function {}",
                                  is_write ? "writes to" : "reads", at, func);
  const Place after = store.compiler()->place_after(pc);
  if (after.func == func) text += text::format("\n  before the call at {:#x}", after.offset);
  const gc::Ref object = store.heap().nearest_start(at);
  if (object.is_object()) text += text::format("\n  {:#x} is {}", object.bits, store.heap().describe(object));
  store.exit_invariant(std::move(text));

  // Goes on in the exit stub: eax offset, ecx function, edx outcome << 8 | trap.
  auto& registers = static_cast<ucontext_t*>(machine_context)->uc_mcontext.gregs;
  registers[REG_RAX] = static_cast<int64_t>(after.func == func ? after.offset : ~0u);
  registers[REG_RCX] = static_cast<int64_t>(func);
  registers[REG_RDX] = static_cast<int64_t>(store_.exit_kind) << 8;
  registers[REG_R13] = static_cast<int64_t>(reinterpret_cast<uintptr_t>(&store_));
  registers[REG_RIP] = static_cast<int64_t>(reinterpret_cast<uintptr_t>(exit_));
  return true;
}

}  // namespace parallax::jit
