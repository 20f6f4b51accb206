// The opcode table: encodings, names, and what follows from names.
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "engine/wasm/features.h"
#include "engine/wasm/instr.h"

namespace parallax::wasm {
namespace {

TEST(Opcodes, EveryRowIsFoundByItsEncoding) {
  for (size_t i = 0; i < kOpcodeCount; ++i) {
    const auto op = static_cast<Opcode>(i);
    EXPECT_EQ(find_opcode(info(op).prefix, info(op).code), op) << info(op).text;
  }
}

TEST(Opcodes, UnassignedCodesAreNoOpcodes) {
  for (const uint32_t code :
       {0x16u, 0x17u, 0x1du, 0x27u, 0xc5u, 0xd7u, 0xfau, 0xfbu, 0xfcu, 0xfdu, 0xfeu, 0xffu, 0x100u}) {
    EXPECT_EQ(find_opcode(0, code), kNoOpcode) << code;
  }
  EXPECT_EQ(find_opcode(0xfb, 0x1f), kNoOpcode);
  EXPECT_EQ(find_opcode(0xfc, 0x12), kNoOpcode);
  for (const uint32_t code : {0x9au, 0xa2u, 0xa5u, 0xafu, 0xbbu, 0xe2u, 0xeeu, 0x114u, 0xffffffffu}) {
    EXPECT_EQ(find_opcode(0xfd, code), kNoOpcode) << code;
  }
  EXPECT_EQ(find_opcode(0xfe, 0), kNoOpcode);
}

TEST(Opcodes, OnlySelectSharesItsName) {
  std::map<std::string, int> names;
  for (size_t i = 0; i < kOpcodeCount; ++i) ++names[info(static_cast<Opcode>(i)).text];
  for (const auto& [name, count] : names) EXPECT_EQ(count, name == "select" ? 2 : 1) << name;
}

TEST(Opcodes, AccessSizesFollowFromTheName) {
  EXPECT_EQ(access_log2(Opcode::I32Load), 2);
  EXPECT_EQ(access_log2(Opcode::I64Load), 3);
  EXPECT_EQ(access_log2(Opcode::I64Load8U), 0);
  EXPECT_EQ(access_log2(Opcode::F64Store), 3);
  EXPECT_EQ(access_log2(Opcode::V128Load32x2S), 3);
  EXPECT_EQ(access_log2(Opcode::V128Load64Zero), 3);
  EXPECT_EQ(access_log2(Opcode::V128Load8Splat), 0);
  EXPECT_EQ(lane_count(Opcode::V128Store64Lane), 2);
  EXPECT_EQ(lane_count(Opcode::I8x16ReplaceLane), 16);
}

TEST(Features, AreFoundByName) {
  for (size_t i = 0; i < kFeatureCount; ++i) {
    const auto feature = static_cast<Feature>(i);
    EXPECT_EQ(find_feature(to_string(feature)), feature);
  }
  EXPECT_FALSE(find_feature("no-such-thing").has_value());
  EXPECT_FALSE(Features().has(Feature::kLegacyExceptions));
  EXPECT_TRUE(Features().has(Feature::kGc));
}

}  // namespace
}  // namespace parallax::wasm
