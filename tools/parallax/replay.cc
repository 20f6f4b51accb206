#include "tools/parallax/replay.h"

#include <nlohmann/json.hpp>

#include "engine/base/text.h"
#include "tools/parallax/commands.h"
#include "triage/child.h"
#include "triage/scratch.h"

namespace parallax::cli {

namespace {

// A verdict printed by `parallax worker --case`.
Replayed from_verdict(const nlohmann::json& answer) {
  Replayed result;
  const auto verdict = static_cast<fuzz::VerdictKind>(answer.value("verdict", 0));
  result.finding = verdict == fuzz::VerdictKind::kFinding;
  result.reason = answer.value("reason", "");
  if (verdict == fuzz::VerdictKind::kRejected) result.reason = "rejected: " + result.reason;
  if (verdict == fuzz::VerdictKind::kInconclusive) result.reason = "inconclusive: " + result.reason;
  if (!result.finding) return result;
  fuzz::parse_finding_class(answer.value("class", ""), result.kind);
  result.signature = answer.value("signature", "");
  result.difference = answer.value("difference", "");
  result.log = answer.value("log", "");
  return result;
}

}  // namespace

Result<Replayed> replay_case(const std::string& file, const std::string& fault,
                             const std::vector<std::string>& executors, double seconds) {
  std::vector<std::string> command = {triage::own_program(), "worker", "--case", file};
  if (!fault.empty()) command.insert(command.end(), {"--fault", fault});
  for (const std::string& spec : executors) command.insert(command.end(), {"--executors", spec});
  const triage::ChildResult child = TRY(triage::run_child(command, {.seconds = seconds}));
  Replayed result;
  if (child.timed_out || child.over_memory) {
    result.finding = true;
    result.kind = child.timed_out ? fuzz::FindingClass::kHang : fuzz::FindingClass::kMemory;
    result.signature = to_string(result.kind);
    result.difference = child.timed_out ? text::format("no end after {} s", seconds) : "more memory than allowed";
    return result;
  }
  const nlohmann::json answer = nlohmann::json::parse(child.out, nullptr, false);
  if (child.signal == 0 && answer.is_object()) return from_verdict(answer);
  if (child.signal == 0 && (child.exit_code == kUsage || child.exit_code == kEnvironment || child.exit_code == 127)) {
    const std::string text =
        child.err.empty() ? "the process did not start" : child.err.substr(0, child.err.find('\n'));
    return fail(child.exit_code == kUsage ? ErrorCode::kUsage : ErrorCode::kUnsupported, 0,
                text.starts_with("parallax: ") ? text.substr(10) : text);
  }
  const triage::Death death = triage::explain_death(child.signal, child.exit_code, child.err, "execute");
  result.finding = true;
  result.kind = death.kind;
  result.signature = death.signature;
  result.difference = death.difference;
  result.log = child.err;
  return result;
}

std::optional<Replayed> replay_armed(const std::vector<uint8_t>& envelope, const std::vector<std::string>& executors,
                                     const std::string& fault) {
  if (executors.size() < 2) return {};
  std::vector<std::string> armed = {executors.front()};
  bool changed = false;
  for (size_t i = 1; i < executors.size(); ++i) {
    auto spec = fuzz::parse_spec(executors[i]);
    if (!spec || spec->kind != fuzz::ExecutorKind::kJit) continue;
    changed = changed || !spec->armed;
    spec->armed = true;
    armed.push_back(to_string(*spec));
  }
  if (!changed) return {};
  const triage::ScratchFile scratch(envelope);
  if (!scratch.ok()) return {};
  auto seen = replay_case(scratch.path(), fault, armed, 10);
  const bool earlier = seen && seen->finding &&
                       (seen->kind == fuzz::FindingClass::kInvariant || seen->kind == fuzz::FindingClass::kAssertion);
  return earlier ? std::optional(std::move(*seen)) : std::nullopt;
}

}  // namespace parallax::cli
