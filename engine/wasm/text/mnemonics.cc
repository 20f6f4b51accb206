#include "engine/wasm/text/mnemonics.h"

#include <bit>
#include <unordered_map>

#include "engine/base/check.h"

namespace parallax::wasm::text {

namespace {

using Index = std::unordered_map<std::string_view, Opcode>;

Index make_index() {
  Index index;
  const auto add = [&](std::string_view name, Opcode op) { index.emplace(name, op); };  // the first row wins
#define OPCODE(id, prefix, code, text, immediates, signature, effects, feature) add(text, Opcode::id);
#include "engine/wasm/opcodes.def"
#undef OPCODE
  return index;
}

uint32_t take_number(std::string_view& text) {
  uint32_t value = 0;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    value = value * 10 + static_cast<uint32_t>(text[0] - '0');
    text.remove_prefix(1);
  }
  return value;
}

struct Proposal {
  std::string_view prefix;
  const char* name;
};
constexpr Proposal kUnsupported[] = {
    {"i32.atomic.", "threads"},          {"i64.atomic.", "threads"},        {"memory.atomic.", "threads"},
    {"atomic.fence", "threads"},         {"i64.add128", "wide-arithmetic"}, {"i64.sub128", "wide-arithmetic"},
    {"i64.mul_wide", "wide-arithmetic"}, {"cont.", "stack-switching"},      {"suspend", "stack-switching"},
    {"resume", "stack-switching"},
};

}  // namespace

Opcode find_mnemonic(std::string_view name) {
  static const Index kIndex = make_index();
  const auto found = kIndex.find(name);
  return found == kIndex.end() ? kNoOpcode : found->second;
}

// Reads the width off the name: "i64.load32_u" accesses 4 bytes, "v128.load8x8_s" 8 x 8 bits, "f32.store" its type.
uint32_t natural_align_log2(Opcode op) {
  const std::string_view name = info(op).text;
  size_t at = name.find(".load");
  if (at == name.npos) at = name.find(".store");
  CHECK(at != name.npos, "wasm: {} does not access memory", name);
  std::string_view width = name.substr(name.find_first_of("de", at + 3) + 1);  // behind loa[d], stor[e]
  uint32_t bits = take_number(width);
  if (bits != 0 && width.starts_with("x")) {
    width.remove_prefix(1);
    bits *= take_number(width);
  }
  if (bits == 0) {
    std::string_view type = name.substr(1, at - 1);
    bits = take_number(type);
  }
  return static_cast<uint32_t>(std::countr_zero(bits / 8));
}

const char* unsupported_proposal(std::string_view name) {
  for (const Proposal& proposal : kUnsupported) {
    if (name.starts_with(proposal.prefix)) return proposal.name;
  }
  return nullptr;
}

}  // namespace parallax::wasm::text
