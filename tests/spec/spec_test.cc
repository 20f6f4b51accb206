// Runs every script of the public suites on every executor of this build; one test a script.
//
// The suites are no part of the project (scripts/fetch-suites fetches them). They are looked for in $PARALLAX_SUITES,
// beside the source tree, and in the cache; without them a single test says so and skips.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/wasm/text/print.h"
#include "engine/wasm/text/script.h"
#include "engine/wasm/text/script_runner.h"
#include "fuzz/executors/executors.h"
#include "triage/known_failures.h"

namespace parallax {
namespace {

namespace fs = std::filesystem;

// Requires the source tree as working directory, as ctest sets it.
fs::path suites() {
  std::vector<fs::path> places;
  if (const char* set = std::getenv("PARALLAX_SUITES")) places.emplace_back(set);
  places.emplace_back("../shared/suites");
  if (const char* cache = std::getenv("PARALLAX_CACHE")) places.push_back(fs::path(cache) / "suites");
  if (const char* home = std::getenv("HOME")) places.push_back(fs::path(home) / ".cache/parallax/suites");
  for (const fs::path& place : places) {
    if (fs::is_directory(place / "spec")) return place;
  }
  return {};
}

// Proposals that are not part of 3.0 are not asked for.
bool is_wanted(const std::string& script) { return script.ends_with(".wast") && !script.starts_with("proposals/"); }

std::vector<std::string> scripts() {
  const fs::path root = suites();
  std::vector<std::string> found;
  if (root.empty()) return found;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root)) {
    std::string script = fs::relative(entry.path(), root).generic_string();
    if (entry.is_regular_file() && is_wanted(script)) found.push_back(std::move(script));
  }
  std::ranges::sort(found);
  return found;
}

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

// What may be skipped, and never in the specification's own suite: what is no part of 3.0 (threads, components), what
// needs more memory than the machine gives, and what comes after such a command. That an executor lacks something is no
// reason.
bool may_be_skipped(const std::string& script, const std::string& reason) {
  if (script.starts_with("spec/")) return false;
  for (const char* known : {"(threads)", "command thread", "command wait", "command component", "out of memory",
                            "no module", "module failed"}) {
    if (reason.find(known) != std::string::npos) return true;
  }
  return false;
}

// Failures must be listed, and what is listed must fail. `executor` as in the list.
void judge(const std::string& script, const std::string& executor, const wasm::text::ScriptReport& report) {
  const auto list = triage::parse_known_failures(read("tests/spec/expected.txt"));
  ASSERT_TRUE(list) << list.error().message;
  std::vector<const triage::KnownFailure*> expected = triage::known_failures_of(*list, script, executor);
  for (const auto& [reason, count] : report.skipped) {
    EXPECT_TRUE(executor == "none" || may_be_skipped(script, reason))
        << script << ": " << count << " skipped: " << reason;
  }
  for (const wasm::text::Failure& failure : report.failures) {
    const auto known = std::ranges::find(expected, failure.line, [](const auto* row) { return row->line; });
    EXPECT_NE(known, expected.end()) << script << ":" << failure.line << ": " << failure.command << ": "
                                     << failure.what;
    if (known != expected.end()) expected.erase(known);
  }
  for (const triage::KnownFailure* row : expected) {
    ADD_FAILURE() << script << ":" << row->line << " passes now: take it off tests/spec/expected.txt";
  }
}

class SpecScript : public ::testing::TestWithParam<std::string> {};

TEST_P(SpecScript, FrontEnd) {
  judge(GetParam(), "none",
        wasm::text::run_script_text(read(suites() / GetParam()), {}, wasm::text::options_for_path(GetParam())));
}

// What the text says of these bytes, parsed again. The shortest encodings are chosen.
Result<std::vector<uint8_t>> through_text(const std::vector<uint8_t>& bytes, const wasm::Features& features) {
  return wasm::text::parse_module(TRY(wasm::text::print_binary(bytes, {.features = features})));
}

// A module that was text gives its own bytes back; one that was bytes, whose encodings may be longer than necessary,
// gives the same text from the second time on.
TEST_P(SpecScript, ModulesPrintAndParseBack) {
  const auto script = wasm::text::parse_script(read(suites() / GetParam()));
  const wasm::Features features = wasm::text::options_for_path(GetParam()).features;
  if (!script) GTEST_SKIP() << "no script: " << script.error().to_string();
  for (const wasm::text::Command& command : script->commands) {
    using wasm::text::CommandKind;
    if (command.kind != CommandKind::kModule && command.kind != CommandKind::kModuleDefinition) continue;
    SCOPED_TRACE(GetParam() + ":" + std::to_string(command.line));
    auto bytes = script->binary(*command.module);
    if (!bytes) continue;  // the front end's test judges that
    if (command.module->form == wasm::text::ModuleForm::kBinary) {
      bytes = through_text(*bytes, features);
      ASSERT_TRUE(bytes) << bytes.error().to_string();
    }
    const auto again = through_text(*bytes, features);
    ASSERT_TRUE(again) << again.error().to_string();
    EXPECT_TRUE(*bytes == *again) << wasm::text::print_binary(*bytes).value_or("does not print");
  }
}

void run_on(const std::string& script, const char* executor, wasm::text::RunnerOptions options) {
  const auto spec = fuzz::parse_spec(executor);
  ASSERT_TRUE(spec) << spec.error().to_string();
  if (!fuzz::available(spec->kind)) return;
  SCOPED_TRACE(executor);
  const wasm::text::MakeStore make = [&](std::shared_ptr<wasm::TypeStore> types) {
    return fuzz::make_executor(*spec, std::move(types));
  };
  judge(script, executor, wasm::text::run_script_text(read(suites() / script), make, options));
}

TEST_P(SpecScript, EveryExecutor) {
  for (const char* executor : {"interp", "jit:O0", "jit:O1", "jit:O2", "jit:O2:cpu=baseline"}) {
    run_on(GetParam(), executor, wasm::text::options_for_path(GetParam()));
  }
}

// Collection wherever one can happen, and the store's own judges after every command.
TEST_P(SpecScript, EveryExecutorUnderPressure) {
  wasm::text::RunnerOptions options = wasm::text::options_for_path(GetParam());
  options.verify = wasm::text::Verify::kAfterEachCommand;
  options.collect_after_each_command = true;
  for (const char* executor : {"interp:zeal=every", "jit:O2:moving:zeal=every:armed",
                               "jit:O1:nonmoving:zeal=every:armed", "jit:O0:never:armed:cpu=baseline"}) {
    run_on(GetParam(), executor, options);
  }
}

INSTANTIATE_TEST_SUITE_P(Suites, SpecScript, ::testing::ValuesIn(scripts()), [](const auto& info) {
  std::string name = info.param;
  std::ranges::replace_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
});
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SpecScript);

TEST(SpecSuites, AreThere) {
  if (scripts().empty()) GTEST_SKIP() << "no suites found: scripts/fetch-suites fetches them";
  EXPECT_GT(scripts().size(), 100u);
}

}  // namespace
}  // namespace parallax
