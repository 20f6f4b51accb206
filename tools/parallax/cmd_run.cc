// parallax run FILE: one module on one executor.
//
// Imports come from WASI preview 1 and from the hosts that campaigns use; calls of the latter are shown on stderr. A WASI
// program's exit code becomes ours.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "engine/base/text.h"
#include "engine/jit/symbols.h"
#include "engine/runtime/wasi.h"
#include "fuzz/executors/executors.h"
#include "fuzz/executors/probe.h"
#include "fuzz/oracle/difference.h"
#include "fuzz/oracle/hosts.h"
#include "fuzz/oracle/observe.h"
#include "tools/parallax/commands.h"
#include "tools/parallax/dump.h"
#include "tools/parallax/values.h"

namespace parallax::cli {

namespace {

using fuzz::ExecutorSpec;

struct RunArgs {
  std::string file;
  std::vector<std::string> args;
  std::string executor = fuzz::available(fuzz::ExecutorKind::kJit) ? "jit" : "interp";
  int level = -1;
  std::string gc, zeal, passes, limit;
  std::optional<std::string> invoke, dump;
  bool armed = false, stats = false, json = false, perf_map = false, gdb = false;
  uint64_t fuel = UINT64_MAX, heap = UINT64_MAX;
};

// The executor's spec with the single options on top.
Result<ExecutorSpec> spec_of(const RunArgs& args) {
  const ExecutorSpec base = TRY(fuzz::parse_spec(args.executor));
  if (base.kind == fuzz::ExecutorKind::kExternal) {
    return fail(ErrorCode::kUsage, 0,
                text::format("'{}' is another engine: it votes on cases (parallax diff)", args.executor));
  }
  // What only a compiler has is a mistake with anything else.
  const char* of_compiler = args.level >= 0        ? "-O"
                            : !args.gc.empty()     ? "--gc"
                            : args.armed           ? "--armed"
                            : !args.passes.empty() ? "--passes"
                            : !args.limit.empty()  ? "--rewrite-limit"
                                                   : nullptr;
  if (of_compiler != nullptr && base.kind == fuzz::ExecutorKind::kInterp)
    return fail(ErrorCode::kUsage, 0, text::format("{}: '{}' compiles nothing", of_compiler, args.executor));
  const char* of_code = args.perf_map ? "--perf-map" : args.gdb ? "--gdb" : args.dump ? "--dump" : nullptr;
  if (of_code != nullptr && base.kind != fuzz::ExecutorKind::kJit)
    return fail(ErrorCode::kUsage, 0, text::format("{}: '{}' makes no machine code", of_code, args.executor));
  std::string words;
  const auto add = [&](bool given, std::string word) {
    if (given) words += (words.empty() ? "" : ":") + word;
  };
  add(args.level >= 0, text::format("O{}", args.level));
  add(!args.gc.empty(), args.gc);
  add(!args.zeal.empty(), "zeal=" + args.zeal);
  add(args.armed, "armed");
  add(!args.passes.empty(), "passes=" + args.passes);
  add(!args.limit.empty(), "limit=" + args.limit);
  return fuzz::fastest(TRY(fuzz::with_words(base, words)));
}

Result<> prepare_dump(const RunArgs& args, StageFiles& stages, fuzz::Probe& probe) {
  if (!args.dump) return {};
  stages = TRY(StageFiles::in(*args.dump));
  probe.on_stage = [&stages](uint32_t func, const char* stage, const std::string& text) {
    stages.add(func, stage, text);
  };
  return {};
}

// Whether anything the module did reached the host: printed as it looks in traces.
void print_host_calls(const fuzz::LoadedCase& loaded, fuzz::Observation& seen) {
  if (seen.tokens.empty()) return;
  std::fputs(fuzz::print_observation(loaded, seen).c_str(), stderr);
  seen.clear();
}

void print_stats(const wasm::StoreStats& stats, bool as_json) {
  if (as_json) return;
  std::fprintf(
      stderr,
      "collections %llu, allocated %llu objects (%llu bytes as charged), live after the last collection %llu bytes, "
      "fuel %llu\n",
      static_cast<unsigned long long>(stats.collections), static_cast<unsigned long long>(stats.allocated_objects),
      static_cast<unsigned long long>(stats.allocated_bytes),
      static_cast<unsigned long long>(stats.live_bytes_after_last), static_cast<unsigned long long>(stats.fuel_used));
}

void print_checks(const std::vector<fuzz::CheckCount>& checks) {
  for (const fuzz::CheckCount& check : checks) {
    std::fprintf(stderr, "%-2s %-14s %12llu  %s\n", check.invariant, check.name,
                 static_cast<unsigned long long>(check.evaluated), check.summary);
  }
}

Result<wasm::Outcome> invoke(const RunArgs& args, wasm::Embedding& store, const wasm::TypeStore& types,
                             wasm::InstanceId instance, const std::string& name) {
  const wasm::Extern func = TRY(store.find_export(instance, name));
  if (func.kind != wasm::ExternKind::kFunc)
    return fail(ErrorCode::kUsage, 0, text::format("export '{}' is no function", name));
  const wasm::SubType& type = types.get(TRY(store.func_type(func)));
  if (type.params.size() != args.args.size()) {
    return fail(ErrorCode::kUsage, 0,
                text::format("'{}' takes {} arguments, {} given", name, type.params.size(), args.args.size()));
  }
  std::vector<wasm::Value> values;
  for (size_t i = 0; i < args.args.size(); ++i) values.push_back(TRY(parse_value(args.args[i], type.params[i], store)));
  return store.call(func, values);
}

int report(const RunArgs& args, const wasm::Outcome& outcome, wasm::Embedding& store, const wasm::TypeStore& types,
           const std::vector<fuzz::CheckCount>& checks) {
  const std::string text = print_outcome(outcome, store, types);
  if (args.json) {
    nlohmann::json out = {{"outcome", wasm::to_string(outcome.kind)}, {"values", nlohmann::json::array()}};
    if (outcome.kind == wasm::OutcomeKind::kTrapped) out["trap"] = wasm::to_string(outcome.trap);
    if (!outcome.error.message.empty()) out["error"] = outcome.error.to_string();
    for (const wasm::Value& value : outcome.values) out["values"].push_back(print_value(value, store, types));
    const wasm::StoreStats stats = store.stats();
    out["stats"] = {{"collections", stats.collections},
                    {"allocated_objects", stats.allocated_objects},
                    {"allocated_bytes", stats.allocated_bytes},
                    {"fuel", stats.fuel_used}};
    for (const fuzz::CheckCount& check : checks) out["checks"][check.name] = check.evaluated;
    std::printf("%s\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else if (!outcome.returned()) {
    std::fprintf(stderr, "%s\n", text.c_str());
  } else if (!outcome.values.empty()) {
    std::printf("%s\n", text.c_str());
  }
  if (outcome.kind == wasm::OutcomeKind::kUnsupported || outcome.kind == wasm::OutcomeKind::kOutOfMemory)
    return kEnvironment;
  return outcome.returned() ? kDone : kFound;
}

runtime::WasiOptions wasi_options(const RunArgs& args) {
  runtime::WasiOptions options;
  options.args = {args.file};
  if (!args.invoke) options.args.insert(options.args.end(), args.args.begin(), args.args.end());
  options.write = [](uint32_t descriptor, std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), descriptor == 2 ? stderr : stdout);
  };
  options.read = [](std::span<uint8_t> into) { return std::fread(into.data(), 1, into.size(), stdin); };
  return options;
}

Result<std::vector<wasm::Extern>> imports_of(const wasm::Module& module, fuzz::Hosts& hosts, runtime::Wasi& wasi) {
  std::vector<wasm::Extern> imports;
  for (size_t i = 0; i < module.imports.size(); ++i) {
    const wasm::Import& import = module.imports[i];
    const auto item = import.kind == wasm::ExternKind::kFunc ? wasi.import(import.module, import.name) : std::nullopt;
    imports.push_back(item ? *item : TRY(hosts.make_import(module, import, 0, static_cast<uint32_t>(i))));
  }
  return imports;
}

int run(RunArgs args) {
  const auto spec = spec_of(args);
  if (!spec) return complain("", spec.error());
  auto bytes = read_module(args.file);
  if (!bytes) return complain(args.file, bytes.error());
  fuzz::Case subject;
  subject.modules = {std::move(*bytes)};
  const auto loaded = fuzz::load_case(subject);
  if (!loaded) return complain(args.file, loaded.error());
  StageFiles stages;
  fuzz::Probe probe;
  if (const auto ready = prepare_dump(args, stages, probe); !ready) return complain("", ready.error());
  jit::name_code_for(args.perf_map, args.gdb);
  auto made = fuzz::make_executor(*spec, loaded->types, probe);
  if (!made) return complain("", made.error());
  wasm::Embedding& store = **made;
  store.set_budget({.fuel = args.fuel, .allocated_bytes = args.heap});

  fuzz::Observation seen;
  fuzz::Hosts hosts(store, loaded->types, seen, fuzz::Expectations::kIgnored);
  runtime::Wasi wasi(store, *loaded->types, wasi_options(args));
  const auto& module = loaded->modules.front();
  const auto imports = imports_of(*module, hosts, wasi);
  if (!imports) return complain(args.file, imports.error());
  wasm::InstanceId instance = 0;
  wasm::Outcome outcome = store.instantiate(module, *imports, instance);
  if (outcome.returned()) {
    hosts.publish(0, instance, module);
    wasi.bind(instance);
    const bool start = !args.invoke;
    const std::string name = args.invoke.value_or("_start");
    const bool found = module->find_export(name) != nullptr;
    if (start && !found && !args.args.empty()) {
      return complain(args.file, {ErrorCode::kUsage, 0, "arguments, but no export \"_start\" and no --invoke"});
    }
    if (start) args.args.clear();  // they are the program's
    if (!start || found) {
      auto called = invoke(args, store, *loaded->types, instance, name);
      if (!called) return complain(args.file, called.error());
      outcome = std::move(*called);
    }
  }
  std::fflush(stdout);
  if (const auto code = wasi.exit_code()) return static_cast<int>(*code);
  if (!args.json) print_host_calls(*loaded, seen);
  if (args.stats) (void)store.verify();  // the store's own judges count among the checks
  const std::vector<fuzz::CheckCount> checks = fuzz::check_counts(*spec, store);
  const int code = report(args, outcome, store, *loaded->types, spec->armed ? checks : std::vector<fuzz::CheckCount>{});
  if (args.stats) print_stats(store.stats(), args.json);
  if (args.stats && !args.json && spec->armed) print_checks(checks);
  if (!stages.failure().empty()) return complain(stages.failure()), kEnvironment;
  if (args.dump) std::fprintf(stderr, "%u files in %s\n", stages.files(), args.dump->c_str());
  return code;
}

}  // namespace

void add_run(CLI::App& command, int& exit_code) {
  auto args = std::make_shared<RunArgs>();
  command.add_option("FILE", args->file, "a .wasm or .wat file, - for stdin")->required();
  command.add_option("ARG", args->args,
                     "arguments of the called function (5, 0x10, 1.5, null, i31:5, host:7), or of a WASI program");
  command.add_option("--invoke", args->invoke, "call this export (default: _start, if there is one)");
  command
      .add_option("--executor,--executors", args->executor, "interp or jit, with parts as in `parallax diff --help`")
      ->capture_default_str();
  command.add_option("-O", args->level, "optimisation level of the jit")->check(CLI::Range(0, 2));
  command.add_option("--gc", args->gc, "collector of the jit")
      ->check(CLI::IsMember({"moving", "nonmoving", "never", "gen"}));
  const CLI::Validator not_empty([](const std::string& word) { return word.empty() ? "a word is missing" : ""; }, "");
  command
      .add_option(
          "--zeal", args->zeal,
          "collect: none, every (safepoint), N (every Nth), and with the jit alloc (every allocation) and onlyN "
          "(the Nth)")
      ->check(not_empty);
  command.add_flag("--armed", args->armed, "run-time checks of the jit");
  command
      .add_option("--passes", args->passes, "passes of the jit: none, NAME+NAME (only these), -NAME-NAME (not these)")
      ->check(not_empty);
  command.add_option("--rewrite-limit", args->limit, "how many rewrites the passes of the jit may make")
      ->check(not_empty);
  command
      .add_option(
          "--dump", args->dump,
          "write IR before and after each pass, machine IR and code of every function that was called into this folder")
      ->check(not_empty);
  command.add_flag("--perf-map", args->perf_map, "name compiled code in /tmp/perf-PID.map, for perf");
  command.add_flag("--gdb", args->gdb, "name compiled code to a debugger: its backtraces show WebAssembly functions");
  command.add_flag("--stats", args->stats, "print counters of the store, and of every armed check with --armed");
  command.add_option("--fuel", args->fuel, "calls and loop entries allowed");
  command.add_option("--heap-budget", args->heap, "bytes of objects that may be allocated");
  command.add_flag("--json", args->json, "answer as JSON");
  command.callback([args, &exit_code] {
    // main() hides negative numbers from the option parser behind this character.
    for (std::string& arg : args->args) {
      if (arg.starts_with('\x01')) arg.erase(0, 1);
    }
    exit_code = run(*args);
  });
}

}  // namespace parallax::cli
