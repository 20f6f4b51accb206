// Numeric instructions for which this machine's code has no sequence: the front end's functions, called out of line.
//
// Slow and always right. Operands and result travel through the argument area, which is free between the calls of
// compiled code; nothing here can exit, collect or throw.
#include <cstring>

#include "engine/base/check.h"
#include "engine/runtime/builtins.h"
#include "engine/wasm/numerics.h"

namespace parallax::runtime::builtin {

void numeric(VmContext* ctx, uint32_t opcode, uint64_t low, uint64_t high) {
  Slot* const slots = ctx->store->arg_area;
  wasm::Instr instr;
  instr.op = static_cast<wasm::Opcode>(opcode);
  instr.lane = static_cast<uint8_t>(low);
  instr.v128 = wasm::V128::of_halves(low, high).bytes;
  wasm::V128 operands[3];
  const size_t count =
      static_cast<size_t>(std::strchr(wasm::info(instr.op).signature, ':') - wasm::info(instr.op).signature);
  CHECK(count <= std::size(operands), "I3: {} called out of line", wasm::info(instr.op).text);
  for (size_t n = 0; n < count; ++n) operands[n] = wasm::V128::of_halves(slots[n].low, slots[n].high);
  const auto result = wasm::evaluate(instr, std::span(operands).first(count));
  CHECK(result.has_value(), "I3: {} called out of line, but traps", wasm::info(instr.op).text);
  slots[0] = {result->low(), result->high()};
}

}  // namespace parallax::runtime::builtin
