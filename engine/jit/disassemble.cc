#include "engine/jit/disassemble.h"

#include <Zydis/Zydis.h>

#include "engine/base/text.h"

namespace parallax::jit {

namespace {

// What the return address behind a call means.
std::string describe_site(const CallSites& sites, const CallSite& site, uint32_t base) {
  std::string out = "; map";
  for (const uint32_t slot : sites.live(site)) out += text::format(" s{}", slot);
  if (site.map_count == 0) out += " empty";
  if (site.landing != CallSite::kNone) out += text::format(", lands at {:05x}", site.landing - base);
  return out;
}

std::string data_line(std::span<const uint8_t> bytes) {
  std::string out = "data";
  for (const uint8_t byte : bytes) out += text::format(" {:02x}", byte);
  return out;
}

}  // namespace

std::string disassemble(std::span<const uint8_t> code, uint32_t base, std::span<const CodeNote> notes,
                        const CallSites& sites) {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  ZydisFormatter formatter;
  ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
  std::string out;
  size_t note = 0;
  for (uint32_t at = 0; at < code.size();) {
    for (; note < notes.size() && notes[note].offset <= base + at; ++note) out += notes[note].text + "\n";
    ZydisDecodedInstruction instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    char buffer[160] = "";
    const bool decoded =
        ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code.data() + at, code.size() - at, &instruction, operands));
    if (!decoded) {
      out += text::format("{:05x}  {}\n", at, data_line(code.subspan(at, 1)));
      ++at;
      continue;
    }
    // Relative to the function, so that listings of two runs can be compared.
    ZydisFormatterFormatInstruction(&formatter, &instruction, operands, instruction.operand_count_visible, buffer,
                                    sizeof buffer, at, nullptr);
    std::string line = text::format("{:05x}  {}", at, buffer);
    at += instruction.length;
    if (const CallSite* site = sites.find(base + at); site != nullptr && instruction.mnemonic == ZYDIS_MNEMONIC_CALL) {
      line.resize(std::max<size_t>(line.size() + 1, 48), ' ');
      line += describe_site(sites, *site, base);
    }
    out += line + "\n";
  }
  return out;
}

}  // namespace parallax::jit
