// Generators judged: valid always, deterministic, and about what they are meant to be about.
#include "fuzz/generators/generators.h"

#include <gtest/gtest.h>

#include <set>

#include "engine/wasm/module.h"

namespace parallax::fuzz {
namespace {

TEST(GcPrograms, AreValidUnlessMadeInvalid) {
  uint32_t invalid = 0, two_modules = 0, unclaimed = 0;
  for (uint64_t index = 0; index < 300; ++index) {
    const auto subject = generate_at(GeneratorKind::kGc, 11, index);
    ASSERT_TRUE(subject.has_value());
    auto types = std::make_shared<wasm::TypeStore>();
    two_modules += subject->modules.size() > 1;
    bool accepted = true;
    std::string why;
    for (const auto& bytes : subject->modules) {
      const auto module = wasm::load(bytes, types);
      accepted = accepted && module.has_value();
      if (!module) why = module.error().to_string();
    }
    EXPECT_EQ(accepted, !subject->claims_invalid) << "index " << index << ": " << why;
    EXPECT_FALSE(subject->claims_valid && subject->claims_invalid);
    unclaimed += !subject->claims_valid && !subject->claims_invalid;  // linking is to be refused
    invalid += subject->claims_invalid;
  }
  EXPECT_GT(invalid, 0u);
  EXPECT_GT(two_modules, 10u);
  EXPECT_GT(unclaimed, 0u);
  EXPECT_LT(unclaimed, 40u);
}

TEST(GcPrograms, FollowFromSeedAndIndexAlone) {
  const auto first = generate_at(GeneratorKind::kGc, 5, 77);
  (void)generate_at(GeneratorKind::kGc, 5, 78);
  const auto again = generate_at(GeneratorKind::kGc, 5, 77);
  ASSERT_TRUE(first.has_value() && again.has_value());
  EXPECT_EQ(*first, *again);
  EXPECT_NE(*first, *generate_at(GeneratorKind::kGc, 6, 77));
}

TEST(GcPrograms, ComeFromAnyBytes) {
  std::vector<uint8_t> bytes;
  for (uint32_t length = 0; length < 200; length += 7) {
    const auto subject = generate(GeneratorKind::kGc, bytes);
    ASSERT_TRUE(subject.has_value());
    EXPECT_EQ(wasm::load(subject->modules[0], std::make_shared<wasm::TypeStore>()).has_value(),
              !subject->claims_invalid);
    for (uint32_t i = 0; i < 7; ++i) bytes.push_back(static_cast<uint8_t>(length * 31 + i * 57));
  }
}

TEST(SingleOps, AreValidAndCoverTheInstructions) {
  std::set<std::string> seen;
  for (uint64_t index = 0; index < 1500; ++index) {
    const auto subject = generate_at(GeneratorKind::kOp, 4, index);
    ASSERT_TRUE(subject.has_value());
    const auto module = wasm::load(subject->modules[0], std::make_shared<wasm::TypeStore>());
    ASSERT_TRUE(module.has_value()) << "index " << index << ": " << module.error().to_string();
    for (const Step& step : subject->plan) {
      if (step.kind == StepKind::kCall) seen.insert(step.name.substr(0, step.name.rfind(' ')));
    }
  }
  for (const char* name :
       {"i32.div_s", "i64.rotl", "f64.min", "i32.load16_s", "struct.get_s", "array.copy", "ref.cast null",
        "array.init_elem", "table.fill", "i31.get_u", "memory.grow", "i32.trunc_sat_f64_u"}) {
    EXPECT_TRUE(seen.contains(name)) << name;
  }
  EXPECT_GT(seen.size(), 200u);
}

TEST(Binaryen, IsDeterministicAndValidWhereThere) {
  if (!available(GeneratorKind::kBinaryen)) GTEST_SKIP() << "built without Binaryen";
  for (uint64_t index = 0; index < 20; ++index) {
    const auto first = generate_at(GeneratorKind::kBinaryen, 3, index);
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ(*first, *generate_at(GeneratorKind::kBinaryen, 3, index));
    const auto module = wasm::load(first->modules[0], std::make_shared<wasm::TypeStore>());
    EXPECT_TRUE(module.has_value()) << module.error().to_string();
  }
}

// Its types and names stay from case to case: no module may depend on what they were.
TEST(Binaryen, MakesTheSameModuleWhateverCameBefore) {
  if (!available(GeneratorKind::kBinaryen)) GTEST_SKIP() << "built without Binaryen";
  std::vector<Result<Case>> first;
  for (uint64_t index = 0; index < 4; ++index) first.push_back(generate_at(GeneratorKind::kBinaryen, 8, index));
  for (uint64_t index = 100; index < 250; ++index) (void)generate_at(GeneratorKind::kBinaryen, 8, index);
  for (uint64_t index = 0; index < 4; ++index) {
    ASSERT_TRUE(first[index].has_value());
    EXPECT_EQ(*first[index], *generate_at(GeneratorKind::kBinaryen, 8, index)) << "index " << index;
  }
}

}  // namespace
}  // namespace parallax::fuzz
