// A report as JSON (docs/report.schema.json) and as SARIF 2.1.0.
#include <nlohmann/json.hpp>

#include "engine/base/base64.h"
#include "engine/base/text.h"
#include "triage/report/report.h"

namespace parallax::triage {

using nlohmann::json;

namespace {

std::string dump(const json& out) { return out.dump(2, ' ', false, json::error_handler_t::replace) + "\n"; }

json pairs(const std::vector<std::pair<std::string, std::string>>& rows) {
  json out = json::object();
  for (const auto& [key, value] : rows) out[key] = value;
  return out;
}

json side(const std::optional<Observed>& seen) {
  if (!seen) return nullptr;
  return {{"executor", seen->executor},
          {"observation", seen->lines},
          {"inconclusive", seen->inconclusive},
          {"fault", seen->fault},
          {"died", seen->died}};
}

json heap(const HeapGraph& graph, const HeapMarks& marks) {
  const auto value = [](const HeapValue& of) {
    json out = {{"text", of.text}};
    if (of.object != HeapValue::kNoObject) out["object"] = of.object;
    return out;
  };
  json roots = json::array(), objects = json::array();
  for (size_t i = 0; i < graph.roots.size(); ++i) {
    roots.push_back(
        {{"name", graph.roots[i].name}, {"value", value(graph.roots[i].value)}, {"differs", bool(marks.roots[i])}});
  }
  for (size_t i = 0; i < graph.objects.size(); ++i) {
    const HeapObject& object = graph.objects[i];
    json fields = json::array();
    for (size_t f = 0; f < object.fields.size(); ++f) {
      fields.push_back({{"index", object.fields[f].first},
                        {"value", value(object.fields[f].second)},
                        {"differs", bool(marks.fields[i][f])}});
    }
    objects.push_back({{"number", i},
                       {"kind", object.kind},
                       {"type", object.type},
                       {"length", object.length},
                       {"fields", fields},
                       {"differs", bool(marks.objects[i])}});
  }
  return {{"roots", roots}, {"objects", objects}, {"truncated", graph.truncated}};
}

json heaps(const Report& report) {
  if (!report.left || !report.right) return nullptr;
  const HeapGraph left = read_heap(*report.left), right = read_heap(*report.right);
  if (left.empty() && right.empty()) return nullptr;
  const HeapComparison marks = compare_heaps(left, right);
  return {{"left", heap(left, marks.left)}, {"right", heap(right, marks.right)}};
}

json severity(const Severity& of) {
  json out = {{"harm", to_string(of.harm)}, {"reason", of.reason}};
  if (of.policy == nullptr) return out;
  const bool is_private = of.policy->route(of.harm) == Route::kPrivate;
  out["engine"] = of.policy->name;
  out["policy"] = of.policy->page;
  out["route"] = is_private ? "private" : "public";
  out["where"] = is_private ? of.policy->private_route : of.policy->tracker;
  out["remark"] = of.policy->remark;
  return out;
}

json expected(const Report& report) {
  json rules = json::array();
  for (const Expectation& one : report.expected) {
    rules.push_back({{"about", one.rule->about},
                     {"rule", one.rule->rule},
                     {"section", one.rule->section},
                     {"url", one.rule->url()},
                     {"why", one.why}});
  }
  return {
      {"place", report.place}, {"expected", report.expected_value}, {"seen", report.actual_value}, {"rules", rules}};
}

}  // namespace

std::string to_report_json(const Report& report) {
  json votes = json::array(), listings = json::array(), tests = json::array(), duplicates = json::array();
  for (const Vote& vote : report.votes) {
    votes.push_back({{"executor", vote.executor},
                     {"version", vote.version},
                     {"flags", vote.flags},
                     {"outcome", vote.outcome},
                     {"group", vote.group},
                     {"inconclusive", vote.inconclusive}});
  }
  for (const Listing& listing : report.listings) {
    listings.push_back({{"title", listing.title}, {"language", listing.language}, {"text", listing.text}});
  }
  for (const RegressionTest& test : report.tests) {
    tests.push_back({{"file", test.file}, {"format", test.format}, {"text", test.text}, {"remark", test.remark}});
  }
  for (const Duplicate& one : report.duplicates) {
    duplicates.push_back({{"folder", one.folder}, {"why", one.why}, {"occurrences", one.occurrences}});
  }
  json out = {{"format", kReportFormat},
              {"id", report.id},
              {"verdict", report.verdict},
              {"finding", json::parse(to_json(report.record), nullptr, false)},
              {"occurrences", report.record.occurrences},
              {"reproduced", {{"text", report.reproduced}, {"signature", report.reproduced_signature}}},
              {"commands", report.commands},
              {"reproducer",
               {{"wasm_base64", to_base64(report.wasm)},
                {"wat", report.wat},
                {"plan", report.plan},
                {"origin", report.case_origin}}},
              {"votes", votes},
              {"expected", expected(report)},
              {"left", side(report.left)},
              {"right", side(report.right)},
              {"heaps", heaps(report)},
              {"settings", pairs(setting_rows(report))},
              {"reduction", pairs(report.reduction)},
              {"listings", listings},
              {"severity", severity(report.severity)},
              {"duplicates", duplicates},
              {"tests", tests},
              {"environment", pairs(report.environment)},
              {"unknown", report.unknown}};
  out["narrowed"] = report.narrowed ? json::parse(to_json(*report.narrowed), nullptr, false) : json();
  return dump(out);
}

std::string to_sarif(const Report& report) {
  const std::string kind = to_string(report.record.kind);
  std::string version;
  for (const auto& [name, value] : report.environment) {
    if (name == "version") version = value;
  }
  json rules = json::array();
#define FINDING(id, name, summary) \
  rules.push_back({{"id", name}, {"name", name}, {"shortDescription", {{"text", summary}}}});
#include "fuzz/oracle/findings.def"
#undef FINDING
  const auto index = static_cast<size_t>(report.record.kind);
  const bool is_planted = !report.record.fault.empty();
  json related = json::array();
  for (const Expectation& one : report.expected) {
    related.push_back({{"physicalLocation", {{"artifactLocation", {{"uri", one.rule->url()}}}}},
                       {"message", {{"text", text::format("{}: {}", one.rule->about, one.rule->rule)}}}});
  }
  uint64_t offset = 0;
  if (report.narrowed && report.narrowed->event) offset = report.narrowed->event->offset;
  json region = {{"byteOffset", offset}};
  json location = {
      {"physicalLocation", {{"artifactLocation", {{"uri", "reproducer.wasm"}, {"index", 0}}}, {"region", region}}}};
  json result = {
      {"ruleId", kind},
      {"ruleIndex", index},
      {"level", is_planted ? "note" : "error"},
      {"message", {{"text", report.verdict}}},
      {"locations", {location}},
      {"relatedLocations", related},
      {"partialFingerprints", {{"parallaxSignature/v1", report.record.signature}, {"parallaxId/v1", report.id}}},
      {"occurrenceCount", report.record.occurrences},
      {"properties",
       {{"reproduced", report.reproduced}, {"severity", severity(report.severity)}, {"commands", report.commands}}}};
  json run = {{"tool", {{"driver", {{"name", "parallax"}, {"version", version}, {"rules", rules}}}}},
              {"artifacts",
               {{{"location", {{"uri", "reproducer.wasm"}}},
                 {"mimeType", "application/wasm"},
                 {"length", report.wasm.size()},
                 {"contents", {{"binary", to_base64(report.wasm)}}}}}},
              {"results", {result}}};
  return dump({{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"}, {"version", "2.1.0"}, {"runs", {run}}});
}

}  // namespace parallax::triage
