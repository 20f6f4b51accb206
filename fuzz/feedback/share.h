// How many of a campaign's cases are mutations, beside fresh ones: more where they bring more.
//
// Counts new features by case on either side, forgetting half of what it knows every so many cases, because fresh cases
// find much at first and little later, the sooner the smaller the generator's space is. The share moves around the one that
// was asked for, and neither side starves. Everything follows from the order of calls: no clocks, so that a campaign with one
// worker can be repeated.
#pragma once

#include <cstdint>

namespace parallax::fuzz {

class MutationShare {
 public:
  enum class Side : uint8_t { kFresh, kMutated };
  // A case was run and reached this many new features.
  void note(Side side, uint32_t features);
  // Percent of cases that are to be mutations when `percent` is what was asked for: between a quarter of it and what
  // leaves a quarter of the others.
  uint32_t percent(uint32_t percent) const;

 private:
  struct Tally {
    double cases = 0, features = 0;
    // `mean` is believed until more is known.
    double rate(double mean) const { return (features + kPrior * mean) / (cases + kPrior); }
  };
  static constexpr double kPrior = 100;         // cases
  static constexpr uint32_t kHalfLife = 2'048;  // cases
  Tally fresh_, mutated_;
  uint32_t cases_ = 0;
};

}  // namespace parallax::fuzz
