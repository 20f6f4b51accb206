#include "bench/suite/statistics.h"

#include <algorithm>
#include <cmath>

#include "engine/base/check.h"

namespace parallax::bench {

double median(std::vector<double> values) {
  CHECK(!values.empty(), "median of nothing");
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double spread(std::span<const double> values) {
  const auto [smallest, largest] = std::minmax_element(values.begin(), values.end());
  return (*largest - *smallest) / median({values.begin(), values.end()});
}

double geometric_mean(std::span<const double> values) {
  CHECK(!values.empty(), "mean of nothing");
  double sum = 0;
  for (const double value : values) sum += std::log(value);
  return std::exp(sum / static_cast<double>(values.size()));
}

}  // namespace parallax::bench
