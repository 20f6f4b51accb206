// Cases worth mutating, and which of them is next.
//
// Each case that is kept stands for the features that it is the smallest known case of; one that stands for nothing any
// more goes. Every case that is run is counted by its features, kept or not, so that a feature that few cases reach is
// known: half of the time the next parent is the case that stands for the rarest of a few features, drawn first by
// domain, because some domains have a hundred times as many features as others. The rest of the time all cases are
// equal: what is rare may be rare because nothing grows from it. What the figures behind this are: docs/fuzzing.md.
//
// A pool follows from the order of calls and from the choices; nothing depends on time or on addresses.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/base/choices.h"
#include "fuzz/case/case.h"
#include "fuzz/feedback/feedback.h"

namespace parallax::fuzz {

enum class Pick : uint8_t { kRare, kEven };

class Pool {
 public:
  explicit Pool(Pick policy = Pick::kRare)
      : policy_(policy), hits_(kFeatureCount), stands_for_(kFeatureCount), listed_(kFeatureCount) {}

  // A case reached these. Called once for every case that is run, before add().
  void ran(std::span<const uint32_t> features);
  // Keeps a case. Without features (a file that another worker kept) it stands for nothing and stays.
  void add(Case subject, size_t bytes, std::span<const uint32_t> features, ChoiceStream& choices);

  bool empty() const { return live_.empty(); }
  size_t size() const { return live_.size(); }
  // Whom to mutate. Requires a case.
  const Case& pick(ChoiceStream& choices) const;
  // Any case: what the other parent of a crossover is. Requires a case.
  const Case& any(ChoiceStream& choices) const { return entries_[choices.pick(live_)].subject; }

  // The case that stands for a feature; null when none does.
  const Case* standing_for(uint32_t feature) const {
    return stands_for_[feature] == 0 ? nullptr : &entries_[stands_for_[feature] - 1].subject;
  }

 private:
  static constexpr uint32_t kMost = 4'096;
  static constexpr uint32_t kDrawn = 8;  // features of which the rarest is taken

  struct Entry {
    Case subject;
    size_t bytes = 0;
    uint32_t features = 0;  // that it stands for
    uint32_t place = 0;     // in live_
    bool counted = false;   // came with features: goes when it stands for none
  };
  void remove(uint32_t entry);

  Pick policy_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> live_, free_;                        // numbers of entries
  std::vector<uint32_t> hits_;                               // cases that reached it, by feature
  std::vector<uint32_t> stands_for_;                         // entry + 1, by feature; 0: none
  std::vector<uint8_t> listed_;                              // whether it is in reached_, by feature
  std::array<std::vector<uint32_t>, kDomainCount> reached_;  // features that somebody stood for, by domain
};

}  // namespace parallax::fuzz
