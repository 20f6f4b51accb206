// Every file tests/ir/*.ir, as golden.h says. PARALLAX_BLESS=1 (scripts/bless) writes what the passes make now into the
// files; the difference is then for a reader to judge.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "engine/base/faults.h"
#include "engine/ir/text.h"
#include "engine/opt/pipeline.h"
#include "tests/ir/golden.h"

namespace parallax {
namespace {

namespace fs = std::filesystem;
const fs::path kFolder = "tests/ir";

std::vector<std::string> files() {
  std::vector<std::string> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".ir") found.push_back(entry.path().stem().string());
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

bool blessing() {
  const char* value = std::getenv("PARALLAX_BLESS");
  return value != nullptr && std::string_view(value) == "1";
}

class Goldens : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    path_ = kFolder / (GetParam() + ".ir");
    auto golden = parse_golden(read(path_));
    ASSERT_TRUE(golden) << path_ << ": " << golden.error().to_string();
    golden_ = std::move(*golden);
  }
  void TearDown() override { g_fault = {}; }

  fs::path path_;
  Golden golden_;
};

TEST_P(Goldens, PassesMakeWhatTheFileSays) {
  const auto got = run_golden(golden_);
  ASSERT_TRUE(got) << path_ << ": " << got.error().to_string();
  if (agrees(golden_, *got)) return;
  if (blessing()) {
    golden_.before = got->before;
    golden_.after = got->after;
    std::ofstream(path_, std::ios::binary) << print_golden(golden_);
    return;
  }
  EXPECT_EQ(got->before, golden_.before) << path_ << ": the input";
  EXPECT_EQ(got->after, golden_.after) << path_ << ": the result";
}

TEST_P(Goldens, PlantedFaultsShow) {
  for (const std::string& fault : golden_.faults) {
    ASSERT_TRUE(choose_fault(fault)) << path_ << ": no fault is called " << fault;
    restart_fault_sites();
    const auto got = run_golden(golden_);
    g_fault = {};
    ASSERT_TRUE(got) << path_ << ": " << got.error().to_string();
    EXPECT_NE(got->after, golden_.after) << path_ << ": " << fault << " changes nothing";
  }
}

INSTANTIATE_TEST_SUITE_P(, Goldens, testing::ValuesIn(files()), [](const auto& test) {
  std::string name = test.param;
  std::ranges::replace_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
});

// --- The judge itself.

constexpr const char* kText =
    ";; passes: simplify\n;; Adding zero.\n(module (func (param i32) (result i32) local.get 0))\n;; before\n"
    "func 0 {\nb0(v0: i32):\n  budget @1\n  v1: i32 = const @2\n  v2: i32 = compute opcode=i32.add v0, v1 @3\n"
    "  return v2 @4\n}\n;; after\nfunc 0 {\nb0(v0: i32):\n  budget @1\n  v1: i32 = const @2\n  return v0 @4\n}\n";

TEST(GoldenFiles, PrintAsTheyWereWritten) {
  const auto golden = parse_golden(kText);
  ASSERT_TRUE(golden) << golden.error().to_string();
  EXPECT_EQ(print_golden(*golden), kText);
}

TEST(GoldenFiles, AgreeOnlyWithWhatTheySay) {
  auto golden = parse_golden(kText);
  ASSERT_TRUE(golden);
  auto got = run_golden(*golden);
  ASSERT_TRUE(got) << got.error().to_string();
  EXPECT_TRUE(agrees(*golden, *got)) << got->after;
  golden->after += " ";
  EXPECT_FALSE(agrees(*golden, *got));
  golden->after = "error: I3";
  EXPECT_FALSE(agrees(*golden, *got));
}

TEST(GoldenFiles, AJudgesObjectionIsAResult) {
  std::string text = kText;
  text.replace(text.find("budget @1"), 9, "trap @1\n");
  const auto golden = parse_golden(text);
  ASSERT_TRUE(golden);
  const auto got = run_golden(*golden);
  ASSERT_TRUE(got) << got.error().to_string();
  EXPECT_TRUE(got->after.starts_with("error: I")) << got->after;
}

TEST(GoldenFiles, MistakesAreToldWithTheirLine) {
  EXPECT_FALSE(parse_golden("(module)"));
  EXPECT_FALSE(parse_golden(";; passes: nonsense\n(module)\n;; before\n;; after\n"));
  EXPECT_FALSE(parse_golden(";; passes: dce\n;; before\n;; after\n"));
  EXPECT_FALSE(parse_golden("(module)\n;; before\n;; after\n"));
  const auto func = parse_golden(";; passes: dce\n;; func: x\n(module)\n;; before\n;; after\n");
  ASSERT_FALSE(func);
  EXPECT_EQ(func.error().offset, 2u);
}

// A pass without a golden could change unseen.
TEST(GoldenFiles, EveryPassHasOne) {
  std::set<std::string> seen;
  for (const std::string& file : files()) {
    const auto golden = parse_golden(read(kFolder / (file + ".ir")));
    ASSERT_TRUE(golden) << file << ": " << golden.error().to_string();
    seen.insert(golden->passes.begin(), golden->passes.end());
  }
  for (const opt::PassInfo& pass : opt::kPassTable) {
    std::string name = pass.name;  // a second run of a pass is shown by the first
    for (const char* again : {"_again", "_refined"}) {
      if (name.ends_with(again)) name.resize(name.size() - std::string_view(again).size());
    }
    EXPECT_TRUE(seen.contains(name) || seen.contains(pass.name))
        << "no file of tests/ir has ';; passes: " << name << "'";
  }
}

}  // namespace
}  // namespace parallax
