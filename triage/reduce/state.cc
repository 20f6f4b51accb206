#include "triage/reduce/state.h"

#include <algorithm>
#include <bit>

#include "engine/wasm/edit/refs.h"
#include "fuzz/executors/executors.h"

namespace parallax::triage::reduce {

using fuzz::ArgKind;
using fuzz::Step;
using fuzz::StepKind;

Result<State> lift_case(const fuzz::Case& from, bool plain) {
  State state;
  state.rest = from;
  state.rest.modules.clear();
  state.rest.claims_valid = false;  // said of another program
  state.rest.claims_invalid = false;
  state.plain = plain;
  for (const auto& bytes : from.modules) {
    const wasm::Module valid = TRY(wasm::load(bytes, std::make_shared<wasm::TypeStore>()));
    state.modules.push_back(TRY(edit::lift(valid)));
    if (state.modules.size() == 1 && from.plan.empty() && !plain)
      state.rest.plan = default_plan(valid, from.configuration);
  }
  if (state.modules.empty()) return fail(ErrorCode::kUsage, 0, "a case without modules");
  return state;
}

Result<fuzz::Case> encode_case(const State& state) {
  fuzz::Case out = state.rest;
  for (const edit::Module& module : state.modules) out.modules.push_back(TRY(edit::encode(module)));
  return out;
}

Result<State> lift_again(const State& state, const fuzz::Case& encoded) {
  State out;
  out.rest = state.rest;
  out.plain = state.plain;
  for (const auto& bytes : encoded.modules) {
    const wasm::Module valid = TRY(wasm::load(bytes, std::make_shared<wasm::TypeStore>()));
    out.modules.push_back(TRY(edit::lift(valid)));
  }
  return out;
}

namespace {

uint64_t bits_of(uint64_t value) { return static_cast<uint64_t>(std::bit_width(value)); }

// Integers near zero are simple, of either sign; of floats, those with few bits.
uint64_t literal_weight(const wasm::Instr& instr) {
  using wasm::Opcode;
  switch (instr.op) {
    case Opcode::I32Const: {
      const auto v = static_cast<int64_t>(static_cast<int32_t>(instr.bits));
      return bits_of(static_cast<uint64_t>(v < 0 ? -v : v)) + (v < 0 ? 1 : 0);
    }
    case Opcode::I64Const: {
      const auto v = static_cast<int64_t>(instr.bits);
      return bits_of(v < 0 ? -instr.bits : instr.bits) + (v < 0 ? 1 : 0);
    }
    case Opcode::F32Const:
    case Opcode::F64Const: return static_cast<uint64_t>(std::popcount(instr.bits));
    case Opcode::V128Const: {
      uint64_t sum = 0;
      for (const uint8_t byte : instr.v128) sum += static_cast<uint64_t>(std::popcount(byte));
      return sum;
    }
    default: return 0;
  }
}

uint64_t weight(const edit::Node& node) {
  using wasm::Opcode;
  switch (node.op()) {
    case Opcode::Nop:
    case Opcode::Unreachable: return 1;
    case Opcode::I32Const:
    case Opcode::I64Const:
    case Opcode::F32Const:
    case Opcode::F64Const:
    case Opcode::V128Const: return 2 + literal_weight(node.instr);
    case Opcode::RefNull:
    case Opcode::Drop: return 2;
    case Opcode::LocalGet: return 4;
    case Opcode::StructNewDefault: return 5;
    case Opcode::RefI31: return 4;
    case Opcode::ArrayNewFixed: return 5;
    case Opcode::Block: return 6;
    default: return 8 + (node.instr.mem.offset != 0 ? 2 : 0);
  }
}

uint64_t settings_weight(const fuzz::Case& subject) {
  uint64_t sum = bits_of(subject.configuration.fuel);
  for (const std::string& text : subject.configuration.executors) {
    sum += 40;
    const auto spec = fuzz::parse_spec(text);
    if (!spec) continue;
    if (spec->kind != fuzz::ExecutorKind::kInterp) sum += spec->opt_level * 2u;
    sum += (spec->armed ? 2 : 0) + (spec->chaos != 0 ? 4 + bits_of(spec->chaos) : 0);
    sum += spec->zeal == fuzz::Zeal::kNone ? 0 : spec->zeal == fuzz::Zeal::kOnly ? 4 + bits_of(spec->zeal_n) : 16;
    static constexpr uint64_t kCollectorWeights[] = {1, 2, 0, 3};  // ORDER: fuzz::Collector
    sum += kCollectorWeights[static_cast<size_t>(spec->collector)];
    sum += static_cast<uint64_t>(std::popcount(spec->zeal_flags)) * 2;
  }
  return sum;
}

uint64_t plan_weight(const fuzz::Case& subject) {
  uint64_t sum = 0;
  for (const Step& step : subject.plan) {
    sum += 100 + step.links.size() * 10 + (step.keep ? 2 : 0) + step.name.size();
    for (const fuzz::Argument& arg : step.args)
      sum += arg.kind == ArgKind::kDefault ? 1 : 4 + bits_of(arg.low) + bits_of(arg.high);
  }
  return sum;
}

}  // namespace

uint64_t cost(const State& state, const fuzz::Case& encoded) {
  uint64_t sum = plan_weight(encoded) + settings_weight(encoded);
  for (const auto& bytes : encoded.modules) sum += bytes.size() * 16 + 200;
  for (const edit::Module& m : state.modules) {
    edit::for_each_code(m, [&](const edit::Cow<edit::Code>& code) {
      edit::for_each_node(*code, [&](edit::NodeId id, edit::NodeId) { sum += weight((*code)[id]); });
    });
    for (const edit::Type& type : m.types) {
      if (!type.alive) continue;
      sum += type.def.is_final ? 0 : 1;
      for (const wasm::FieldType& field : type.def.fields)
        sum += (field.is_mutable ? 1 : 0) + (field.storage.unpacked == wasm::kI32 ? 0 : 1);
    }
    for (const edit::Memory& memory : m.memories) sum += memory.alive ? bits_of(memory.type.limits.min) : 0;
    for (const edit::Table& table : m.tables) sum += table.alive ? bits_of(table.type.limits.min) : 0;
    for (const edit::Data& data : m.datas) {
      for (const uint8_t byte : data.bytes) sum += data.alive && byte != 0 ? 1 : 0;
    }
    for (const edit::Global& global : m.globals) sum += global.alive && global.type.is_mutable ? 1 : 0;
  }
  return sum;
}

Size size_of(const State& state, const fuzz::Case& encoded) {
  Size size;
  for (const auto& bytes : encoded.modules) size.bytes += bytes.size();
  for (const edit::Module& m : state.modules) {
    for (const edit::Func& func : m.funcs) {
      if (!func.alive) continue;
      ++size.functions;
      if (func.import.has_value()) continue;
      edit::for_each_node(*func.code, [&](edit::NodeId, edit::NodeId) { ++size.instructions; });
    }
    for (const edit::Type& type : m.types) size.types += type.alive ? 1 : 0;
  }
  size.steps = encoded.plan.size();
  return size;
}

void remove_step(fuzz::Case& subject, size_t at) {
  const Step gone = subject.plan[at];
  uint32_t number = 0;  // of the instance, or of the kept result, that goes
  for (size_t i = 0; i < at; ++i) {
    if (gone.kind == StepKind::kInstantiate) number += subject.plan[i].kind == StepKind::kInstantiate ? 1 : 0;
    else number += subject.plan[i].keep ? 1 : 0;
  }
  subject.plan.erase(subject.plan.begin() + static_cast<std::ptrdiff_t>(at));
  if (gone.kind == StepKind::kInstantiate) {
    std::erase_if(subject.plan, [&](const Step& step) {
      return step.kind != StepKind::kInstantiate && step.kind != StepKind::kCollect &&
             step.kind != StepKind::kRelease && step.kind != StepKind::kProbeRoot && step.instance == number &&
             !step.keep;
    });
    for (Step& step : subject.plan) {
      if (step.instance > number) --step.instance;
      std::erase(step.links, number);
      for (uint32_t& link : step.links) {
        if (link > number) --link;
      }
    }
    return;
  }
  if (!gone.keep) return;
  const auto names_kept = [](const Step& step) {
    return step.kind == StepKind::kRelease || step.kind == StepKind::kProbeRoot;
  };
  std::erase_if(subject.plan, [&](const Step& step) { return names_kept(step) && step.kept == number; });
  for (Step& step : subject.plan) {
    if (names_kept(step) && step.kept > number) --step.kept;
    for (fuzz::Argument& arg : step.args) {
      if (arg.kind != ArgKind::kKept) continue;
      if (arg.low == number) arg = {};
      else if (arg.low > number) --arg.low;
    }
  }
}

}  // namespace parallax::triage::reduce
