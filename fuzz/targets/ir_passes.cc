// The optimiser alone: functions of a module to IR, passes under choices, every judge of the IR after each.
//
// The first bytes choose level, which passes are off and after how many rewrites the gate closes; the rest is a module,
// or choices for the generator of GC programs. Besides, what the IR prints must parse to the same text.   [I3, I5]
#include "engine/base/check.h"
#include "engine/ir/text.h"
#include "engine/jit/callees.h"
#include "engine/jit/translate.h"
#include "engine/opt/pipeline.h"
#include "fuzz/generators/generators.h"
#include "fuzz/targets/support/judging.h"

namespace {

using namespace parallax;  // NOLINT: glue

struct Dumped {
  const wasm::Module* module;
};

void round_trip(void* context, const ir::Func& func, const char* stage) {
  const std::string text = ir::print(func);
  ir::Func again;
  const auto parsed = ir::parse(text, *static_cast<Dumped*>(context)->module, again);
  CHECK(parsed.has_value(), "I5: IR after {} does not parse: {}\n{}", stage, parsed.error().message, text);
  CHECK(ir::print(again) == text, "I5: print(parse(print(f))) differs after {}\n{}", stage, text);
}

// None, one, or an arbitrary set.
opt::PassSet passes_off(uint8_t choice) {
  if (choice == 0) return 0;
  if (choice <= opt::kPassCount) return opt::PassSet{1} << (choice - 1);
  return opt::PassSet{choice} * 0x9e3779b97f4a7c15u;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4) return 0;
  const std::span<const uint8_t> rest(data + 4, size - 4);
  const auto subject =
      fuzz::is_module(rest) ? fuzz::case_of_module(rest) : fuzz::generate(fuzz::GeneratorKind::kGc, rest);
  if (!subject) return 0;
  const auto module = wasm::load(subject->modules.front(), std::make_shared<wasm::TypeStore>());
  if (!module) return 0;
  static jit::Translator translator;
  static jit::TranslatedCallees callees;
  static opt::Pipeline pipeline;
  opt::Gate gate;
  gate.disabled = passes_off(data[1]);
  gate.limit = data[2] == 255 ? opt::Gate::kNoLimit : data[2] * 4u;
  Dumped dumped{&*module};
  for (size_t i = module->imported_funcs; i < module->funcs.size(); ++i) {
    ir::Func func;
    const jit::TranslateOptions options{.features = {.bits = ~0u}, .poll_at_budget = (data[0] & 4) != 0};
    if (!translator.translate(*module, wasm::FuncIndex(i), options, func)) continue;
    opt::PipelineOptions run{
        .level = static_cast<opt::Level>(data[0] % 3), .verify = true, .gate = &gate, .callees = &callees};
    callees.start(translator, *module, options);
    if (data[3] % 4 == 0) {
      run.dump = &round_trip;
      run.dump_context = &dumped;
    }
    const auto done = pipeline.run(func, run);
    CHECK(done.has_value() || done.error().code != ErrorCode::kInvariant, "{}", done.error().message);
  }
  return 0;
}
