#include "bench/suite/measure.h"

#include <chrono>

#include "engine/base/text.h"
#include "fuzz/executors/executors.h"

namespace parallax::bench {

namespace {

using Clock = std::chrono::steady_clock;

double us_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

Result<> call(wasm::Embedding& store, wasm::Extern run, const Scale& scale) {
  const wasm::Value argument = wasm::Value::i32(scale.scale);
  const wasm::Outcome outcome = store.call(run, {&argument, 1});
  if (outcome.kind == wasm::OutcomeKind::kUnsupported) return std::unexpected(outcome.error);
  if (!outcome.returned() || outcome.values.size() != 1) {
    const std::string why =
        outcome.kind == wasm::OutcomeKind::kTrapped ? wasm::to_string(outcome.trap) : outcome.error.message;
    return fail(ErrorCode::kInvariant, 0, text::format("the call ended: {} {}", wasm::to_string(outcome.kind), why));
  }
  const uint32_t got = static_cast<uint32_t>(outcome.values.front().low);
  if (got != scale.checksum) return std::unexpected(wrong_checksum(got, scale));
  return {};
}

}  // namespace

Error wrong_checksum(uint32_t got, const Scale& scale) {
  return {
      ErrorCode::kInvariant, 0,
      text::format("{} {:#010x} instead of {:#010x} at scale {}", kWrongChecksum, got, scale.checksum, scale.scale)};
}

Result<Sample> measure(std::string_view spec, const Subject& subject, const Timing& timing) {
  const fuzz::ExecutorSpec executor = fuzz::fastest(TRY(fuzz::parse_spec(spec)));
  Sample sample;
  const auto begin = Clock::now();
  const auto types = std::make_shared<wasm::TypeStore>();
  const auto module = std::make_shared<wasm::Module>(TRY(wasm::load(subject.bytes, types)));
  const auto store = TRY(fuzz::make_executor(executor, types));
  store->set_budget({});
  wasm::InstanceId instance = 0;
  const wasm::Outcome made = store->instantiate(module, {}, instance);
  if (!made.returned())
    return fail(ErrorCode::kUnsupported, 0,
                text::format("not instantiated: {} {}", wasm::to_string(made.kind), made.error.message));
  const wasm::Extern run = TRY(store->find_export(instance, "run"));
  sample.startup_us = us_since(begin);

  const auto first = Clock::now();
  TRY(call(*store, run, subject.program->tiny));
  sample.first_us = us_since(first);

  const auto warm = Clock::now();
  do { TRY(call(*store, run, subject.scale)); } while (us_since(warm) < timing.warm_seconds * 1e6);
  const auto start = Clock::now();
  double taken = 0;
  do {
    TRY(call(*store, run, subject.scale));
    ++sample.calls;
    taken = us_since(start);
  } while (taken < timing.seconds * 1e6);
  sample.steady_us = taken / static_cast<double>(sample.calls);
  return sample;
}

}  // namespace parallax::bench
