// What several formats of a report have in common: pictures, windows of text, rows.
#include <algorithm>

#include "engine/base/text.h"
#include "triage/report/report.h"

namespace parallax::triage {

HeapPictures draw_heaps(const Report& report) {
  if (!report.left || !report.right) return {};
  const HeapGraph left = read_heap(*report.left), right = read_heap(*report.right);
  if (left.empty() && right.empty()) return {};
  const HeapComparison marks = compare_heaps(left, right);
  HeapPictures pictures{.equal = marks.equal() && report.left->complete() && report.right->complete()};
  const auto title = [](const Observed& side) {
    return text::format("the heap at the end, as {} left it", side.executor);
  };
  if (!left.empty()) pictures.left = draw_heap(left, marks.left, title(*report.left));
  if (!right.empty()) pictures.right = draw_heap(right, marks.right, title(*report.right));
  return pictures;
}

std::vector<std::pair<char, std::string>> difference_lines(const Report& report, size_t context) {
  std::vector<std::pair<char, std::string>> lines;
  if (!report.left || !report.right) return lines;
  const Observed &left = *report.left, &right = *report.right;
  const size_t at = common_prefix(left, right);
  const std::string place = place_of(left, at == 0 ? 0 : at - 1);
  const size_t begin = at > context ? at - context : 0;
  bool has_place = false;
  for (size_t i = begin; i < at; ++i) has_place = has_place || left.lines[i] == place;
  if (!has_place && !place.empty()) lines.emplace_back(' ', place), lines.emplace_back(' ', "...");
  for (size_t i = begin; i < at; ++i) lines.emplace_back(' ', left.lines[i]);
  const auto side = [&](const Observed& seen, char mark) {
    for (size_t i = at; i < std::min(at + context, seen.lines.size()); ++i) lines.emplace_back(mark, seen.lines[i]);
    if (at >= seen.lines.size()) {
      const std::string why = !seen.died.empty()           ? seen.died
                              : !seen.inconclusive.empty() ? seen.inconclusive
                                                           : "nothing more";
      lines.emplace_back(mark, why);
    }
  };
  side(left, '<');
  side(right, '>');
  return lines;
}

std::vector<std::pair<std::string, std::string>> setting_rows(const Report& report) {
  std::vector<std::pair<std::string, std::string>> rows;
  const auto add = [&](const char* label, const std::string& value) {
    if (!value.empty()) rows.emplace_back(label, value);
  };
  const auto joined = [](const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
    return out;
  };
  if (!report.narrowed) {
    add("executors as found", joined(report.record.executors));
    return rows;
  }
  const Narrowed& narrowed = *report.narrowed;
  add("reference", narrowed.reference);
  add("simplest executor that shows it", narrowed.weakest);
  add("proposals it cannot do without", joined(narrowed.features));
  add("class", narrowed.bug_class);
  add("guilty pass", narrowed.guilty_pass);
  add("passes that must run", joined(narrowed.needed_passes));
  if (narrowed.rewrite) {
    const GuiltyRewrite& rewrite = *narrowed.rewrite;
    add("guilty rewrite", text::format("{} ({}), number {} of {}, function {}, offset {:#x}", rewrite.kind,
                                       rewrite.summary, rewrite.number, rewrite.total, rewrite.func, rewrite.offset));
  }
  if (narrowed.collection) {
    const GuiltyCollection& collection = *narrowed.collection;
    add("guilty collection", text::format("number {} of {}, at {} in function {}, offset {:#x}", collection.index,
                                          collection.total, collection.operation, collection.func, collection.offset));
  }
  add("with run-time checks", narrowed.armed);
  add("without run-time checks", narrowed.plain);
  if (!narrowed.invariant.empty())
    add("invariant", text::format("{}: {}", narrowed.invariant, narrowed.invariant_text));
  add("interpreting the IR after each pass", narrowed.evaluator);
  if (narrowed.stability.runs > 0) {
    add("stability", text::format("{} of {} runs the same{}{}", narrowed.stability.same, narrowed.stability.runs,
                                  narrowed.stability.varies.empty() ? "" : "; varies: ", narrowed.stability.varies));
  }
  return rows;
}

}  // namespace parallax::triage
