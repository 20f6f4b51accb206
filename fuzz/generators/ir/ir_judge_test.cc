// Random IR: valid, mostly conclusive, alive, and able to find planted faults of the back end.
#include "fuzz/generators/ir/ir_judge.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "engine/base/faults.h"

namespace parallax::fuzz {
namespace {

std::array<uint8_t, 8> bytes_of(uint64_t number) {
  std::array<uint8_t, 8> bytes;
  std::memcpy(bytes.data(), &number, bytes.size());
  return bytes;
}

TEST(RandomIr, IsValidAndAllSidesAgree) {
  uint64_t calls = 0, returned = 0, undecided = 0;
  constexpr uint64_t kCases = 300;
  for (uint64_t i = 0; i < kCases; ++i) {
    const IrVerdict seen = judge_ir(bytes_of(i * 0x9e3779b97f4a7c15ull));
    ASSERT_EQ(seen.problem, "") << "case " << i << "\n" << seen.listing;
    undecided += !seen.undecided.empty();
    calls += seen.calls;
    returned += seen.returned;
  }
  EXPECT_LT(undecided, kCases / 20);
  EXPECT_GT(returned * 5, calls) << "of " << calls << " calls too few return";
}

TEST(RandomIr, TheSameBytesGiveTheSameVerdict) {
  const IrVerdict first = judge_ir(bytes_of(77)), second = judge_ir(bytes_of(77));
  EXPECT_EQ(first.calls, second.calls);
  EXPECT_EQ(first.trapped, second.trapped);
  EXPECT_EQ(first.problem, second.problem);
}

class RandomIrFinds : public testing::TestWithParam<const char*> {};

TEST_P(RandomIrFinds, APlantedFault) {
  ASSERT_TRUE(choose_fault(GetParam()));
  bool found = false;
  for (uint64_t i = 0; i < 3'000 && !found; ++i) found = !judge_ir(bytes_of(i * 0x9e3779b97f4a7c15ull)).problem.empty();
  g_fault = {};
  EXPECT_TRUE(found);
}

INSTANTIATE_TEST_SUITE_P(Faults, RandomIrFinds, testing::Values("SM2", "OPT6", "OPT3"),
                         [](const auto& fault) { return std::string(fault.param); });

}  // namespace
}  // namespace parallax::fuzz
