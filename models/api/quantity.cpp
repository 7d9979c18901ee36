#include "models/api/quantity.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <type_traits>

namespace mainspring::api {

__extension__ typedef __int128 Int128;
__extension__ typedef unsigned __int128 Uint128;

namespace {

constexpr int kMaxDigits = 36;  // leaves room for a factor of 100 in 128 bits
constexpr int kMinScale = -9;   // nano
constexpr int kMaxScale = 9999;

constexpr std::string_view kFormatWrong =
    "quantities must match the regular expression "
    "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
constexpr std::string_view kNumericWrong = "unable to parse numeric part of quantity";
constexpr std::string_view kSuffixWrong = "unable to parse quantity's suffix";

constexpr Uint128 power_of_ten(int n) {
  Uint128 p = 1;
  for (int i = 0; i < n; ++i) p *= 10;
  return p;
}

int count_digits(Uint128 m) {
  int n = 0;
  while (m >= 10'000'000'000) {
    m /= 10'000'000'000;
    n += 10;
  }
  for (uint64_t rest = static_cast<uint64_t>(m); rest > 0; rest /= 10) ++n;
  return n;
}

// m / 10^n, away from zero if something is lost. Any n.
Uint128 divide_rounding_up(Uint128 m, int64_t n) {
  if (n > 38) return m == 0 ? 0 : 1;
  const Uint128 divisor = power_of_ten(static_cast<int>(n));
  return m / divisor + (m % divisor != 0 ? 1 : 0);
}

struct Suffix {
  int exponent;
  Quantity::Format format;
  bool ok;
};

Suffix read_suffix(std::string_view s) {
  using Format = Quantity::Format;
  static constexpr std::string_view kDecimal = "num kMGTPE";  // 10^-9, 10^-6, ... 10^18
  static constexpr std::string_view kBinary = "KMGTPE";       // 2^10, 2^20, ... 2^60
  if (s.empty()) return {0, Format::kDecimalSi, true};
  if (s.size() == 1 && s[0] != ' ') {
    const size_t i = kDecimal.find(s[0]);
    if (i != std::string_view::npos) {
      return {static_cast<int>(i) * 3 - 9, Format::kDecimalSi, true};
    }
  }
  if (s.size() == 2 && s[1] == 'i') {
    const size_t i = kBinary.find(s[0]);
    if (i != std::string_view::npos) {
      return {static_cast<int>(i + 1) * 10, Format::kBinarySi, true};
    }
  }
  if (s.size() > 1 && (s[0] == 'e' || s[0] == 'E')) {
    size_t i = 1;
    const bool negative = s[i] == '-';
    if (s[i] == '-' || s[i] == '+') ++i;
    if (i == s.size()) return {0, Format::kDecimalExponent, false};
    int64_t exponent = 0;
    for (; i < s.size(); ++i) {
      if (s[i] < '0' || s[i] > '9') return {0, Format::kDecimalExponent, false};
      exponent = exponent * 10 + (s[i] - '0');
      if (exponent > INT32_MAX) return {0, Format::kDecimalExponent, false};
    }
    return {static_cast<int>(negative ? -exponent : exponent), Format::kDecimalExponent, true};
  }
  return {0, Format::kDecimalExponent, false};
}

}  // namespace

// The bridge between the 24-byte layout and 128-bit arithmetic.
struct QuantityAccess {
  static Int128 mantissa(const Quantity& q) {
    return static_cast<Int128>(static_cast<Uint128>(static_cast<uint64_t>(q.hi_)) << 64 | q.lo_);
  }
  static Uint128 magnitude(const Quantity& q) {
    const Int128 m = mantissa(q);
    return m < 0 ? static_cast<Uint128>(-m) : static_cast<Uint128>(m);
  }
  // Rounds to nano and to the digits that fit, away from zero.
  static Quantity make(bool negative, Uint128 m, int64_t scale, Quantity::Format format) {
    if (scale < kMinScale) {
      m = divide_rounding_up(m, kMinScale - scale);
      scale = kMinScale;
    }
    const int digits = count_digits(m);
    if (digits > kMaxDigits) {
      m = divide_rounding_up(m, digits - kMaxDigits);
      scale += digits - kMaxDigits;
      if (m == power_of_ten(kMaxDigits)) {
        m /= 10;
        ++scale;
      }
    }
    if (m == 0) scale = 0;
    Quantity q;
    const Int128 value = negative ? -static_cast<Int128>(m) : static_cast<Int128>(m);
    q.lo_ = static_cast<uint64_t>(static_cast<Uint128>(value));
    q.hi_ = static_cast<int64_t>(static_cast<uint64_t>(static_cast<Uint128>(value) >> 64));
    q.scale_ = static_cast<int16_t>(std::min<int64_t>(scale, kMaxScale));
    q.format_ = format;
    return q;
  }
};

static_assert(std::is_trivially_copyable_v<Quantity>);

std::optional<Quantity> Quantity::parse(std::string_view text, std::string_view* error) {
  const auto fail = [&](std::string_view message) {
    if (error) *error = message;
    return std::nullopt;
  };
  if (text.empty()) return fail(kFormatWrong);
  const auto is_digit = [&](size_t at) {
    return at < text.size() && text[at] >= '0' && text[at] <= '9';
  };

  size_t i = 0;
  const bool negative = text[0] == '-';
  if (negative || text[0] == '+') ++i;

  // Digits beyond those that fit only say whether there is something more (`rest`).
  Uint128 m = 0;
  int significant = 0;
  int64_t scale = 0;
  bool rest = false;
  bool any_digit = false;
  const auto take = [&](char c, bool after_point) {
    any_digit = true;
    if (significant >= kMaxDigits) {
      rest |= c != '0';
      if (!after_point) ++scale;
      return;
    }
    m = m * 10 + static_cast<unsigned>(c - '0');
    if (m != 0) ++significant;
    if (after_point) --scale;
  };
  for (; is_digit(i); ++i) take(text[i], false);
  bool fraction = false;
  if (i < text.size() && text[i] == '.') {
    for (++i; is_digit(i); ++i) {
      fraction = true;
      take(text[i], true);
    }
  }

  const size_t suffix_at = i;
  constexpr std::string_view kSuffixLetters = "eEinumkKMGTP";
  while (i < text.size() && kSuffixLetters.find(text[i]) != std::string_view::npos) ++i;
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
  while (is_digit(i)) ++i;
  if (i != text.size()) return fail(kFormatWrong);
  const Suffix suffix = read_suffix(text.substr(suffix_at));
  if (!suffix.ok) return fail(kSuffixWrong);

  if (suffix.format != Format::kBinarySi) {
    // Kubernetes' fast path takes text without any digit for zero; its exact path does not.
    if (!any_digit && suffix.exponent < kMinScale) return fail(kNumericWrong);
    if (rest) ++m;
    return QuantityAccess::make(negative, m, scale + suffix.exponent, suffix.format);
  }
  if (!any_digit && fraction) return fail(kNumericWrong);
  // Make room for the power of two, cutting digits far below the nano that counts.
  const Uint128 room = (static_cast<Uint128>(1) << (127 - suffix.exponent)) - 2;
  while (m > room && scale < 0) {
    rest |= m % 10 != 0;
    m /= 10;
    ++scale;
  }
  constexpr Uint128 kCap = INT64_MAX;
  if (m > room || scale > 0) {
    return QuantityAccess::make(negative, kCap, 0, suffix.format);
  }
  if (rest) ++m;
  m <<= suffix.exponent;
  Quantity q = QuantityAccess::make(false, m, scale, suffix.format);
  if (q > from_value(INT64_MAX)) q = QuantityAccess::make(false, kCap, 0, suffix.format);
  if (!q.is_zero() && q < from_value(1)) q.format_ = Format::kDecimalSi;
  return negative ? -q : q;
}

Quantity Quantity::of(std::string_view text) {
  const std::optional<Quantity> q = parse(text);
  if (!q) {
    std::fprintf(stderr, "not a quantity: %.*s\n", static_cast<int>(text.size()), text.data());
    std::abort();
  }
  return *q;
}

int64_t Quantity::scaled_value(int scale) const {
  if (is_zero()) return 0;
  const bool negative = sign() < 0;
  Uint128 m = QuantityAccess::magnitude(*this);
  const int delta = scale_ - scale;
  constexpr Uint128 kLimit = INT64_MAX;
  if (delta < 0) {
    m = divide_rounding_up(m, -delta);
  } else if (delta > 18) {
    m = kLimit + 1;
  } else if (m <= kLimit) {
    m *= power_of_ten(delta);
  }
  if (m > kLimit) return negative ? INT64_MIN : INT64_MAX;
  return negative ? -static_cast<int64_t>(m) : static_cast<int64_t>(m);
}

double Quantity::to_double() const {
  double x = static_cast<double>(QuantityAccess::mantissa(*this));
  int n = scale_;
  for (; n >= 22; n -= 22) x *= 1e22;
  for (; n > 0; --n) x *= 10;
  double divisor = 1;  // at most 1e9, exact
  for (; n < 0; ++n) divisor *= 10;
  return x / divisor;
}

std::string Quantity::to_string() const {
  if (is_zero()) return "0";
  Uint128 m = QuantityAccess::magnitude(*this);
  int exponent = scale_;
  Format format = format_;
  std::string suffix;
  if (format == Format::kBinarySi) {
    const bool in_between = *this > from_value(-1024) && *this < from_value(1024);
    const int64_t whole = scaled_value(0);
    if (in_between || from_value(whole) != *this) {
      format = Format::kDecimalSi;  // rather than lose precision
    } else {
      m = whole < 0 ? -static_cast<Uint128>(whole) : static_cast<Uint128>(whole);
      size_t level = 0;
      while (m % 1024 == 0 && level < 6) {
        m /= 1024;
        ++level;
      }
      static constexpr std::string_view kSuffixes[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
      suffix = kSuffixes[level];
    }
  }
  if (format != Format::kBinarySi) {
    // As few digits as possible, then an exponent divisible by three.
    while (m % 10 == 0 && exponent < kMaxScale) {
      m /= 10;
      ++exponent;
    }
    while (exponent % 3 != 0) {
      m *= 10;
      --exponent;
    }
    if (format == Format::kDecimalSi && exponent <= 18) {
      static constexpr std::string_view kSuffixes[] = {"n", "u", "m", "",  "k",
                                                       "M", "G", "T", "P", "E"};
      suffix = kSuffixes[exponent / 3 + 3];
    } else if (exponent != 0) {
      suffix = "e" + std::to_string(exponent);
    }
  }
  char buffer[44];
  size_t at = sizeof buffer;
  for (; m != 0; m /= 10) buffer[--at] = static_cast<char>('0' + static_cast<int>(m % 10));
  std::string out = sign() < 0 ? "-" : "";
  out.append(buffer + at, sizeof buffer - at);
  return out + suffix;
}

Quantity& Quantity::operator+=(const Quantity& o) {
  if (o.is_zero()) {
    if (is_zero()) format_ = o.format_;
    return *this;
  }
  if (is_zero()) return *this = o;
  int64_t sum = 0;
  if (scale_ == o.scale_ && small() && o.small() && !__builtin_add_overflow(low(), o.low(), &sum)) {
    return *this = Quantity(sum, scale_, format_);
  }
  const Quantity& fine = scale_ <= o.scale_ ? *this : o;
  const Quantity& coarse = scale_ <= o.scale_ ? o : *this;
  Int128 a = QuantityAccess::mantissa(coarse);
  Int128 b = QuantityAccess::mantissa(fine);
  int scale = fine.scale_;
  const int room = kMaxDigits - count_digits(QuantityAccess::magnitude(coarse));
  const int up = std::min(coarse.scale_ - fine.scale_, room);
  a *= static_cast<Int128>(power_of_ten(up));
  const int down = coarse.scale_ - fine.scale_ - up;
  if (down > 0) {
    const Uint128 magnitude = divide_rounding_up(QuantityAccess::magnitude(fine), down);
    b = b < 0 ? -static_cast<Int128>(magnitude) : static_cast<Int128>(magnitude);
    scale += down;
  }
  const Int128 total = a + b;
  const bool negative = total < 0;
  return *this = QuantityAccess::make(
             negative, negative ? static_cast<Uint128>(-total) : static_cast<Uint128>(total), scale,
             format_);
}

Quantity& Quantity::operator*=(int64_t factor) {
  Uint128 m = QuantityAccess::magnitude(*this);
  const bool negative = (sign() < 0) != (factor < 0);
  Uint128 f = factor < 0 ? -static_cast<Uint128>(factor) : static_cast<Uint128>(factor);
  int scale = scale_;
  // Shed digits of the mantissa until the product has at most 38.
  const int excess = count_digits(m) + count_digits(f) - 38;
  if (excess > 0) {
    m = divide_rounding_up(m, excess);
    scale += excess;
  }
  return *this = QuantityAccess::make(negative, m * f, scale, format_);
}

Quantity Quantity::operator-() const {
  return QuantityAccess::make(sign() > 0, QuantityAccess::magnitude(*this), scale_, format_);
}

int Quantity::compare(const Quantity& o) const {
  if (scale_ == o.scale_ || sign() != o.sign() || is_zero()) {
    if (sign() != o.sign()) return sign() < o.sign() ? -1 : 1;
    const Int128 a = QuantityAccess::mantissa(*this);
    const Int128 b = QuantityAccess::mantissa(o);
    return is_zero() || a == b ? 0 : (a < b ? -1 : 1);
  }
  Uint128 a = QuantityAccess::magnitude(*this);
  Uint128 b = QuantityAccess::magnitude(o);
  const int a_order = count_digits(a) + scale_;
  const int b_order = count_digits(b) + o.scale_;
  int result = 0;
  if (a_order != b_order) {
    result = a_order < b_order ? -1 : 1;
  } else {
    // Of the same order of magnitude: the coarser one, scaled up, has as many digits as the other.
    if (scale_ > o.scale_) {
      a *= power_of_ten(scale_ - o.scale_);
    } else {
      b *= power_of_ten(o.scale_ - scale_);
    }
    result = a == b ? 0 : (a < b ? -1 : 1);
  }
  return sign() < 0 ? -result : result;
}

}  // namespace mainspring::api
