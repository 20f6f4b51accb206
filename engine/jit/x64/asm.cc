#include "engine/jit/x64/asm.h"

#include "engine/base/text.h"

namespace parallax::jit::x64 {

// Room that must be left in the space, so that a piece never ends exactly at the mapping's end.
static constexpr size_t kReserve = 4096;

CpuFeatures CpuFeatures::host() {
  const auto& has = asmjit::CpuInfo::host().features().x86();
  return {.popcnt = has.hasPOPCNT(),
          .lzcnt = has.hasLZCNT(),
          .bmi1 = has.hasBMI(),
          .bmi2 = has.hasBMI2(),
          .sse41 = has.hasSSSE3() && has.hasSSE4_1(),
          .sse42 = has.hasSSE4_2(),
          .avx = has.hasAVX() && has.hasAVX2()};
}

CpuFeatures CpuFeatures::of(runtime::CpuLevel level) {
  const CpuFeatures has = host();
  switch (level) {
    case runtime::CpuLevel::kHost: return has;
    case runtime::CpuLevel::kSse4: return {.popcnt = has.popcnt, .sse41 = has.sse41, .sse42 = has.sse42};
    case runtime::CpuLevel::kBaseline: break;
  }
  return {};
}

Asm::Asm() = default;

void Asm::start(CodeSpace& space, bool validate) {
  space_ = &space;
  errors_.first = asmjit::kErrorOk;
  notes_.clear();
  holder_.reset();
  const std::span<uint8_t> room = space.room();
  base_offset_ = space.offset_of(space.next_code());
  holder_.init(asmjit::Environment::host(), reinterpret_cast<uint64_t>(space.next_code()));
  holder_.setErrorHandler(&errors_);
  asmjit::CodeBuffer& buffer = holder_.textSection()->buffer();
  buffer._data = room.data();
  buffer._size = 0;
  buffer._capacity = room.size() > kReserve ? room.size() - kReserve : 0;
  buffer._flags = asmjit::CodeBufferFlags::kIsExternal | asmjit::CodeBufferFlags::kIsFixed;
  holder_.attach(this);
  if (validate) {
    addDiagnosticOptions(asmjit::DiagnosticOptions::kValidateAssembler);
  } else {
    clearDiagnosticOptions(asmjit::DiagnosticOptions::kValidateAssembler);
  }
}

Result<const uint8_t*> Asm::finish() {
  const size_t size = offset();
  if (errors_.first == asmjit::kErrorOk && holder_.hasUnresolvedLinks()) {
    errors_.first = asmjit::kErrorInvalidLabel;
    errors_.text = "unbound label";
  }
  if (errors_.first == asmjit::kErrorOk && holder_.hasRelocEntries()) {
    errors_.first = asmjit::kErrorInvalidRelocEntry;
    errors_.text = "code needs relocation";
  }
  const uint8_t* code = space_->next_code();
  holder_.reset();
  if (errors_.first == asmjit::kErrorTooLarge || errors_.first == asmjit::kErrorOutOfMemory) {
    return code_space_is_full();
  }
  if (errors_.first != asmjit::kErrorOk) {
    return fail(ErrorCode::kInvariant, 0, text::format("I2: assembler: {}", errors_.text));
  }
  space_->commit(size);
  return code;
}

}  // namespace parallax::jit::x64
