// Scripts of bugs that real engines had (tests/regress/<origin>.wast), on every kind of executor; and with the matching
// fault planted, as their lines ";; fault: NAME on EXECUTOR" say, at least one assertion must fail.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/base/faults.h"
#include "engine/wasm/text/script_runner.h"
#include "fuzz/executors/executors.h"

namespace parallax {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExecutors[] = {"interp",
                                      "interp:zeal=every",
                                      "jit:O0:moving",
                                      "jit:O0:moving:zeal=every:armed",
                                      "jit:O1:moving:zeal=every:armed",
                                      "jit:O2:moving",
                                      "jit:O2:moving:armed",
                                      "jit:O2:moving:zeal=every:armed",
                                      "jit:O2:nonmoving:zeal=every:armed",
                                      "jit:O2:moving:zeal=every:pages",
                                      "jit:O2:nonmoving:zeal=every:pages:armed",
                                      "jit:O2:never"};

std::vector<std::string> scripts() {
  std::vector<std::string> found;
  for (const fs::directory_entry& entry : fs::directory_iterator("tests/regress")) {
    if (entry.path().extension() == ".wast") found.push_back(entry.path().stem().string());
  }
  std::ranges::sort(found);
  return found;
}

std::string read(const std::string& script) {
  std::ifstream in("tests/regress/" + script + ".wast", std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

wasm::text::ScriptReport run(const std::string& source, const std::string& executor) {
  const auto spec = fuzz::parse_spec(executor);
  EXPECT_TRUE(spec) << executor;
  restart_fault_sites();
  const wasm::text::MakeStore make = [&](std::shared_ptr<wasm::TypeStore> types) {
    return fuzz::make_executor(*spec, std::move(types));
  };
  return wasm::text::run_script_text(source, make, {.verify = wasm::text::Verify::kAfterEachCommand});
}

class Regression : public testing::TestWithParam<std::string> {
 protected:
  void TearDown() override { g_fault = {}; }
};

TEST_P(Regression, PassesOnEveryExecutor) {
  const std::string source = read(GetParam());
  for (const char* executor : kExecutors) {
    const auto report = run(source, executor);
    EXPECT_GT(report.passed, 0u);
    for (const auto& failure : report.failures)
      ADD_FAILURE() << executor << ", line " << failure.line << ": " << failure.command << ": " << failure.what;
  }
}

TEST_P(Regression, FailsWhenItsFaultIsPlanted) {
  const std::string source = read(GetParam());
  std::istringstream lines(source);
  int faults = 0;
  for (std::string line; std::getline(lines, line);) {
    constexpr std::string_view kPrefix = ";; fault: ";
    if (!line.starts_with(kPrefix)) continue;
    const size_t on = line.find(" on ");
    const std::string name = line.substr(kPrefix.size(), on - kPrefix.size());
    const std::string executor = line.substr(on + 4);
    ASSERT_TRUE(choose_fault(name)) << line;
    const auto report = run(source, executor);
    EXPECT_GT(g_fault.infected, 0u) << line;
    EXPECT_FALSE(report.failures.empty()) << line;
    g_fault = {};
    ++faults;
  }
  EXPECT_GT(faults, 0) << "a regression names the fault that it is about";
}

INSTANTIATE_TEST_SUITE_P(All, Regression, testing::ValuesIn(scripts()), [](const auto& script) {
  std::string name = script.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace parallax
