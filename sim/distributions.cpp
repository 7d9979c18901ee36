#include "sim/distributions.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "sim/check.h"
#include "sim/math.h"

namespace mainspring::sim {

namespace {

using Kind = Distribution::Kind;

Distribution make(Kind kind, double a = 0, double b = 0) {
  Distribution d;
  d.kind = kind;
  d.unit = Distribution::Unit::kNumber;
  d.p[0] = a;
  d.p[1] = b;
  return d;
}

// Zipf by rejection-inversion (Hoermann and Derflinger 1996): H is the integral of the density
// x^-s, continuous in s also at 1.
double zipf_integral(double x, double s) {
  const double log_x = sim::log(x);
  const double t = (1.0 - s) * log_x;
  const double helper = std::fabs(t) > 1e-8 ? sim::expm1(t) / t : 1.0 + t * 0.5;
  return helper * log_x;
}
double zipf_density(double x, double s) { return sim::exp(-s * sim::log(x)); }
double zipf_integral_inverse(double y, double s) {
  const double t = std::max(y * (1.0 - s), -1.0);
  const double helper = std::fabs(t) > 1e-8 ? sim::log1p(t) / t : 1.0 - t * 0.5;
  return sim::exp(helper * y);
}

double sample_zipf(Rng& rng, const double (&p)[5]) {
  const double n = p[0], s = p[1], first = p[2], last = p[3], shortcut = p[4];
  for (;;) {
    const double u = last + rng.uniform() * (first - last);
    const double x = zipf_integral_inverse(u, s);
    const double k = std::clamp(std::floor(x + 0.5), 1.0, n);
    if (k - x <= shortcut || u >= zipf_integral(k + 0.5, s) - zipf_density(k, s)) return k;
  }
}

double sample_quantiles(Rng& rng, const std::vector<double>& table) {
  const double u = rng.uniform();
  size_t i = 2;
  while (i + 2 < table.size() && u >= table[i]) i += 2;
  const double p0 = table[i - 2], v0 = table[i - 1], p1 = table[i], v1 = table[i + 1];
  return v0 + (v1 - v0) * ((u - p0) / (p1 - p0));
}

}  // namespace

double sample_exponential(Rng& rng, double mean) { return -mean * sim::log(rng.uniform_open()); }

double sample_normal(Rng& rng) { return normal_quantile(rng.uniform_open()); }

uint64_t sample_poisson(Rng& rng, double mean) {
  if (mean <= 0.0) return 0;
  if (mean < 10.0) {
    // Inversion: walk up the cumulative probabilities.
    double u = rng.uniform();
    double p = sim::exp(-mean);
    uint64_t k = 0;
    // 200 is beyond any probability that a double can hold at this mean.
    while (u >= p && k < 200) {
      u -= p;
      ++k;
      p *= mean / static_cast<double>(k);
    }
    return k;
  }
  // Transformed rejection with squeeze, PTRS (Hoermann 1993).
  const double log_mean = sim::log(mean);
  const double b = 0.931 + 2.53 * std::sqrt(mean);
  const double a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
  const double vr = 0.9277 - 3.6224 / (b - 2.0);
  for (;;) {
    const double u = rng.uniform() - 0.5;
    const double v = rng.uniform_open();
    const double us = 0.5 - std::fabs(u);
    const double k = std::floor((2.0 * a / us + b) * u + mean + 0.43);
    if (us >= 0.07 && v <= vr) return static_cast<uint64_t>(k);
    if (k < 0.0 || (us < 0.013 && v > us)) continue;
    if (sim::log(v) + sim::log(inverse_alpha) - sim::log(a / (us * us) + b) <=
        k * log_mean - mean - log_gamma(k + 1.0)) {
      return static_cast<uint64_t>(k);
    }
  }
}

Distribution Distribution::constant(double value) { return make(Kind::kConstant, value); }
Distribution Distribution::constant(Duration value) {
  return make(Kind::kConstant, static_cast<double>(value.ns())).as_nanoseconds();
}
Distribution Distribution::uniform(double low, double high) {
  return make(Kind::kUniform, low, high);
}
Distribution Distribution::exponential(double mean) { return make(Kind::kExponential, mean); }
Distribution Distribution::normal(double mean, double standard_deviation) {
  return make(Kind::kNormal, mean, standard_deviation);
}
Distribution Distribution::lognormal(double median, double sigma) {
  return make(Kind::kLognormal, median, sigma);
}
Distribution Distribution::lognormal_quantile(double median, double p, double value) {
  return lognormal(median, sim::log(value / median) / normal_quantile(p));
}
Distribution Distribution::pareto(double minimum, double shape) {
  return make(Kind::kPareto, minimum, shape);
}
Distribution Distribution::weibull(double scale, double shape) {
  return make(Kind::kWeibull, scale, shape);
}
Distribution Distribution::poisson(double mean) { return make(Kind::kPoisson, mean); }
Distribution Distribution::zipf(uint64_t n, double exponent) {
  MAINSPRING_CHECK(n > 0);
  Distribution d = make(Kind::kZipf, static_cast<double>(n), exponent);
  d.p[2] = zipf_integral(1.5, exponent) - 1.0;
  d.p[3] = zipf_integral(d.p[0] + 0.5, exponent);
  d.p[4] = 2.0 - zipf_integral_inverse(zipf_integral(2.5, exponent) - zipf_density(2.0, exponent),
                                       exponent);
  return d;
}
Distribution Distribution::empirical(std::vector<double> values) {
  MAINSPRING_CHECK(!values.empty());
  Distribution d = make(Kind::kEmpirical);
  d.table = std::make_shared<const std::vector<double>>(std::move(values));
  return d;
}
Distribution Distribution::quantiles(std::vector<std::pair<double, double>> points) {
  MAINSPRING_CHECK(points.size() >= 2 && points.front().first == 0.0 && points.back().first == 1.0);
  std::vector<double> flat;
  for (size_t i = 0; i < points.size(); ++i) {
    MAINSPRING_CHECK(i == 0 || (points[i].first > points[i - 1].first &&
                                points[i].second >= points[i - 1].second));
    flat.push_back(points[i].first);
    flat.push_back(points[i].second);
  }
  Distribution d = make(Kind::kQuantiles);
  d.table = std::make_shared<const std::vector<double>>(std::move(flat));
  return d;
}
Distribution Distribution::bernoulli(uint64_t numerator, uint64_t denominator) {
  MAINSPRING_CHECK(denominator > 0 && numerator <= denominator);
  return make(Kind::kBernoulli, static_cast<double>(numerator), static_cast<double>(denominator));
}

double Distribution::sample(Rng& rng) const {
  switch (kind) {
    case Kind::kConstant:
      return p[0];
    case Kind::kUniform:
      return p[0] + (p[1] - p[0]) * rng.uniform();
    case Kind::kExponential:
      return sample_exponential(rng, p[0]);
    case Kind::kNormal:
      return p[0] + p[1] * sample_normal(rng);
    case Kind::kLognormal:
      return p[0] * sim::exp(p[1] * sample_normal(rng));
    case Kind::kPareto:
      return p[0] * sim::exp(-sim::log(rng.uniform_open()) / p[1]);
    case Kind::kWeibull:
      return p[0] * sim::pow(-sim::log(rng.uniform_open()), 1.0 / p[1]);
    case Kind::kPoisson:
      return static_cast<double>(sample_poisson(rng, p[0]));
    case Kind::kZipf:
      return sample_zipf(rng, p);
    case Kind::kEmpirical:
      return (*table)[static_cast<size_t>(rng.below(table->size()))];
    case Kind::kQuantiles:
      return sample_quantiles(rng, *table);
    case Kind::kBernoulli:
      return rng.chance(static_cast<uint64_t>(p[0]), static_cast<uint64_t>(p[1])) ? 1.0 : 0.0;
  }
  return 0.0;
}

Duration Distribution::sample_duration(Rng& rng) const {
  constexpr double kHundredYears = 3.15576e18;
  const double ns = sample(rng);
  if (!(ns > 0.0)) return Duration();
  return Duration::nanos(static_cast<int64_t>(std::floor(std::min(ns, kHundredYears) + 0.5)));
}

double Distribution::mean() const {
  switch (kind) {
    case Kind::kConstant:
    case Kind::kExponential:
    case Kind::kNormal:
    case Kind::kPoisson:
      return p[0];
    case Kind::kUniform:
      return 0.5 * (p[0] + p[1]);
    case Kind::kLognormal:
      return p[0] * sim::exp(0.5 * p[1] * p[1]);
    case Kind::kPareto:
      return p[1] > 1.0 ? p[0] * p[1] / (p[1] - 1.0) : std::numeric_limits<double>::infinity();
    case Kind::kWeibull:
      return p[0] * sim::exp(log_gamma(1.0 + 1.0 / p[1]));
    case Kind::kZipf: {
      double weights = 0.0, sum = 0.0;
      for (auto n = static_cast<int64_t>(p[0]); n >= 1; --n) {  // the small terms first
        const auto k = static_cast<double>(n);
        const double weight = zipf_density(k, p[1]);
        weights += weight;
        sum += k * weight;
      }
      return sum / weights;
    }
    case Kind::kEmpirical: {
      double sum = 0.0;
      for (const double value : *table) sum += value;
      return sum / static_cast<double>(table->size());
    }
    case Kind::kQuantiles: {
      double sum = 0.0;
      for (size_t i = 2; i < table->size(); i += 2) {
        sum += ((*table)[i] - (*table)[i - 2]) * 0.5 * ((*table)[i + 1] + (*table)[i - 1]);
      }
      return sum;
    }
    case Kind::kBernoulli:
      return p[0] / p[1];
  }
  return 0.0;
}

bool operator==(const Distribution& a, const Distribution& b) {
  if (a.kind != b.kind || a.unit != b.unit || !std::equal(a.p, a.p + 5, b.p)) return false;
  if (a.table == nullptr || b.table == nullptr) return a.table == b.table;
  return *a.table == *b.table;
}

// Words
// --------------------------------------------------------------------------------------------

namespace {

struct Quantity {
  double value = 0;
  bool duration = false;
};

// A plain number, or Go's duration syntax: numbers with units, one after the other.
std::optional<Quantity> parse_quantity(std::string_view text) {
  struct UnitName {
    std::string_view name;
    double ns;
  };
  static constexpr UnitName kUnits[] = {{"ns", 1},  {"us", 1e3}, {"\u00b5s", 1e3}, {"ms", 1e6},
                                        {"s", 1e9}, {"m", 6e10}, {"h", 3.6e12},    {"d", 8.64e13}};
  Quantity q;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    double number = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc() || !std::isfinite(number)) return std::nullopt;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    if (text.empty() && !q.duration) return Quantity{number, false};
    const size_t length = std::min(text.size(), text.find_first_of("0123456789.+-"));
    const std::string_view name = text.substr(0, length);
    const auto* unit = std::find_if(std::begin(kUnits), std::end(kUnits),
                                    [&](const UnitName& u) { return u.name == name; });
    if (unit == std::end(kUnits)) return std::nullopt;
    q.value += number * unit->ns;
    q.duration = true;
    text.remove_prefix(length);
  }
  return q;
}

std::string show_quantity(double value, Distribution::Unit unit) {
  if (unit == Distribution::Unit::kNumber) return fmt::format("{}", value);
  struct Scale {
    double ns;
    const char* name;
  };
  for (const Scale scale : {Scale{1e9, "s"}, Scale{1e6, "ms"}, Scale{1e3, "us"}}) {
    if (std::fabs(value) >= scale.ns && value / scale.ns * scale.ns == value) {
      return fmt::format("{}{}", value / scale.ns, scale.name);
    }
  }
  return fmt::format("{:f}ns", value);
}

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  size_t i = 0;
  while (i < text.size()) {
    const size_t begin = text.find_first_not_of(" \t\n,", i);
    if (begin == std::string_view::npos) break;
    i = std::min(text.size(), text.find_first_of(" \t\n,", begin));
    words.push_back(text.substr(begin, i - begin));
  }
  return words;
}

// "p99.9" is 0.999; nothing if it is no such word.
std::optional<double> parse_percentile(std::string_view word) {
  if (word.size() < 2 || word[0] != 'p') return std::nullopt;
  const std::optional<Quantity> q = parse_quantity(word.substr(1));
  if (!q || q->duration || q->value < 0 || q->value > 100) return std::nullopt;
  return q->value / 100;
}

// Reads the words after the name, collecting the first error.
class Words {
 public:
  explicit Words(std::vector<std::string_view> words) : words_(std::move(words)) {}

  const std::string& error() const { return error_; }
  Distribution::Unit unit() const {
    return durations_ > 0 ? Distribution::Unit::kNanoseconds : Distribution::Unit::kNumber;
  }
  bool done() const { return next_ == words_.size(); }
  bool failed() const { return !error_.empty(); }
  void fail(std::string what) {
    if (error_.empty()) error_ = std::move(what);
  }

  std::string_view word(std::string_view expected) {
    if (done()) {
      fail(fmt::format("{} is missing at the end", expected));
      return {};
    }
    return words_[next_++];
  }
  // A quantity that carries the unit of the distribution.
  double quantity(std::string_view what) {
    const std::string_view text = word(what);
    const std::optional<Quantity> q = parse_quantity(text);
    if (!q) {
      fail(fmt::format("{} is \"{}\", which is neither a number nor a duration such as 5ms", what,
                       text));
      return 1;
    }
    ++(q->duration ? durations_ : numbers_);
    if (durations_ > 0 && numbers_ > 0) fail("durations and plain numbers are mixed");
    return q->value;
  }
  double quantity_named(std::string_view name) {
    keyword(name);
    return quantity(name);
  }
  // A number without a unit.
  double number_named(std::string_view name) {
    keyword(name);
    const std::string_view text = word(name);
    const std::optional<Quantity> q = parse_quantity(text);
    if (!q || q->duration) {
      fail(fmt::format("{} is \"{}\", which is not a number", name, text));
      return 1;
    }
    return q->value;
  }
  void keyword(std::string_view name) {
    const std::string_view found = word(name);
    if (found != name) fail(fmt::format("\"{}\" where {} was expected", found, name));
  }
  void require(bool condition, std::string_view what) {
    if (!condition) fail(std::string(what));
  }

 private:
  std::vector<std::string_view> words_;
  size_t next_ = 0;
  int durations_ = 0;
  int numbers_ = 0;
  std::string error_;
};

struct Name {
  std::string_view name;
  Kind kind;
};
constexpr Name kNames[] = {
    {"constant", Kind::kConstant},
    {"uniform", Kind::kUniform},
    {"exponential", Kind::kExponential},
    {"normal", Kind::kNormal},
    {"lognormal", Kind::kLognormal},
    {"pareto", Kind::kPareto},
    {"weibull", Kind::kWeibull},
    {"poisson", Kind::kPoisson},
    {"zipf", Kind::kZipf},
    {"empirical", Kind::kEmpirical},
    {"quantiles", Kind::kQuantiles},
    {"bernoulli", Kind::kBernoulli},
};

Distribution parse_lognormal(Words& words) {
  const double median = words.quantity_named("p50");
  words.require(median > 0, "p50 must be greater than 0");
  const std::string_view second = words.word("p99 or sigma");
  if (words.failed()) return {};
  if (second == "sigma") {
    const std::string_view text = words.word("sigma");
    const std::optional<Quantity> sigma = parse_quantity(text);
    words.require(sigma && !sigma->duration && sigma->value >= 0, "sigma must be a number >= 0");
    return words.failed() ? Distribution() : Distribution::lognormal(median, sigma->value);
  }
  const std::optional<double> p = parse_percentile(second);
  words.require(p && *p > 0.5 && *p < 1,
                "after p50 comes sigma, or a percentile between p50 and p100 such as p99");
  const double value = words.quantity(second);
  words.require(value >= median, fmt::format("{} must not be less than p50", second));
  return words.failed() ? Distribution() : Distribution::lognormal_quantile(median, *p, value);
}

Distribution parse_quantiles(Words& words) {
  std::vector<std::pair<double, double>> points;
  while (!words.done() && !words.failed()) {
    const std::string_view name = words.word("a percentile");
    const std::optional<double> p = parse_percentile(name);
    words.require(p.has_value(),
                  fmt::format("\"{}\" where a percentile such as p99 was expected", name));
    const double value = words.quantity(name);
    if (words.failed()) return {};
    words.require(points.empty() || (*p > points.back().first && value >= points.back().second),
                  "percentiles and their values must rise");
    points.emplace_back(*p, value);
  }
  words.require(points.size() >= 2 && points.front().first == 0 && points.back().first == 1,
                "quantiles start with p0 and end with p100");
  return words.failed() ? Distribution() : Distribution::quantiles(std::move(points));
}

Distribution parse_bernoulli(Words& words) {
  const std::string_view text = words.word("a ratio such as 3/100");
  const size_t slash = text.find('/');
  uint64_t numerator = 0, denominator = 0;
  const auto read = [](std::string_view digits, uint64_t& out) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return error == std::errc() && end == digits.data() + digits.size();
  };
  const bool good = slash != std::string_view::npos && read(text.substr(0, slash), numerator) &&
                    read(text.substr(slash + 1), denominator) && denominator > 0 &&
                    denominator <= (uint64_t{1} << 53) && numerator <= denominator;
  words.require(good, fmt::format("\"{}\" is not a ratio between 0 and 1 such as 3/100", text));
  return words.failed() ? Distribution() : Distribution::bernoulli(numerator, denominator);
}

Distribution parse_words(Kind kind, Words& words) {
  switch (kind) {
    case Kind::kConstant:
      return Distribution::constant(words.quantity("the value"));
    case Kind::kUniform: {
      const double low = words.quantity("the lower end");
      const double high = words.quantity("the upper end");
      words.require(low <= high, "the lower end is above the upper end");
      return Distribution::uniform(low, high);
    }
    case Kind::kExponential: {
      const double mean = words.quantity_named("mean");
      words.require(mean >= 0, "mean must not be negative");
      return Distribution::exponential(mean);
    }
    case Kind::kNormal: {
      const double mean = words.quantity_named("mean");
      const double sd = words.quantity_named("sd");
      words.require(sd >= 0, "sd must not be negative");
      return Distribution::normal(mean, sd);
    }
    case Kind::kLognormal:
      return parse_lognormal(words);
    case Kind::kPareto: {
      const double minimum = words.quantity_named("min");
      const double shape = words.number_named("shape");
      words.require(minimum > 0 && shape > 0, "min and shape must be greater than 0");
      return Distribution::pareto(minimum, shape);
    }
    case Kind::kWeibull: {
      const double scale = words.quantity_named("scale");
      const double shape = words.number_named("shape");
      words.require(scale > 0 && shape > 0, "scale and shape must be greater than 0");
      return Distribution::weibull(scale, shape);
    }
    case Kind::kPoisson: {
      const double mean = words.quantity_named("mean");
      words.require(mean >= 0 && mean <= 1e9, "mean must be between 0 and 1e9");
      return Distribution::poisson(mean);
    }
    case Kind::kZipf: {
      const double n = words.number_named("n");
      const double s = words.number_named("s");
      words.require(n >= 1 && n <= 1e9 && n == std::floor(n), "n must be a whole number up to 1e9");
      words.require(s >= 0 && s <= 100, "s must be between 0 and 100");
      if (words.failed()) return {};
      return Distribution::zipf(static_cast<uint64_t>(n), s);
    }
    case Kind::kEmpirical: {
      std::vector<double> values{words.quantity("a value")};
      while (!words.done()) values.push_back(words.quantity("a value"));
      return Distribution::empirical(std::move(values));
    }
    case Kind::kQuantiles:
      return parse_quantiles(words);
    case Kind::kBernoulli:
      return parse_bernoulli(words);
  }
  return {};
}

}  // namespace

std::string parse_distribution(std::string_view text, Distribution& out) {
  std::vector<std::string_view> list = split_words(text);
  if (list.empty()) return "empty; write for example: lognormal p50 5ms p99 40ms";
  Kind kind = Kind::kConstant;
  const auto* name = std::find_if(std::begin(kNames), std::end(kNames),
                                  [&](const Name& n) { return n.name == list[0]; });
  if (name != std::end(kNames)) {
    kind = name->kind;
    list.erase(list.begin());
  } else if (list.size() > 1 || !parse_quantity(list[0])) {
    std::string known;
    for (const Name& n : kNames) known += (known.empty() ? "" : ", ") + std::string(n.name);
    return fmt::format("\"{}\" is neither a duration, a number nor one of: {}", list[0], known);
  }
  Words words(std::move(list));
  Distribution d = parse_words(kind, words);
  if (!words.failed() && !words.done()) {
    words.fail(fmt::format("\"{}\" is too much", words.word("")));
  }
  if (words.failed()) return words.error();
  d.unit = words.unit();
  out = d;
  return "";
}

std::string Distribution::describe() const {
  const auto q = [&](double value) { return show_quantity(value, unit); };
  switch (kind) {
    case Kind::kConstant:
      return "constant " + q(p[0]);
    case Kind::kUniform:
      return "uniform " + q(p[0]) + " " + q(p[1]);
    case Kind::kExponential:
      return "exponential mean " + q(p[0]);
    case Kind::kNormal:
      return "normal mean " + q(p[0]) + " sd " + q(p[1]);
    case Kind::kLognormal:
      return "lognormal p50 " + q(p[0]) + fmt::format(" sigma {}", p[1]);
    case Kind::kPareto:
      return "pareto min " + q(p[0]) + fmt::format(" shape {}", p[1]);
    case Kind::kWeibull:
      return "weibull scale " + q(p[0]) + fmt::format(" shape {}", p[1]);
    case Kind::kPoisson:
      return "poisson mean " + q(p[0]);
    case Kind::kZipf:
      return fmt::format("zipf n {} s {}", p[0], p[1]);
    case Kind::kEmpirical: {
      std::string text = "empirical";
      for (const double value : *table) text += " " + q(value);
      return text;
    }
    case Kind::kQuantiles: {
      std::string text = "quantiles";
      for (size_t i = 0; i < table->size(); i += 2) {
        text += fmt::format(" p{} ", (*table)[i] * 100) + q((*table)[i + 1]);
      }
      return text;
    }
    case Kind::kBernoulli:
      return fmt::format("bernoulli {}/{}", static_cast<uint64_t>(p[0]),
                         static_cast<uint64_t>(p[1]));
  }
  return "";
}

}  // namespace mainspring::sim
