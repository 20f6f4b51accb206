#include "fuzz/case/case.h"

#include "engine/base/text.h"

namespace parallax::fuzz {

namespace {

// ORDER: matches StepKind.
constexpr const char* kStepNames[kStepKindCount] = {"instantiate", "call",          "set-global",
                                                    "release",     "drop-instance", "collect",
                                                    "probe-root",  "probe-call",    "probe-foreign"};

std::string describe(const Argument& arg) {
  switch (arg.kind) {
    case ArgKind::kDefault: return "default";
    case ArgKind::kNumber:
      return arg.high == 0 ? text::format("{}", arg.low) : text::format("{:#x}:{:#x}", arg.high, arg.low);
    case ArgKind::kI31: return text::format("i31 {}", arg.low);
    case ArgKind::kHost: return text::format("host {}", arg.low);
    case ArgKind::kKept: return text::format("kept {}", arg.low);
  }
  return "?";
}

}  // namespace

const char* to_string(StepKind kind) { return kStepNames[static_cast<size_t>(kind)]; }

std::vector<Step> default_plan(const wasm::Module& module, const Configuration& configuration) {
  std::vector<Step> plan;
  plan.push_back({.kind = StepKind::kInstantiate});
  for (const wasm::Export& item : module.exports) {
    if (item.kind != wasm::ExternKind::kFunc) continue;
    if (plan.size() > configuration.max_calls) break;
    plan.push_back({.kind = StepKind::kCall, .keep = true, .name = item.name});
  }
  return plan;
}

std::string describe(const Step& step) {
  std::string args;
  for (const Argument& arg : step.args) args += (args.empty() ? "" : ", ") + describe(arg);
  switch (step.kind) {
    case StepKind::kInstantiate: return text::format("instantiate module {}", step.module);
    case StepKind::kCall:
      return text::format("call {} of instance {} ({})", text::quoted(step.name), step.instance, args);
    case StepKind::kSetGlobal:
      return text::format("set global {} of instance {} to {}", text::quoted(step.name), step.instance, args);
    case StepKind::kRelease: return text::format("release kept result {}", step.kept);
    case StepKind::kDropInstance: return text::format("drop instance {}", step.instance);
    case StepKind::kCollect: return "collect";
    case StepKind::kProbeRoot: return text::format("use released result {}", step.kept);
    case StepKind::kProbeCall:
      return text::format("call {} of dropped instance {}", text::quoted(step.name), step.instance);
    case StepKind::kProbeForeign:
      return text::format("call {} of instance {} with a reference of another store", text::quoted(step.name),
                          step.instance);
  }
  return "?";
}

}  // namespace parallax::fuzz
