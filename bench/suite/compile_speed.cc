#include "bench/suite/compile_speed.h"

#include <algorithm>

#include "engine/base/text.h"
#include "engine/base/thread_clock.h"
#include "engine/jit/compiler.h"
#include "engine/opt/pipeline.h"
#include "engine/runtime/store.h"
#include "fuzz/executors/executors.h"

namespace parallax::bench {

namespace {

using jit::StageTimes;
using wasm::ExternKind;

wasm::Features everything() {
  wasm::Features features;
  features.set(wasm::Feature::kLegacyExceptions, true);
  return features;
}

// Something of the right type for an import; nothing of it is ever used.
Result<wasm::Extern> make_up(wasm::Embedding& store, const wasm::Module& module, const wasm::Import& import) {
  const auto null_for = [&](wasm::ValType type) -> Result<wasm::Value> {
    if (type.is_defaultable()) return wasm::Value::zero(type);
    return fail(ErrorCode::kUnsupported, import.offset,
                text::format("no value can be made up for import {}", import.name));
  };
  switch (import.kind) {
    case ExternKind::kFunc:
      return store.make_func(module.funcs[import.index].type_id, [](wasm::Embedding&, std::span<const wasm::Value>) {
        return wasm::Outcome::trapped(wasm::TrapKind::kUnreachable);
      });
    case ExternKind::kTable: {
      const wasm::TableType& type = module.tables[import.index].type;
      return store.make_table(type, TRY(null_for(type.element)));
    }
    case ExternKind::kMemory: return store.make_memory(module.memories[import.index].type);
    case ExternKind::kGlobal: {
      const wasm::GlobalType& type = module.globals[import.index].type;
      return store.make_global(type, TRY(null_for(type.value)));
    }
    case ExternKind::kTag: return store.make_tag(module.tags[import.index].type_id);
  }
  return fail(ErrorCode::kUnsupported, import.offset, "import of an unknown kind");
}

// A store with an instance of the module, and its compiler.
struct Ready {
  std::unique_ptr<wasm::Embedding> store;
  jit::JitCompiler* compiler = nullptr;
  const runtime::Instance* instance = nullptr;
};
Result<Ready> make_ready(const fuzz::ExecutorSpec& spec, const CompileSubject& subject) {
  Ready ready;
  ready.store = TRY(fuzz::make_executor(spec, subject.types));
  std::vector<wasm::Extern> imports;
  for (const wasm::Import& import : subject.module->imports) {
    imports.push_back(TRY(make_up(*ready.store, *subject.module, import)));
  }
  wasm::InstanceId id = 0;
  const wasm::Outcome made = ready.store->instantiate(subject.module, imports, id);
  if (!made.returned()) {
    return fail(ErrorCode::kUnsupported, 0,
                text::format("not instantiated: {} {}", wasm::to_string(made.kind), made.error.message));
  }
  auto& store = static_cast<runtime::Store&>(*ready.store);
  ready.compiler = static_cast<jit::JitCompiler*>(store.compiler());
  ready.instance = store.find_instance(id);
  return ready;
}

void note_ways(const jit::CompileStats& stats, CompileSample& sample) {
  sample.machine_bytes += stats.code_bytes;
  sample.not_baseline += stats.not_baseline;
  sample.baseline_instead += stats.baseline_instead;
}

void name_stages(const StageTimes& times, CompileSample& sample) {
  for (size_t stage = 0; stage < StageTimes::kCount; ++stage) {
    uint64_t rest = times.stages[stage];
    if (stage == StageTimes::kPasses) {
      for (size_t pass = 0; pass < opt::kPassCount; ++pass) {
        rest -= std::min(rest, times.passes[pass]);
        if (times.passes[pass] != 0)
          sample.stages_us.emplace_back(opt::kPassTable[pass].name, static_cast<double>(times.passes[pass]) / 1e3);
      }
    }
    if (rest != 0) sample.stages_us.emplace_back(StageTimes::kNames[stage], static_cast<double>(rest) / 1e3);
  }
}

}  // namespace

Result<CompileSubject> load_for_compiling(const std::vector<uint8_t>& bytes) {
  CompileSubject subject{.types = std::make_shared<wasm::TypeStore>()};
  auto module = std::make_shared<wasm::Module>(TRY(wasm::load(bytes, subject.types, everything())));
  for (wasm::ElemSegment& segment : module->elems) segment.mode = wasm::SegmentMode::kPassive;
  for (wasm::DataSegment& segment : module->datas) segment.mode = wasm::SegmentMode::kPassive;
  module->start.reset();
  for (size_t i = module->imported_funcs; i < module->funcs.size(); ++i) {
    subject.code_bytes += module->funcs[i].body.size();
    ++subject.functions;
  }
  subject.module = std::move(module);
  return subject;
}

Result<CompileSample> measure_compile(std::string_view spec, const CompileSubject& subject, bool by_stage) {
  const fuzz::ExecutorSpec executor = TRY(fuzz::parse_spec(spec));
  if (executor.kind != fuzz::ExecutorKind::kJit)
    return fail(ErrorCode::kUnsupported, 0, text::format("executor {} does not compile", spec));
  CompileSample sample;
  StageTimes times;
  Ready ready = TRY(make_ready(executor, subject));
  if (by_stage) ready.compiler->set_stage_times(&times);
  for (size_t i = subject.module->imported_funcs; i < subject.module->funcs.size(); ++i) {
    for (bool again = true; again;) {
      again = false;
      runtime::FuncEntry& entry = *ready.instance->funcs[i];
      const uint64_t begin = thread_nanoseconds();
      const auto code = ready.compiler->compile(entry);
      const uint64_t took = thread_nanoseconds() - begin;
      if (code) {
        entry.code = *code;
      } else if (jit::says_full(code.error()) && ready.compiler->stats().functions != 0) {  // goes on in another store
        note_ways(ready.compiler->stats(), sample);
        ready = TRY(make_ready(executor, subject));
        if (by_stage) ready.compiler->set_stage_times(&times);
        again = true;
        continue;
      } else if (sample.failed++ == 0) {
        sample.first_failure = code.error().message;
      }
      sample.us += static_cast<double>(took) / 1e3;
    }
  }
  note_ways(ready.compiler->stats(), sample);
  if (by_stage) name_stages(times, sample);
  return sample;
}

}  // namespace parallax::bench
