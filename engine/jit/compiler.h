// JitCompiler: makes the functions of one store executable (runtime::Compiler).
//
// compile() runs translate -> passes -> lower -> allocate -> check -> emit, or at O0 the baseline compiler, which also takes
// what is too large for the long way at any level; every failure is a Result, never an abort.
// Scratch memory of all stages is kept per thread and reused by the next function and the next store.
#pragma once

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/jit/call_sites.h"
#include "engine/jit/code_space.h"
#include "engine/jit/frames.h"
#include "engine/jit/guard_sites.h"
#include "engine/jit/ir_source.h"
#include "engine/jit/module_facts.h"
#include "engine/jit/stub_cache.h"
#include "engine/jit/symbols.h"
#include "engine/jit/x64/stubs.h"
#include "engine/opt/gate.h"
#include "engine/runtime/compiler.h"
#include "engine/runtime/options.h"

namespace parallax::jit {

struct Workspace;

struct CompileStats {
  uint64_t functions = 0;
  uint64_t code_bytes = 0;
  uint64_t failures = 0;
  uint64_t greedy_instead = 0;    // functions that were too large for the allocator of their level
  uint64_t not_baseline = 0;      // functions at O0 that the baseline compiler left to the other
  uint64_t baseline_instead = 0;  // functions that were too large for the way through the IR
  uint64_t nanoseconds = 0;
};

// Where compile time goes, in nanoseconds of processor time, as far as anybody asked.
struct StageTimes {
  enum Stage : uint8_t { kTranslate, kPasses, kLower, kAllocate, kCheck, kLayout, kEmit, kBaseline };
  static constexpr const char* kNames[] = {"translate", "passes", "lower", "allocate",
                                           "check",     "layout", "emit",  "baseline"};
  static constexpr size_t kCount = std::size(kNames);
  std::array<uint64_t, kCount> stages{};
  std::array<uint64_t, opt::kPassCount> passes{};  // parts of kPasses
};

class JitCompiler final : public runtime::Compiler {
 public:
  explicit JitCompiler(const runtime::EngineOptions& options);
  ~JitCompiler() override;

  const char* name() const override { return "jit"; }
  void attach(runtime::StoreContext& store) override;
  bool rewind(runtime::StoreContext& store, std::span<const runtime::FuncEntry> entries) override;
  void forget(uint64_t first) override { kept_.resize(std::min<size_t>(kept_.size(), first)); }
  const void* initial_code(const runtime::FuncEntry& entry) override;
  Result<const void*> compile(runtime::FuncEntry& entry) override;
  wasm::OutcomeKind enter(runtime::FuncEntry& entry, runtime::Slot* slots) override;
  void visit_frames(gc::RootVisitor& visitor) override;
  Place place_of(const void* site) const override;
  Place place_after(const void* pc) const override;
  void describe_frames(const FrameVisitor& visit) const override;

  // Bisection of rewrites: the gate asked by all compilations of this store.
  opt::Gate& gate() { return gate_; }
  const CompileStats& stats() const { return stats_; }
  const CallSites& call_sites() const { return sites_; }
  // The same, summed over all stores that this thread ever had.
  static CompileStats& of_thread();
  // Adds to `times` from now on what every stage takes; null: nobody asks. Reading the clock costs time itself.
  void set_stage_times(StageTimes* times) { times_ = times; }
  // Without it, O0 goes through the IR like the other levels.
  void set_baseline(bool on) { baseline_ = on; }
  // Pretends that the machine can do less, for tests of the fallbacks.
  void set_cpu(const x64::CpuFeatures& cpu) { cpu_ = cpu; }
  void plant(x64::EmitterFault fault) { fault_ = fault; }
  // From now on functions come from there, where it has them.
  void set_ir_source(IrSource source) { ir_source_ = std::move(source); }
  // Debugging: called with the text of a stage ("translate", a pass's name, "machine", "allocated", "code") of every
  // function compiled.
  using Dump = void (*)(void* context, wasm::FuncIndex func, const char* stage, const std::string& text);
  void set_dump(Dump dump, void* context) {
    dump_ = dump;
    dump_context_ = context;
  }
  // Debugging: called whenever frames are visited (collections, verification of the heap) with the number of safepoints
  // passed so far and the place of the innermost frame (func ~0 when no compiled code is running).
  using FramesListener = void (*)(void* context, uint64_t safepoints, uint32_t func, wasm::WasmOffset offset);
  void set_frames_listener(FramesListener listener, void* context) {
    frames_listener_ = listener;
    frames_context_ = context;
  }

 private:
  using Signature = StubCache::Signature;

  void tell_frames() const;
  // For tools outside, if they are asked for (symbols.h): the shared stubs; the code that begins here and ends the space.
  void name_stubs();
  void name_code(std::span<const uint8_t> code, std::string name, FrameRule rule, uint32_t frame_at);
  void name_stub(std::span<const uint8_t> code, const char* kind, const Signature& signature, FrameRule rule);
  static x64::UnwindTarget unwind(runtime::StoreContext* store, const void* pc, void* frame);
  Result<> prepare();
  Result<Signature*> signature(wasm::TypeId type);
  Result<> allocate(Workspace& workspace, uint64_t chaos);
  // Whether functions are compiled in one pass, without an IR (baseline/compile.h): at O0, unless passes are chosen one
  // by one.
  bool has_baseline() const;
  Result<const void*> compile_baseline(runtime::FuncEntry& entry);
  Result<const void*> compile_through_ir(runtime::FuncEntry& entry);
  Result<const void*> compile_func(runtime::FuncEntry& entry);
  uint64_t chaos_for(const runtime::FuncEntry& entry) const;
  void dump_code(Workspace& w, const runtime::FuncEntry& entry, const uint8_t* code) const;
  // What is known of code beside its bytes: names it, and keeps what it wants to call and cannot yet.
  void keep(const runtime::FuncEntry& entry, const uint8_t* code, const x64::Emitter& emitter);
  // `entry` has code now: who wanted to call it goes there directly.
  void resolve_links(const runtime::FuncEntry& entry, const void* code);
  FrameView view() const { return {space_.get(), &sites_, store_, entries_}; }
  void dump(wasm::FuncIndex func, const char* stage, const std::string& text) const {
    if (dump_ != nullptr) dump_(dump_context_, func, stage, text);
  }
  const wasm::TypeStore& types() const;
  ModuleFacts& facts_of(const wasm::Module& module);

  runtime::EngineOptions options_;
  runtime::StoreContext* store_ = nullptr;
  std::unique_ptr<CodeSpace> space_;
  Error no_space_;  // why there is none
  CallSites sites_;
  GuardSites faults_;
  x64::StubTable stubs_;
  const std::unique_ptr<CodeSymbols> symbols_ = CodeSymbols::make();
  const void* leave_threw_ = nullptr;
  EntryRecord* entries_ = nullptr;
  // Open links in lists by the callee's index in the function slab; ~0 ends a list.
  struct Link {
    x64::OpenLink open;
    uint32_t next;
  };
  std::vector<Link> links_;
  std::vector<uint32_t> first_link_;
  std::vector<const void*> kept_;      // code of the run before, by place in the function slab; null: none
  std::vector<Signature*> by_type_;    // by TypeId
  std::vector<const uint8_t*> named_;  // stubs of signatures that have a name
  std::unordered_map<const wasm::Module*, std::unique_ptr<ModuleFacts>> facts_;  // never iterated
  x64::CpuFeatures cpu_;
  x64::EmitterFault fault_ = x64::EmitterFault::kNone;
  opt::Gate gate_;
  IrSource ir_source_;
  CompileStats stats_;
  StageTimes* times_ = nullptr;
  bool baseline_ = true;
  Dump dump_ = nullptr;
  void* dump_context_ = nullptr;
  FramesListener frames_listener_ = nullptr;
  void* frames_context_ = nullptr;
};

}  // namespace parallax::jit
