// Listings of machine code: decoded bytes, notes before their instruction, stack maps behind calls.
#include "engine/jit/disassemble.h"

#include <gtest/gtest.h>

namespace parallax::jit {
namespace {

TEST(Disassemble, NotesAndMapsStandWhereTheyBelong) {
  const uint8_t code[] = {0x89, 0xc8,  // mov eax, ecx
                          0xff, 0xd2,  // call rdx
                          0xc3,        // ret
                          0x06};       // no instruction in 64-bit code
  CallSites sites;
  const uint32_t live[] = {0, 2};
  sites.add({.pc = 104, .landing = 105}, live);
  const CodeNote notes[] = {{100, "; entry"}, {102, "; @0x10 call"}};
  EXPECT_EQ(disassemble(code, 100, notes, sites),
            "; entry\n"
            "00000  mov eax, ecx\n"
            "; @0x10 call\n"
            "00002  call rdx                                 ; map s0 s2, lands at 00005\n"
            "00004  ret\n"
            "00005  data 06\n");
}

}  // namespace
}  // namespace parallax::jit
