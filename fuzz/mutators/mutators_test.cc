#include "fuzz/mutators/mutators.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "fuzz/generators/generators.h"

namespace parallax::fuzz {
namespace {

namespace edit = wasm::edit;

struct Seed {
  std::shared_ptr<wasm::TypeStore> types;
  Result<wasm::Module> valid;
  edit::Module module;
};

// Modules of our own generator, valid by its word.
std::vector<Case> seeds(size_t wanted) {
  std::vector<Case> found;
  for (uint64_t i = 0; found.size() < wanted; ++i) {
    auto subject = generate_at(GeneratorKind::kGc, 77, i);
    if (subject && subject->claims_valid && subject->modules.front().size() < 20'000) found.push_back(*subject);
  }
  return found;
}

class Mutators : public ::testing::TestWithParam<size_t> {};

// The judge of this folder: whatever a mutator says it changed is valid. A thousand applications of each.
TEST_P(Mutators, KeepModulesValid) {
  const auto mutator = static_cast<Mutator>(GetParam());
  static const std::vector<Case> all = seeds(40);
  uint32_t changed = 0, applied = 0;
  constexpr uint32_t kRounds = 25;
  for (size_t s = 0; s < all.size(); ++s) {
    const auto types = std::make_shared<wasm::TypeStore>();
    const auto valid = wasm::load(all[s].modules.front(), types);
    const auto donor_valid = wasm::load(all[(s + 1) % all.size()].modules.front(), types);
    ASSERT_TRUE(valid && donor_valid);
    const auto lifted = edit::lift(*valid);
    const auto donor_lifted = edit::lift(*donor_valid);
    ASSERT_TRUE(lifted && donor_lifted);
    const Donor donor{&*donor_valid, &*donor_lifted};
    edit::Module stacked = *lifted;  // mutations on top of each other, without lifting again
    for (uint32_t round = 0; round < kRounds; ++round) {
      ChoiceStream choices(s * 1'000 + round);
      ++applied;
      edit::Module module = round % 2 == 0 ? *lifted : stacked;
      if (!apply(mutator, *valid, module, choices, donor)) continue;
      ++changed;
      const auto bytes = edit::encode(module);
      ASSERT_TRUE(bytes) << info(mutator).name << " seed " << s << " round " << round << ": "
                         << bytes.error().to_string();
      const auto again = wasm::load(*bytes, std::make_shared<wasm::TypeStore>());
      ASSERT_TRUE(again) << info(mutator).name << " seed " << s << " round " << round << ": "
                         << again.error().to_string();
      if (round % 2 == 1) stacked = std::move(module);
    }
  }
  std::printf("%-20s changed %4u of %u (%u%% without effect)\n", info(mutator).name, changed, applied,
              100 * (applied - changed) / applied);
  EXPECT_GT(changed, 0u) << info(mutator).name << " never changes anything";
}

INSTANTIATE_TEST_SUITE_P(All, Mutators, ::testing::Range<size_t>(0, kMutatorCount),
                         [](const auto& param) { return std::string(kMutatorTable[param.param].name); });

TEST(Mutation, SameChoicesGiveTheSameModule) {
  const std::vector<Case> all = seeds(2);
  for (uint64_t i = 0; i < 20; ++i) {
    ChoiceStream a(i), b(i);
    const auto first = mutate_case(all[0], &all[1], a);
    const auto second = mutate_case(all[0], &all[1], b);
    ASSERT_EQ(first.has_value(), second.has_value());
    if (first) EXPECT_EQ(*first, *second);
  }
}

// Mixed mutators one after the other, each result lifted again: what a campaign does.
TEST(Mutation, LineagesStayValid) {
  const std::vector<Case> all = seeds(6);
  for (size_t s = 0; s < all.size(); ++s) {
    Case subject = all[s];
    for (uint64_t generation = 0; generation < 60; ++generation) {
      ChoiceStream choices(s << 32 | generation);
      auto next = mutate_case(subject, &all[(s + 1) % all.size()], choices);
      if (!next) continue;
      EXPECT_FALSE(next->claims_valid);
      for (const auto& module : next->modules) {
        const auto valid = wasm::load(module, std::make_shared<wasm::TypeStore>());
        ASSERT_TRUE(valid) << "seed " << s << " generation " << generation << ": " << valid.error().to_string();
      }
      subject = std::move(*next);
    }
  }
}

TEST(Mutation, AnInvalidModuleIsRefused) {
  ChoiceStream choices(1);
  EXPECT_FALSE(mutate_module(std::vector<uint8_t>{0, 'a', 's', 'm', 1, 0, 0, 0, 1, 1, 9}, {}, choices));
  EXPECT_TRUE(mutate_input(std::vector<uint8_t>{1, 2, 3}, {}, 4096, 1).empty());
}

TEST(Mutation, TheInputOfAnEngineFitsItsLimit) {
  const std::vector<Case> all = seeds(2);
  const std::vector<uint8_t> input = write_envelope(all[0]), donor = write_envelope(all[1]);
  for (uint64_t seed = 0; seed < 30; ++seed) {
    EXPECT_LE(mutate_input(input, donor, input.size() + 100, seed).size(), input.size() + 100);
  }
}

}  // namespace
}  // namespace parallax::fuzz
