#include "tools/parallax/generator_stats.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "engine/base/text.h"
#include "engine/wasm/edit/module.h"
#include "engine/wasm/edit/refs.h"
#include "fuzz/executors/executors.h"
#include "fuzz/oracle/observe.h"

namespace parallax::cli {

namespace {

namespace edit = wasm::edit;
using wasm::Opcode;

constexpr const char* kReads = "~reads";
constexpr const char* kWrites = "~writes";

enum class Access : uint8_t { kNone, kRead, kWrite };

Access access(Opcode op) {
  switch (op) {
    case Opcode::StructGet:
    case Opcode::StructGetS:
    case Opcode::StructGetU:
    case Opcode::ArrayGet:
    case Opcode::ArrayGetS:
    case Opcode::ArrayGetU: return Access::kRead;
    case Opcode::StructSet:
    case Opcode::ArraySet:
    case Opcode::ArrayFill:
    case Opcode::ArrayCopy:
    case Opcode::ArrayInitData:
    case Opcode::ArrayInitElem: return Access::kWrite;
    default: return Access::kNone;
  }
}

uint32_t add_counter(edit::Module& module, const char* name) {
  edit::Global global{.type = {wasm::kI32, true}};
  edit::Code& init = global.init.mut();
  edit::Node zero;
  zero.instr = {.op = Opcode::I32Const};
  zero.pushed = {wasm::kI32};
  zero.net = 1;
  init.body = {init.add(zero)};
  const auto number = static_cast<uint32_t>(module.globals.size());
  module.globals.push_back(std::move(global));
  module.exports.push_back({name, wasm::ExternKind::kGlobal, number});
  return number;
}

// (global.set $counter (i32.add (global.get $counter) (i32.const 1)))
edit::NodeId count_up(edit::Code& code, uint32_t counter) {
  const auto node = [&](wasm::Instr instr, edit::Seq children, size_t popped, size_t pushed) {
    edit::Node made;
    made.instr = instr;
    made.children = std::move(children);
    made.popped.assign(popped, wasm::kI32);
    made.pushed.assign(pushed, wasm::kI32);
    made.net = static_cast<uint32_t>(pushed);
    return code.add(std::move(made));
  };
  const edit::NodeId before = node({.op = Opcode::GlobalGet, .a = counter}, {}, 0, 1);
  const edit::NodeId one = node({.op = Opcode::I32Const, .bits = 1}, {}, 0, 1);
  const edit::NodeId sum = node({.op = Opcode::I32Add}, {before, one}, 2, 1);
  return node({.op = Opcode::GlobalSet, .a = counter}, {sum}, 1, 0);
}

void instrument(edit::Code& code, const edit::Seq& old, edit::Seq& out, uint32_t reads, uint32_t writes) {
  out.clear();
  for (const edit::NodeId id : old) {
    const edit::Seq children = code[id].children;
    edit::Seq changed;
    instrument(code, children, changed, reads, writes);
    code[id].children = changed;
    for (size_t c = 0; c < code[id].bodies.size(); ++c) {
      const edit::Seq body = code[id].bodies[c].seq;
      instrument(code, body, changed, reads, writes);
      code[id].bodies[c].seq = changed;
    }
    out.push_back(id);
    const Access what = access(code[id].op());
    if (what != Access::kNone && code[id].reachable) {
      out.push_back(count_up(code, what == Access::kRead ? reads : writes));
    }
  }
}

Result<std::vector<uint8_t>> instrument(const std::vector<uint8_t>& bytes) {
  edit::Module module = TRY(edit::lift(bytes));
  const uint32_t reads = add_counter(module, kReads), writes = add_counter(module, kWrites);
  for (edit::Func& func : module.funcs) {
    if (func.import) continue;
    edit::Code& code = func.code.mut();
    const edit::Seq body = code.body;
    instrument(code, body, code.body, reads, writes);
  }
  return edit::encode(module);
}

}  // namespace

Result<fuzz::Case> count_heap_accesses(const fuzz::Case& subject) {
  fuzz::Case counted = subject;
  counted.claims_valid = counted.claims_invalid = false;
  for (auto& module : counted.modules) module = TRY(instrument(module));
  return counted;
}

void GeneratorStats::add(const fuzz::Case& subject) {
  ++cases;
  for (const auto& module : subject.modules) bytes += module.size();
  const auto counted = subject.claims_invalid ? fail(ErrorCode::kInvalid, 0, "") : count_heap_accesses(subject);
  const auto loaded = counted ? fuzz::load_case(*counted) : std::unexpected(counted.error());
  const auto store = loaded ? fuzz::make_executor({}, loaded->types) : std::unexpected(loaded.error());
  if (!store) {
    ++invalid;
    return;
  }
  for (const auto& module : loaded->modules) functions += module->funcs.size() - module->imported_funcs;
  fuzz::Observation seen;
  fuzz::observe(*loaded, **store, {}, seen);
  // Instantiations are steps too; the health line of campaigns counts them as calls.
  calls += seen.calls;
  returned += seen.returned;
  trapped += seen.trapped;
  for (const fuzz::Token& token : seen.tokens) {
    if (token.tok == fuzz::Tok::kTrap) ++traps[wasm::to_string(static_cast<wasm::TrapKind>(token.value))];
  }
  threw += seen.threw;
  exhausted += seen.exhausted;
  std::vector<uint32_t> module_of;
  for (const fuzz::Step& step : loaded->plan) {
    if (step.kind == fuzz::StepKind::kInstantiate) module_of.push_back(step.module);
  }
  uint64_t here[2] = {};
  for (size_t i = 0; i + 1 < seen.tokens.size(); ++i) {
    const fuzz::Token& token = seen.tokens[i];
    if (token.tok != fuzz::Tok::kGlobal || token.aux >= module_of.size()) continue;
    const std::string& name = loaded->modules[module_of[token.aux]]->exports[token.value].name;
    if (name == kReads) here[0] += seen.tokens[i + 1].value;
    if (name == kWrites) here[1] += seen.tokens[i + 1].value;
  }
  reads += here[0];
  writes += here[1];
  live += here[0] != 0 && here[1] != 0;
  const auto first = std::find_if(seen.tokens.begin(), seen.tokens.end(),
                                  [](const fuzz::Token& token) { return token.tok == fuzz::Tok::kOutcome; });
  uninstantiated += first == seen.tokens.end() || first->value != 0;
}

namespace {

double percent(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::string GeneratorStats::to_text(const std::string& name) const {
  const uint64_t ran = cases - invalid;
  // Kinds of traps, most frequent first.
  std::vector<std::pair<std::string, uint64_t>> kinds(traps.begin(), traps.end());
  std::sort(kinds.begin(), kinds.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  std::string why;
  for (const auto& [kind, count] : kinds)
    why += text::format("{} {} {:.1f}%", why.empty() ? "; traps:" : ",", kind, percent(count, calls));
  return text::format(
      "{:<9} {} cases, {} bytes and {:.1f} functions each; {:.1f}% not run, {:.1f}% do not instantiate; calls: "
      "returned "
      "{:.1f}%, trapped {:.1f}%, threw {:.1f}%, exhausted {:.1f}%; {:.1f}% read and write the heap alive ({:.1f} "
      "reads, "
      "{:.1f} writes each){}",
      name, cases, cases == 0 ? 0 : bytes / cases,
      ran == 0 ? 0.0 : static_cast<double>(functions) / static_cast<double>(ran), percent(invalid, cases),
      percent(uninstantiated, ran), percent(returned, calls), percent(trapped, calls), percent(threw, calls),
      percent(exhausted, calls), percent(live, ran), percent(reads, ran) / 100, percent(writes, ran) / 100, why);
}

std::string GeneratorStats::to_json(const std::string& name) const {
  const nlohmann::json out = {{"generator", name},      {"cases", cases},       {"bytes", bytes},
                              {"functions", functions}, {"not_run", invalid},   {"uninstantiated", uninstantiated},
                              {"calls", calls},         {"returned", returned}, {"trapped", trapped},
                              {"threw", threw},         {"traps", traps},       {"exhausted", exhausted},
                              {"live", live},           {"reads", reads},       {"writes", writes}};
  return out.dump();
}

}  // namespace parallax::cli
