// parallax narrow: from a finding to its diagnosis (triage/narrow.h).
//
// For a finding's folder the diagnosis is kept there as narrow.json and a later call goes on where this one ended; for a
// file it is only printed. Ctrl-C ends after the current step.
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <cstdio>
#include <filesystem>

#include "engine/base/text.h"
#include "tools/parallax/commands.h"
#include "tools/parallax/options.h"
#include "triage/finding.h"
#include "triage/narrower.h"
#include "triage/signature.h"

namespace parallax::cli {

namespace fs = std::filesystem;

namespace {

struct NarrowArgs {
  std::string path;
  std::vector<std::string> executors, steps;
  std::string fault;
  double seconds = 60, case_seconds = 10;
  bool again = false, json = false, quiet = false, crash_text = false;
};

volatile sig_atomic_t g_interrupted = 0;
void interrupt(int) { g_interrupted = 1; }

const char* word_for(triage::Shown shown) { return to_string(shown); }

void print_settings(const char* heading, const std::vector<triage::Setting>& rows) {
  if (rows.empty()) return;
  std::printf("%s\n", heading);
  for (const triage::Setting& row : rows) {
    std::printf("  %-32s %-16s %s\n", row.name.c_str(), word_for(row.shown), row.spec.c_str());
  }
}

void print_indented(const char* heading, const std::string& text) {
  if (text.empty()) return;
  std::printf("  %s\n", heading);
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::printf("    | %s\n", text.substr(at, end - at).c_str());
    at = end + 1;
  }
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

void print_rewrite(const triage::GuiltyRewrite& r) {
  std::printf("guilty rewrite    number %llu of %llu: %s in pass %s (%s), function %u, offset %#x\n",
              static_cast<unsigned long long>(r.number), static_cast<unsigned long long>(r.total), r.kind.c_str(),
              r.pass.c_str(), r.summary.c_str(), r.func, r.offset);
  if (!r.text.empty()) std::printf("  of              %s\n", r.text.c_str());
  print_indented("without it:", r.ir_before);
  print_indented("with it:", r.ir_after);
}

void print(const triage::Narrowed& n) {
  const auto line = [](const char* name, const std::string& value) {
    if (!value.empty()) std::printf("%-17s %s\n", name, value.c_str());
  };
  if (!n.signature.empty()) line("id", n.id);
  line("because", joined(n.words));
  line("class", n.bug_class);
  line("signature", n.signature);
  line("stability", text::format("{} of {} runs the same{}{}", n.stability.same, n.stability.runs,
                                 n.stability.varies.empty() ? "" : "; varies: ", n.stability.varies));
  line("reference", n.reference);
  line("found with", n.original);
  line("weakest", n.weakest);
  line("features", joined(n.features));
  line("armed", n.armed);
  line("plain", n.plain);
  line("invariant", n.invariant_text.empty() ? n.invariant : n.invariant_text);
  line("stack maps", n.map_pattern);
  line("evaluator", n.evaluator);
  line("needed passes", joined(n.needed_passes));
  if (n.rewrite) print_rewrite(*n.rewrite);
  if (n.collection) {
    std::printf("guilty collection safepoint %llu of %llu: function %u, offset %#x: %s\n",
                static_cast<unsigned long long>(n.collection->index),
                static_cast<unsigned long long>(n.collection->total), n.collection->func, n.collection->offset,
                n.collection->operation.c_str());
  }
  if (n.event) {
    std::printf(
        "first difference  event %llu: function %u, offset %#x: %s\n  reference       %s\n  other           %s\n",
        static_cast<unsigned long long>(n.event->number), n.event->func, n.event->offset, n.event->operation.c_str(),
        n.event->left.c_str(), n.event->right.c_str());
  }
  print_settings("settings", n.vector);
  print_settings("near misses", n.neighbours);
  for (const std::string& note : n.notes) line("note", note);
  std::printf("%-17s %.1f s%s\n", "time", n.seconds, n.complete ? "" : ", not complete: run again to go on");
}

int run(NarrowArgs args) {
  if (!args.executors.empty() && args.executors.size() != 2)
    return complain("", {ErrorCode::kUsage, 0, "narrowing needs two --executors, the reference first"});
  std::error_code error;  // without it what cannot be looked at is thrown
  if (const fs::path path(args.path);
      path.filename() == "case.wasm" && fs::is_regular_file(path.parent_path() / "finding.json", error))
    args.path = path.has_parent_path() ? path.parent_path().string() : ".";
  const bool is_finding = fs::is_regular_file(args.path + "/finding.json", error);
  if (!is_finding && fs::is_directory(args.path, error))
    return complain(args.path, {ErrorCode::kUsage, 0, "is a folder, but no finding (no finding.json)"});
  triage::NarrowOptions options{.executors = args.executors,
                                .fault = args.fault,
                                .seconds = args.seconds,
                                .case_seconds = args.case_seconds,
                                .steps = args.steps};
  if (is_finding) {
    const auto record = triage::read_finding(args.path);
    if (!record) return complain(args.path, record.error());
    if (options.fault.empty()) options.fault = record->fault;
    if (!args.again) {
      if (auto known = triage::read_narrowed(args.path); known && known->fault == options.fault)
        options.resume = *known;
    }
  }
  if (options.fault == "none") options.fault.clear();
  const std::string file = is_finding ? args.path + "/case.wasm" : args.path;
  const auto bytes = read_module(file);
  if (!bytes) return complain(file, bytes.error());
  const auto subject = fuzz::read_envelope(*bytes);
  if (!subject) return complain(file, subject.error());

  ::signal(SIGINT, interrupt);
  options.stop = [] { return g_interrupted != 0; };
  std::string unwritten;
  if (is_finding) {
    options.save = [&](const triage::Narrowed& n) {
      // What does not show says nothing of the finding: an earlier diagnosis stays, and so does its bucket.
      if (n.signature.empty()) return;
      if (const auto written = triage::write_narrowed(args.path, n); !written) unwritten = written.error().message;
    };
  }
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  if (!args.quiet) {
    options.progress = [&](const std::string& step) {
      std::fprintf(stderr, terminal ? "\r\x1b[Knarrow: %s" : "narrow: %s\n", step.c_str());
    };
  }
  const auto narrowed = triage::narrow(*subject, options);
  if (!args.quiet && terminal) std::fprintf(stderr, "\r\x1b[K");
  if (!narrowed) return complain(args.path, narrowed.error());
  const bool shows = !narrowed->signature.empty();
  if (args.crash_text && !shows) {
    // A deduplicator would take the text for a crash.
  } else if (args.crash_text) {
    std::fputs(triage::to_crash_text({narrowed->words, narrowed->id}).c_str(), stdout);
  } else if (args.json) {
    std::fputs(to_json(*narrowed).c_str(), stdout);
  } else {
    print(*narrowed);
  }
  if (!unwritten.empty()) return complain(unwritten), kEnvironment;
  // The signature is of this call, the stability perhaps of the one that began the diagnosis.
  if (!shows) return complain(args.path + ": does not show; nothing is kept"), kDone;
  return narrowed->stability.runs == 0 || narrowed->stability.same > 0 ? kFound : kDone;
}

}  // namespace

void add_narrow(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<NarrowArgs>();
  command.add_option("FINDING", args->path, "a finding's folder, a case or a module")->required();
  command.add_option("--time", args->seconds, "seconds for all steps together")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  command.add_option("--case-timeout", args->case_seconds, "seconds after which a run counts as hanging")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  add_executors(command, args->executors, "reference and the other side (default: those of the case)");
  command.add_option("--fault", args->fault, "plant this fault, or none (default: the one that was on)");
  std::string steps;
  for (const std::string& step : triage::narrow_steps()) steps += (steps.empty() ? "" : ", ") + step;
  command.add_option("--steps", args->steps, "take these steps only: " + steps)->delimiter(',');
  command.add_flag("--again", args->again, "begin anew, whatever narrow.json says");
  command.add_flag("--quiet", args->quiet, "no progress on stderr");
  command.add_flag("--crash-text", args->crash_text,
                   "answer with the bucket as an assertion and a stack of words, as crash deduplicators group by");
  command.add_flag("--json", args->json, "answer as JSON (the content of narrow.json)");
  command.footer("Exit code: 1 when the finding shows, 0 when it does not show any more.");
  command.callback([args, &exit_code] { exit_code = run(*args); });
}

}  // namespace parallax::cli
