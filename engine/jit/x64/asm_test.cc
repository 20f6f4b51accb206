// The instructions that Asm writes itself have the bytes that asmjit would choose: all shapes of operands, compared.
#include "engine/jit/x64/asm.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace parallax::jit::x64 {
namespace {

using asmjit::Imm;
using asmjit::Operand;
namespace Inst = x86::Inst;

class Bytes {
 public:
  Bytes() : space_(*CodeSpace::acquire()) {
    ours_.start(*space_);
    theirs_code_.init(asmjit::Environment::host());
    theirs_code_.attach(&theirs_);
  }
  ~Bytes() {
    EXPECT_TRUE(ours_.finish().has_value());
    CodeSpace::release(std::move(space_));
  }

  void same(asmjit::InstId id, const Operand& a, const Operand& b) {
    const uint8_t* const begin = ours_.cursor();
    const size_t at = theirs_.offset();
    const asmjit::Error wanted = theirs_.emit(id, a, b);
    if (wanted != asmjit::kErrorOk) return;  // no such instruction
    EXPECT_EQ(ours_.emit(id, a, b), asmjit::kErrorOk);
    const std::vector<uint8_t> got(begin, static_cast<const uint8_t*>(ours_.cursor()));
    const std::vector<uint8_t> expected(theirs_.bufferData() + at, theirs_.bufferData() + theirs_.offset());
    EXPECT_EQ(got, expected) << "instruction " << id << " of " << describe(a) << ", " << describe(b);
    ++compared;
  }

  size_t compared = 0;

 private:
  static std::string describe(const Operand& op) {
    asmjit::String text;
    asmjit::Formatter::formatOperand(text, asmjit::FormatFlags::kNone, nullptr, asmjit::Arch::kX64, op);
    return text.data();
  }

  std::unique_ptr<CodeSpace> space_;
  Asm ours_;
  asmjit::CodeHolder theirs_code_;
  x86::Assembler theirs_;
};

const asmjit::InstId kIds[] = {Inst::kIdMov, Inst::kIdAdd, Inst::kIdOr,  Inst::kIdAnd,  Inst::kIdSub,
                               Inst::kIdXor, Inst::kIdCmp, Inst::kIdAdc, Inst::kIdTest, Inst::kIdLea};

std::vector<x86::Gp> registers() {
  std::vector<x86::Gp> all;
  for (uint32_t r = 0; r < 16; ++r) {
    all.push_back(x86::gpd(r));
    all.push_back(x86::gpq(r));
  }
  all.push_back(x86::cl);
  all.push_back(x86::gpb(6));
  all.push_back(x86::gpw(9));
  return all;
}

std::vector<x86::Mem> places() {
  std::vector<x86::Mem> all;
  for (const uint32_t size : {0u, 1u, 2u, 4u, 8u}) {
    for (uint32_t base = 0; base < 16; ++base) {
      for (const int32_t disp : {0, 8, -8, 127, 128, -128, -129, 1 << 20, -(1 << 30)}) {
        all.push_back(x86::ptr(x86::gpq(base), disp, size));
        for (const uint32_t index : {0u, 1u, 5u, 8u, 12u, 13u, 15u}) {
          all.push_back(x86::ptr(x86::gpq(base), x86::gpq(index), (base + index) % 4, disp, size));
        }
      }
    }
    all.push_back(x86::ptr(uint64_t{0x1234}, size));
    all.push_back(x86::ptr(x86::gpd(3), 4, size));
  }
  return all;
}

constexpr int64_t kImmediates[] = {0,          1,          -1,          127,         128,
                                   -128,       -129,       0x7fffffff,  -0x80000000, int64_t{1} << 31,
                                   0xffffffff, 0xffffff80, 0x100000000, -0x80000001, int64_t{1} << 40};

TEST(Asm, WritesRegistersAsAsmjitDoes) {
  Bytes bytes;
  for (const asmjit::InstId id : kIds) {
    for (const x86::Gp& a : registers()) {
      for (const x86::Gp& b : registers()) bytes.same(id, a, b);
    }
  }
  EXPECT_GT(bytes.compared, 4'000u);
}

TEST(Asm, WritesMemoryAsAsmjitDoes) {
  Bytes bytes;
  for (const asmjit::InstId id : kIds) {
    for (const x86::Mem& m : places()) {
      for (const uint32_t r : {0u, 3u, 6u, 8u, 15u}) {
        bytes.same(id, x86::gpd(r), m);
        bytes.same(id, x86::gpq(r), m);
        bytes.same(id, m, x86::gpd(r));
        bytes.same(id, m, x86::gpq(r));
      }
    }
  }
  EXPECT_GT(bytes.compared, 100'000u);
}

TEST(Asm, WritesImmediatesAsAsmjitDoes) {
  Bytes bytes;
  for (const asmjit::InstId id : kIds) {
    for (const int64_t value : kImmediates) {
      for (const x86::Gp& a : registers()) bytes.same(id, a, Imm(value));
      for (const x86::Mem& m : places()) bytes.same(id, m, Imm(value));
    }
  }
  EXPECT_GT(bytes.compared, 10'000u);
}

}  // namespace
}  // namespace parallax::jit::x64
