#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "scenarios/report/text.h"
#include "scenarios/report/writers.h"

namespace mainspring::scenarios {
namespace {

constexpr double kNoValue = std::numeric_limits<double>::quiet_NaN();

// How the points that fall into one column of a sparkline become one value.
enum class Pick { kMean, kMax, kMin };

double value_at(const Series& s, double t) {
  const auto at = std::upper_bound(s.t_seconds.begin(), s.t_seconds.end(), t);
  if (at == s.t_seconds.begin()) return kNoValue;
  const size_t i = static_cast<size_t>(at - s.t_seconds.begin()) - 1;
  return i < s.value.size() ? s.value[i] : kNoValue;
}

std::vector<double> columns_of(const Series& s, double end, int columns, Pick pick) {
  std::vector<double> out;
  size_t i = 0;
  for (int c = 0; c < columns; ++c) {
    const double from = end * c / columns;
    const double to = end * (c + 1) / columns;
    double low = kNoValue;
    double high = kNoValue;
    double sum = 0;
    int n = 0;
    const auto take = [&](double v) {
      if (std::isnan(v)) return;
      low = n ? std::min(low, v) : v;
      high = n ? std::max(high, v) : v;
      sum += v;
      ++n;
    };
    while (i < s.t_seconds.size() && s.t_seconds[i] < from) ++i;
    const size_t first = i;
    for (; i < s.value.size() && i < s.t_seconds.size() && s.t_seconds[i] < to; ++i) {
      take(s.value[i]);
    }
    // A step goes on from before; a column without a point of its own shows the last one.
    const bool starts_late = first < s.t_seconds.size() && s.t_seconds[first] > from;
    if (n == 0 || (s.kind == SeriesKind::kStep && starts_late)) take(value_at(s, from));
    out.push_back(n == 0                ? kNoValue
                  : pick == Pick::kMean ? sum / n
                  : pick == Pick::kMax  ? high
                                        : low);
  }
  return out;
}

class Summary {
 public:
  Summary(const RunReport& report, const TerminalOptions& options)
      : r_(report), options_(options), width_(std::max(60, options.width)) {}

  std::string render() {
    head();
    numbers();
    checks();
    timeline();
    story();
    hints();
    foot();
    return out_;
  }

 private:
  enum class Style { kPlain, kBold, kDim, kGood, kBad, kWarning, kInfo };

  std::string paint(Style style, std::string_view text) const {
    if (!options_.color || style == Style::kPlain) return std::string(text);
    constexpr std::array<std::string_view, 7> kCodes{"", "1", "2", "32", "31", "33", "36"};
    return fmt::format("\x1b[{}m{}\x1b[0m", kCodes[static_cast<size_t>(style)], text);
  }

  std::string_view sign(std::string_view unicode, std::string_view ascii) const {
    return options_.unicode ? unicode : ascii;
  }

  std::string cut(std::string_view text, int width) const {
    return truncate(printable(text), width, options_.unicode);
  }

  static std::string pad(std::string text, int width) {
    const int missing = width - display_width(text);
    if (missing > 0) text.append(static_cast<size_t>(missing), ' ');
    return text;
  }
  static std::string pad_left(std::string_view text, int width) {
    std::string out(static_cast<size_t>(std::max(0, width - display_width(text))), ' ');
    return out.append(text);
  }

  void line(std::string_view text = "") {
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    out_ += text;
    out_ += '\n';
  }

  // Words of `text` on lines of the full width; the first starts after `first`, the others after
  // as many spaces as `first` takes.
  void paragraph(const std::string& first, std::string_view text, Style style = Style::kPlain,
                 int first_width = -1) {
    const int indent = first_width < 0 ? display_width(first) : first_width;
    const int room = std::max(20, width_ - indent);
    std::string current;
    std::string prefix = first;
    const std::string clean = printable(text);
    const auto flush = [&] {
      line(prefix + paint(style, current));
      prefix.assign(static_cast<size_t>(indent), ' ');
      current.clear();
    };
    for (size_t i = 0; i < clean.size();) {
      const size_t end = std::min(clean.find(' ', i), clean.size());
      const std::string word =
          truncate(std::string_view(clean).substr(i, end - i), room, options_.unicode);
      i = end + 1;
      if (word.empty()) continue;
      if (!current.empty() && display_width(current) + 1 + display_width(word) > room) flush();
      if (!current.empty()) current += ' ';
      current += word;
    }
    if (!current.empty()) flush();
  }

  void title(std::string_view text) {
    line();
    line(" " + paint(Style::kBold, text));
  }

  void head() {
    const bool good = passed(r_);
    const std::string word = !good ? "FAILED" : r_.meta.interrupted ? "INTERRUPTED" : "PASSED";
    const Style style = !good ? Style::kBad : r_.meta.interrupted ? Style::kWarning : Style::kGood;
    const std::string verdict = fmt::format(
        "{} {}", good ? r_.meta.interrupted ? sign("!", "!") : sign("✓", "ok") : sign("✗", "x"),
        word);
    const int room = width_ - display_width(verdict) - 3;
    line();
    line(" " + paint(Style::kBold, pad(cut(r_.meta.scenario, room), room)) + "  " +
         paint(style, verdict));
    if (!r_.meta.description.empty()) paragraph(" ", r_.meta.description, Style::kDim);
    std::string how = format_time(r_.meta.ended_seconds);
    if (r_.meta.interrupted) how += " of " + format_time(r_.meta.horizon_seconds);
    how += " simulated";
    if (r_.meta.wall_seconds > 0) {
      how +=
          fmt::format(" in {} ({} {} real time)", format_value(r_.meta.wall_seconds, "s"),
                      format_number(std::floor(r_.meta.ended_seconds / r_.meta.wall_seconds + 0.5)),
                      sign("×", "x"));
    }
    how += fmt::format(", {} events", format_number(static_cast<double>(r_.meta.events)));
    paragraph(" ", how, Style::kDim);
  }

  static Style style_of(Severity severity) {
    switch (severity) {
      case Severity::kGood:
        return Style::kGood;
      case Severity::kInfo:
        return Style::kInfo;
      case Severity::kWarning:
        return Style::kWarning;
      case Severity::kBad:
        return Style::kBad;
    }
    return Style::kPlain;
  }

  void numbers() {
    if (r_.numbers.empty()) return;
    int widest = 0;
    for (const KeyNumber& n : r_.numbers) {
      widest = std::max(widest, display_width(format_value(n.value, n.unit)));
    }
    line();
    for (const KeyNumber& n : r_.numbers) {
      const std::string value = pad_left(format_value(n.value, n.unit), widest);
      paragraph(" " + paint(style_of(n.tone), paint(Style::kBold, value)) + "  ", n.label,
                Style::kPlain, widest + 3);
      if (!n.detail.empty()) {
        paragraph(std::string(static_cast<size_t>(widest + 3), ' '), n.detail, Style::kDim);
      }
    }
  }

  void checks() {
    if (r_.expectations.empty()) return;
    title("Checks");
    int measured = 0;
    int bound = 0;
    for (const ExpectationResult& e : r_.expectations) {
      measured = std::max(measured, display_width(measured_of(e)));
      bound = std::max(bound, display_width(bound_of(e)));
    }
    const int mark = options_.unicode ? 1 : 2;
    const int room = std::max(16, width_ - measured - bound - mark - 8);
    int longest = 0;
    for (const ExpectationResult& e : r_.expectations) {
      longest = std::max(longest, display_width(printable(e.name)));
    }
    const int name = std::min(room, longest);
    for (const ExpectationResult& e : r_.expectations) {
      const bool bad = e.outcome == Outcome::kFailed;
      const bool good = e.outcome == Outcome::kPassed;
      const Style style = bad ? Style::kBad : good ? Style::kGood : Style::kDim;
      const std::string_view icon = bad ? sign("✗", "x") : good ? sign("✓", "ok") : sign("–", "-");
      line(fmt::format("  {} {}  {}  {}", paint(style, pad(std::string(icon), mark)),
                       pad(cut(e.name, name), name),
                       paint(bad ? style : Style::kPlain, pad_left(measured_of(e), measured)),
                       paint(Style::kDim, bound_of(e))));
      if (good) continue;
      std::string why = e.explanation;
      if (e.t_seconds) {
        if (!why.empty()) why += "; ";
        why += "first at " + format_time(*e.t_seconds);
      }
      if (!why.empty()) {
        paragraph(std::string(static_cast<size_t>(mark + 3), ' '), why, Style::kDim);
      }
    }
  }

  static std::string measured_of(const ExpectationResult& e) {
    return e.measured ? format_value(*e.measured, e.unit) : "-";
  }
  std::string bound_of(const ExpectationResult& e) const {
    const std::string_view op = e.op == ">="   ? sign("≥", ">=")
                                : e.op == "<=" ? sign("≤", "<=")
                                               : e.op;
    return fmt::format("{} {}", op, format_value(e.bound, e.unit));
  }

  // The series of the service that users see, or their sum over all services.
  std::vector<double> traffic(std::string_view metric, int columns, Pick pick) const {
    std::vector<double> sum;
    for (const Series& s : r_.series) {
      if (s.metric != metric) continue;
      const auto service = s.labels.find("service");
      const bool other = !r_.focus_service.empty() && service != s.labels.end() &&
                         service->second != r_.focus_service;
      if (!other) add(sum, columns_of(s, r_.meta.ended_seconds, columns, pick));
    }
    return sum;
  }

  std::vector<double> total(std::string_view metric, int columns, Pick pick) const {
    std::vector<double> sum;
    for (const Series& s : r_.series) {
      if (s.metric == metric) add(sum, columns_of(s, r_.meta.ended_seconds, columns, pick));
    }
    return sum;
  }

  static void add(std::vector<double>& to, const std::vector<double>& from) {
    if (to.empty()) {
      to = from;
      return;
    }
    for (size_t i = 0; i < to.size() && i < from.size(); ++i) {
      if (std::isnan(to[i])) {
        to[i] = from[i];
      } else if (!std::isnan(from[i])) {
        to[i] += from[i];
      }
    }
  }

  void spark(std::string_view label, const std::vector<double>& values, std::string_view unit,
             bool lowest_matters, Style style) {
    if (values.empty()) return;
    double high = 0;
    double low = std::numeric_limits<double>::infinity();
    for (const double v : values) {
      if (std::isnan(v)) continue;
      high = std::max(high, v);
      low = std::min(low, v);
    }
    if (!std::isfinite(low)) return;
    static constexpr std::array<std::string_view, 8> kBars{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static constexpr std::string_view kAscii = "_.:-=+*#";
    std::string bars;
    for (const double v : values) {
      if (std::isnan(v)) {
        bars += ' ';
        continue;
      }
      // Zero is the lowest bar, and only zero and next to nothing are.
      const double share = high > 0 ? v / high : 0;
      const size_t level = static_cast<size_t>(std::clamp(std::ceil(share * 7 - 0.05), 0.0, 7.0));
      if (options_.unicode) {
        bars += kBars[level];
      } else {
        bars += kAscii[level];
      }
    }
    const auto shown = [&](double v) { return format_value(std::floor(v + 0.5), unit); };
    const std::string right = lowest_matters ? fmt::format("{} to {}", shown(low), shown(high))
                                             : fmt::format("peak {}", shown(high));
    line("  " + pad(std::string(label), kLabel) + paint(style, bars) + "  " + right);
  }

  void marks(MarkKind kind, std::string_view label, std::string_view shape, char ascii, int columns,
             Style style) {
    std::vector<std::string> cells(static_cast<size_t>(columns), std::string(sign("·", ".")));
    int count = 0;
    const double end = std::max(r_.meta.ended_seconds, 1e-9);
    const auto column = [&](double t) {
      return static_cast<size_t>(std::clamp(std::floor(t / end * columns), 0.0, columns - 1.0));
    };
    for (const Mark& m : r_.marks) {
      if (m.kind != kind) continue;
      if (!m.end_seconds) continue;
      for (size_t c = column(m.t_seconds); c <= column(*m.end_seconds); ++c) {
        cells[c] = sign("━", "=");
      }
    }
    for (const Mark& m : r_.marks) {
      if (m.kind != kind) continue;
      ++count;
      cells[column(m.t_seconds)] = options_.unicode ? std::string(shape) : std::string(1, ascii);
    }
    if (!count) return;
    std::string row;
    for (const std::string& c : cells) row += c;
    line("  " + pad(std::string(label), kLabel) + paint(style, row) + "  " + std::to_string(count));
  }

  void timeline() {
    const double end = r_.meta.ended_seconds;
    if (!(end > 0) || (r_.series.empty() && r_.marks.empty())) return;
    const int columns = width_ - kLabel - 2 - kRight;
    title("Timeline");
    // Times under the start of every fifth of the axis.
    std::string axis(static_cast<size_t>(kLabel + 2), ' ');
    for (int i = 0; i < 4; ++i) {
      axis += pad(format_time(std::floor(end * i / 4 + 0.5)), columns / 4);
    }
    line(paint(Style::kDim, pad(axis, kLabel + 2 + columns) + "  " + format_time(end)));
    spark("requests/s", traffic(metric::kRequestsOk, columns, Pick::kMean), "", false,
          Style::kInfo);
    spark("failed/s", traffic(metric::kRequestsFailed, columns, Pick::kMax), "", false,
          Style::kBad);
    spark("p99 latency", traffic(metric::kLatencyP99, columns, Pick::kMax), "ms", false,
          Style::kWarning);
    spark("pods ready", total(metric::kReplicasReady, columns, Pick::kMin), "", true, Style::kGood);
    spark("nodes ready", total(metric::kNodesReady, columns, Pick::kMin), "", true, Style::kGood);
    marks(MarkKind::kFault, "faults", "▲", '!', columns, Style::kBad);
    marks(MarkKind::kIncident, "effects", "✗", 'x', columns, Style::kWarning);
    marks(MarkKind::kAction, "actions", "■", '@', columns, Style::kInfo);
    marks(MarkKind::kScale, "scaling", "◆", '%', columns, Style::kInfo);
    marks(MarkKind::kRecovery, "healing", "●", 'o', columns, Style::kGood);
  }

  void story() {
    if (r_.story.empty()) return;
    title("What happened and why");
    int widest = 0;
    for (const StoryEntry& s : r_.story) {
      widest = std::max(widest, display_width(format_time(s.t_seconds)));
    }
    // The worst dozen, in order: the page has them all.
    std::vector<size_t> shown(r_.story.size());
    for (size_t i = 0; i < shown.size(); ++i) shown[i] = i;
    std::stable_sort(shown.begin(), shown.end(), [&](size_t a, size_t b) {
      return static_cast<int>(r_.story[a].severity) > static_cast<int>(r_.story[b].severity);
    });
    const size_t left_out = shown.size() > kStoryLines ? shown.size() - kStoryLines : 0;
    shown.resize(shown.size() - left_out);
    std::sort(shown.begin(), shown.end());
    for (const size_t i : shown) {
      const StoryEntry& s = r_.story[i];
      const std::string when = pad_left(format_time(s.t_seconds), widest);
      paragraph("  " + paint(style_of(s.severity), when) + "  ", s.text, Style::kPlain, widest + 4);
      const std::string arrow =
          std::string(static_cast<size_t>(widest + 4), ' ') + std::string(sign("↳ ", "<- "));
      // The nearest cause and the last: what it came from, and what it all began with.
      for (size_t k = 0; k < s.because.size(); ++k) {
        if (k != 0 && k + 1 != s.because.size()) continue;
        paragraph(arrow, s.because[k].text, Style::kDim);
      }
    }
    if (left_out) line(paint(Style::kDim, fmt::format("  and {} more in the report", left_out)));
  }

  void hints() {
    if (r_.hints.empty()) return;
    title("Next");
    for (const Hint& x : r_.hints) {
      paragraph("  " + std::string(sign("• ", "* ")), x.text);
      // Commands stay on one line, so that they can be copied.
      if (!x.command.empty()) line("    " + paint(Style::kInfo, printable(x.command)));
    }
  }

  void foot() {
    line();
    line(fmt::format(" {} {}   {} {}", paint(Style::kDim, "seed"), r_.meta.seed,
                     paint(Style::kDim, "digest"), printable(r_.meta.digest)));
    if (!r_.meta.reproduce.empty()) {
      line(fmt::format(" {} {}", paint(Style::kDim, "again"), printable(r_.meta.reproduce)));
    }
  }

  static constexpr int kLabel = 13;  // columns of the words left of a sparkline
  static constexpr int kRight = 17;  // and of the figures right of it
  static constexpr size_t kStoryLines = 12;

  const RunReport& r_;
  const TerminalOptions& options_;
  const int width_;
  std::string out_;
};

}  // namespace

std::string render_terminal_summary(const RunReport& report, const TerminalOptions& options) {
  return Summary(report, options).render();
}

}  // namespace mainspring::scenarios
