#include "models/api/text.h"

#include <gtest/gtest.h>

namespace mainspring::api {
namespace {

TEST(Text, OnlyAsciiLettersHaveACase) { EXPECT_EQ(to_lower("AZaz[@1\xC3\x84"), "azaz[@1\xC3\x84"); }

// The vectors of RFC 4648.
TEST(Text, Base64ThereAndBack) {
  const std::pair<std::string_view, std::string_view> vectors[] = {{"", ""},
                                                                   {"f", "Zg=="},
                                                                   {"fo", "Zm8="},
                                                                   {"foo", "Zm9v"},
                                                                   {"foob", "Zm9vYg=="},
                                                                   {"fooba", "Zm9vYmE="},
                                                                   {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(encode_base64(bytes), text);
    EXPECT_EQ(decode_base64(text), bytes);
  }
  EXPECT_EQ(decode_base64("Zm9v\r\nYmFy\n"), "foobar");
}

TEST(Text, Base64IsAsPaddedAsItShouldBe) {
  for (std::string_view bad : {"Zg", "Zg=", "Zg===", "Zm9v=", "Z===", "Zg==Zg==", "=", "Z m9v"}) {
    EXPECT_EQ(decode_base64(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(decode_base64("Zg", false), "f");
  EXPECT_EQ(decode_base64("Zg==", false), std::nullopt);
  EXPECT_EQ(decode_base64("Z", false), std::nullopt);
}

}  // namespace
}  // namespace mainspring::api
