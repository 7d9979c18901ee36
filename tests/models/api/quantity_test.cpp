#include "models/api/quantity.h"

#include <gtest/gtest.h>

namespace mainspring::api {
namespace {

using Format = Quantity::Format;

TEST(Quantity, CanonicalTextIsKubernetes) {
  const struct {
    const char* in;
    const char* out;
  } cases[] = {
      {"0", "0"},
      {"0Ki", "0"},
      {"00", "0"},
      {"-0", "0"},
      {".", "0"},
      // The largest suffix that loses nothing.
      {"1024Mi", "1Gi"},
      {"307200Ki", "300Mi"},
      {"1025024Mi", "1001Gi"},
      {"1023Ki", "1023Ki"},
      {"2Ki", "2Ki"},
      {"1000M", "1G"},
      {"0.001T", "1G"},
      {"1000", "1k"},
      {"1100", "1100"},
      {"1000m", "1"},
      {"1000u", "1m"},
      {"1080000000n", "1080m"},
      {"1234567M", "1234567M"},
      // Fractions become whole numbers of a smaller unit.
      {"1.5", "1500m"},
      {"1500m", "1500m"},
      {"0.5", "500m"},
      {".001", "1m"},
      {"1.", "1"},
      {"1.G", "1G"},
      {"100.035k", "100035"},
      {"0.5Gi", "512Mi"},
      {"1.5Gi", "1536Mi"},
      {"0.25Ki", "256"},
      {"8.1k", "8100"},
      {"7.123456M", "7123456"},
      // Binary amounts that are not whole, or below 1 Ki, are shown in decimal.
      {".001Ki", "1024m"},
      {".000001Ki", "1024u"},
      {".000000001Ki", "1024n"},
      {"0.1Ki", "102400m"},
      // 0.000000000001 Ki = 1.024 n, rounded up.
      {".000000000001Ki", "2n"},
      {"3.001n", "4n"},
      {"0.0000000001", "1n"},
      {"0.00000012345", "124n"},
      {"0.00000012354", "124n"},
      // The exponent family stays.
      {"1e3", "1e3"},
      {"1E6", "1e6"},
      {"1.2e3", "1200"},
      {"1.3E+6", "1300e3"},
      {"1e14", "100e12"},
      {".001e12", "1e9"},
      {"0.001e0", "1e-3"},
      {"1000e-12", "1e-9"},
      {"80e-3", "80e-3"},
      // Too large for suffixes.
      {"1E", "1E"},
      {"12E", "12E"},
      {"1000E", "1e21"},
      {"9Ei", "9223372036854775807"},
      {"9223372036854775807Ki", "9223372036854775807"},
      {"7Ei", "7Ei"},
      {"99999999999999999999999999999999999999999999999999Ki", "9223372036854775807"},
      {"123456789012345678901234567890", "123456789012345678901234567890"},
      {"1e9999", "1e9999"},
      {"10e9999", "10e9999"},
      {"12.000000000000000000000000000000000000000000000", "12"},
  };
  for (const auto& c : cases) {
    const auto q = Quantity::parse(c.in);
    ASSERT_TRUE(q) << c.in;
    EXPECT_EQ(q->to_string(), c.out) << c.in;
    const auto again = Quantity::parse(c.out);
    ASSERT_TRUE(again) << c.out;
    EXPECT_EQ(*again, *q) << c.in;
    EXPECT_EQ(again->to_string(), c.out);
    if (q->is_zero()) continue;
    EXPECT_EQ(Quantity::parse(std::string("+") + c.in)->to_string(), c.out);
    EXPECT_EQ(Quantity::parse(std::string("-") + c.in)->to_string(), std::string("-") + c.out);
  }
}

TEST(Quantity, ErrorsAreKubernetesWords) {
  const std::string_view regex =
      "quantities must match the regular expression "
      "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
  const std::string_view suffix = "unable to parse quantity's suffix";
  const struct {
    const char* in;
    std::string_view error;
  } cases[] = {
      {"", regex},
      {"1.1.M", regex},
      {"1+1.0M", regex},
      {"0.1mi", suffix},
      {"0.1am", regex},
      {"aoeu", regex},
      {".5i", suffix},
      {"1i", suffix},
      {"-3.01e-", suffix},
      {" 1", regex},
      {"1 ", regex},
      {"100mm", suffix},
      {"1ki", suffix},
      {"1 Gi", regex},
      {"1GB", regex},
      {"--1", suffix},
      {"1e4294967297", suffix},
      {"1K", suffix},
      {"1g", regex},
      {"1e", suffix},
      {"1Ki5", suffix},
      {"e-20", "unable to parse numeric part of quantity"},
  };
  for (const auto& c : cases) {
    std::string_view error;
    EXPECT_FALSE(Quantity::parse(c.in, &error)) << c.in;
    EXPECT_EQ(error, c.error) << c.in;
  }
}

TEST(Quantity, GettersRoundUpAndSaturate) {
  const struct {
    const char* in;
    int64_t value;
    int64_t milli;
  } cases[] = {
      {"0", 0, 0},
      {"100m", 1, 100},
      {"1500m", 2, 1500},
      {"2", 2, 2000},
      {"1n", 1, 1},
      {"1Gi", 1073741824, 1073741824000},
      {"0.1Gi", 107374183, 107374182400},  // 107374182.4
      {"-1500m", -2, -1500},
      {"1E", 1000000000000000000, INT64_MAX},
      {"10E", INT64_MAX, INT64_MAX},
      {"-10E", INT64_MIN, INT64_MIN},
      {"1e400", INT64_MAX, INT64_MAX},
      {"12345678901234567890m", 12345678901234568, INT64_MAX},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Quantity::of(c.in).value(), c.value) << c.in;
    EXPECT_EQ(Quantity::of(c.in).milli_value(), c.milli) << c.in;
  }
  EXPECT_EQ(Quantity::of("1.5Gi").scaled_value(6), 1611);  // 1610.612736 M
  EXPECT_EQ(Quantity::of("9.01").scaled_value(-1), 91);
  EXPECT_EQ(Quantity::of("1Gi").scaled_value(100), 1);
  EXPECT_DOUBLE_EQ(Quantity::of("1500m").to_double(), 1.5);
  EXPECT_DOUBLE_EQ(Quantity::of("1e30").to_double(), 1e30);
}

TEST(Quantity, ComparesByValueAcrossSpellings) {
  const char* ascending[] = {"-1e30", "-10E", "-1Gi", "-1",   "-1n",   "0",   "1n",
                             "100m",  "0.5",  "1",    "1k",   "1Ki",   "1Mi", "1Gi",
                             "1.1G",  "1E",   "10E",  "1e30", "1e9000"};
  const size_t n = std::size(ascending);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) {
      EXPECT_EQ(Quantity::of(ascending[i]) < Quantity::of(ascending[j]), i < j)
          << ascending[i] << " " << ascending[j];
      EXPECT_EQ(Quantity::of(ascending[i]) == Quantity::of(ascending[j]), i == j);
    }
  }
  EXPECT_EQ(Quantity::of("1Gi"), Quantity::of("1073741824"));
  EXPECT_EQ(Quantity::of("1"), Quantity::of("1000000000n"));
  EXPECT_EQ(Quantity::from_milli(1500), Quantity::of("1.5"));
  EXPECT_EQ(Quantity(), Quantity::of("0Mi"));
  EXPECT_EQ(Quantity::from_value(INT64_MIN).to_string(), "-9223372036854775808");
}

TEST(Quantity, ArithmeticIsExactAndKeepsTheLeftFormat) {
  const struct {
    const char* a;
    const char* b;
    const char* sum;
    const char* difference;
  } cases[] = {
      {"100m", "0.9", "1", "-800m"},
      {"1Gi", "512Mi", "1536Mi", "512Mi"},
      {"0", "1Gi", "1Gi", "-1Gi"},  // zero takes the other's family
      {"1Gi", "0", "1Gi", "1Gi"},
      {"1Gi", "1G", "2073741824", "73741824"},
      {"1", "1n", "1000000001n", "999999999n"},
      {"9223372036854775807", "1", "9223372036854775808", "9223372036854775806"},
      {"1e30", "1", "1000000000000000000000000000001", "999999999999999999999999999999"},
      {"5Ei", "5Ei", "11529215046068469760", "0"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ((Quantity::of(c.a) + Quantity::of(c.b)).to_string(), c.sum) << c.a << " " << c.b;
    EXPECT_EQ((Quantity::of(c.a) - Quantity::of(c.b)).to_string(), c.difference) << c.a;
  }
  EXPECT_EQ((Quantity::of("1Ei") * 1024).to_string(), "1180591620717411303424");
  EXPECT_EQ((Quantity::of("250m") * -3).to_string(), "-750m");
  EXPECT_EQ((-Quantity::of("9.01")).to_string(), "-9010m");
  EXPECT_EQ((Quantity::of("1e9000") + Quantity::of("1n")).sign(), 1);
}

// Any bytes either parse or do not; what parses survives a round trip through its own text.
TEST(Quantity, RandomTextsSurviveARoundTrip) {
  const std::string_view alphabet = "0123456789.+-eEinumkKMGTP5550";
  uint64_t state = 1;
  int parsed = 0;
  for (int i = 0; i < 200000; ++i) {
    std::string text;
    const auto draw = [&] {
      state = state * 6364136223846793005ull + 1442695040888963407ull;
      return static_cast<size_t>(state >> 33);
    };
    const size_t digits = 1 + draw() % 12;
    for (size_t k = 0; k < digits; ++k) text += alphabet[draw() % 11];
    const size_t tail = draw() % 4;
    for (size_t k = 0; k < tail; ++k) text += alphabet[draw() % alphabet.size()];
    const auto q = Quantity::parse(text);
    if (!q) continue;
    ++parsed;
    const auto again = Quantity::parse(q->to_string());
    ASSERT_TRUE(again) << text;
    ASSERT_EQ(*again, *q) << text << " " << q->to_string();
    ASSERT_EQ(again->to_string(), q->to_string()) << text;
    ASSERT_EQ((*q - *q).sign(), 0);
    ASSERT_EQ(*q + *q, *q * 2) << text;
  }
  EXPECT_GT(parsed, 20000);
}

}  // namespace
}  // namespace mainspring::api
