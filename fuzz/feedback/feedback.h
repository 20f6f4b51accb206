// Feedback beyond edges of our own code: which opcode and type shapes, rewrites, pairs of rewrites, safepoints, collector
// events and outcomes a case reached.
//
// A Feedback watches the judgement of one case (oracle/judge.h) and lists the features it reached. Functions are compiled
// when they are first called, so a rewrite that is seen is one whose function ran. Campaigns keep cases with new features
// (feature_map.h); libFuzzer and Centipede are told through counters in their sections, see publish(). Features are
// hashes into slots: two may share one, which costs a case now and then and never a verdict.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "fuzz/oracle/judge.h"

namespace parallax::fuzz {

enum class Domain : uint8_t {
#define DOMAIN(id, name, slots, summary) id,
#include "fuzz/feedback/domains.def"
#undef DOMAIN
};
inline constexpr size_t kDomainCount = 0
#define DOMAIN(id, name, slots, summary) +1
#include "fuzz/feedback/domains.def"
#undef DOMAIN
    ;
inline constexpr uint32_t kFeatureCount = 0
#define DOMAIN(id, name, slots, summary) +slots
#include "fuzz/feedback/domains.def"
#undef DOMAIN
    ;

struct DomainInfo {
  const char* name;
  uint32_t slots;
  uint32_t first;  // number of its first feature
  const char* summary;
};
extern const std::array<DomainInfo, kDomainCount> kDomains;
Domain domain_of(uint32_t feature);

// Which domains are listened to: bit per Domain. For ablation.
using DomainSet = uint32_t;
inline constexpr DomainSet kAllDomains = (1u << kDomainCount) - 1;
// Comma-separated names, "all" or "none". False: a name is unknown.
bool parse_domains(std::string_view text, DomainSet& out);

class Feedback final : public Watcher {
 public:
  explicit Feedback(DomainSet domains = kAllDomains);

  // Forgets the last case.
  void begin();
  void loaded(const LoadedCase& subject) override;
  void again(const LoadedCase& subject) override;
  void begins(const ExecutorSpec& spec, wasm::Embedding& store) override;
  void ran(const ExecutorSpec& spec, wasm::Embedding& store, const Observation& seen) override;

  // Features that the case reached, each once, in order of appearance.
  std::span<const uint32_t> features() const { return features_; }
  // How often, saturating. By feature.
  uint8_t count(uint32_t feature) const { return counts_[feature]; }

  void note(Domain domain, uint64_t what);

 private:
  struct Hearing;
  void shapes(const wasm::Module& module);
  void compiled(const ExecutorSpec& spec, wasm::Embedding& store);
  void collected(const ExecutorSpec& spec, const wasm::StoreStats& stats);
  bool wants(Domain domain) const { return (domains_ >> static_cast<uint32_t>(domain) & 1u) != 0; }

  DomainSet domains_;
  std::vector<uint8_t> counts_;
  std::vector<uint32_t> features_;
  const LoadedCase* subject_ = nullptr;
  uint32_t last_func_ = ~0u, last_rewrite_ = 0;
};

// Tells a fuzzing engine that is linked: libFuzzer's extra counters and Centipede's extra features. Costs a copy.
void publish(const Feedback& feedback);

}  // namespace parallax::fuzz
