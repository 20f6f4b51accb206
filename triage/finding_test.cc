// Findings on disk and what the death of a process says.
#include "triage/finding.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "triage/child.h"

namespace parallax::triage {
namespace {

namespace fs = std::filesystem;

class FindingFolders : public testing::Test {
 protected:
  FindingFolders() {
    std::string name = testing::TempDir() + "/findings-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~FindingFolders() override { fs::remove_all(folder_); }
  std::string folder_;
};

Record some_record() {
  Record record;
  record.kind = fuzz::FindingClass::kDivergence;
  record.signature = record.symptom = "divergence|number: I32";
  record.difference = "interp has i32 1, jit has i32 2";
  record.executors = {"interp", "jit:O2:moving"};
  record.origin = "gc seed 1 index 2";
  record.seed = 1;
  record.index = 2;
  record.version = "0";
  return record;
}

TEST_F(FindingFolders, KeepEverythingThatIsNeededToRunAgain) {
  const std::vector<uint8_t> bytes = {0, 'a', 's', 'm', 1, 0, 0, 0};
  const auto written = write_finding(folder_, some_record(), bytes, "log\n");
  ASSERT_TRUE(written.has_value()) << written.error().message;
  EXPECT_TRUE(written->is_new);
  for (const char* file : {"case.wasm", "finding.json", "log.txt", "README.md"}) {
    EXPECT_TRUE(fs::exists(written->folder + "/" + file)) << file;
  }
  const auto read = read_finding(written->folder);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->signature, some_record().signature);
  EXPECT_EQ(read->executors, some_record().executors);
  EXPECT_EQ(read->index, 2u);
  EXPECT_EQ(read->occurrences, 1u);
}

TEST_F(FindingFolders, CountFurtherCasesOfOneSignature) {
  for (int i = 0; i < 3; ++i) {
    const auto written = write_finding(folder_, some_record(), {}, "");
    ASSERT_TRUE(written.has_value());
    EXPECT_EQ(written->is_new, i == 0);
  }
  EXPECT_EQ(read_finding(folder_ + "/" + folder_name(some_record()))->occurrences, 3u);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(FindingFolders, RejectDamagedRecords) {
  EXPECT_FALSE(record_from_json("").has_value());
  EXPECT_FALSE(record_from_json("[]").has_value());
  EXPECT_FALSE(record_from_json("{\"class\": \"nonsense\"}").has_value());
  EXPECT_FALSE(read_finding(folder_ + "/none").has_value());
}

TEST(Deaths, AreClassifiedByWhatWasPrinted) {
  const Death assertion = explain_death(6, 0, "x\nASSERTION FAILED: I2: slot 7 unmapped\n  at a.cc:1\n", "execute jit");
  EXPECT_EQ(assertion.kind, fuzz::FindingClass::kAssertion);
  EXPECT_EQ(assertion.signature, "assertion|I2: slot # unmapped");
  const Death sanitizer =
      explain_death(0, 1, "SUMMARY: AddressSanitizer: heap-use-after-free /a/b/c.cc:3:1 in f()\n", "load");
  EXPECT_EQ(sanitizer.kind, fuzz::FindingClass::kSanitizer);
  EXPECT_EQ(sanitizer.signature.find("/a/b"), std::string::npos);
  EXPECT_EQ(explain_death(11, 0, "", "execute jit").signature, "crash|SIGSEGV|execute jit");
}

TEST(Children, ShowTheirProcessorTime) {
  const double before = cpu_seconds(::getpid());
  volatile uint64_t sum = 0;
  while (cpu_seconds(::getpid()) - before < 0.05) {
    for (uint64_t i = 0; i < 1'000'000; ++i) sum = sum + i;
  }
  EXPECT_EQ(cpu_seconds(-1), 0);
}

TEST(Children, AreWatched) {
  const auto well = run_child({"/bin/sh", "-c", "echo out; echo err >&2; exit 3"}, {});
  ASSERT_TRUE(well.has_value());
  EXPECT_TRUE(well->ended_well());
  EXPECT_EQ(well->exit_code, 3);
  EXPECT_EQ(well->out, "out\n");
  EXPECT_EQ(well->err, "err\n");
  const auto late = run_child({"/bin/sleep", "30"}, {.seconds = 0.2});
  ASSERT_TRUE(late.has_value());
  EXPECT_TRUE(late->timed_out);
  const auto dead = run_child({"/bin/sh", "-c", "kill -SEGV $$"}, {});
  ASSERT_TRUE(dead.has_value());
  EXPECT_EQ(dead->signal, 11);
}

}  // namespace
}  // namespace parallax::triage
