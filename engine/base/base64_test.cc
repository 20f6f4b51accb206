// The examples of RFC 4648, section 10, both ways; every byte; and what is no letter.
#include "engine/base/base64.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

std::vector<uint8_t> bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

TEST(Base64, ExamplesOfItsSpecificationGoBothWays) {
  const std::pair<std::string_view, std::string_view> kExamples[] = {{"", ""},
                                                                     {"f", "Zg=="},
                                                                     {"fo", "Zm8="},
                                                                     {"foo", "Zm9v"},
                                                                     {"foob", "Zm9vYg=="},
                                                                     {"fooba", "Zm9vYmE="},
                                                                     {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : kExamples) {
    EXPECT_EQ(to_base64(bytes_of(plain)), text);
    EXPECT_EQ(from_base64(text), bytes_of(plain));
  }
}

TEST(Base64, EveryByteComesBack) {
  std::vector<uint8_t> all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<uint8_t>(i));
  EXPECT_EQ(from_base64(to_base64(all)), all);
}

TEST(Base64, TextWithoutPaddingIsRead) { EXPECT_EQ(from_base64("Zm8"), bytes_of("fo")); }

}  // namespace
}  // namespace parallax
