// IR to text.
#include <string_view>

#include "engine/base/text.h"
#include "engine/ir/text.h"

namespace parallax::ir {

namespace {

void print_immediate(const Inst& inst, std::string_view member, std::string& out) {
  const auto number = [&](uint64_t value) {
    if (value != 0) out += text::format(" {}={:#x}", member, value);
  };
  if (member == "a") return number(inst.a);
  if (member == "b") return number(inst.b);
  if (member == "imm") return number(inst.imm);
  if (member == "high") return number(inst.high);
  if (member == "sense") return number(inst.sense);
  if (member == "slot") {
    out += text::format(" s{}", inst.a);
  } else if (member == "of") {
    out += text::format(" of=v{}", inst.b);
  } else if (member == "opcode") {
    out += text::format(" opcode={}", wasm::info(inst.opcode).text);
  } else if (member == "trap") {
    out += text::format(" trap={}", static_cast<uint32_t>(inst.trap));
  } else if (member == "type") {
    out += text::format(" type={}", to_string(inst.type));
  }
}

void print_immediates(const Inst& inst, std::string& out) {
  std::string_view rest = info(inst.op).immediates;
  while (!rest.empty()) {
    print_immediate(inst, rest.substr(0, rest.find(':')), out);
    const size_t comma = rest.find(',');
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
}

void print_values(const Func& func, std::span<const ValueId> values, std::string& out) {
  for (size_t i = 0; i < values.size(); ++i) {
    out += text::format("{}v{}: {}", i == 0 ? "" : ", ", values[i].raw, to_string(func.type(values[i])));
  }
}

void print_inst(const Func& func, InstId id, std::string& out) {
  const Inst& inst = func.inst(id);
  for (uint32_t i = 0; i < inst.results_count; ++i) {
    const ValueId v = func.result(id, i);
    out += text::format("{}v{}: {}", i == 0 ? "" : ", ", v.raw, to_string(func.type(v)));
  }
  if (inst.results_count != 0) out += " = ";
  out += info(inst.op).text;
  print_immediates(inst, out);
  const char* separator = " ";
  for (const ValueId arg : func.args(id)) {
    out += text::format("{}v{}", separator, func.resolve(arg).raw);
    separator = ", ";
  }
  if (inst.targets_count != 0) out += " ->";
  for (const BlockId target : func.targets(id)) out += text::format(" b{}", target.raw);
  out += text::format(" @{}", inst.offset);
  if (inst.map == Inst::kNoMap) return;
  out += " map[";
  separator = "";
  for (const SlotId slot : func.stack_map(inst)) {
    out += text::format("{}s{}", separator, slot.raw);
    separator = " ";
  }
  out += "]";
}

}  // namespace

std::string print(const Func& func, InstId inst) {
  std::string out;
  print_inst(func, inst, out);
  return out;
}

std::string print(const Func& func) {
  std::string out = text::format("func {}{}{} {{\n", func.index().raw, func.poll_at_budget ? " poll" : "",
                                 func.has_maps ? " maps" : "");
  if (func.slot_count() != 0) out += text::format("  homes {}\n", func.slot_count());
  for (const BlockId b : func.order()) {
    const Block& block = func.block(b);
    if (!block.live) continue;
    out += text::format("b{}", b.raw);
    if (block.params_count != 0) {
      out += "(";
      print_values(func, func.params(b), out);
      out += ")";
    }
    out += text::format("{}{}:\n", block.landing ? " landing" : "", block.loop_head ? " loop" : "");
    for (InstId i = block.first; i.valid(); i = func.inst(i).next) {
      out += "  ";
      print_inst(func, i, out);
      out += "\n";
    }
  }
  out += "}\n";
  return out;
}

}  // namespace parallax::ir
