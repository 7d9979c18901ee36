#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <map>

#include "models/api/json.h"
#include "scenarios/report/assets.h"
#include "scenarios/report/text.h"
#include "scenarios/report/writers.h"

namespace mainspring::scenarios {
namespace {

using api::Json;

// Six significant digits: more than a pixel can show, and half the bytes.
Json rounded(double value) {
  if (!std::isfinite(value)) return {};
  const std::string text = fmt::format("{:.6g}", value);
  double v = value;
  std::from_chars(text.data(), text.data() + text.size(), v);
  return v == std::floor(v) && std::fabs(v) < 1e15 ? Json(static_cast<int64_t>(v)) : Json(v);
}

// Milliseconds are fine enough for a place on the time axis.
Json time_of(double seconds) {
  if (!std::isfinite(seconds)) return {};
  const double ms = std::floor(seconds * 1000 + 0.5);
  if (std::fabs(ms) < 1e15 && static_cast<int64_t>(ms) % 1000 == 0) {
    return static_cast<int64_t>(ms) / 1000;
  }
  return ms / 1000;
}

void set_time(Json& to, const char* key, const std::optional<double>& t) {
  if (t) to.set(key, time_of(*t));
}

Json meta_of(const ReportMeta& m) {
  return Json::object({{"scenario", m.scenario},
                       {"description", m.description},
                       {"file", m.file},
                       {"version", m.version},
                       {"digest", m.digest},
                       {"reproduce", m.reproduce},
                       // As text: a seed may be beyond what a script's number holds.
                       {"seed", std::to_string(m.seed)},
                       {"horizonSeconds", time_of(m.horizon_seconds)},
                       {"endedSeconds", time_of(m.ended_seconds)},
                       {"epochUnixSeconds", m.epoch_unix_seconds},
                       {"events", m.events},
                       {"interrupted", m.interrupted},
                       {"wallSeconds", rounded(m.wall_seconds)}});
}

Json marks_of(const RunReport& r) {
  Json out = Json::array();
  for (const Mark& m : r.marks) {
    Json mark = Json::object({{"id", m.id},
                              {"t", time_of(m.t_seconds)},
                              {"kind", name_of(m.kind)},
                              {"title", m.title},
                              {"detail", m.detail},
                              {"object", m.object}});
    set_time(mark, "end", m.end_seconds);
    out.push_back(std::move(mark));
  }
  return out;
}

Json story_of(const RunReport& r) {
  Json out = Json::array();
  for (const StoryEntry& s : r.story) {
    Json because = Json::array();
    for (const Reason& reason : s.because) {
      Json b = Json::object({{"text", reason.text}});
      set_time(b, "t", reason.t_seconds);
      if (!reason.mark.empty()) b.set("mark", reason.mark);
      if (!reason.object.empty()) b.set("object", reason.object);
      because.push_back(std::move(b));
    }
    Json entry = Json::object({{"t", time_of(s.t_seconds)},
                               {"severity", name_of(s.severity)},
                               {"text", s.text},
                               {"because", std::move(because)}});
    set_time(entry, "end", s.end_seconds);
    out.push_back(std::move(entry));
  }
  return out;
}

Json expectations_of(const RunReport& r) {
  Json out = Json::array();
  for (const ExpectationResult& e : r.expectations) {
    Json x = Json::object({{"name", e.name},
                           {"outcome", name_of(e.outcome)},
                           {"op", e.op},
                           {"bound", rounded(e.bound)},
                           {"unit", e.unit},
                           {"explanation", e.explanation}});
    if (e.measured && std::isfinite(*e.measured)) x.set("measured", *e.measured);
    set_time(x, "t", e.t_seconds);
    out.push_back(std::move(x));
  }
  return out;
}

// Series of one run mostly share their buckets, so each distinct list of times is written once.
void set_series(Json& page, const RunReport& r) {
  std::map<std::vector<double>, size_t> index;
  Json times = Json::array();
  Json series = Json::array();
  for (const Series& s : r.series) {
    const auto [at, added] = index.emplace(s.t_seconds, index.size());
    if (added) {
      std::vector<Json> t;
      for (const double x : s.t_seconds) t.push_back(time_of(x));
      times.push_back(Json::array(std::move(t)));
    }
    std::vector<Json> v;
    for (const double x : s.value) v.push_back(rounded(x));
    v.resize(s.t_seconds.size());
    Json labels = Json::object();
    for (const auto& [key, value] : s.labels) labels.set(key, value);
    series.push_back(Json::object({{"m", s.metric},
                                   {"u", s.unit},
                                   {"l", std::move(labels)},
                                   {"k", s.kind == SeriesKind::kStep ? 1 : 0},
                                   {"t", at->second},
                                   {"v", Json::array(std::move(v))}}));
  }
  page.set("times", std::move(times));
  page.set("series", std::move(series));
}

template <class State>
Json names_until(State last) {
  Json out = Json::array();
  for (int i = 0; i <= static_cast<int>(last); ++i) out.push_back(name_of(static_cast<State>(i)));
  return out;
}

void set_lanes(Json& page, const RunReport& r) {
  Json nodes = Json::array();
  for (const NodeLane& n : r.nodes) {
    Json segments = Json::array();
    for (const NodeSegment& s : n.segments) {
      segments.push_back(Json::array(
          {time_of(s.start_seconds), time_of(s.end_seconds), static_cast<int>(s.state)}));
    }
    nodes.push_back(Json::object({{"n", n.name},
                                  {"z", n.zone},
                                  {"p", n.pool},
                                  {"i", n.instance_type},
                                  {"s", std::move(segments)}}));
  }
  Json pods = Json::array();
  for (const PodLane& p : r.pods) {
    Json segments = Json::array();
    for (const PodSegment& s : p.segments) {
      Json segment = Json::array(
          {time_of(s.start_seconds), time_of(s.end_seconds), static_cast<int>(s.state)});
      if (!s.reason.empty()) segment.push_back(s.reason);
      segments.push_back(std::move(segment));
    }
    const bool elsewhere = !p.namespace_.empty() && p.namespace_ != "default";
    pods.push_back(Json::object({{"n", elsewhere ? p.namespace_ + "/" + p.name : p.name},
                                 {"w", elsewhere ? p.namespace_ + "/" + p.workload : p.workload},
                                 {"o", p.node},
                                 {"z", p.zone},
                                 {"r", p.restarts},
                                 {"s", std::move(segments)}}));
  }
  page.set("nodeStates", names_until(NodeState::kGone));
  page.set("podStates", names_until(PodState::kFailed));
  page.set("nodes", std::move(nodes));
  page.set("pods", std::move(pods));
}

std::string page_data(const RunReport& r) {
  Json page = Json::object({{"meta", meta_of(r.meta)},
                            {"expectations", expectations_of(r)},
                            {"focusService", r.focus_service},
                            {"marks", marks_of(r)},
                            {"story", story_of(r)}});
  Json numbers = Json::array();
  for (const KeyNumber& n : r.numbers) {
    numbers.push_back(Json::object({{"label", n.label},
                                    {"value", Json(n.value)},
                                    {"unit", n.unit},
                                    {"detail", n.detail},
                                    {"tone", name_of(n.tone)}}));
  }
  Json hints = Json::array();
  for (const Hint& x : r.hints) {
    hints.push_back(Json::object({{"text", x.text}, {"command", x.command}}));
  }
  Json tables = Json::array();
  for (const ReportTable& t : r.tables) {
    Json columns = Json::array();
    for (const std::string& c : t.columns) columns.push_back(c);
    Json rows = Json::array();
    for (const std::vector<std::string>& row : t.rows) {
      Json cells = Json::array();
      for (const std::string& c : row) cells.push_back(c);
      rows.push_back(std::move(cells));
    }
    tables.push_back(Json::object(
        {{"title", t.title}, {"columns", std::move(columns)}, {"rows", std::move(rows)}}));
  }
  Json notes = Json::array();
  for (const std::string& n : r.notes) notes.push_back(n);
  page.set("numbers", std::move(numbers));
  page.set("hints", std::move(hints));
  page.set("tables", std::move(tables));
  page.set("notes", std::move(notes));
  set_series(page, r);
  set_lanes(page, r);

  // Inside a script element only "</script" and "<!--" mean anything, and in JSON a "<" stands in
  // strings only, where it may be written as an escape.
  const std::string json = api::to_json(page);
  std::string out;
  out.reserve(json.size());
  for (const char c : json) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string render_html(const RunReport& report) {
  const std::string page = asset("report.html");
  std::string out;
  size_t at = 0;
  while (true) {
    const size_t open = page.find("{{", at);
    const size_t close = open == std::string::npos ? open : page.find("}}", open);
    if (close == std::string::npos) break;
    out.append(page, at, open - at);
    const std::string name = page.substr(open + 2, close - open - 2);
    if (name == "TITLE") {
      out +=
          escape_html((passed(report) ? "" : "Failed: ") + report.meta.scenario + " – Mainspring");
    } else if (name == "DATA") {
      out += page_data(report);
    } else if (name == "UPLOT_CSS") {
      out += asset("uPlot.min.css");
    } else if (name == "UPLOT_JS") {
      out += asset("uPlot.iife.min.js");
    } else if (name == "CSS") {
      out += asset("report.css");
    } else if (name == "JS") {
      out += asset("report.js");
    }
    at = close + 2;
  }
  out.append(page, at, std::string::npos);
  return out;
}

bool write_html(const RunReport& report, const std::string& path) {
  return write_file(path, render_html(report));
}

}  // namespace mainspring::scenarios
