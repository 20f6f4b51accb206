#include "engine/jit/compiler.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>

#include "engine/base/case_clock.h"
#include "engine/base/check.h"
#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "engine/base/thread_clock.h"
#include "engine/ir/text.h"
#include "engine/jit/baseline/compile.h"
#include "engine/jit/callees.h"
#include "engine/jit/disassemble.h"
#include "engine/jit/fault_guard.h"
#include "engine/jit/flow.h"
#include "engine/jit/layout.h"
#include "engine/jit/lower.h"
#include "engine/jit/regalloc/allocate.h"
#include "engine/jit/regalloc/check.h"
#include "engine/jit/regalloc/global.h"
#include "engine/jit/translate.h"
#include "engine/opt/pipeline.h"
#include "engine/runtime/instance.h"
#include "engine/runtime/store.h"

namespace parallax::jit {

using runtime::FuncEntry;
using runtime::StoreContext;
using wasm::OutcomeKind;

// What the stages of one compilation use, with the memory that earlier ones left behind.
struct Workspace {
  Translator translator;
  TranslatedCallees callees;
  ir::Func ir;
  opt::Pipeline pipeline;
  Lowering lowering;
  MFunc machine;
  RegisterAllocator greedy;
  GlobalAllocator global;
  Allocation allocation;
  AllocationChecker checker;
  Flow flow;
  Layout layout;
  x64::Emitter emitter;
  BaselineCompiler baseline{emitter};
  x64::Asm stub_asm;

  static Workspace& of_thread() {
    static thread_local Workspace workspace;
    return workspace;
  }
};

// The slot of StoreContext::jit_words that leads from a store back to its compiler.
static constexpr size_t kCompilerWord = 0;

JitCompiler::JitCompiler(const runtime::EngineOptions& options)
    : options_(options), cpu_(x64::CpuFeatures::of(options.cpu)) {}

JitCompiler::~JitCompiler() { CodeSpace::release(std::move(space_)); }

const wasm::TypeStore& JitCompiler::types() const { return store_->store->types(); }

// --- Life ----------------------------------------------------------------------------------------------------------

void JitCompiler::attach(StoreContext& store) {
  store_ = &store;
  store.jit_words[kCompilerWord] = reinterpret_cast<uint64_t>(this);
  if (const auto ready = prepare(); !ready) no_space_ = ready.error();
}

Result<> JitCompiler::prepare() {
  using Backing = CodeSpace::Backing;
  space_ =
      TRY(CodeSpace::acquire(symbols_ != nullptr && symbols_->perf_map() ? Backing::kNoFile : Backing::kMemoryFile));
  StubCache& cache = space_->stubs();
  TRY(cache.start(Workspace::of_thread().stub_asm, *space_, &JitCompiler::unwind));
  stubs_ = cache.shared();
  leave_threw_ = cache.leave_threw();
  sites_.set_stubs(&cache.sites(), CodeSpace::kStubBytes);
  faults_.exit = stubs_.exit;
  if (space_->is_listed()) space_->set_guard_sites(&faults_);
  name_stubs();
  return {};
}

bool JitCompiler::rewind(StoreContext& store, std::span<const FuncEntry> entries) {
  // Rewrites that may happen and sites of a fault are counted over compilations, which a run with kept code has fewer of.
  // Code knows where guarded memories begin.
  constexpr size_t kMostCode = size_t{8} << 20;
  const bool counts =
      gate_.limit != opt::Gate::kNoLimit || (g_fault.active != Fault::kNone && g_fault.site != FaultState::kEverySite);
  if (&store != store_ || space_ == nullptr || stubs_.exit == nullptr || entries_ != nullptr || counts ||
      options_.memory == runtime::MemoryChecks::kGuard || space_->used() > kMostCode) {
    return false;
  }
  if (kept_.size() < entries.size()) kept_.resize(entries.size());
  for (size_t n = 1; n < entries.size(); ++n) {
    const FuncEntry& entry = entries[n];
    const bool is_compiled = entry.host == nullptr && entry.code != stubs_.compile;
    if (is_compiled || entry.host != nullptr) kept_[n] = is_compiled ? entry.code : nullptr;
  }
  return true;
}

// --- Names ---------------------------------------------------------------------------------------------------------

void JitCompiler::name_code(std::span<const uint8_t> code, std::string name, FrameRule rule, uint32_t frame_at) {
  if (symbols_ != nullptr) symbols_->add({code, std::move(name), rule, frame_at});
}

// Stubs of signatures may be older than this compiler.
void JitCompiler::name_stub(std::span<const uint8_t> code, const char* kind, const Signature& signature,
                            FrameRule rule) {
  if (symbols_ == nullptr || std::ranges::find(named_, code.data()) != named_.end()) return;
  named_.push_back(code.data());
  name_code(code, kind + signature.params + ':' + signature.results, rule, 1);
}

void JitCompiler::name_stubs() {
  if (symbols_ == nullptr) return;
  std::vector<CodeSymbol> stubs;
  const auto add = [&](const uint8_t* begin, std::string name, FrameRule rule) {
    stubs.push_back({{begin, size_t{0}}, std::move(name), rule, 1});
  };
  for (uint32_t b = 0; b < runtime::kBuiltinCount; ++b) {
    add(stubs_.builtins[b], std::string("stub:") + runtime::info(static_cast<runtime::Builtin>(b)).name,
        FrameRule::kPadded);
  }
  add(stubs_.exit, "stub:exit", FrameRule::kNone);
  add(stubs_.throw_, "stub:throw", FrameRule::kPadded);
  add(stubs_.compile, "stub:compile", FrameRule::kFramed);
  add(stubs_.alloc_struct, "stub:bump", FrameRule::kNone);
  std::ranges::sort(stubs, {}, [](const CodeSymbol& s) { return s.code.data(); });
  const uint8_t* end = space_->stubs().shared_end();
  for (size_t n = stubs.size(); n > 0; --n) {
    CodeSymbol& stub = stubs[n - 1];
    stub.code = {stub.code.data(), static_cast<size_t>(end - stub.code.data())};
    end = stub.code.data();
    symbols_->add(stub);
  }
}

// --- Signatures ----------------------------------------------------------------------------------------------------

Result<JitCompiler::Signature*> JitCompiler::signature(wasm::TypeId type) {
  if (space_ == nullptr || stubs_.exit == nullptr) return std::unexpected(no_space_);
  if (type.index() < by_type_.size() && by_type_[type.index()] != nullptr) return by_type_[type.index()];
  const wasm::SubType& func = types().get(type);
  std::string params;
  std::string results;
  x64::append_letters(types(), func.params, params);
  x64::append_letters(types(), func.results, results);
  if (by_type_.size() <= type.index()) by_type_.resize(type.index() + 1);
  return by_type_[type.index()] = &space_->stubs().signature(std::move(params), std::move(results));
}

const void* JitCompiler::initial_code(const FuncEntry& entry) {
  // An entry that cannot be made ready keeps the compile stub, where compile() says why.
  if (entry.host == nullptr) {
    const auto place = static_cast<uint32_t>(entry.id);
    return place < kept_.size() && kept_[place] != nullptr ? kept_[place] : stubs_.compile;
  }
  const auto sig = signature(wasm::TypeId(entry.type));
  if (!sig) return stubs_.compile;
  if (!space_->stubs().need_host(Workspace::of_thread().stub_asm, *space_, **sig, sites_)) return stubs_.compile;
  name_stub({(*sig)->host, (*sig)->host_bytes}, "host:", **sig, FrameRule::kFramed);
  return (*sig)->host;
}

// --- Running -------------------------------------------------------------------------------------------------------

OutcomeKind JitCompiler::enter(FuncEntry& entry, runtime::Slot* slots) {
  const auto refuse = [&](const Error& error) {
    const OutcomeKind kind = error.code == ErrorCode::kIo ? OutcomeKind::kOutOfMemory : OutcomeKind::kUnsupported;
    store_->store->exit_with(kind, error);
    return kind;
  };
  const auto sig = signature(wasm::TypeId(entry.type));
  if (!sig) return refuse(sig.error());
  if (const auto made = space_->stubs().need_entry(Workspace::of_thread().stub_asm, *space_, **sig); !made)
    return refuse(made.error());
  name_stub({reinterpret_cast<const uint8_t*>(reinterpret_cast<uintptr_t>((*sig)->entry)), (*sig)->entry_bytes},
            "entry:", **sig, FrameRule::kEntry);
  EntryRecord record;
  record.outer = entries_;
  record.save(*store_);
  entries_ = &record;
  if (options_.memory == runtime::MemoryChecks::kGuard) handle_memory_faults();
  std::optional<FaultGuard> guard;
  if (options_.zeal.protect || options_.zeal.pages) guard.emplace(*space_, stubs_.exit, *store_);
  const auto kind = static_cast<OutcomeKind>((*sig)->entry(entry.code, &entry, slots, store_));
  if (kind != OutcomeKind::kReturned && kind != OutcomeKind::kThrew && store_->exit_offset == ~0u &&
      space_->contains(store_->last_pc)) {
    // Left by a builtin: its caller's place.
    if (const CallSite* site = sites_.find(space_->offset_of(store_->last_pc)); site != nullptr) {
      store_->exit_offset = site->offset;
      store_->exit_func = site->func;
    }
  }
  entries_ = record.outer;
  record.restore(*store_);
  return kind;
}

void JitCompiler::visit_frames(gc::RootVisitor& visitor) {
  if (frames_listener_ != nullptr) tell_frames();
  jit::visit_frames(view(), visitor, options_.armed || options_.zeal.zap);
}

Place JitCompiler::place_of(const void* site) const {
  if (space_ == nullptr || !space_->contains(site)) return {};
  const CallSite* found = sites_.find(space_->offset_of(site));
  return found == nullptr ? Place{} : Place{found->func, found->offset};
}

Place JitCompiler::place_after(const void* pc) const {
  const CallSite* found = sites_.find_after(space_->offset_of(pc));
  return found == nullptr ? Place{} : Place{found->func, found->offset};
}

void JitCompiler::describe_frames(const FrameVisitor& visit) const {
  jit::describe_frames(view(), [&](const CallSite& site, std::span<const gc::Ref> listed) {
    if (site.func != CallSite::kNone) visit({site.func, site.offset}, listed);
  });
}

void JitCompiler::tell_frames() const {
  const CallSite* site = nullptr;
  if (entries_ != nullptr && space_ != nullptr && space_->contains(store_->last_pc)) {
    site = sites_.find(space_->offset_of(store_->last_pc));
  }
  frames_listener_(frames_context_, store_->store->heap().stats().safepoints, site != nullptr ? site->func : ~0u,
                   site != nullptr ? site->offset : 0);
}

x64::UnwindTarget JitCompiler::unwind(StoreContext* store, const void* pc, void* frame) {
  auto* self = reinterpret_cast<JitCompiler*>(store->jit_words[kCompilerWord]);
  const Handler handler = find_handler(self->view(), pc, frame);
  return handler.pc != nullptr ? x64::UnwindTarget{handler.pc, handler.frame}
                               : x64::UnwindTarget{self->leave_threw_, nullptr};
}

// --- Compiling -----------------------------------------------------------------------------------------------------

Result<const void*> JitCompiler::compile(FuncEntry& entry) {
  if (space_ == nullptr || stubs_.exit == nullptr) return std::unexpected(no_space_);
  if (entry.host != nullptr) return fail(ErrorCode::kIo, 0, "no code memory for the stub of a host function");
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  const size_t used = space_->used();
  auto code = compile_func(entry);
  if (code) resolve_links(entry, *code);
  const auto took = static_cast<uint64_t>((Clock::now() - begin) / std::chrono::nanoseconds(1));
  for (CompileStats* stats : {&stats_, &of_thread()}) {
    ++(code ? stats->functions : stats->failures);
    stats->code_bytes += space_->used() - used;
    stats->nanoseconds += took;
  }
  return code;
}

void JitCompiler::keep(const FuncEntry& entry, const uint8_t* code, const x64::Emitter& emitter) {
  if (symbols_ != nullptr) {
    const uint32_t frame_at = emitter.frame_at();
    name_code({code, space_->used() - space_->offset_of(code)},
              symbols_->name_of(entry.ctx->instance->module, entry.func_index),
              frame_at == 0 ? FrameRule::kNone : FrameRule::kFramed, frame_at);
  }
  for (const x64::OpenLink& open : emitter.open_links()) {
    const auto index = static_cast<uint32_t>(open.callee);
    if (first_link_.size() <= index) first_link_.resize(index + 1, ~0u);
    links_.push_back({open, first_link_[index]});
    first_link_[index] = static_cast<uint32_t>(links_.size() - 1);
  }
}

void JitCompiler::resolve_links(const FuncEntry& entry, const void* code) {
  const auto index = static_cast<uint32_t>(entry.id);
  if (index >= first_link_.size()) return;
  for (uint32_t n = std::exchange(first_link_[index], ~0u); n != ~0u; n = links_[n].next) {
    // Links of an older function of this index are in code that nobody runs.
    if (links_[n].open.callee == entry.id) space_->relink(links_[n].open.at, space_->offset_of(code));
  }
}

CompileStats& JitCompiler::of_thread() {
  static thread_local CompileStats stats;
  return stats;
}

namespace {

// Gives the time since the last call to a stage, and hands the case's clock on. Does nothing when nobody asks.
class StageClock {
 public:
  StageClock(StageTimes* times, CaseStage first)
      : times_(times), last_(times != nullptr ? thread_nanoseconds() : 0), stage_(first) {}
  void end(StageTimes::Stage stage) {
    // What follows each stage. ORDER: StageTimes::Stage.
    static constexpr CaseStage kNext[] = {CaseStage::kPasses, CaseStage::kLower, CaseStage::kAllocate,
                                          CaseStage::kJudges, CaseStage::kEmit,  CaseStage::kEmit,
                                          CaseStage::kEmit,   CaseStage::kEmit};
    static_assert(std::size(kNext) == StageTimes::kCount);
    stage_.next(kNext[stage]);
    if (times_ == nullptr) return;
    const uint64_t now = thread_nanoseconds();
    times_->stages[stage] += now - last_;
    last_ = now;
  }

 private:
  StageTimes* times_;
  uint64_t last_;
  InStage stage_;
};

}  // namespace
ModuleFacts& JitCompiler::facts_of(const wasm::Module& module) {
  auto& known = facts_[&module];  // instances keep their modules as long as the store lives
  if (known == nullptr) known = std::make_unique<ModuleFacts>(module);
  return *known;
}

static opt::Level level_of(runtime::OptLevel level) { return static_cast<opt::Level>(level); }

// The greedy allocator is for fast compilation, and for functions too large for the other.
Result<> JitCompiler::allocate(Workspace& w, uint64_t chaos) {
  if (options_.level == runtime::OptLevel::kO0) return w.greedy.run(w.machine, w.allocation, {.chaos_seed = chaos});
  w.flow.run(w.machine);
  auto done = w.global.run(w.machine, w.flow, w.allocation, {.chaos_seed = chaos});
  if (done || done.error().code != ErrorCode::kLimit) return done;
  ++stats_.greedy_instead;
  ++of_thread().greedy_instead;
  return w.greedy.run(w.machine, w.allocation, {.chaos_seed = chaos});
}

bool JitCompiler::has_baseline() const {
  return baseline_ && !ir_source_ && options_.level == runtime::OptLevel::kO0 && gate_.disabled == 0 &&
         gate_.limit == opt::Gate::kNoLimit;
}

uint64_t JitCompiler::chaos_for(const FuncEntry& entry) const {
  return options_.chaos_seed == 0 ? 0 : options_.chaos_seed + entry.func_index + 1;
}

void JitCompiler::dump_code(Workspace& w, const FuncEntry& entry, const uint8_t* code) const {
  if (dump_ == nullptr) return;
  const std::span bytes(code, space_->used() - space_->offset_of(code));
  dump(wasm::FuncIndex(entry.func_index), "code",
       disassemble(bytes, space_->offset_of(code), w.emitter.notes(), sites_));
}

// In one pass. Error kUnsupported: this function takes the long way.
Result<const void*> JitCompiler::compile_baseline(FuncEntry& entry) {
  Workspace& w = Workspace::of_thread();
  StageClock clock(times_, CaseStage::kBaseline);
  const uint8_t* code = TRY(w.baseline.compile({.entry = &entry,
                                                .layouts = &store_->store->layouts(),
                                                .types = &types(),
                                                .stubs = &stubs_,
                                                .guard_sites = &faults_,
                                                .cpu = cpu_,
                                                .fault = fault_,
                                                .guards = space_->is_listed(),
                                                .barriers = options_.collector == runtime::GcKind::kGenerational,
                                                .armed = options_.armed,
                                                .poll_at_budget = store_->zeal_polls != 0,
                                                .listing = dump_ != nullptr,
                                                .validate = (options_.verify || options_.armed) && !options_.unverified,
                                                .chaos_seed = chaos_for(entry)},
                                               *space_, sites_));
  clock.end(StageTimes::kBaseline);
  keep(entry, code, w.emitter);
  dump_code(w, entry, code);
  return code;
}

Result<const void*> JitCompiler::compile_func(FuncEntry& entry) {
  const auto count = [&](uint64_t CompileStats::* counter) {
    ++(stats_.*counter);
    ++(of_thread().*counter);
  };
  const bool first = has_baseline();
  if (first) {
    auto code = compile_baseline(entry);
    if (code || code.error().code != ErrorCode::kUnsupported) return code;
    count(&CompileStats::not_baseline);
  }
  auto code = compile_through_ir(entry);
  const bool too_large = !code && code.error().code == ErrorCode::kLimit && !says_full(code.error());
  if (!too_large || first || !baseline_ || ir_source_) return code;
  auto instead = compile_baseline(entry);
  if (!instead && instead.error().code == ErrorCode::kUnsupported) return code;
  if (instead) count(&CompileStats::baseline_instead);
  return instead;
}

Result<const void*> JitCompiler::compile_through_ir(FuncEntry& entry) {
  Workspace& w = Workspace::of_thread();
  const runtime::Instance* instance = entry.ctx->instance;
  const wasm::FuncIndex func(entry.func_index);
  const bool verify = (options_.verify || options_.armed) && !options_.unverified;
  // What a module may use was decided when it was loaded.
  const TranslateOptions options{.features = {.bits = ~0u}, .poll_at_budget = store_->zeal_polls != 0};
  StageClock clock(times_, CaseStage::kTranslate);
  w.callees.start(w.translator, *instance->module, options, instance, &facts_of(*instance->module));
  if (ir_source_ && ir_source_(*instance->module, func, w.ir)) {
    w.ir.poll_at_budget = options.poll_at_budget;
  } else if (const ir::Func* known = w.callees.at_hand(func); known != nullptr) {
    w.ir = *known;
  } else {
    TRY(w.translator.translate(*instance->module, func, options, w.ir));
  }
  clock.end(StageTimes::kTranslate);

  struct DumpContext {
    JitCompiler* self;
    wasm::FuncIndex func;
  } dump_context{this, func};
  opt::PipelineOptions passes{.level = level_of(options_.level),
                              .verify = verify,
                              .time = times_ != nullptr,
                              .gate = &gate_,
                              .callees = ir_source_ ? nullptr : &w.callees};
  if (dump_ != nullptr) {
    passes.dump_context = &dump_context;
    passes.dump = [](void* context, const ir::Func& f, const char* stage) {
      const auto& c = *static_cast<DumpContext*>(context);
      c.self->dump(c.func, stage, ir::print(f));
    };
  }
  w.pipeline.nanoseconds = {};
  TRY(w.pipeline.run(w.ir, passes));
  clock.end(StageTimes::kPasses);
  for (size_t pass = 0; times_ != nullptr && pass < opt::kPassCount; ++pass) {
    times_->passes[pass] += w.pipeline.nanoseconds[pass];
  }

  TRY(w.lowering.run({.func = &w.ir,
                      .entry = &entry,
                      .instance = instance,
                      .layouts = &store_->store->layouts(),
                      .cpu = cpu_,
                      .guards = space_->is_listed(),
                      .armed = options_.armed,
                      .barriers = options_.collector == runtime::GcKind::kGenerational},
                     w.machine));
  clock.end(StageTimes::kLower);
  if (dump_ != nullptr) dump(func, "machine", w.machine.print());
  TRY(allocate(w, chaos_for(entry)));
  clock.end(StageTimes::kAllocate);
  if (dump_ != nullptr) dump(func, "allocated", print(w.machine, w.allocation));
  if (verify) TRY(w.checker.check(w.machine, w.allocation));
  clock.end(StageTimes::kCheck);
  if (options_.level == runtime::OptLevel::kO0) {
    w.layout.natural(w.machine, w.allocation);
  } else {
    w.layout.optimize(w.machine, w.allocation, w.flow);
  }
  clock.end(StageTimes::kLayout);
  const auto values = dump_ != nullptr ? w.lowering.values_by_vreg() : std::vector<uint32_t>();
  const uint8_t* code = TRY(w.emitter.emit({.func = &w.machine,
                                            .allocation = &w.allocation,
                                            .layout = &w.layout,
                                            .types = &types(),
                                            .stubs = &stubs_,
                                            .entry = &entry,
                                            .guard_sites = &faults_,
                                            .cpu = cpu_,
                                            .fault = fault_,
                                            .listing = dump_ != nullptr,
                                            .values = values,
                                            .validate = verify},
                                           *space_, sites_));
  clock.end(StageTimes::kEmit);
  keep(entry, code, w.emitter);
  dump_code(w, entry, code);
  return code;
}

}  // namespace parallax::jit
