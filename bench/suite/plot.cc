// Results as a picture: one line per program, one dot per side, on a logarithmic axis of ratios. Plain SVG, no scripts.
#include <algorithm>
#include <cmath>

#include "bench/suite/results.h"
#include "engine/base/text.h"

namespace parallax::bench {

namespace {

// Told apart also without colour vision, in this order; more sides begin again.
constexpr const char* kColours[] = {"#0072b2", "#e69f00", "#009e73", "#cc79a7",
                                    "#d55e00", "#56b4e9", "#7f7f7f", "#000000"};
constexpr double kLeft = 150, kWidth = 640, kTop = 30, kLine = 22;

const char* colour(size_t side) { return kColours[side % std::size(kColours)]; }

// The powers of two that enclose all ratios.
struct Axis {
  int low = -1, high = 1;
  double at(double ratio) const { return kLeft + kWidth * (std::log2(ratio) - low) / (high - low); }
};

Axis axis_of(const Results& results) {
  Axis axis;
  for (size_t side = 0; side < results.sides.size(); ++side) {
    for (size_t i = 0; i < results.programs.size(); ++i) {
      const auto one = ratio(results, side, i, Metric::kSteady);
      if (!one) continue;
      axis.low = std::min(axis.low, static_cast<int>(std::floor(std::log2(*one))));
      axis.high = std::max(axis.high, static_cast<int>(std::ceil(std::log2(*one))));
    }
  }
  return axis;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') out += "&lt;";
    else if (c == '&') out += "&amp;";
    else out += c;
  }
  return out;
}

std::string label(double x, double y, std::string_view text, std::string_view anchor = "start") {
  return text::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor, escaped(text));
}

std::string grid(const Axis& axis, double bottom) {
  std::string out;
  for (int power = axis.low; power <= axis.high; ++power) {
    const double x = axis.at(std::exp2(power));
    out += text::format("<line x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2}\" stroke=\"{3}\"/>\n", x, kTop, bottom,
                        power == 0 ? "#444" : "#ddd");
    const std::string name = power >= 0 ? text::format("{}x", 1 << power) : text::format("1/{}", 1 << -power);
    out += label(x, kTop - 8, name, "middle");
  }
  return out;
}

std::string dot(const Axis& axis, double ratio, double y, size_t side, std::string_view name) {
  return text::format(
      "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\" fill=\"{}\" fill-opacity=\"0.85\"><title>{} "
      "{:.2f}x</title></circle>\n",
      axis.at(ratio), y, colour(side), escaped(name), ratio);
}

}  // namespace

std::string plot_svg(const Results& results) {
  const Axis axis = axis_of(results);
  const size_t lines = results.programs.size() + 1;
  const double bottom = kTop + kLine * static_cast<double>(lines);
  const double height = bottom + 26 + 18 * static_cast<double>(results.sides.size());
  std::string out = text::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      kLeft + kWidth + 40, height);
  out += grid(axis, bottom);
  for (size_t line = 0; line < lines; ++line) {
    const bool is_mean = line == results.programs.size();
    const double y = kTop + kLine * (static_cast<double>(line) + 0.6);
    out += label(kLeft - 10, y + 4, is_mean ? "geometric mean" : results.programs[line]->name, "end");
    for (size_t side = 0; side < results.sides.size(); ++side) {
      std::optional<double> value;
      if (!is_mean) value = ratio(results, side, line, Metric::kSteady);
      else if (const auto mean = mean_ratio(results, side, std::nullopt, Metric::kSteady)) value = mean->ratio;
      if (value) out += dot(axis, *value, y, side, results.sides[side].name);
    }
  }
  for (size_t side = 0; side < results.sides.size(); ++side) {
    const double y = bottom + 24 + 18 * static_cast<double>(side);
    out += text::format("<circle cx=\"{}\" cy=\"{}\" r=\"5\" fill=\"{}\"/>\n", kLeft, y - 4, colour(side));
    out += label(kLeft + 12, y, results.sides[side].name);
  }
  out += label(kLeft + kWidth, bottom + 24,
               text::format("time as a multiple of {}'s, left is faster", results.sides[results.baseline].name), "end");
  return out + "</svg>\n";
}

}  // namespace parallax::bench
