// Kubernetes' resource quantity: "100m" CPU, "1536Mi" memory, exact.
//
// A decimal number (128-bit mantissa, power of ten) with the family of suffixes it was written in;
// parsing, rounding, capping and the canonical text follow apimachinery's pkg/api/resource
// (v1.35). Equality and order are by value: 1Gi == 1024Mi == 1073741824.
//
//   - Anything finer than 1n is rounded up (away from zero) to the next nano.
//   - Ki..Ei values are capped at 2^63-1, as in Kubernetes; decimal ones are not.
//   - Beyond 36 significant digits the last ones are rounded away from zero (Kubernetes keeps them
//     all); exponents are limited to +-9999.
//   - Getters of int64 round up (away from zero) and saturate at the ends of int64.
//
// Difference from Kubernetes: it prints some odd spellings as they were given ("+5", "05",
// "1.500", "1E3"); here the text is always canonical.
//
// 24 bytes, trivially copyable; the getters are inline for the usual scales.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mainspring::api {

class Quantity {
 public:
  // The family of suffixes that the text uses.
  enum class Format : uint8_t {
    kDecimalSi,        // n u m (none) k M G T P E
    kBinarySi,         // Ki Mi Gi Ti Pi Ei
    kDecimalExponent,  // e3, E6
  };

  constexpr Quantity() = default;  // 0
  static constexpr Quantity from_value(int64_t value, Format format = Format::kDecimalSi) {
    return Quantity(value, 0, format);
  }
  static constexpr Quantity from_milli(int64_t milli, Format format = Format::kDecimalSi) {
    return Quantity(milli, -3, format);
  }
  // value * 10^scale; the scale must be in [-9, 9999].
  static constexpr Quantity from_scaled(int64_t value, int scale,
                                        Format format = Format::kDecimalSi) {
    return Quantity(value, static_cast<int16_t>(scale), format);
  }
  // Nothing on bad text, and then *error (if given) is Kubernetes' message, a constant.
  static std::optional<Quantity> parse(std::string_view text, std::string_view* error = nullptr);
  // For text known to be good, as constants in code; aborts on anything else.
  static Quantity of(std::string_view text);

  // The number in whole units (bytes), rounded up.
  int64_t value() const { return scale_ == 0 && small() ? low() : scaled_value(0); }
  // The number in thousandths (milli-CPU), rounded up.
  int64_t milli_value() const { return scale_ == -3 && small() ? low() : scaled_value(-3); }
  // The number in units of 10^scale, rounded up.
  int64_t scaled_value(int scale) const;
  // Approximate, for statistics and reports.
  double to_double() const;

  int sign() const { return hi_ < 0 ? -1 : (hi_ != 0 || lo_ != 0 ? 1 : 0); }
  bool is_zero() const { return sign() == 0; }
  Format format() const { return format_; }
  void set_format(Format format) { format_ = format; }
  // The canonical text.
  std::string to_string() const;

  // The result has the left side's format, or the right one's if the left is zero.
  Quantity& operator+=(const Quantity& o);
  Quantity& operator-=(const Quantity& o) { return *this += -o; }
  Quantity& operator*=(int64_t factor);
  Quantity operator-() const;
  friend Quantity operator+(Quantity a, const Quantity& b) { return a += b; }
  friend Quantity operator-(Quantity a, const Quantity& b) { return a -= b; }
  friend Quantity operator*(Quantity a, int64_t factor) { return a *= factor; }

  friend bool operator==(const Quantity& a, const Quantity& b) {
    return (a.scale_ == b.scale_ && a.lo_ == b.lo_ && a.hi_ == b.hi_) || a.compare(b) == 0;
  }
  friend std::strong_ordering operator<=>(const Quantity& a, const Quantity& b) {
    return a.compare(b) <=> 0;
  }

 private:
  constexpr Quantity(int64_t value, int16_t scale, Format format)
      : lo_(static_cast<uint64_t>(value)),
        hi_(value < 0 ? -1 : 0),
        scale_(scale),
        format_(format) {}

  int64_t low() const { return static_cast<int64_t>(lo_); }
  bool small() const { return hi_ == (low() < 0 ? -1 : 0); }
  int compare(const Quantity& o) const;

  // mantissa * 10^scale_; the mantissa, in two halves so that the size stays 24, is below 10^36
  // in magnitude.
  uint64_t lo_ = 0;
  int64_t hi_ = 0;
  int16_t scale_ = 0;
  Format format_ = Format::kDecimalSi;

  friend struct QuantityAccess;
};

static_assert(sizeof(Quantity) == 24);

}  // namespace mainspring::api
