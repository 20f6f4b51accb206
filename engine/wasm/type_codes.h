// Codes of types in the binary format (specification, "Binary Format: Types"), once for reading and writing.
#pragma once

#include <array>
#include <cstdint>

#include "engine/wasm/types.h"

namespace parallax::wasm {

inline constexpr uint8_t kCodeRefNull = 0x63;  // (ref null ht)
inline constexpr uint8_t kCodeRef = 0x64;      // (ref ht)
inline constexpr uint8_t kCodeI8 = 0x78;
inline constexpr uint8_t kCodeI16 = 0x77;
inline constexpr uint8_t kCodeFunc = 0x60;
inline constexpr uint8_t kCodeStruct = 0x5f;
inline constexpr uint8_t kCodeArray = 0x5e;
inline constexpr uint8_t kCodeSub = 0x50;
inline constexpr uint8_t kCodeSubFinal = 0x4f;
inline constexpr uint8_t kCodeRec = 0x4e;
inline constexpr uint8_t kCodeEmptyBlock = 0x40;

// ORDER: HeapKind, without kConcrete. As a reference type the code alone means nullable.
inline constexpr std::array<uint8_t, 12> kHeapCodes = {
    0x70,  // func
    0x73,  // nofunc
    0x6f,  // extern
    0x72,  // noextern
    0x6e,  // any
    0x6d,  // eq
    0x6c,  // i31
    0x6b,  // struct
    0x6a,  // array
    0x71,  // none
    0x69,  // exn
    0x74,  // noexn
};

// ORDER: ValKind, numbers and vectors.
inline constexpr std::array<uint8_t, 5> kNumberCodes = {0x7f, 0x7e, 0x7d, 0x7c, 0x7b};

// Import and export kinds, in the order of ExternKind: func 0, table 1, memory 2, global 3, tag 4.

}  // namespace parallax::wasm
