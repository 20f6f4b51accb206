#include "tools/parallax/report_gather.h"

#include <signal.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "bench/suite/peers.h"
#include "engine/base/faults.h"
#include "engine/base/text.h"
#include "engine/wasm/text/print.h"
#include "fuzz/executors/executors.h"
#include "fuzz/executors/probe.h"
#include "fuzz/external/engines.h"
#include "fuzz/external/vote.h"
#include "fuzz/oracle/observe.h"
#include "tools/parallax/commands.h"
#include "tools/parallax/dump.h"
#include "tools/parallax/replay.h"
#include "triage/child.h"
#include "triage/report/regression.h"

namespace parallax::cli {

namespace fs = std::filesystem;
using nlohmann::json;
using triage::Observed;
using triage::Report;

namespace {

volatile sig_atomic_t g_interrupted = 0;
void interrupt(int) { g_interrupted = 1; }

// A folder of our own below the system's temporary one, gone with this object.
class Scratch {
 public:
  Scratch() {
    std::string pattern = (fs::temp_directory_path() / "parallax-report-XXXXXX").string();
    if (::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~Scratch() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  bool usable() const { return !path_.empty(); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::string joined(const std::vector<std::string>& words, const char* separator) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : separator) + word;
  return out;
}

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// "O2, moving collector, collects at every safepoint".
std::string flags_of(const std::string& executor) {
  const auto spec = fuzz::parse_spec(executor);
  if (!spec) return executor.substr(std::min(executor.size(), executor.find(':') + 1));
  std::vector<std::string> words;
  if (spec->kind == fuzz::ExecutorKind::kExternal) return std::string(fuzz::external_engines()[spec->external].summary);
  if (spec->kind == fuzz::ExecutorKind::kJit) {
    words.push_back(text::format("O{}", static_cast<unsigned>(spec->opt_level)));
    static constexpr const char* kCollectors[] = {"moving collector", "non-moving collector", "never collects"};
    words.emplace_back(kCollectors[static_cast<size_t>(spec->collector)]);
  }
  switch (spec->zeal) {
    case fuzz::Zeal::kNone: break;
    case fuzz::Zeal::kEvery: words.emplace_back("collects at every safepoint"); break;
    case fuzz::Zeal::kNth: words.push_back(text::format("collects at every {}th safepoint", spec->zeal_n)); break;
    case fuzz::Zeal::kOnly: words.push_back(text::format("collects at safepoint {} only", spec->zeal_n)); break;
    case fuzz::Zeal::kAlloc: words.emplace_back("collects before every allocation"); break;
  }
  if (spec->armed) words.emplace_back("run-time checks");
  if (spec->chaos != 0) words.push_back(text::format("chaos {}", spec->chaos));
  if (spec->cpu == fuzz::Cpu::kSse4) words.emplace_back("SSE4.2 at most");
  if (spec->cpu == fuzz::Cpu::kBaseline) words.emplace_back("SSE2 only");
  return joined(words, ", ");
}

std::string name_of(const std::string& executor) {
  const std::string engine = executor.substr(0, executor.find(':'));
  if (engine == "interp") return "the interpreter";
  if (engine != "jit") return executor;
  const auto spec = fuzz::parse_spec(executor);
  if (!spec) return text::format("the JIT ({})", executor);
  return text::format("the JIT at O{}", static_cast<unsigned>(spec->opt_level));
}

// "what happened again is not what was found" is said by words for people.
std::string describe(const Replayed& seen) {
  if (seen.finding) return seen.difference;
  return seen.reason.empty() ? "the executors agreed" : seen.reason;
}

class Gatherer {
 public:
  explicit Gatherer(const GatherOptions& options) : options_(options) {}

  Result<Gathered> gather() {
    if (!scratch_.usable()) return fail(ErrorCode::kUnsupported, 0, "no temporary folder can be made");
    TRY(open());
    Gathered gathered;
    if (!TRY(reproduce(gathered.instead.what))) return gathered;
    TRY(describe_case());
    TRY(observe_sides());
    TRY(ask_votes());
    read_diagnosis();
    name_values();
    name_rules();
    cut_listings();
    judge_severity();
    find_duplicates();
    TRY(write_tests());
    describe_environment();
    write_verdict();
    TRY(check_interrupted());
    gathered.report = std::move(report_);
    return gathered;
  }

 private:
  Result<> check_interrupted() const {
    if (g_interrupted != 0) return fail(ErrorCode::kUnsupported, 0, "interrupted; nothing was written");
    return {};
  }

  // --- Input ---------------------------------------------------------------------------------------------------------
  Result<> open() {
    std::error_code error;
    const fs::file_status status = fs::status(options_.path, error);
    if (!fs::exists(status)) return fail(ErrorCode::kIo, 0, text::format("{}: no such file or folder", options_.path));
    if (fs::is_directory(status)) return open_finding();
    auto bytes = read_module(options_.path);
    if (!bytes) return named(options_.path, bytes.error());
    report_.case_origin = "as given";
    report_.record.executors = options_.executors;
    report_.record.fault = options_.fault == "none" ? "" : options_.fault;
    report_.record.version = kVersion;
    return use_case(std::move(*bytes), options_.path);
  }

  static std::unexpected<Error> named(const std::string& path, const Error& error) {
    return fail(ErrorCode::kUsage, 0, text::format("{}: {}", path, error.message));
  }

  Result<> open_finding() {
    folder_ = fs::path(options_.path).lexically_normal().string();
    while (folder_.size() > 1 && folder_.ends_with('/')) folder_.pop_back();
    auto record = triage::read_finding(folder_);
    if (!record && record.error().code == ErrorCode::kIo) return std::unexpected(record.error());
    if (!record) return named(folder_, record.error());
    report_.record = std::move(*record);
    if (!options_.executors.empty()) report_.record.executors = options_.executors;
    if (!options_.fault.empty()) report_.record.fault = options_.fault == "none" ? "" : options_.fault;
    for (const char* name : {"reduced.wasm", "case.wasm"}) {
      const std::string file = folder_ + "/" + name;
      auto bytes = read_file(file);
      if (!bytes && name == std::string_view("reduced.wasm")) continue;
      if (!bytes) return named(file, bytes.error());
      if (auto usable = use_case(std::move(*bytes), file); !usable) return usable;
      report_.case_origin = name == std::string_view("case.wasm") ? "as found" : "reduced";
      // A reduced case that fails no more, or otherwise, is of no use.
      if (name == std::string_view("case.wasm")) return {};
      if (const auto seen = replay(); seen && is_same(*seen)) return {};
      report_.unknown.emplace_back("reduced.wasm is there but does not show the finding: the case as found is used");
    }
    return {};
  }

  Result<> use_case(std::vector<uint8_t> bytes, const std::string& from) {
    auto subject = fuzz::read_envelope(bytes);
    if (!subject) return named(from, subject.error());
    case_ = std::move(*subject);
    report_.wasm = std::move(bytes);
    file_ = scratch_.file("case.wasm");
    const auto written = write_file(file_, {reinterpret_cast<const char*>(report_.wasm.data()), report_.wasm.size()});
    if (!written) return fail(ErrorCode::kUnsupported, 0, written.error().message);
    return {};
  }

  // --- The finding again ---------------------------------------------------------------------------------------------
  Result<Replayed> replay() {
    return replay_case(file_, report_.record.fault, report_.record.executors, options_.seconds);
  }

  bool is_same(const Replayed& seen) const {
    if (!seen.finding) return false;
    const triage::Record& record = report_.record;
    if (record.signature.empty()) return true;  // nothing was expected
    if (seen.signature == record.symptom || seen.signature == record.signature) return true;
    // The place of a death is coarser here than in a campaign: it lacks the executor.
    return record.symptom.starts_with(seen.signature + " ");
  }

  Result<bool> reproduce(std::string& instead) {
    const auto seen = replay();
    TRY(check_interrupted());
    if (!seen) return std::unexpected(seen.error());
    if (!seen->finding && seen->reason.starts_with("rejected")) {
      return fail(ErrorCode::kUsage, 0, text::format("{}: not a valid module ({})", options_.path, seen->reason));
    }
    if (!seen->finding) {
      instead = describe(*seen);
      return false;
    }
    const triage::Record& record = report_.record;
    const bool same_class = record.signature.empty() || seen->kind == record.kind ||
                            record.symptom.starts_with(text::format("{}|", to_string(seen->kind)));
    if (!is_same(*seen) && !same_class) {
      instead = text::format("another finding: {} ({})", seen->signature, seen->difference);
      return false;
    }
    if (!is_same(*seen)) {
      report_.unknown.push_back(
          text::format("the fresh process shows the same class with another signature, {}: whether it is the same bug",
                       seen->signature));
    }
    seen_ = *seen;
    report_.reproduced = seen->difference;
    report_.reproduced_signature = seen->signature;
    if (record.signature.empty()) {
      report_.record.kind = seen->kind;
      report_.record.signature = report_.record.symptom = seen->signature;
      report_.record.difference = seen->difference;
    }
    return true;
  }

  // --- The case ------------------------------------------------------------------------------------------------------
  Result<> describe_case() {
    if (report_.record.executors.empty()) {
      report_.record.executors = case_.configuration.executors;
      if (report_.record.executors.empty()) {
        for (const fuzz::ExecutorSpec& spec : fuzz::standard_executors()) {
          report_.record.executors.push_back(fuzz::to_string(spec));
        }
      }
      narrow_executors();
    }
    if (report_.record.origin.empty()) report_.record.origin = case_.origin;
    report_.id = folder_.empty() ? triage::folder_name(report_.record) : fs::path(folder_).filename().string();
    wasm::text::PrintOptions print;
    print.features.bits = ~0u;
    print.customs = false;
    const auto wat = wasm::text::print_binary(case_.modules.front(), print);
    if (wat) report_.wat = *wat;
    if (!wat) report_.unknown.push_back("the module as text: " + wat.error().to_string());
    plan_ = case_.plan;
    if (plan_.empty()) {
      if (const auto loaded = fuzz::load_case(case_)) plan_ = loaded->plan;
    }
    for (const fuzz::Step& step : plan_) report_.plan.push_back(fuzz::describe(step));
    if (case_.modules.size() > 1) {
      report_.unknown.push_back(text::format(
          "the text of {} further modules is not printed here; the envelope holds them", case_.modules.size() - 1));
    }
    std::string command = "build/dev/parallax replay";
    if (!report_.record.fault.empty()) command += " --fault " + report_.record.fault;
    command += text::format(" --executors {} reproducer.wasm", joined(report_.record.executors, ","));
    report_.commands = {"scripts/bootstrap && cmake --preset dev && cmake --build build/dev --target parallax && " +
                        command};
    return {};
  }

  // A bare module was judged on many executors: the reference and the first that differs from it are the sides.
  void narrow_executors() {
    std::vector<std::string>& all = report_.record.executors;
    for (size_t i = 1; i < all.size(); ++i) {
      const auto seen = replay_case(file_, report_.record.fault, {all[0], all[i]}, options_.seconds);
      if (!seen || !seen->finding || seen->kind != report_.record.kind) continue;
      all = {all[0], all[i]};
      return;
    }
  }

  // --- Both sides ----------------------------------------------------------------------------------------------------
  Result<> observe_sides() {
    const std::vector<std::string>& executors = report_.record.executors;
    stages_ = scratch_.file("stages");
    report_.left = TRY(observe(executors.front(), ""));
    if (executors.size() > 1) report_.right = TRY(observe(executors.back(), stages_));
    if (executors.size() < 2) report_.unknown.emplace_back("the other side: the finding names one executor");
    return {};
  }

  Result<std::optional<Observed>> observe(const std::string& executor, const std::string& stages) {
    std::vector<std::string> command = {triage::own_program(), "report", "--observe", executor, file_};
    // An external engine runs the case as JavaScript can run it; so the reference beside it does, too.
    const auto other = fuzz::parse_spec(report_.record.executors.back());
    if (other && other->kind == fuzz::ExecutorKind::kExternal) command.emplace_back("--as-javascript");
    if (!report_.record.fault.empty()) command.insert(command.end(), {"--fault", report_.record.fault});
    if (!stages.empty()) command.insert(command.end(), {"--stages", stages});
    const std::string out = scratch_.file("observed.json");
    command.insert(command.end(), {"-o", out});
    const triage::ChildResult child = TRY(triage::run_child(command, {.seconds = options_.seconds}));
    TRY(check_interrupted());
    auto seen = triage::observed_from_json(read_text(out));
    ::unlink(out.c_str());
    if (seen && child.ended_well()) return *seen;
    if (child.ended_well() && (child.exit_code == kUsage || child.exit_code == kEnvironment)) {
      const std::string why = child.err.substr(0, child.err.find('\n'));
      report_.unknown.push_back(text::format("what {} does: {}", executor, why));
      return std::optional<Observed>();
    }
    Observed dead{.executor = executor};
    dead.died = child.timed_out     ? text::format("no end after {} s", options_.seconds)
                : child.over_memory ? "more memory than allowed"
                : child.signal != 0 ? text::format("died by signal {}", child.signal)
                                    : text::format("ended with exit code {}", child.exit_code);
    const triage::Death death = triage::explain_death(child.signal, child.exit_code, child.err, "execute");
    if (!death.difference.empty()) dead.died += ": " + fuzz::one_line(death.difference);
    return std::optional(std::move(dead));
  }

  // --- Votes ---------------------------------------------------------------------------------------------------------
  // Engines of others that are on this machine, each with all its tiers.
  const std::vector<bench::Peer>& peers() {
    if (!peers_) peers_ = bench::find_peers(fuzz::engine_folders({}));
    return *peers_;
  }

  std::string version_of(const std::string& executor) {
    const auto spec = fuzz::parse_spec(executor);
    if (!spec || spec->kind != fuzz::ExecutorKind::kExternal) return text::format("parallax {}", kVersion);
    for (const bench::Peer& peer : peers()) {
      if (executor == peer.row->name) return peer.version;
    }
    return "not found";
  }

  std::vector<std::string> all_voters() {
    std::vector<std::string> voters = report_.record.executors;
    if (!options_.all_votes) return voters;
    for (const fuzz::ExecutorSpec& spec : fuzz::standard_executors()) voters.push_back(fuzz::to_string(spec));
    for (const bench::Peer& peer : peers()) {
      const std::string name(peer.row->name);
      if (name.find(':') == std::string::npos && fuzz::find_external(name)) voters.push_back(name);
    }
    return voters;
  }

  Result<> ask_votes() {
    const std::vector<std::string> voters = all_voters();
    std::set<std::string> asked;
    std::vector<std::pair<std::string, std::string>> groups;  // signature, first executor; index + 1 is the group
    const std::string& reference = report_.record.executors.front();
    for (const std::string& voter : voters) {
      if (!asked.insert(voter).second) continue;
      triage::Vote vote{.executor = voter, .version = version_of(voter), .flags = flags_of(voter)};
      if (voter == reference) {
        vote.outcome = report_.left && !report_.left->fault.empty() ? report_.left->fault : "the reference";
        report_.votes.push_back(std::move(vote));
        continue;
      }
      const auto seen = replay_case(file_, report_.record.fault, {reference, voter}, options_.seconds);
      TRY(check_interrupted());
      if (!seen) {
        vote.inconclusive = true;
        vote.outcome = seen.error().message;
      } else if (seen->finding) {
        const auto known = std::ranges::find(groups, seen->signature, [](const auto& group) { return group.first; });
        vote.group = static_cast<uint32_t>(known - groups.begin()) + 1;
        vote.outcome = known == groups.end() ? seen->difference : text::format("like {}", known->second);
        if (known == groups.end()) groups.emplace_back(seen->signature, voter);
      } else {
        vote.inconclusive = !seen->reason.empty();
        vote.outcome = seen->reason.empty() ? "like the reference" : seen->reason;
      }
      report_.votes.push_back(std::move(vote));
    }
    return {};
  }

  // Facts of reduce.json as one line; "" for what is a table of its own.
  static std::string in_words(const json& value) {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_number() || value.is_boolean()) return value.dump();
    std::vector<std::string> words;
    if (!value.is_object() && !value.is_array()) return "";
    for (const auto& [key, item] : value.items()) {
      if (item.is_structured()) return "";
      const std::string word = item.is_string() ? item.get<std::string>() : item.dump();
      words.push_back(value.is_object() ? text::format("{} {}", key, word) : word);
    }
    return joined(words, ", ");
  }

  // --- What narrow and reduce found out ------------------------------------------------------------------------------
  void read_diagnosis() {
    const bool has_narrowed = !folder_.empty() && fs::exists(folder_ + "/narrow.json");
    if (has_narrowed) {
      auto narrowed = triage::read_narrowed(folder_);
      if (narrowed) report_.narrowed = std::move(*narrowed);
      if (!narrowed) report_.unknown.push_back("narrow.json: " + narrowed.error().message);
    }
    if (!has_narrowed)
      report_.unknown.emplace_back("the guilty pass, rewrite and collection: `parallax narrow` was not run");
    if (report_.narrowed) {
      for (const std::string& note : report_.narrowed->notes) report_.unknown.push_back("narrow: " + note);
    }
    const std::string reduced = folder_.empty() ? std::string() : read_text(folder_ + "/reduce.json");
    const json facts = json::parse(reduced, nullptr, false);
    if (facts.is_object()) {
      for (const auto& [key, value] : facts.items()) {
        if (const std::string words = in_words(value); !words.empty()) report_.reduction.emplace_back(key, words);
      }
      if (report_.narrowed && report_.case_origin == "reduced") {
        report_.unknown.emplace_back(
            "whether functions and offsets that narrow names are those of the reduced case: they may be of the case as "
            "found");
      }
    } else if (report_.case_origin != "reduced") {
      report_.unknown.emplace_back("a smaller case: `parallax reduce` was not run");
    }
  }

  // --- Expected and seen ---------------------------------------------------------------------------------------------
  // A token and what says more behind it.
  static std::string words_at(const Observed& seen, size_t at) {
    if (!seen.died.empty()) return seen.died;
    if (at >= seen.tokens.size()) return seen.inconclusive.empty() ? "nothing more" : seen.inconclusive;
    std::string out = seen.lines[at];
    if (seen.tokens[at].tok != fuzz::Tok::kOutcome || at + 1 >= seen.tokens.size()) return out;
    if (seen.tokens[at + 1].tok == fuzz::Tok::kTrap) return seen.lines[at + 1];
    if (seen.tokens[at + 1].tok == fuzz::Tok::kValues) {
      for (uint64_t i = 0; i < std::min<uint64_t>(seen.tokens[at + 1].value, 4) && at + 2 + i < seen.tokens.size();
           ++i) {
        out += (i == 0 ? " " : ", ") + seen.lines[at + 2 + i];
      }
    }
    return out;
  }

  void name_values() {
    if (!report_.left || !report_.right) return;
    const size_t at = common_prefix(*report_.left, *report_.right);
    if (!report_.right->fault.empty() && !differ(*report_.left, *report_.right)) {
      report_.actual_value = report_.right->fault;
      report_.expected_value = "a sound store";
    } else if (differ(*report_.left, *report_.right) || !report_.right->died.empty()) {
      report_.expected_value = words_at(*report_.left, at);
      report_.actual_value = words_at(*report_.right, at);
    }
    if (!report_.right->fault.empty()) report_.actual_value = report_.right->fault;
    report_.place = place_of(*report_.left, at == 0 ? 0 : at - 1);
    // A field's place is said with its index.
    if (at > 0 && at <= report_.left->tokens.size() && report_.left->tokens[at - 1].tok == fuzz::Tok::kField) {
      report_.place += ", " + report_.left->lines[at - 1];
    }
    component_ = at < report_.left->tokens.size() ? component(report_.left->tokens[at].tok) : "";
  }

  void add_rule(const triage::SpecRule* rule, const std::string& why) {
    if (rule == nullptr) return;
    for (const triage::Expectation& known : report_.expected) {
      if (known.rule == rule) return;
    }
    report_.expected.push_back({rule, why});
  }

  void name_rules() {
    if (report_.narrowed && report_.narrowed->event) {
      add_rule(triage::rule_of_instruction(report_.narrowed->event->operation), "the first differing event");
    }
    for (const std::optional<Observed>* side : {&report_.left, &report_.right}) {
      if (!*side || !report_.left || !report_.right) continue;
      const size_t at = common_prefix(*report_.left, *report_.right);
      for (size_t i = at; i < std::min(at + 2, (*side)->tokens.size()); ++i) {
        if ((*side)->tokens[i].tok != fuzz::Tok::kTrap) continue;
        const auto trap = static_cast<wasm::TrapKind>((*side)->tokens[i].value);
        add_rule(triage::rule_of_trap(wasm::to_string(trap)), text::format("the trap of {}", (*side)->executor));
      }
    }
    if (!component_.empty()) add_rule(triage::rule_of_topic(component_), "what differs first");
    add_rule(triage::rule_of_topic(to_string(report_.record.kind)), "the class of the finding");
    // The few instructions of a small case are all candidates.
    if (report_.narrowed && report_.narrowed->event) return;
    std::vector<const triage::SpecRule*> candidates;
    for (size_t at = 0; at < report_.wat.size();) {
      const size_t end = std::min(report_.wat.find_first_of(" \n()", at), report_.wat.size());
      const std::string_view word = std::string_view(report_.wat).substr(at, end - at);
      const bool is_gc = word.starts_with("struct.") || word.starts_with("array.") || word.starts_with("ref.") ||
                         word.starts_with("br_on_") || word.starts_with("i31.") || word.starts_with("table.") ||
                         word.starts_with("extern.") || word.starts_with("any.") || word == "call_ref";
      const triage::SpecRule* rule = is_gc ? triage::rule_of_instruction(word) : nullptr;
      if (rule != nullptr && std::find(candidates.begin(), candidates.end(), rule) == candidates.end()) {
        candidates.push_back(rule);
      }
      at = end + 1;
    }
    if (candidates.size() > 6) return;
    for (const triage::SpecRule* rule : candidates) add_rule(rule, "an instruction of the module");
  }

  // --- Listings ------------------------------------------------------------------------------------------------------
  void add_listing(std::string title, std::string text, const char* language) {
    if (text.empty()) return;
    report_.listings.push_back({std::move(title), std::move(text), language});
  }

  // The function to look at: the one narrow names, else the one that the differing step calls.
  std::optional<uint32_t> guilty_func(uint32_t& offset) const {
    offset = 0;
    if (report_.narrowed && report_.narrowed->rewrite) {
      offset = report_.narrowed->rewrite->offset;
      return report_.narrowed->rewrite->func;
    }
    if (report_.narrowed && report_.narrowed->collection && report_.narrowed->collection->offset != 0) {
      offset = report_.narrowed->collection->offset;
      return report_.narrowed->collection->func;
    }
    if (report_.narrowed && report_.narrowed->event) {
      offset = report_.narrowed->event->offset;
      return report_.narrowed->event->func;
    }
    return called_func();
  }

  std::optional<uint32_t> called_func() const {
    if (!report_.left || !report_.right) return {};
    const size_t at = common_prefix(*report_.left, *report_.right);
    for (size_t i = std::min(at, report_.left->tokens.size()); i-- > 0;) {
      const fuzz::Token& token = report_.left->tokens[i];
      if (token.tok != fuzz::Tok::kStep || token.value >= plan_.size()) continue;
      const fuzz::Step& step = plan_[token.value];
      if (step.kind != fuzz::StepKind::kCall) return {};
      wasm::DecodeOptions options;
      options.naming = wasm::TypeNaming::kModule;
      const auto module = wasm::decode(case_.modules.front(), nullptr, options);
      const wasm::Export* item = module ? module->find_export(step.name) : nullptr;
      return item != nullptr && item->kind == wasm::ExternKind::kFunc ? std::optional(item->index) : std::nullopt;
    }
    return {};
  }

  // Lines around those that name the offset; all when it is not known, up to a limit.
  static std::string cut(const std::string& text, uint32_t offset) {
    constexpr size_t kAround = 30, kMost = 160;
    std::vector<std::string> lines;
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find('\n', at), text.size());
      lines.push_back(text.substr(at, end - at));
      at = end + 1;
    }
    size_t first = 0, last = std::min(lines.size(), kMost);
    const std::string mark = text::format("@{}", offset), hex = text::format("{:#x}", offset);
    const auto names = [&](const std::string& line) {
      const size_t at = line.find(mark);
      const bool whole =
          at != std::string::npos && (at + mark.size() == line.size() || std::isdigit(line[at + mark.size()]) == 0);
      return whole || line.find(hex) != std::string::npos;
    };
    const auto found = offset == 0 ? lines.end() : std::find_if(lines.begin(), lines.end(), names);
    if (found != lines.end()) {
      const auto at = static_cast<size_t>(found - lines.begin());
      first = at > kAround ? at - kAround : 0;
      last = std::min(lines.size(), at + kAround);
    }
    std::string out = first > 0 ? "...\n" : "";
    for (size_t i = first; i < last; ++i) out += lines[i] + "\n";
    return last < lines.size() ? out + "...\n" : out;
  }

  // Files that compiling this function left behind.
  std::vector<std::string> stages_of(std::optional<uint32_t> func) const {
    std::vector<std::string> files;
    if (!func) return files;
    std::error_code error;
    const std::string prefix = text::format("f{:03}.", *func);
    for (auto entry = fs::directory_iterator(stages_, error); !error && entry != fs::directory_iterator();
         entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      if (name.starts_with(prefix)) files.push_back(name);
    }
    return files;
  }

  void cut_listings() {
    if (report_.narrowed && report_.narrowed->rewrite) {
      const triage::GuiltyRewrite& rewrite = *report_.narrowed->rewrite;
      add_listing(text::format("IR before the rewrite {} of pass {}", rewrite.kind, rewrite.pass), rewrite.ir_before,
                  "ir");
      add_listing("IR after it", rewrite.ir_after, "ir");
    }
    if (report_.narrowed && report_.narrowed->event) {
      const triage::DifferingEvent& event = *report_.narrowed->event;
      add_listing("First differing event",
                  text::format("function {}, offset {:#x}: {}\nreference: {}\nother:     {}\n", event.func,
                               event.offset, event.operation, event.left, event.right),
                  "text");
    }
    uint32_t offset = 0;
    auto func = guilty_func(offset);
    std::vector<std::string> files = stages_of(func);
    if (files.empty()) {
      // What narrow names may be a function of the case before it was reduced.
      func = called_func();
      files = stages_of(func);
      offset = 0;
    }
    if (files.empty()) {
      report_.unknown.emplace_back("machine code and stack maps: no compiled function could be named");
      return;
    }
    std::sort(files.begin(), files.end());
    const bool needs_ir = !report_.narrowed || !report_.narrowed->rewrite;
    std::string last_ir;
    for (const std::string& name : files) {
      if (name.ends_with(".ir")) last_ir = name;
    }
    for (const std::string& name : files) {
      const bool shown = name.ends_with(".s") || (needs_ir && (name == last_ir || name.ends_with("-translate.ir")));
      if (!shown) continue;
      const bool is_code = name.ends_with(".s");
      add_listing(text::format("{} of function {}: {}", is_code ? "Machine code with stack maps" : "IR", *func, name),
                  cut(read_text(stages_ + "/" + name), offset), is_code ? "asm" : "ir");
    }
  }

  // --- Judgement -----------------------------------------------------------------------------------------------------
  void judge_severity() {
    std::string invariant = report_.narrowed ? report_.narrowed->invariant : "";
    const std::string fault = report_.right ? report_.right->fault : "";
    if (invariant.empty() && fault.size() > 2 && fault[0] == 'I' && fault[2] == ':') invariant = fault.substr(0, 2);
    if (invariant.empty()) {
      // "invariant|I2: ..." in the signature.
      const size_t bar = report_.record.signature.find("|I");
      if (bar != std::string::npos && report_.record.signature.size() > bar + 2)
        invariant = report_.record.signature.substr(bar + 1, 2);
    }
    const bool died = report_.right && report_.right->died.find("signal") != std::string::npos;
    report_.severity = triage::assess(report_.record.kind, invariant, report_.record.executors.back(), died);
  }

  void find_duplicates() {
    if (folder_.empty()) return;
    std::error_code error;
    const fs::path parent = fs::absolute(folder_, error).parent_path();
    const std::string own = fs::path(folder_).filename().string();
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(parent, error)) {
      if (entry.path().filename() != own && fs::exists(entry.path() / "finding.json", error))
        names.push_back(entry.path().string());
    }
    std::sort(names.begin(), names.end());
    for (const std::string& path : names) {
      const auto other = triage::read_finding(path);
      if (!other) continue;
      std::string why;
      if (other->signature == report_.record.signature) why = "the same signature";
      else if (other->symptom == report_.record.symptom) why = "the same first symptom";
      else if (other->symptom == report_.record.signature) why = "its first symptom is this signature";
      if (report_.narrowed && fs::exists(path + "/narrow.json", error)) {
        if (const auto narrowed = triage::read_narrowed(path)) why = same_cause(*narrowed, why);
      }
      if (why.empty()) continue;
      if (other->fault != report_.record.fault) continue;
      report_.duplicates.push_back({fs::path(path).filename().string(), why, other->occurrences});
    }
  }

  std::string same_cause(const triage::Narrowed& other, std::string otherwise) const {
    const triage::Narrowed& own = *report_.narrowed;
    if (!own.id.empty() && own.id == other.id) return "narrowed to the same bucket";
    if (own.rewrite && other.rewrite && own.rewrite->kind == other.rewrite->kind) {
      return text::format("the same rewrite is guilty: {}", own.rewrite->kind);
    }
    if (!own.guilty_pass.empty() && own.guilty_pass == other.guilty_pass) {
      return text::format("the same pass is guilty: {}", own.guilty_pass);
    }
    return otherwise;
  }

  // --- Tests ---------------------------------------------------------------------------------------------------------
  Result<> write_tests() {
    const bool about_validation =
        report_.record.kind == fuzz::FindingClass::kAccepted || report_.record.kind == fuzz::FindingClass::kRejected;
    if (about_validation) return write_validation_tests();
    if (!report_.left || !report_.left->complete()) {
      report_.unknown.emplace_back("a regression test: the reference left no complete observation");
      return {};
    }
    report_.tests = triage::regression_tests(case_, *report_.left, report_.record.kind, report_.record.signature);
    for (triage::RegressionTest& test : report_.tests) {
      if (test.file == "regress.wast" && !test.text.empty()) TRY(try_script(test));
    }
    return {};
  }

  Result<> write_validation_tests() {
    report_.tests = triage::regression_tests(case_, {}, report_.record.kind, report_.record.signature);
    triage::RegressionTest& test = report_.tests.front();
    const std::string script = scratch_.file("regress.wast");
    if (const auto written = write_file(script, test.text); !written) return {};
    const int code = TRY(run_script(script, "none", report_.record.fault));
    test.remark = code == kFound ? "tried: fails on the version that shows the finding"
                                 : "tried: passes; it does not show the finding";
    if (report_.record.fault.empty()) return {};
    if (TRY(run_script(script, "none", "")) == kDone) test.remark += ", passes without the planted fault";
    return {};
  }

  Result<int> run_script(const std::string& script, const std::string& executor, const std::string& fault) {
    std::vector<std::string> command = {triage::own_program(), "wast", script, "--quiet", "--executor", executor};
    if (!fault.empty()) command.insert(command.end(), {"--fault", fault});
    const triage::ChildResult child = TRY(triage::run_child(command, {.seconds = options_.seconds}));
    TRY(check_interrupted());
    if (!child.ended_well()) return kFound;
    script_said_ = child.out.substr(0, child.out.find('\n'));
    return child.exit_code;
  }

  // A test that does not tell the sides apart is none; what it says is tried, not believed.
  Result<> try_script(triage::RegressionTest& test) {
    const std::string script = scratch_.file("regress.wast");
    if (const auto written = write_file(script, test.text); !written) return {};
    const std::string& reference = report_.record.executors.front();
    const int on_reference = TRY(run_script(script, reference, report_.record.fault));
    if (on_reference != kDone) {
      test.text.clear();
      test.remark = text::format("a script does not say the same to the reference ({})", script_said_);
      return {};
    }
    if (report_.record.executors.size() < 2) return {};
    const std::string& other = report_.record.executors.back();
    const int on_other = TRY(run_script(script, other, report_.record.fault));
    test.remark = on_other == kFound
                      ? text::format("tried: passes on {}, fails on {}", reference, other)
                      : text::format("tried: passes on {}, but on {} too; what differs cannot be seen from a script",
                                     reference, other);
    return {};
  }

  // --- The rest ------------------------------------------------------------------------------------------------------
  void describe_environment() {
    struct utsname system = {};
    ::uname(&system);
    report_.environment = {{"version", kVersion},
                           {"found with version", report_.record.version},
                           {"compiler", text::format("clang {}", __clang_version__)},
                           {"system", text::format("{} {}, {}", system.sysname, system.release, system.machine)},
                           {"seed and number", text::format("{} {}", report_.record.seed, report_.record.index)}};
  }

  // "object 3 (struct), not met before" is for logs.
  static std::string plain(std::string words) {
    for (const std::string_view tail : {", not met before", ", met before"}) {
      if (const size_t at = words.find(tail); at != std::string::npos) words.erase(at, tail.size());
    }
    return words;
  }

  void write_verdict() {
    const std::vector<std::string>& executors = report_.record.executors;
    const std::string other = name_of(executors.back());
    size_t for_it = 0, votes = 0;
    for (const triage::Vote& vote : report_.votes) {
      votes += !vote.inconclusive;
      for_it += !vote.inconclusive && vote.group == 0;
    }
    const std::string where =
        report_.place.empty() ? "" : text::format(" ({})", report_.place.substr(0, report_.place.find(" (")));
    switch (report_.record.kind) {
      case fuzz::FindingClass::kAccepted:
        report_.verdict = "Validation accepts a module that breaks one of its rules";
        break;
      case fuzz::FindingClass::kRejected: report_.verdict = "A valid module is rejected: " + report_.reproduced; break;
      default: break;
    }
    if (!report_.verdict.empty()) return;
    const bool has_values = report_.left && report_.right && !report_.actual_value.empty();
    if (has_values && report_.right->fault.empty() && report_.right->died.empty()) {
      report_.verdict = text::format("{} has {} where {} has {}{}; {} of {} votes agree with the reference", other,
                                     plain(report_.actual_value), name_of(executors.front()),
                                     plain(report_.expected_value), where, for_it, votes);
    } else if (report_.right && !report_.right->died.empty()) {
      report_.verdict = text::format("{} does not survive the case: {}", other, report_.right->died);
    } else if (report_.right && !report_.right->fault.empty()) {
      report_.verdict = text::format("{} finds itself in a state that must not be: {}", other, report_.right->fault);
    } else {
      report_.verdict = report_.reproduced;
    }
    report_.verdict = fuzz::one_line(report_.verdict);
    if (!report_.verdict.empty() && report_.verdict[0] >= 'a' && report_.verdict[0] <= 'z')
      report_.verdict[0] -= 'a' - 'A';
  }

  const GatherOptions& options_;
  Scratch scratch_;
  std::string folder_;  // of the finding; empty: a bare case
  std::string file_;    // the case
  std::string stages_, component_, script_said_;
  std::optional<std::vector<bench::Peer>> peers_;
  fuzz::Case case_;
  std::vector<fuzz::Step> plan_;
  Replayed seen_;
  Report report_;
};

void print_observed(const fuzz::LoadedCase& loaded, const fuzz::Observation& seen, const std::string& executor,
                    std::string died) {
  Observed out{.executor = executor, .tokens = seen.tokens, .died = std::move(died)};
  if (seen.inconclusive) out.tokens.resize(std::min(out.tokens.size(), seen.conclusive_tokens));
  out.inconclusive = seen.inconclusive ? seen.inconclusive_reason : "";
  out.fault = seen.fault_text;
  const std::string lines = fuzz::print_observation(loaded, seen, out.tokens.size());
  for (size_t at = 0; at < lines.size() && out.lines.size() < out.tokens.size();) {
    const size_t end = std::min(lines.find('\n', at), lines.size());
    const size_t begin = std::min(end, lines.find_first_not_of(' ', at));
    out.lines.push_back(lines.substr(begin, end - begin));
    at = end + 1;
  }
  out.lines.resize(out.tokens.size());
  std::fputs(triage::to_json(out).c_str(), stdout);
}

int observe_as_javascript(const fuzz::Case& subject, const fuzz::ExecutorSpec& spec) {
  const auto js = fuzz::make_js_case(subject);
  if (!js) return complain("", js.error());
  const auto loaded = fuzz::load_case(js->subject);
  if (!loaded) return complain("", loaded.error());
  fuzz::Observation seen;
  std::string died;
  if (spec.kind == fuzz::ExecutorKind::kExternal) {
    const auto end = fuzz::observe_external(*js, spec.external, seen);
    if (!end) return complain("", end.error());
    if (end->kind == fuzz::ExternalEnd::Kind::kHung) died = "does not answer";
    if (end->kind == fuzz::ExternalEnd::Kind::kCrashed) died = fuzz::one_line(end->what);
  } else {
    const fuzz::MakeStore make = [&] { return fuzz::make_executor(spec, loaded->types); };
    auto store = make();
    if (!store) return complain("", store.error());
    fuzz::observe(*loaded, **store, make, seen);
  }
  fuzz::project(seen);
  print_observed(*loaded, seen, to_string(spec), std::move(died));
  return kDone;
}

}  // namespace

bool report_interrupted() { return g_interrupted != 0; }

Result<Gathered> gather_report(const GatherOptions& options) {
  struct sigaction action = {};
  action.sa_handler = interrupt;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  return Gatherer(options).gather();
}

int observe_for_report(const std::string& file, const std::string& executor, const std::string& fault,
                       const std::string& stages, bool as_javascript) {
  const auto bytes = read_module(file);
  if (!bytes) return complain(file, bytes.error());
  auto subject = fuzz::read_envelope(*bytes);
  if (!subject) return complain(file, subject.error());
  const auto spec = fuzz::parse_spec(executor);
  if (!spec) return complain("", spec.error());
  if (!fault.empty() && !choose_fault(fault)) return complain("", {ErrorCode::kUsage, 0, "no such fault: " + fault});
  restart_fault_sites();
  if (as_javascript) return observe_as_javascript(*subject, *spec);
  const auto loaded = fuzz::load_case(*subject);
  if (!loaded) return complain(file, loaded.error());

  fuzz::Probe probe;
  StageFiles files;
  if (!stages.empty()) {
    if (auto made = StageFiles::in(stages)) files = std::move(*made);
    probe.on_stage = [&](uint32_t func, const char* stage, const std::string& text) { files.add(func, stage, text); };
  }
  const fuzz::MakeStore other = [&] { return fuzz::make_executor(*spec, loaded->types); };
  auto store = stages.empty() ? other() : fuzz::make_executor(*spec, loaded->types, probe);
  if (!store) return complain("", store.error());
  fuzz::Observation seen;
  fuzz::observe(*loaded, **store, other, seen);

  print_observed(*loaded, seen, executor, "");
  return kDone;
}

}  // namespace parallax::cli
