// Features as fuzzing engines read them. The sections are those that the engines look for; without an engine they are
// plain memory.
//
//   libFuzzer   __libfuzzer_extra_counters: bytes that are cleared before and read after each run
//   Centipede   __centipede_extra_features: 64-bit words, 0 for none; the high half is a user domain (0 to 15)
//   AFL++, honggfuzz   with PARALLAX_FEATURE_GUARDS: a guard for each feature among those of the edges, which the compiler's
//               own constructor hands to the engine; a feature that is reached is an edge that is passed
#include <algorithm>

#include "fuzz/feedback/feedback.h"

#ifdef PARALLAX_FEATURE_GUARDS
extern "C" void __sanitizer_cov_trace_pc_guard(uint32_t* guard);  // NOLINT: the engine's name
#endif

namespace parallax::fuzz {

namespace {

constexpr size_t kMaxFeatures = 8'192;

__attribute__((used, retain, section("__libfuzzer_extra_counters"))) uint8_t extra_counters[kFeatureCount];
__attribute__((used, retain, section("__centipede_extra_features"))) uint64_t extra_features[kMaxFeatures];

#ifdef PARALLAX_FEATURE_GUARDS
__attribute__((used, retain, section("__sancov_guards"))) uint32_t feature_guards[kFeatureCount];
void pass_edge(uint32_t feature) {
  if (feature_guards[feature] != 0) __sanitizer_cov_trace_pc_guard(&feature_guards[feature]);
}
#else
void pass_edge(uint32_t) {}
#endif

}  // namespace

void publish(const Feedback& feedback) {
  size_t used = 0;
  for (const uint32_t feature : feedback.features()) {
    pass_edge(feature);
    extra_counters[feature] = std::max(extra_counters[feature], feedback.count(feature));
    const Domain domain = domain_of(feature);
    const uint64_t inside = feature - kDomains[static_cast<size_t>(domain)].first;
    if (used < kMaxFeatures) extra_features[used++] = static_cast<uint64_t>(domain) << 32 | (inside + 1);  // 0 is none
  }
}

}  // namespace parallax::fuzz
