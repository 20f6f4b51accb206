#include "fuzz/executors/executors.h"

#include "engine/base/text.h"
#include "fuzz/executors/factories.h"

namespace parallax::fuzz {

namespace {

Result<std::unique_ptr<wasm::Embedding>> make(const ExecutorSpec& spec, std::shared_ptr<wasm::TypeStore> types,
                                              Probe* probe) {
  std::string why;
  if (!available(spec.kind, &why))
    return fail(ErrorCode::kUnsupported, 0, text::format("{}: {}", to_string(spec), why));
  switch (spec.kind) {
    case ExecutorKind::kInterp: return make_interp(spec, std::move(types));
    case ExecutorKind::kExternal:
      return fail(ErrorCode::kUnsupported, 0, to_string(spec) + " votes on whole cases only");
    case ExecutorKind::kJit: return make_jit(spec, std::move(types), probe);
    case ExecutorKind::kIr: return make_ir(spec, std::move(types));
  }
  return fail(ErrorCode::kUnsupported, 0, "unknown executor");
}

}  // namespace

Result<std::unique_ptr<wasm::Embedding>> make_executor(const ExecutorSpec& spec,
                                                       std::shared_ptr<wasm::TypeStore> types) {
  return make(spec, std::move(types), nullptr);
}

Result<std::unique_ptr<wasm::Embedding>> make_executor(const ExecutorSpec& spec, std::shared_ptr<wasm::TypeStore> types,
                                                       Probe& probe) {
  return make(spec, std::move(types), &probe);
}

bool rewind_executor(wasm::Embedding& store, const ExecutorSpec& from, const ExecutorSpec& to) {
  ExecutorSpec same = to;
  same.zeal = from.zeal;
  same.zeal_n = from.zeal_n;
  same.zeal_flags = from.zeal_flags;
  if (same != from) return false;
  if (from.kind == ExecutorKind::kInterp) return rewind_interp(to, store);
  return from.kind == ExecutorKind::kJit && rewind_jit(to, store);
}

uint64_t safepoints_passed(const ExecutorSpec& spec, wasm::Embedding& executor) {
  return spec.kind == ExecutorKind::kJit ? jit_safepoints(executor) : 0;
}

std::vector<CheckCount> check_counts(const ExecutorSpec& spec, wasm::Embedding& executor) {
  return spec.kind == ExecutorKind::kJit ? jit_check_counts(executor) : std::vector<CheckCount>{};
}

}  // namespace parallax::fuzz
