// x86-64 registers as the backend names them, and the internal calling convention.
//
// Physical registers are numbers 0..31: the sixteen general ones in hardware order, then the sixteen vector ones. Sets of
// them are 32-bit masks. Nothing here depends on the assembler.
//
// Convention between compiled functions (all registers are caller-saved; only frame slots survive a call):
//   r15  fuel left; StoreContext::fuel is right whenever C++ runs, see stubs.h
//   r14  heap base, r13 StoreContext*: constant while compiled code runs
//   r10  FuncEntry* of the callee, for its stubs; otherwise allocatable
//   r11, xmm15  scratch of the emitter and of edge moves, never allocated
//   arguments and results: kArgGprs and kArgXmms in order, the rest in StoreContext::arg_area, in order
#pragma once

#include <bit>
#include <cstdint>

namespace parallax::jit {

// ORDER: hardware numbers; kXmm0 + i is vector register i.
enum PReg : uint8_t {
  kRax,
  kRcx,
  kRdx,
  kRbx,
  kRsp,
  kRbp,
  kRsi,
  kRdi,
  kR8,
  kR9,
  kR10,
  kR11,
  kR12,
  kR13,
  kR14,
  kR15,
  kXmm0,
  kXmm1,
  kXmm2,
  kXmm3,
  kXmm4,
  kXmm5,
  kXmm6,
  kXmm7,
  kXmm8,
  kXmm9,
  kXmm10,
  kXmm11,
  kXmm12,
  kXmm13,
  kXmm14,
  kXmm15,
  kNoReg = 0xff,
};
inline constexpr uint32_t kRegCount = 32;

enum class RegClass : uint8_t { kGpr, kXmm };

using RegSet = uint32_t;
constexpr RegSet bit(PReg reg) { return RegSet{1} << reg; }
constexpr RegClass class_of(PReg reg) { return reg < kXmm0 ? RegClass::kGpr : RegClass::kXmm; }
constexpr PReg lowest(RegSet set) { return static_cast<PReg>(std::countr_zero(set)); }

inline constexpr PReg kFuelReg = kR15;
inline constexpr PReg kHeapReg = kR14;
inline constexpr PReg kStoreReg = kR13;
inline constexpr PReg kCalleeReg = kR10;
inline constexpr PReg kScratchGpr = kR11;
inline constexpr PReg kScratchXmm = kXmm15;

inline constexpr RegSet kReservedRegs =
    bit(kRsp) | bit(kRbp) | bit(kFuelReg) | bit(kHeapReg) | bit(kStoreReg) | bit(kScratchGpr) | bit(kScratchXmm);
inline constexpr RegSet kAllGprs = 0x0000ffffu & ~kReservedRegs;
inline constexpr RegSet kAllXmms = 0xffff0000u & ~kReservedRegs;
inline constexpr RegSet kAllRegs = kAllGprs | kAllXmms;
constexpr RegSet allocatable(RegClass cls) { return cls == RegClass::kGpr ? kAllGprs : kAllXmms; }

inline constexpr PReg kArgGprs[] = {kRax, kRcx, kRdx, kRbx, kRsi, kRdi, kR8, kR9};
inline constexpr PReg kArgXmms[] = {kXmm0, kXmm1, kXmm2, kXmm3, kXmm4, kXmm5, kXmm6, kXmm7};
inline constexpr uint32_t kArgRegsPerClass = 8;

// Native convention of the builtins (System V).
inline constexpr PReg kNativeGprs[] = {kRdi, kRsi, kRdx, kRcx, kR8, kR9};
inline constexpr uint32_t kNativeGprCount = 6;

const char* to_string(PReg reg);

// Where arguments or results of one signature travel: give classes in order, get a register, or kNoReg and the index of
// a slot in the argument area.
class ArgAssigner {
 public:
  struct Place {
    PReg reg = kNoReg;
    uint32_t slot = 0;  // when reg == kNoReg
  };
  Place next(RegClass cls) {
    uint32_t& used = cls == RegClass::kGpr ? gprs_ : xmms_;
    if (used < kArgRegsPerClass) return {cls == RegClass::kGpr ? kArgGprs[used++] : kArgXmms[used++], 0};
    return {kNoReg, slots_++};
  }

 private:
  uint32_t gprs_ = 0;
  uint32_t xmms_ = 0;
  uint32_t slots_ = 0;
};

}  // namespace parallax::jit
