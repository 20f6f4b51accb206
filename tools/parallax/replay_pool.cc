#include "tools/parallax/replay_pool.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "engine/base/choices.h"
#include "engine/base/text.h"
#include "fuzz/generators/generators.h"
#include "fuzz/generators/scenario/scenario.h"
#include "tools/parallax/commands.h"
#include "triage/child.h"
#include "triage/classify.h"
#include "triage/isolate.h"
#include "triage/rerun.h"

namespace parallax::cli {

namespace fs = std::filesystem;
using fuzz::VerdictKind;

namespace {

// --- What to replay ------------------------------------------------------------------------------------------------

ReplayItem item_of(const std::string& file, const std::string& target) {
  ReplayItem item{.shown = file, .file = file};
  const std::string extension = fs::path(file).extension();
  if (extension == ".wast") item.kind = ReplayKind::kScript;
  if (extension == ".wast" || extension == ".wasm" || extension == ".wat") return item;
  item.kind = ReplayKind::kRaw;
  item.target = target.empty() ? fs::path(file).parent_path().filename().string() : target;
  return item;
}

// --- One item ------------------------------------------------------------------------------------------------------

bool is_module(std::span<const uint8_t> bytes) {
  static constexpr uint8_t kMagic[] = {0, 'a', 's', 'm'};
  return bytes.size() >= 4 && std::equal(std::begin(kMagic), std::end(kMagic), bytes.begin());
}

// What the fuzz target of this name makes of its input.
Result<fuzz::Case> case_of_raw(const ReplayItem& item, std::span<const uint8_t> bytes) {
  if (is_module(bytes)) return fuzz::read_envelope(bytes);
  if (item.target == "diff_binaryen") return fuzz::generate(fuzz::GeneratorKind::kBinaryen, bytes);
  if (item.target == "diff_op") return fuzz::generate(fuzz::GeneratorKind::kOp, bytes);
  if (item.target == "diff_module" || item.target == "diff_gc") return fuzz::generate(fuzz::GeneratorKind::kGc, bytes);
  return fail(ErrorCode::kUnsupported, 0, text::format("input of fuzz_{}, which is not here (--targets)", item.target));
}

class Replayer {
 public:
  explicit Replayer(const ReplayOptions& options) : options_(options) {}

  ReplayRow one(const ReplayItem& item, size_t number) {
    ReplayRow row{.item = number};
    const auto begin = std::chrono::steady_clock::now();
    if (!item.unreadable.empty()) {
      refuse(row, {ErrorCode::kUsage, 0, item.unreadable});
    } else if (item.kind == ReplayKind::kScript) {
      script(item, row);
    } else if (const std::string program = program_of(item); !program.empty()) {
      by_program(program, item, row);
    } else if (item.kind == ReplayKind::kRaw && item.target == "scenario") {
      scenario(item, row);
    } else {
      judged(item, row);
    }
    row.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return row;
  }

 private:
  std::string fault_of(const ReplayItem& item) const {
    const std::string wanted = !options_.fault.empty() ? options_.fault : item.expected ? item.expected->fault : "";
    return wanted == "none" ? "" : wanted;
  }

  triage::Rerunner& rerunner(const std::string& fault) {
    auto& known = rerunners_[fault];
    if (known == nullptr) {
      known = std::make_unique<triage::Rerunner>(
          triage::RerunSettings{.fault = fault, .seconds = options_.case_seconds, .with_log = options_.with_log});
    }
    return *known;
  }

  void judged(const ReplayItem& item, ReplayRow& row) {
    auto subject = read(item);
    if (!subject) return refuse(row, subject.error());
    if (!options_.executors.empty()) subject->configuration.executors = options_.executors;
    const std::string fault = fault_of(item);
    const fuzz::Verdict seen = rerunner(fault).run(*subject);
    tell(item, seen, row);
    if (seen.kind != VerdictKind::kFinding) return;
    row.signature = seen.finding.signature;
    row.difference = seen.finding.difference;
    row.log = seen.finding.log;
    row.invariant = named_invariant(*subject, seen, fault);
  }

  static Result<fuzz::Case> read(const ReplayItem& item) {
    if (item.kind == ReplayKind::kRaw) {
      const auto bytes = TRY(read_file(item.file));
      return case_of_raw(item, bytes);
    }
    const auto bytes = TRY(read_module(item.file));
    return fuzz::read_envelope(bytes);
  }

  // The fuzz target of that name, where one was built.
  std::string program_of(const ReplayItem& item) const {
    if (item.kind != ReplayKind::kRaw || options_.targets.empty()) return {};
    const std::string program = options_.targets + "/fuzz_" + item.target;
    return ::access(program.c_str(), X_OK) == 0 ? program : "";
  }

  // A target ends well when it has nothing to say.
  void by_program(const std::string& program, const ReplayItem& item, ReplayRow& row) {
    const auto child = triage::run_child({program, item.file}, {.seconds = options_.case_seconds});
    if (!child) return refuse(row, child.error());
    row.word = "agreed";
    if (child->ended_well() && child->exit_code == 0) return;
    row.word = "FINDING";
    row.code = kFound;
    const triage::Death death = triage::explain_death(child->signal, child->exit_code, child->err, item.target);
    row.signature = child->timed_out ? "hang" : child->over_memory ? "memory" : death.signature;
    row.difference = death.difference;
    row.log = child->err;
  }

  static void refuse(ReplayRow& row, const Error& error) {
    if (error.code == ErrorCode::kUnsupported) {
      row.word = "not judged: " + error.message;
      return;
    }
    row.word = "unreadable: " + error.message;
    row.code = kUsage;
  }

  // What a run with all checks on names as the cause.
  std::string named_invariant(fuzz::Case subject, const fuzz::Verdict& seen, const std::string& fault) {
    const auto text_of = [](const fuzz::Verdict& v) {
      return triage::invariant_in(v.finding.signature).empty() ? std::string() : v.finding.difference;
    };
    if (std::string text = text_of(seen); !text.empty()) return text;
    auto& executors = subject.configuration.executors;
    executors = seen.finding.executors;
    if (executors.size() < 2) return {};
    for (size_t i = 1; i < executors.size(); ++i) {
      auto spec = fuzz::parse_spec(executors[i]);
      if (!spec || spec->kind != fuzz::ExecutorKind::kJit) continue;
      spec->armed = true;
      spec->unverified = false;
      executors[i] = to_string(*spec);
    }
    return text_of(rerunner(fault).run(subject));
  }

  static void tell(const ReplayItem& item, const fuzz::Verdict& seen, ReplayRow& row) {
    const bool environment = seen.reason.starts_with("environment");
    switch (seen.kind) {
      case VerdictKind::kAgreed: row.word = item.expected ? "not reproduced" : "agreed"; return;
      case VerdictKind::kInconclusive:
        row.word = "not judged: " + seen.reason;
        row.code = environment ? kEnvironment : kDone;
        return;
      case VerdictKind::kRejected:
        row.word = "not judged: rejected: " + seen.reason;
        row.code = item.kind == ReplayKind::kRaw ? kDone : kUsage;
        return;
      case VerdictKind::kFinding: break;
    }
    row.code = kFound;
    row.word = "FINDING";
    if (!item.expected) return;
    const std::string& symptom = item.expected->symptom;
    const std::string& signature = seen.finding.signature;
    const bool same = signature == symptom || signature == item.expected->signature ||
                      symptom.starts_with(signature + " ");  // a campaign also tells the executor of a death
    const bool same_class = seen.finding.kind == item.expected->kind ||
                            symptom.starts_with(text::format("{}|", to_string(seen.finding.kind)));
    row.word = same ? "reproduced" : same_class ? "reproduced (same class, other signature)" : "another finding";
  }

  void script(const ReplayItem& item, ReplayRow& row) {
    std::vector<std::string> command = {triage::own_program(), "wast", item.file, "--quiet"};
    for (const std::string& spec : options_.executors) command.insert(command.end(), {"--executor", spec});
    if (const std::string fault = fault_of(item); !fault.empty()) command.insert(command.end(), {"--fault", fault});
    const auto child = triage::run_child(command, {.seconds = options_.case_seconds});
    if (!child) return refuse(row, child.error());
    row.code = child->timed_out ? kFound : child->exit_code;
    row.word = row.code == kDone ? "agreed" : row.code == kFound ? "FINDING" : "unreadable: " + child->err;
    if (row.code == kFound) {
      row.signature = child->timed_out ? "hang" : child->ended_well() ? "script" : "script|died";
      row.difference = child->out.substr(0, child->out.find('\n'));
    }
    row.log = child->out;
  }

  void scenario(const ReplayItem& item, ReplayRow& row) {
    const auto bytes = read_file(item.file);
    if (!bytes) return refuse(row, bytes.error());
    const auto answer = triage::isolated(
        [&] {
          ChoiceStream choices({bytes->data(), bytes->size()});
          const fuzz::ScenarioVerdict verdict = fuzz::judge_scenario(fuzz::make_scenario(choices));
          return verdict.judge.empty() ? std::string() : text::format("{}\n{}", verdict.judge, verdict.text);
        },
        fault_of(item), {.seconds = options_.case_seconds});
    row.word = "agreed";
    if (answer && answer->empty()) return;
    row.word = "FINDING";
    row.code = kFound;
    const std::string text = answer ? *answer : "died\n" + answer.error().message;
    row.signature = "scenario|" + fuzz::normalise(text.substr(0, text.find('\n')));
    row.difference = text.substr(text.find('\n') + 1);
  }

  const ReplayOptions& options_;
  std::map<std::string, std::unique_ptr<triage::Rerunner>> rerunners_;
};

// --- Processes -----------------------------------------------------------------------------------------------------

nlohmann::json to_json(const ReplayRow& row) {
  return {{"item", row.item},
          {"word", row.word},
          {"code", row.code},
          {"signature", row.signature},
          {"difference", row.difference},
          {"log", row.log},
          {"invariant", row.invariant},
          {"seconds", row.seconds}};
}

ReplayRow row_from(const nlohmann::json& from) {
  return {.item = from.value("item", size_t{0}),
          .word = from.value("word", ""),
          .code = from.value("code", 0),
          .signature = from.value("signature", ""),
          .difference = from.value("difference", ""),
          .log = from.value("log", ""),
          .invariant = from.value("invariant", ""),
          .seconds = from.value("seconds", 0.0)};
}

struct Server {
  pid_t pid = -1;
  int out = -1;
  std::string text;  // the beginning of a line
};

[[noreturn]] void serve(const std::vector<ReplayItem>& items, const ReplayOptions& options, std::atomic<size_t>& next,
                        int out) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGINT, SIG_IGN);
  Replayer replayer(options);
  for (size_t i = next++; i < items.size(); i = next++) {
    const std::string line =
        to_json(replayer.one(items[i], i)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    for (size_t done = 0; done < line.size();) {
      const ssize_t wrote = ::write(out, line.data() + done, line.size() - done);
      if (wrote <= 0) ::_exit(kEnvironment);
      done += static_cast<size_t>(wrote);
    }
  }
  ::_exit(kDone);
}

void take_lines(Server& server, const ReplayOptions& options, std::vector<ReplayRow>& rows) {
  for (size_t end = server.text.find('\n'); end != std::string::npos; end = server.text.find('\n')) {
    const auto line = nlohmann::json::parse(server.text.substr(0, end), nullptr, false);
    server.text.erase(0, end + 1);
    if (!line.is_object()) continue;
    rows.push_back(row_from(line));
    if (options.heard) options.heard(rows.back());
  }
}

// Listens until all servers are done, or somebody asks for the end.
void listen(std::vector<Server>& servers, const ReplayOptions& options, std::vector<ReplayRow>& rows) {
  size_t open = servers.size();
  while (open > 0 && !(options.stop && options.stop())) {
    std::vector<pollfd> fds;
    for (const Server& server : servers) fds.push_back({server.out, POLLIN, 0});
    ::poll(fds.data(), fds.size(), 100);
    for (size_t i = 0; i < servers.size(); ++i) {
      if (servers[i].out < 0 || fds[i].revents == 0) continue;
      char buffer[65536];
      const ssize_t got = ::read(servers[i].out, buffer, sizeof buffer);
      if (got < 0) continue;
      servers[i].text.append(buffer, static_cast<size_t>(got));
      take_lines(servers[i], options, rows);
      if (got > 0) continue;
      ::close(servers[i].out);
      servers[i].out = -1;
      --open;
    }
  }
  for (Server& server : servers) {
    if (server.out >= 0) {
      ::kill(server.pid, SIGKILL);
      ::close(server.out);
    }
    ::waitpid(server.pid, nullptr, 0);
  }
}

}  // namespace

// Whether a folder above that of `file`, up to `path`, is a finding: then the file belongs to it (report/...).
static bool is_below_finding(const fs::path& file, const fs::path& path) {
  std::error_code error;
  fs::path folder = path;
  for (const fs::path& part : file.lexically_relative(path).parent_path()) {
    if (fs::exists(folder / "finding.json", error)) return true;
    folder /= part;
  }
  return false;
}

Result<std::vector<ReplayItem>> replay_items(const std::string& path, const std::string& target) {
  std::vector<ReplayItem> items;
  for (const std::string& file : TRY(files_below(path))) {
    const std::string folder = fs::path(file).parent_path().string();
    std::error_code error;
    if (is_below_finding(file, path)) continue;
    if (!fs::exists(folder + "/finding.json", error)) {
      // What the tools keep beside cases is no case.
      const std::string extension = fs::path(file).extension();
      if (extension == ".json" || extension == ".db" || extension == ".md" || extension == ".txt" ||
          extension == ".jsonl" || extension == ".state" || extension == ".html")
        continue;
      items.push_back(item_of(file, target));
    } else if (fs::path(file).filename() == "case.wasm") {
      ReplayItem item{.shown = folder, .file = file};
      // One that is broken does not keep the others from being run.
      if (auto record = triage::read_finding(folder)) item.expected = std::move(*record);
      else item.unreadable = record.error().message;
      items.push_back(std::move(item));
    }
  }
  if (items.empty()) return fail(ErrorCode::kUsage, 0, text::format("{}: no cases there", path));
  return items;
}

Result<std::vector<ReplayRow>> replay_all(const std::vector<ReplayItem>& items, const ReplayOptions& options) {
  void* shared =
      ::mmap(nullptr, sizeof(std::atomic<size_t>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return fail(ErrorCode::kUnsupported, 0, "no shared memory");
  auto& next = *new (shared) std::atomic<size_t>(0);
  std::vector<Server> servers;
  for (size_t i = 0; i < std::min<size_t>(options.jobs, items.size()); ++i) {
    int pipe[2];
    if (::pipe2(pipe, O_CLOEXEC) != 0) break;
    std::fflush(nullptr);
    const pid_t pid = ::fork();
    if (pid == 0) serve(items, options, next, pipe[1]);
    ::close(pipe[1]);
    if (pid < 0) {
      ::close(pipe[0]);
      break;
    }
    servers.push_back({pid, pipe[0], {}});
  }
  if (servers.empty() && !items.empty()) return fail(ErrorCode::kUnsupported, 0, "no process could be started");
  std::vector<ReplayRow> rows;
  listen(servers, options, rows);
  ::munmap(shared, sizeof(std::atomic<size_t>));
  std::sort(rows.begin(), rows.end(), [](const ReplayRow& a, const ReplayRow& b) { return a.item < b.item; });
  return rows;
}

}  // namespace parallax::cli
