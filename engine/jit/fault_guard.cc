#include "engine/jit/fault_guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <mutex>

#include "engine/base/text.h"
#include "engine/gc/region.h"
#include "engine/jit/guard_sites.h"
#include "engine/runtime/options.h"
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

// Goes on in an exit stub, which wants: eax offset, ecx function, edx outcome << 8 | trap.
void go_on_in(const void* exit, uint32_t func, uint32_t offset, uint32_t outcome, uint32_t trap, ucontext_t& machine) {
  auto& registers = machine.uc_mcontext.gregs;
  registers[REG_RAX] = static_cast<int64_t>(offset);
  registers[REG_RCX] = static_cast<int64_t>(func);
  registers[REG_RDX] = static_cast<int64_t>(outcome << 8 | trap);
  registers[REG_RIP] = static_cast<int64_t>(reinterpret_cast<uintptr_t>(exit));
}

// An access behind the end of a guarded memory, in the code that does such accesses.
bool trap_out_of_bounds(const void* pc, const void* address, ucontext_t& machine) {
  const CodeSpace* const space = CodeSpace::find(pc);
  if (space == nullptr || space->guard_sites() == nullptr) return false;
  const GuardSite* const site = space->guard_sites()->find(space->offset_of(pc));
  if (site == nullptr) return false;
  const auto at = static_cast<uint64_t>(static_cast<const uint8_t*>(address) - site->memory->base);
  if (at < site->memory->bytes || at >= gc::kGuardReach) return false;
  go_on_in(space->guard_sites()->exit, site->func, site->offset, static_cast<uint32_t>(wasm::OutcomeKind::kTrapped),
           static_cast<uint32_t>(wasm::TrapKind::kMemoryOutOfBounds), machine);
  return true;
}

void on_fault(int signal, siginfo_t* info, void* context) {
  auto* const machine = static_cast<ucontext_t*>(context);
  const auto* const pc = reinterpret_cast<const void*>(machine->uc_mcontext.gregs[REG_RIP]);
  if (trap_out_of_bounds(pc, info->si_addr, *machine)) return;
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
    // A handler that was there before may count on the alternate stack. With address sanitizer that stack is the sanitizer's
    // and small for our reports.
    if (runtime::kHaveGuards) action.sa_flags |= SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, &g_previous);
  });
}

// The thread's alternate signal stack, unless somebody else gave it one.
class SignalStack {
 public:
  SignalStack() {
    stack_t known = {};
    if (sigaltstack(nullptr, &known) != 0 || (known.ss_flags & SS_DISABLE) == 0) return;
    void* const at = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (at == MAP_FAILED) return;  // handlers then run where the fault was, as without us
    const stack_t ours = {.ss_sp = at, .ss_flags = 0, .ss_size = kBytes};
    if (sigaltstack(&ours, nullptr) == 0) {
      at_ = at;
    } else {
      munmap(at, kBytes);
    }
  }
  ~SignalStack() {
    if (at_ == nullptr) return;
    stack_t known = {};
    if (sigaltstack(nullptr, &known) == 0 && known.ss_sp == at_) {
      const stack_t none = {.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
      sigaltstack(&none, nullptr);
    }
    munmap(at_, kBytes);
  }
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

 private:
  static constexpr size_t kBytes = 128 * 1024;
  void* at_ = nullptr;
};

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

void handle_memory_faults() {
  static thread_local bool ready = false;
  if (ready) [[likely]]
    return;
  install_once();
  static thread_local SignalStack stack;
  ready = true;
}

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

  auto& machine = *static_cast<ucontext_t*>(machine_context);
  machine.uc_mcontext.gregs[REG_R13] = static_cast<int64_t>(reinterpret_cast<uintptr_t>(&store_));
  go_on_in(exit_, func, after.func == func ? after.offset : ~0u, store_.exit_kind, 0, machine);
  return true;
}

}  // namespace parallax::jit
