#include "fuzz/feedback/feedback.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "fuzz/feedback/feature_map.h"
#include "fuzz/generators/generators.h"

namespace parallax::fuzz {
namespace {

std::vector<uint32_t> features_of(uint64_t index, DomainSet domains = kAllDomains) {
  const auto subject = generate_at(GeneratorKind::kGc, 3, index);
  EXPECT_TRUE(subject);
  Feedback feedback(domains);
  JudgeOptions options{.executors = {*parse_spec("interp"), *parse_spec("jit:O2:zeal=7")}};
  options.watcher = &feedback;
  (void)judge(*subject, options);
  return {feedback.features().begin(), feedback.features().end()};
}

TEST(Feedback, EveryDomainIsReachedByAFewCases) {
  std::set<size_t> reached;
  for (uint64_t i = 0; i < 12; ++i) {
    for (const uint32_t feature : features_of(i)) reached.insert(static_cast<size_t>(domain_of(feature)));
  }
  for (size_t i = 0; i < kDomainCount; ++i) EXPECT_TRUE(reached.contains(i)) << kDomains[i].name;
}

TEST(Feedback, TheSameCaseHasTheSameFeatures) {
  for (uint64_t i = 0; i < 5; ++i) EXPECT_EQ(features_of(i), features_of(i));
}

TEST(Feedback, ADomainThatIsSwitchedOffSaysNothing) {
  DomainSet only = 0;
  ASSERT_TRUE(parse_domains("rewrites,safepoints", only));
  for (const uint32_t feature : features_of(1, only)) {
    EXPECT_TRUE(domain_of(feature) == Domain::kRewrites || domain_of(feature) == Domain::kSafepoints);
  }
  EXPECT_FALSE(parse_domains("rewrites,edges", only));
}

TEST(Feedback, AMapSaysWhatIsNewOnce) {
  const auto map = std::make_unique<FeatureMap>();
  const std::vector<uint32_t> features = features_of(2);
  EXPECT_EQ(map->add(features), features.size());
  EXPECT_EQ(map->add(features), 0u);
  uint32_t total = 0;
  for (size_t i = 0; i < kDomainCount; ++i) total += map->count(static_cast<Domain>(i));
  EXPECT_EQ(total, features.size());
}

}  // namespace
}  // namespace parallax::fuzz
