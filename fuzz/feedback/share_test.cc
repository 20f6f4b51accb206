#include "fuzz/feedback/share.h"

#include <gtest/gtest.h>

namespace parallax::fuzz {
namespace {

using Side = MutationShare::Side;

// `fresh` and `mutated`: new features of so many cases of each side.
uint32_t share_after(uint32_t cases, uint32_t fresh, uint32_t mutated, uint32_t asked = 50) {
  MutationShare share;
  for (uint32_t i = 0; i < cases; ++i) {
    share.note(Side::kFresh, fresh);
    share.note(Side::kMutated, mutated);
  }
  return share.percent(asked);
}

TEST(MutationShare, IsWhatWasAskedForWhileNothingIsKnown) {
  EXPECT_EQ(MutationShare().percent(50), 50u);
  EXPECT_EQ(share_after(1'000, 0, 0, 30), 30u);
  EXPECT_NEAR(share_after(1'000, 2, 2, 30), 30, 1);
}

TEST(MutationShare, FollowsWhatIsBroughtAndStarvesNobody) {
  EXPECT_NEAR(share_after(5'000, 1, 3), 75, 3);
  EXPECT_EQ(share_after(5'000, 10, 0), 12u);
  EXPECT_EQ(share_after(5'000, 0, 10), 87u);
}

TEST(MutationShare, NoneAndAllAreWhatTheySay) {
  EXPECT_EQ(share_after(5'000, 0, 10, 0), 0u);
  EXPECT_EQ(share_after(5'000, 10, 0, 100), 100u);
}

TEST(MutationShare, Forgets) {
  MutationShare share;
  for (int i = 0; i < 5'000; ++i) share.note(Side::kFresh, 10), share.note(Side::kMutated, 1);
  EXPECT_LT(share.percent(50), 20u);
  for (int i = 0; i < 20'000; ++i) share.note(Side::kFresh, 0), share.note(Side::kMutated, 1);
  EXPECT_GT(share.percent(50), 70u);
}

}  // namespace
}  // namespace parallax::fuzz
