// parallax bench: speed of executors on the project's own programs, with other engines beside them; of the front end; and
// of compilers.
//
// Sides take turns: every round goes over all programs, and over all sides of a program, so that what happens to the machine
// meanwhile happens to all. Checksums are judged at every call; a side that answers wrongly has no times. Stopping it
// (Ctrl-C, --time-budget) ends with what the completed measurements say.
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "bench/suite/cases.h"
#include "bench/suite/compile_speed.h"
#include "bench/suite/contributions.h"
#include "bench/suite/front_end.h"
#include "bench/suite/peers.h"
#include "bench/suite/results.h"
#include "bench/suite/statistics.h"
#include "engine/base/text.h"
#include "fuzz/executors/executors.h"
#include "fuzz/external/engines.h"
#include "tools/parallax/commands.h"

namespace parallax::cli {

namespace {

using bench::Metric;
using bench::Results;
using nlohmann::json;
namespace fs = std::filesystem;

struct BenchArgs {
  std::vector<std::string> programs, executors, peers, folders, validate, compile;
  std::string family, baseline, plot;
  uint32_t rounds = 3;
  bench::Timing timing;
  double budget = 0;
  bench::CaseOptions cases;
  std::string generator;  // empty: each in turn
  bool list = false, tiny = false, as_json = false, markdown = false, passes = false;
};

volatile std::sig_atomic_t g_stop = 0;

// A folder for what peers read, gone at the end.
class Scratch {
 public:
  Scratch() {
    std::string name = (fs::temp_directory_path() / "parallax-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  Result<std::string> put(std::string_view name, std::string_view content) const {
    if (path_.empty()) return fail(ErrorCode::kIo, 0, "no temporary folder");
    const std::string file = path_ + "/" + std::string(name);
    TRY(write_file(file, content));
    return file;
  }

 private:
  std::string path_;
};

struct Job {
  Results results;
  std::vector<bench::Subject> subjects;
  std::vector<bench::Peer> peers;  // behind the executors in results.sides
  std::string driver;
};

Result<std::vector<const bench::Program*>> chosen_programs(const BenchArgs& args) {
  std::vector<const bench::Program*> chosen;
  for (const std::string& name : args.programs) {
    const bench::Program* program = bench::find_program(name);
    if (program == nullptr)
      return fail(ErrorCode::kUsage, 0, text::format("no program is called '{}' (--list shows all)", name));
    chosen.push_back(program);
  }
  if (chosen.empty()) {
    for (const bench::Program& program : bench::programs()) chosen.push_back(&program);
  }
  if (!args.family.empty())
    std::erase_if(chosen, [&](const auto* p) { return bench::to_string(p->family) != args.family; });
  if (chosen.empty()) return fail(ErrorCode::kUsage, 0, "no program is left to run");
  return chosen;
}

Result<std::vector<std::string>> chosen_executors(const BenchArgs& args) {
  std::vector<std::string> specs = args.executors;
  if (args.passes) {
    for (const bench::Contribution& row : bench::contributions(2)) specs.push_back(row.spec);
  }
  if (specs.empty()) {
    specs = {"interp"};
    if (fuzz::available(fuzz::ExecutorKind::kJit)) specs.insert(specs.end(), {"jit:O0", "jit:O2"});
  }
  for (const std::string& spec : specs) {
    const fuzz::ExecutorSpec parsed = TRY(fuzz::parse_spec(spec));
    if (std::string why; !fuzz::available(parsed.kind, &why))
      return fail(ErrorCode::kUnsupported, 0, text::format("executor {}: {}", spec, why));
  }
  return specs;
}

// All that are there, or those that are asked for; asking for one that is not there is an error of the environment.
Result<std::vector<bench::Peer>> chosen_peers(const BenchArgs& args) {
  if (args.peers == std::vector<std::string>{"none"} || args.passes) return {};
  const bool compilers = !args.compile.empty();
  const auto rows = compilers ? bench::compiler_rows() : bench::peer_rows();
  for (const std::string& name : args.peers) {
    if (std::ranges::none_of(rows, [&](const bench::PeerRow& row) { return row.name == name; }))
      return fail(ErrorCode::kUsage, 0, text::format("no peer is called '{}' (`parallax engines` shows all)", name));
  }
  const auto folders = fuzz::engine_folders(args.folders);
  std::vector<bench::Peer> found = compilers ? bench::find_compilers(folders) : bench::find_peers(folders);
  if (args.peers.empty()) return found;
  std::vector<bench::Peer> chosen;
  for (const std::string& name : args.peers) {
    const auto at = std::ranges::find_if(found, [&](const bench::Peer& peer) { return peer.row->name == name; });
    if (at == found.end()) {
      return fail(
          ErrorCode::kIo, 0,
          text::format("{} was not found (scripts/fetch-peers gets some; --peers FOLDER, PARALLAX_PEERS and PATH "
                       "are searched)",
                       name));
    }
    chosen.push_back(*at);
  }
  return chosen;
}

Result<Job> prepare(const BenchArgs& args, const Scratch& scratch) {
  Job job;
  Results& results = job.results;
  results.programs = TRY(chosen_programs(args));
  results.timing = args.timing;
  results.machine = bench::machine_class();
  for (const std::string& spec : TRY(chosen_executors(args)))
    results.sides.push_back({.name = spec, .version = kVersion});
  job.peers = TRY(chosen_peers(args));
  for (const bench::Peer& peer : job.peers)
    results.sides.push_back({.name = peer.row->name, .version = peer.version, .ours = false});
  if (!args.baseline.empty()) {
    const auto at = std::ranges::find(results.sides, args.baseline, &bench::Side::name);
    if (at == results.sides.end())
      return fail(ErrorCode::kUsage, 0, text::format("the baseline '{}' does not take part", args.baseline));
    results.baseline = static_cast<size_t>(at - results.sides.begin());
  }
  for (bench::Side& side : results.sides) side.cells.resize(results.programs.size());
  if (!job.peers.empty()) job.driver = TRY(scratch.put("driver.js", bench::embedded_text("driver.js")));
  for (const bench::Program* program : results.programs) {
    bench::Subject subject{.program = program, .bytes = TRY(bench::assemble(*program))};
    subject.scale = args.tiny ? program->tiny : program->full;
    if (!job.peers.empty()) {
      const std::string_view bytes(reinterpret_cast<const char*>(subject.bytes.data()), subject.bytes.size());
      subject.path = TRY(scratch.put(text::format("{}.wasm", program->name), bytes));
    }
    job.subjects.push_back(std::move(subject));
  }
  return job;
}

void measure_cell(Job& job, size_t side, size_t program) {
  bench::Side& on = job.results.sides[side];
  bench::Cell& cell = on.cells[program];
  if (cell.error) return;
  const size_t executors = job.results.sides.size() - job.peers.size();
  const bench::Subject& subject = job.subjects[program];
  auto sample = side < executors ? bench::measure(on.name, subject, job.results.timing)
                                 : bench::measure(job.peers[side - executors], job.driver, subject, job.results.timing);
  if (sample) {
    cell.samples.push_back(*sample);
  } else if (g_stop == 0) {  // what Ctrl-C ended is no error
    cell.error = std::move(sample.error());
  }
}

void measure_all(Job& job, const BenchArgs& args) {
  const bool on_terminal = ::isatty(STDERR_FILENO) != 0;
  const auto begin = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); };
  g_stop = 0;
  const auto before = std::signal(SIGINT, [](int) { g_stop = 1; });
  for (uint32_t round = 0; round < args.rounds && g_stop == 0; ++round) {
    if (round != 0 && args.budget > 0 && seconds() > args.budget) break;
    for (size_t program = 0; program < job.subjects.size() && g_stop == 0; ++program) {
      if (on_terminal) {
        std::fprintf(stderr, "\rround %u of %u: %-16s", round + 1, args.rounds, job.results.programs[program]->name);
      }
      for (size_t side = 0; side < job.results.sides.size() && g_stop == 0; ++side) measure_cell(job, side, program);
    }
    if (g_stop == 0) ++job.results.rounds;
  }
  std::signal(SIGINT, before);
  if (on_terminal) std::fprintf(stderr, "\r%40s\r", "");
}

json times_json(const bench::Cell& cell, Metric metric) {
  std::vector<double> all = bench::times(cell, metric);
  if (all.empty()) return nullptr;
  return {{"median", *bench::median_of(cell, metric)}, {"spread", bench::spread(all)}, {"all", all}};
}

json cell_json(const Results& results, size_t side, size_t program) {
  const bench::Cell& cell = results.sides[side].cells[program];
  json out = {{"program", results.programs[program]->name},
              {"family", bench::to_string(results.programs[program]->family)}};
  if (cell.error) {
    out["error"] = cell.error->message;
    return out;
  }
  out["steady_us"] = times_json(cell, Metric::kSteady);
  out["first_us"] = times_json(cell, Metric::kFirst);
  out["startup_us"] = times_json(cell, Metric::kStartup);
  if (const auto one = bench::ratio(results, side, program, Metric::kSteady)) out["ratio"] = *one;
  return out;
}

json means_json(const Results& results, size_t side) {
  json out = json::object();
  const auto add = [&](const char* name, std::optional<bench::Family> family, Metric metric) {
    if (const auto mean = bench::mean_ratio(results, side, family, metric))
      out[name] = {{"ratio", mean->ratio}, {"programs", mean->programs}};
  };
  add("scalar", bench::Family::kScalar, Metric::kSteady);
  add("gc", bench::Family::kGc, Metric::kSteady);
  add("all", std::nullopt, Metric::kSteady);
  add("startup", std::nullopt, Metric::kStartup);
  add("first", std::nullopt, Metric::kFirst);
  return out;
}

json results_json(const Results& results) {
  json out = {{"machine", results.machine},
              {"rounds", results.rounds},
              {"seconds", results.timing.seconds},
              {"warm_seconds", results.timing.warm_seconds},
              {"baseline", results.sides[results.baseline].name},
              {"failed", bench::failed(results)},
              {"sides", json::array()}};
  for (size_t side = 0; side < results.sides.size(); ++side) {
    json row = {{"name", results.sides[side].name},
                {"version", results.sides[side].version},
                {"peer", !results.sides[side].ours},
                {"means", means_json(results, side)},
                {"programs", json::array()}};
    for (size_t i = 0; i < results.programs.size(); ++i) row["programs"].push_back(cell_json(results, side, i));
    out["sides"].push_back(std::move(row));
  }
  return out;
}

int list_programs(const BenchArgs& args) {
  json out = json::array();
  for (const bench::Program& program : bench::programs()) {
    const char* family = bench::to_string(program.family);
    if (args.as_json) {
      out.push_back({{"name", program.name},
                     {"family", family},
                     {"scale", program.full.scale},
                     {"checksum", program.full.checksum},
                     {"summary", program.summary}});
    } else {
      std::printf("%-14s %-7s scale %-6u %s\n", program.name, family, program.full.scale, program.summary);
    }
  }
  if (args.as_json) std::printf("%s\n", out.dump(2).c_str());
  return kDone;
}

int measure_front_end(const BenchArgs& args) {
  json out = json::array();
  bool is_first = true;
  for (const std::string& path : args.validate) {
    const auto files = files_below(path, fs::is_directory(path) ? ".wasm" : "");
    if (!files) return complain("", files.error());
    if (files->empty()) return complain(path, {ErrorCode::kUsage, 0, "no modules there"});
    for (const std::string& file : *files) {
      const auto bytes = read_module(file);
      if (!bytes) return complain(file, bytes.error());
      const auto sample = bench::measure_front_end(*bytes, args.rounds);
      if (!sample) return complain(file, sample.error());
      if (args.as_json) {
        out.push_back({{"file", file},
                       {"module_bytes", sample->module_bytes},
                       {"code_bytes", sample->code_bytes},
                       {"functions", sample->functions},
                       {"decode_us", sample->decode_us},
                       {"validate_us", sample->validate_us},
                       {"decode_mb_per_s", sample->decode_mb_per_s()},
                       {"validate_mb_per_s", sample->validate_mb_per_s()}});
      } else {
        if (std::exchange(is_first, false)) {
          std::printf("%-40s %8s %8s %7s %12s %13s\n", "module", "KB", "KB code", "bodies", "decode MB/s",
                      "validate MB/s");
        }
        std::printf("%-40s %8llu %8llu %7u %12.0f %13.0f\n", fs::path(file).filename().c_str(),
                    static_cast<unsigned long long>(sample->module_bytes / 1000),
                    static_cast<unsigned long long>(sample->code_bytes / 1000), sample->functions,
                    sample->decode_mb_per_s(), sample->validate_mb_per_s());
      }
    }
  }
  if (args.as_json) std::printf("%s\n", out.dump(2).c_str());
  return kDone;
}

// One side of the comparison of compilers on one module.
struct CompileCell {
  std::vector<double> us;
  bench::CompileSample last;    // ours
  bench::CompileSample staged;  // ours, by stage
  std::optional<Error> error;
};
struct CompileSide {
  std::string name;
  const bench::Peer* peer = nullptr;  // or ours
  double total_us = 0;                // over the modules that it could compile
  uint64_t total_bytes = 0;
  bool refused = false;  // a module, or a function of one
  std::vector<std::pair<std::string, double>> stages_us;
};

void compile_round(const CompileSide& side, const bench::CompileSubject& subject, const std::string& driver,
                   const std::string& file, CompileCell& cell) {
  if (cell.error) return;
  if (side.peer != nullptr) {
    auto us = bench::measure_compiler(*side.peer, driver, file, 0.3);
    if (us) return cell.us.push_back(*us);
    cell.error = std::move(us.error());
    return;
  }
  auto sample = bench::measure_compile(side.name, subject, false);
  auto staged = bench::measure_compile(side.name, subject, true);
  if (!sample || !staged) {
    cell.error = !sample ? sample.error() : staged.error();
    return;
  }
  cell.us.push_back(sample->us);
  cell.last = std::move(*sample);
  cell.staged = std::move(*staged);
}

void add_stages(std::vector<std::pair<std::string, double>>& to, const bench::CompileSample& from) {
  for (const auto& [stage, us] : from.stages_us) {
    const auto at = std::ranges::find(to, stage, &std::pair<std::string, double>::first);
    if (at == to.end()) {
      to.emplace_back(stage, us);
    } else {
      at->second += us;
    }
  }
}

json compile_json(const CompileCell& cell, const CompileSide& side, uint64_t bytes, uint32_t functions) {
  json out = {{"side", side.name}};
  if (cell.error) {
    out["error"] = cell.error->message;
    return out;
  }
  const double us = bench::median(cell.us);
  out["us"] = cell.us;
  out["mb_per_s"] = static_cast<double>(bytes) / us;
  out["functions_per_s"] = functions * 1e6 / us;
  if (side.peer != nullptr) return out;
  out["failed"] = cell.last.failed;
  out["not_baseline"] = cell.last.not_baseline;
  out["baseline_instead"] = cell.last.baseline_instead;
  out["machine_bytes"] = cell.last.machine_bytes;
  for (const auto& [stage, stage_us] : cell.staged.stages_us) out["stages_us"][stage] = stage_us;
  return out;
}

void print_compile_totals(const std::vector<CompileSide>& sides) {
  std::printf("\n%-28s", "all modules, MB/s");
  for (const CompileSide& side : sides) {
    side.total_us > 0 ? std::printf(" %15.2f", static_cast<double>(side.total_bytes) / side.total_us)
                      : std::printf(" %15s", "-");
  }
  std::printf("\n");
  for (const CompileSide& side : sides) {
    double sum = 0;
    for (const auto& [stage, us] : side.stages_us) sum += us;
    if (sum == 0) continue;
    std::printf("%s by stage:", side.name.c_str());
    for (const auto& [stage, us] : side.stages_us) std::printf(" %s %.1f%%", stage.c_str(), us / sum * 100);
    std::printf("\n");
  }
}

// One module on all sides; adds to their sums.
Result<json> compile_module(const BenchArgs& args, const std::string& file, const std::string& driver,
                            std::vector<CompileSide>& sides) {
  const bench::CompileSubject subject = TRY(bench::load_for_compiling(TRY(read_module(file))));
  std::vector<CompileCell> cells(sides.size());
  for (uint32_t round = 0; round < args.rounds; ++round) {
    for (size_t i = 0; i < sides.size(); ++i) compile_round(sides[i], subject, driver, file, cells[i]);
  }
  json row = {{"file", file}, {"code_bytes", subject.code_bytes}, {"functions", subject.functions}};
  if (!args.as_json) std::printf("%-20.20s %7.0f", fs::path(file).stem().c_str(), subject.code_bytes / 1e3);
  for (size_t i = 0; i < sides.size(); ++i) {
    const CompileCell& cell = cells[i];
    sides[i].refused |= cell.error.has_value() || cell.last.failed != 0;
    row["sides"].push_back(compile_json(cell, sides[i], subject.code_bytes, subject.functions));
    if (cell.error || cell.us.empty()) {
      if (!args.as_json) std::printf(" %15s", "-");
      if (cell.error) std::fprintf(stderr, "parallax: %s: %s\n", sides[i].name.c_str(), cell.error->message.c_str());
      continue;
    }
    const double us = bench::median(cell.us);
    sides[i].total_us += us;
    sides[i].total_bytes += subject.code_bytes;
    add_stages(sides[i].stages_us, cell.staged);
    if (!args.as_json) std::printf(" %15.2f", static_cast<double>(subject.code_bytes) / us);
    if (cell.last.not_baseline != 0) {
      std::fprintf(stderr, "parallax: %s: %llu functions left to the IR\n", sides[i].name.c_str(),
                   static_cast<unsigned long long>(cell.last.not_baseline));
    }
    if (cell.last.baseline_instead != 0) {
      std::fprintf(stderr, "parallax: %s: %llu functions too large, left to the baseline compiler\n",
                   sides[i].name.c_str(), static_cast<unsigned long long>(cell.last.baseline_instead));
    }
    if (cell.last.failed != 0) {
      std::fprintf(stderr, "parallax: %s: %u functions refused: %s\n", sides[i].name.c_str(), cell.last.failed,
                   cell.last.first_failure.c_str());
    }
  }
  if (!args.as_json) std::printf("\n");
  std::fflush(stdout);
  return row;
}

int measure_compilers(BenchArgs args) {
  const Scratch scratch;
  if (args.executors.empty()) args.executors = {"jit:O0", "jit:O1", "jit:O2"};
  const auto executors = chosen_executors(args);
  if (!executors) return complain("", executors.error());
  for (const std::string& text : *executors) {
    const auto spec = fuzz::parse_spec(text);
    if (spec && spec->kind == fuzz::ExecutorKind::kJit) continue;
    return complain("", {ErrorCode::kUsage, 0, text::format("--compile: '{}' makes no machine code", text)});
  }
  const auto peers = chosen_peers(args);
  if (!peers) {
    complain("", peers.error());
    return kEnvironment;
  }
  const auto driver = scratch.put("compile_driver.js", bench::embedded_text("compile_driver.js"));
  if (!driver) return complain("", driver.error());
  std::vector<CompileSide> sides;
  for (const std::string& spec : *executors) sides.push_back({.name = spec});
  for (const bench::Peer& peer : *peers) sides.push_back({.name = peer.row->name, .peer = &peer});
  if (!args.as_json) {
    std::printf("%-20s %7s", "MB of code per second", "KB");
    for (const CompileSide& side : sides) std::printf(" %15s", side.name.c_str());
    std::printf("\n");
  }
  json out = json::array();
  for (const std::string& path : args.compile) {
    const auto files = files_below(path, fs::is_directory(path) ? ".wasm" : "");
    if (!files) return complain("", files.error());
    if (files->empty()) return complain(path, {ErrorCode::kUsage, 0, "no modules there"});
    for (const std::string& file : *files) {
      auto row = compile_module(args, file, *driver, sides);
      if (!row) return complain(file, row.error());
      out.push_back(std::move(*row));
    }
  }
  if (args.as_json) {
    std::printf("%s\n", out.dump(2).c_str());
  } else {
    print_compile_totals(sides);
  }
  return std::ranges::any_of(sides, &CompileSide::refused) ? kFound : kDone;
}

json cases_json(const bench::CaseOptions& options, const bench::CaseTimes& times) {
  json stages = json::object();
  for (size_t stage = 0; stage < kCaseStages; ++stage) {
    json lanes = json::array();
    for (const auto& lane : times.us) lanes.push_back(lane[stage]);
    stages[kCaseStageTable[stage].name] = std::move(lanes);
  }
  return {{"generator", fuzz::to_string(options.generator)},
          {"judged", times.judged},
          {"inconclusive", times.inconclusive},
          {"findings", times.findings},
          {"bytes", times.bytes},
          {"functions", times.functions},
          {"seconds", times.seconds},
          {"cases_per_second", times.cases_per_second()},
          {"us", std::move(stages)}};
}

int measure_cases(const BenchArgs& args) {
  std::vector<fuzz::GeneratorKind> kinds;
  size_t count = 0;
  const fuzz::GeneratorInfo* rows = fuzz::generator_table(count);
  for (size_t i = 0; i < count; ++i) {
    if (args.generator.empty() ? fuzz::available(rows[i].kind) : args.generator == rows[i].name)
      kinds.push_back(rows[i].kind);
  }
  if (kinds.empty()) return complain("", {ErrorCode::kUsage, 0, "no such generator: " + args.generator});
  json out = json::array();
  for (const fuzz::GeneratorKind kind : kinds) {
    bench::CaseOptions options = args.cases;
    options.generator = kind;
    options.executors = args.executors;
    const auto times = bench::measure_cases(options);
    if (!times) return complain("", times.error());
    if (args.as_json) {
      out.push_back(cases_json(options, *times));
    } else {
      std::printf("%s%s", kind == kinds.front() ? "" : "\n",
                  bench::print_cases(options, *times, args.markdown).c_str());
    }
  }
  if (args.as_json) std::printf("%s\n", out.dump(2).c_str());
  return kDone;
}

int run(const BenchArgs& args) {
  if (!args.compile.empty()) return measure_compilers(args);
  if (args.list) return list_programs(args);
  if (!args.validate.empty()) return measure_front_end(args);
  if (args.cases.cases != 0) return measure_cases(args);
  const Scratch scratch;
  auto job = prepare(args, scratch);
  if (!job) {
    const int code = complain("", job.error());
    return job.error().code == ErrorCode::kIo || job.error().code == ErrorCode::kUnsupported ? kEnvironment : code;
  }
  measure_all(*job, args);
  const Results& results = job->results;
  if (results.rounds == 0 && g_stop != 0) {
    complain("stopped before the first round was over");
    return kFound;
  }
  if (args.as_json) {
    std::printf("%s\n", results_json(results).dump(2, ' ', false, json::error_handler_t::replace).c_str());
  } else if (args.passes) {
    std::fputs(bench::print_contributions(results, bench::contributions(2), args.markdown).c_str(), stdout);
  } else {
    std::fputs((args.markdown ? bench::print_markdown(results) : bench::print_table(results)).c_str(), stdout);
    for (const std::string& line : bench::remarks(results)) std::fprintf(stderr, "parallax: %s\n", line.c_str());
  }
  if (!args.plot.empty()) {
    if (const auto written = write_file(args.plot, bench::plot_svg(results)); !written)
      return complain(args.plot, written.error());
  }
  return bench::failed(results) ? kFound : kDone;
}

}  // namespace

void add_bench(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<BenchArgs>();
  command.add_option("--program", args->programs, "only these programs")->delimiter(',');
  command.add_option("--family", args->family, "only programs of this family")->check(CLI::IsMember({"scalar", "gc"}));
  command.add_option("--executor,--executors", args->executors, "executors of ours (default: interp, jit:O0, jit:O2)")
      ->delimiter(',');
  command.add_option("--peer", args->peers, "other engines (default: all that are found; none)")->delimiter(',');
  command.add_option("--peers", args->folders, "a folder with other engines, searched before PARALLAX_PEERS and PATH");
  command.add_option("--baseline", args->baseline, "whose times are 1 (default: the first executor)");
  command.add_option("--rounds", args->rounds, "rounds over all programs and sides")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command.add_option("--seconds", args->timing.seconds, "calls are repeated for so long per measurement")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  command.add_option("--warm-seconds", args->timing.warm_seconds, "and before that without being measured")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  command.add_option("--time-budget", args->budget, "begin no new round after so many seconds")
      ->check(CLI::NonNegativeNumber);
  command.add_flag("--tiny", args->tiny, "run at the tiny scales: a smoke test, not a measurement");
  command.add_flag("--list", args->list, "show the programs");
  CLI::Option* passes =
      command.add_flag("--passes", args->passes, "what each pass of jit:O2 contributes: the programs without it");
  for (const char* option : {"--executor", "--peer", "--baseline"}) passes->excludes(option);
  CLI::Option* validate = command.add_option(
      "--validate", args->validate, "measure decoding and validation of these modules (or folders of them) instead");
  CLI::Option* compile = command.add_option(
      "--compile", args->compile, "measure compilation of all functions of these modules (or folders of them) instead");
  CLI::Option* as_json = command.add_flag("--json", args->as_json, "answer as JSON, with all times");
  command.add_flag("--markdown", args->markdown, "answer as a Markdown table with ratios")->excludes(as_json);
  command.add_option("--plot", args->plot, "also write the ratios as a picture (SVG) to this file");
  args->cases.cases = 0;
  CLI::Option* cases =
      command.add_option("--cases", args->cases.cases, "measure so many cases of a campaign instead, stage by stage")
          ->check(CLI::Range(1, 10'000'000));
  command.add_option("--generator", args->generator, "whose cases (default: each generator in turn)")->needs(cases);
  command.add_option("--seed", args->cases.seed, "of the campaign")->needs(cases)->capture_default_str();
  command
      .add_option("--schedules", args->cases.schedules,
                  "judge each case's modules so often: the case, and variations of its arguments and schedules")
      ->needs(cases)
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command.add_option("--around", args->cases.around, "only cases whose modules have about so many bytes")->needs(cases);
  // What only the programs have.
  for (const char* option :
       {"--program", "--family", "--peer", "--baseline", "--list", "--tiny", "--passes", "--plot"}) {
    validate->excludes(option);
    cases->excludes(option);
  }
  for (const char* option : {"--executor", "--markdown"}) validate->excludes(option);
  for (const char* option :
       {"--program", "--family", "--baseline", "--list", "--tiny", "--markdown", "--passes", "--plot"}) {
    compile->excludes(option);
  }
  compile->excludes(validate);
  cases->excludes(validate)->excludes(compile);
  // --list shows all programs.
  for (const char* option : {"--program", "--family"}) command.get_option("--list")->excludes(option);
  command.footer(
      "Exit code 1: a wrong checksum, or an executor of ours failed. How to read the table: docs/benchmarks.md.");
  command.callback([args, &exit_code] { exit_code = run(*args); });
}

}  // namespace parallax::cli
