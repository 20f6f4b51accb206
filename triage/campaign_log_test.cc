#include "triage/campaign_log.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parallax::triage {
namespace {

class CampaignLogFile : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove(path_); }
  void TearDown() override { std::filesystem::remove(path_); }
  std::string path_ = std::filesystem::temp_directory_path() / ("campaign-log-" + std::to_string(::getpid()));
};

Sample sample(uint64_t cases) {
  Sample out;
  out.seconds = 1.5;
  out.per_second = 12.25;
  out.cases = cases;
  out.agreed = cases - 1;
  out.findings = 1;
  out.inconclusive_reasons = {{"native stack", 3}};
  out.generators = {{"gc", 5}, {"binaryen", 2}};
  out.coverage = {{"shapes", 900}};
  out.rss_bytes = 1 << 20;
  return out;
}

TEST_F(CampaignLogFile, WhatIsAppendedIsRead) {
  ASSERT_TRUE(append_line(
      path_, CampaignStart{.unix_seconds = 7, .version = "1", .seed = UINT64_MAX, .executors = {"interp"}}));
  ASSERT_TRUE(append_line(path_, sample(10)));
  ASSERT_TRUE(append_line(path_, sample(20)));
  const auto log = read_all(path_);
  ASSERT_TRUE(log);
  ASSERT_EQ(log->starts.size(), 1u);
  EXPECT_EQ(log->starts[0].seed, UINT64_MAX);
  EXPECT_EQ(log->starts[0].executors, std::vector<std::string>{"interp"});
  ASSERT_EQ(log->samples.size(), 2u);
  EXPECT_EQ(to_line(log->samples[1]), to_line(sample(20)));
  EXPECT_EQ(log->damaged, 0u);
}

TEST_F(CampaignLogFile, ALineThatWasCutOffLosesItselfOnly) {
  ASSERT_TRUE(append_line(path_, sample(10)));
  std::ofstream(path_, std::ios::app) << to_line(sample(20)).substr(0, 40);
  auto log = read_all(path_);
  ASSERT_TRUE(log);
  EXPECT_EQ(log->samples.size(), 1u);
  EXPECT_EQ(log->damaged, 1u);
  ASSERT_TRUE(append_line(path_, sample(30)));  // goes on in a line of its own
  log = read_all(path_);
  ASSERT_EQ(log->samples.size(), 2u);
  EXPECT_EQ(log->samples[1].cases, 30u);
}

TEST_F(CampaignLogFile, AMissingFileAndAFullDiskAreErrors) {
  EXPECT_FALSE(read_all(path_));
  EXPECT_FALSE(append_line("/dev/full", sample(1)));
  EXPECT_FALSE(append_line("/nowhere/at/all", sample(1)));
}

TEST(CampaignLog, AnyTextIsALog) {
  const CampaignLog log = parse_campaign_log(
      "\n[1]\nnull\n{\"line\":\"later\"}\n{\"line\":\"sample\",\"cases\":-1,\"coverage\":[],\"seconds\":\"x\"}"
      "\n\xff\n");
  EXPECT_EQ(log.damaged, 3u);
  ASSERT_EQ(log.samples.size(), 1u);
  EXPECT_EQ(log.samples[0].cases, 0u);
}

}  // namespace
}  // namespace parallax::triage
