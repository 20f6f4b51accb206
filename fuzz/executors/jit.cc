// The engine as an executor. The build may lack it (another architecture); then everything else still works.
#include "fuzz/executors/factories.h"
#include "fuzz/executors/ir_eval.h"
#include "fuzz/executors/with_ir.h"

#if __has_include("engine/jit/engine.h")
#include "engine/jit/compiler.h"
#include "engine/jit/engine.h"
#include "engine/opt/pipeline.h"
#include "engine/runtime/store.h"
#define PARALLAX_HAVE_JIT 1
#else
#define PARALLAX_HAVE_JIT 0
#endif

namespace parallax::fuzz {

#if PARALLAX_HAVE_JIT

namespace {

// Address space of one store. Cases allocate a few megabytes by their budget; mapping more costs time.
constexpr uint64_t kHeapBytes = uint64_t{256} << 20;

runtime::EngineOptions options_of(const ExecutorSpec& spec) {
  runtime::EngineOptions options;
  options.level = static_cast<runtime::OptLevel>(spec.opt_level);
  switch (spec.collector) {
    case Collector::kMoving: options.collector = runtime::GcKind::kMoving; break;
    case Collector::kNonMoving: options.collector = runtime::GcKind::kNonMoving; break;
    case Collector::kNever: options.collector = runtime::GcKind::kNever; break;
    case Collector::kGenerational: options.collector = runtime::GcKind::kGenerational; break;
  }
  switch (spec.zeal) {
    case Zeal::kNone: break;
    case Zeal::kEvery: options.zeal.mode = runtime::ZealMode::kEverySafepoint; break;
    case Zeal::kNth: options.zeal.mode = runtime::ZealMode::kNth; break;
    case Zeal::kOnly: options.zeal.mode = runtime::ZealMode::kOnlyNth; break;
    case Zeal::kAlloc: options.zeal.mode = runtime::ZealMode::kEveryAlloc; break;
  }
#define ZEAL_MODE(id, text, summary)
#define ZEAL_FLAG(member, text, summary) options.zeal.member = (spec.zeal_flags & bit(ZealFlag::member)) != 0;
#include "engine/gc/zeal.def"
#undef ZEAL_MODE
#undef ZEAL_FLAG
  options.zeal.n = spec.zeal_n;
  options.armed = spec.armed;
  options.verify = spec.armed;
  options.unverified = spec.unverified;
  // At every safepoint the verifier would cost more than everything else; moving and poisoning judge there, and the store
  // is verified at the end of the case.
  options.zeal.verify_after |= spec.armed && (spec.zeal == Zeal::kNth || spec.zeal == Zeal::kOnly);
  options.chaos_seed = spec.chaos;
  switch (spec.cpu) {
    case Cpu::kHost: options.cpu = runtime::CpuLevel::kHost; break;
    case Cpu::kSse4: options.cpu = runtime::CpuLevel::kSse4; break;
    case Cpu::kBaseline: options.cpu = runtime::CpuLevel::kBaseline; break;
  }
  if (spec.memory == MemoryChecks::kGuard) options.memory = runtime::MemoryChecks::kGuard;
  options.heap_bytes = kHeapBytes;
  return options;
}

// Under a limit of address space, which fuzzing services set: judges nothing.
std::unexpected<Error> no_space() { return fail(ErrorCode::kUnsupported, 0, "no address space for a heap"); }

void attach(jit::JitCompiler& compiler, Probe& probe) {
  if (probe.on_stage) {
    compiler.set_dump([](void* context, wasm::FuncIndex func, const char* stage,
                         const std::string& text) { static_cast<Probe*>(context)->on_stage(func.raw, stage, text); },
                      &probe);
  }
  if (probe.on_rewrite) {
    compiler.gate().listener_context = &probe;
    compiler.gate().listener = [](void* context, const opt::Gate::Query& query) {
      static_cast<Probe*>(context)->on_rewrite({query.func.raw, opt::info(query.pass).name,
                                                opt::info(query.rewrite).name, opt::info(query.rewrite).summary,
                                                query.number, query.value.raw, query.allowed});
    };
  }
  if (probe.on_frames) {
    compiler.set_frames_listener(
        [](void* context, uint64_t safepoints, uint32_t func, wasm::WasmOffset offset) {
          static_cast<Probe*>(context)->on_frames({safepoints, func, offset});
        },
        &probe);
  }
}

}  // namespace

Result<std::unique_ptr<wasm::Embedding>> make_jit(const ExecutorSpec& spec, std::shared_ptr<wasm::TypeStore> types,
                                                  Probe* probe) {
  jit::JitCompiler* compiler = nullptr;
  auto engine = jit::make_engine(std::move(types), options_of(spec), &compiler);
  compiler->gate().disabled = spec.disabled;
  compiler->gate().limit = spec.limit;
  if (!static_cast<runtime::Store&>(*engine).ok()) return no_space();
  if (probe != nullptr) attach(*compiler, *probe);
  return engine;
}

namespace {

std::unique_ptr<wasm::Embedding> make_evaluated(const ExecutorSpec& spec, std::shared_ptr<wasm::TypeStore> types,
                                                jit::IrSource source) {
  runtime::EngineOptions options = options_of(spec);
  options.collector = runtime::GcKind::kNever;  // the evaluator's frames are no roots
  options.zeal = {};
  auto evaluator = make_ir_evaluator({.level = static_cast<opt::Level>(spec.opt_level),
                                      .disabled = spec.disabled,
                                      .limit = spec.limit,
                                      .armed = spec.armed,
                                      .source = std::move(source)});
  return std::make_unique<runtime::Store>(std::move(types), options, std::move(evaluator));
}

}  // namespace

Result<std::unique_ptr<wasm::Embedding>> make_ir(const ExecutorSpec& spec, std::shared_ptr<wasm::TypeStore> types) {
  return make_evaluated(spec, std::move(types), {});
}

Result<std::unique_ptr<wasm::Embedding>> make_executor_with_ir(const ExecutorSpec& spec,
                                                               std::shared_ptr<wasm::TypeStore> types,
                                                               jit::IrSource source) {
  if (spec.kind == ExecutorKind::kIr) return make_evaluated(spec, std::move(types), std::move(source));
  if (spec.kind != ExecutorKind::kJit) return fail(ErrorCode::kUnsupported, 0, to_string(spec) + " has no IR");
  jit::JitCompiler* compiler = nullptr;
  auto engine = jit::make_engine(std::move(types), options_of(spec), &compiler);
  compiler->gate().disabled = spec.disabled;
  compiler->gate().limit = spec.limit;
  compiler->set_ir_source(std::move(source));
  return engine;
}

bool rewind_jit(const ExecutorSpec& spec, wasm::Embedding& store) {
  return static_cast<runtime::Store&>(store).rewind(options_of(spec).zeal);
}

uint64_t jit_safepoints(wasm::Embedding& executor) {
  return static_cast<runtime::Store&>(executor).heap().stats().safepoints;
}

std::vector<CheckCount> jit_check_counts(wasm::Embedding& executor) {
  std::vector<CheckCount> counts;
  for (const runtime::ArmedCount& row : static_cast<runtime::Store&>(executor).armed_counts()) {
    counts.push_back({row.name, row.invariant, row.summary, row.evaluated});
  }
  return counts;
}

#else

Result<std::unique_ptr<wasm::Embedding>> make_jit(const ExecutorSpec&, std::shared_ptr<wasm::TypeStore>, Probe*) {
  return fail(ErrorCode::kUnsupported, 0, "this build has no compiler for this machine");
}
Result<std::unique_ptr<wasm::Embedding>> make_ir(const ExecutorSpec&, std::shared_ptr<wasm::TypeStore>) {
  return fail(ErrorCode::kUnsupported, 0, "this build has no compiler for this machine");
}
Result<std::unique_ptr<wasm::Embedding>> make_executor_with_ir(const ExecutorSpec&, std::shared_ptr<wasm::TypeStore>,
                                                               jit::IrSource) {
  return fail(ErrorCode::kUnsupported, 0, "this build has no compiler for this machine");
}
bool rewind_jit(const ExecutorSpec&, wasm::Embedding&) { return false; }
uint64_t jit_safepoints(wasm::Embedding&) { return 0; }
std::vector<CheckCount> jit_check_counts(wasm::Embedding&) { return {}; }

#endif

}  // namespace parallax::fuzz
