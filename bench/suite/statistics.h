// Medians, spread and geometric means of measurements.
#pragma once

#include <span>
#include <vector>

namespace parallax::bench {

// Requires: not empty. Of an even number of values, the mean of the two in the middle.
double median(std::vector<double> values);
// (largest - smallest) / median; 0 for a single value.
double spread(std::span<const double> values);
// Requires: not empty, all positive.
double geometric_mean(std::span<const double> values);

}  // namespace parallax::bench
