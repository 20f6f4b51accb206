// Runs specification scripts on an executor, through the embedding interface only.
//
// One store per script, with the host module "spectest" that the scripts import. Every command is judged by itself and
// counted: passed, failed (with what was expected and what came), or skipped with a reason. Nothing is dropped: what an
// executor answers kUnsupported to, and what depends on a module that was not made, is skipped under its reason.
// Without an executor the runner judges the front end alone: text, binary format and validation.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/wasm/embed.h"
#include "engine/wasm/instr.h"
#include "engine/wasm/limits.h"
#include "engine/wasm/text/script.h"

namespace parallax::wasm::text {

// Makes an empty store over the given types.
using MakeStore = std::function<Result<std::unique_ptr<Embedding>>(std::shared_ptr<TypeStore>)>;

enum class Verify : uint8_t { kNever, kAfterEachCommand };

// Scripts of Wasmtime's own suite differ: a named module can be imported without `register`, a host module "wasmtime"
// collects garbage, trap texts are that engine's, and a trapping segment counts as a failure to link.
enum class Dialect : uint8_t { kSpecification, kWasmtime };

struct RunnerOptions {
  Features features;
  Dialect dialect = Dialect::kSpecification;
  Budget budget;
  // Whether the store judges itself after every command; a violation is a failure of that command.
  Verify verify = Verify::kNever;
  // Collects after every command, so that references held by nobody are gone and held ones have moved.
  bool collect_after_each_command = false;
};

// What a script of the known suites needs, by its path: dialect and features beyond 3.0.
RunnerOptions options_for_path(std::string_view path);

struct Failure {
  uint32_t line = 0;
  std::string command;  // "assert_return"
  std::string what;     // "f(1, 2): expected (i32.const 3), got i32 4"
};

struct ScriptReport {
  uint32_t passed = 0;
  std::vector<Failure> failures;
  std::map<std::string, uint32_t> skipped;  // by reason

  uint32_t failed() const { return static_cast<uint32_t>(failures.size()); }
  uint32_t skipped_total() const;
};

// `make_store` may be empty: front end only.
ScriptReport run_script(const Script& script, const MakeStore& make_store, const RunnerOptions& options = {});
// Parses first; a script that does not parse is one failure.
ScriptReport run_script_text(std::string source, const MakeStore& make_store, const RunnerOptions& options = {});

// Whether the value fits the pattern. `type` is the static type that the value came with.
bool fits(const Pattern& pattern, const Value& value, ValType type, Embedding& store);
// "i32 5", "f64 0x7ff8000000000000 (nan)", "ref struct": for messages.
std::string describe(const Value& value, Embedding& store);

}  // namespace parallax::wasm::text
