#include <cmath>

#include "models/api/json.h"
#include "scenarios/report/text.h"
#include "scenarios/report/writers.h"

namespace mainspring::scenarios {
namespace {

using api::Json;

void set_if(Json& to, const char* key, const std::optional<double>& value) {
  if (value && std::isfinite(*value)) to.set(key, *value);
}

void set_if(Json& to, const char* key, const std::string& value) {
  if (!value.empty()) to.set(key, value);
}

Json to_json(const ReportMeta& m) {
  return Json::object({{"description", m.description},
                       {"digest", m.digest},
                       {"endedSeconds", m.ended_seconds},
                       {"epochUnixSeconds", m.epoch_unix_seconds},
                       {"events", m.events},
                       {"file", m.file},
                       {"horizonSeconds", m.horizon_seconds},
                       {"interrupted", m.interrupted},
                       {"name", m.scenario},
                       {"reproduce", m.reproduce},
                       // Text, as readers of JSON may hold numbers as doubles.
                       {"seed", std::to_string(m.seed)},
                       {"version", m.version}});
}

Json to_json(const ExpectationResult& e) {
  Json out = Json::object({{"name", e.name},
                           {"outcome", name_of(e.outcome)},
                           {"op", e.op},
                           {"bound", e.bound},
                           {"unit", e.unit}});
  set_if(out, "measured", e.measured);
  set_if(out, "explanation", e.explanation);
  set_if(out, "firstViolatedSeconds", e.t_seconds);
  return out;
}

Json to_json(const KeyNumber& n) {
  Json out = Json::object({{"label", n.label}, {"value", n.value}, {"unit", n.unit}});
  set_if(out, "detail", n.detail);
  return out;
}

Json to_json(const Mark& m) {
  Json out = Json::object(
      {{"id", m.id}, {"kind", name_of(m.kind)}, {"timeSeconds", m.t_seconds}, {"title", m.title}});
  set_if(out, "endSeconds", m.end_seconds);
  set_if(out, "detail", m.detail);
  set_if(out, "object", m.object);
  return out;
}

Json to_json(const Reason& r) {
  Json out = Json::object({{"text", r.text}});
  set_if(out, "timeSeconds", r.t_seconds);
  set_if(out, "mark", r.mark);
  set_if(out, "object", r.object);
  return out;
}

Json to_json(const StoryEntry& s);
Json to_json(const Hint& x);
Json to_json(const Series& s);
Json to_json(const NodeLane& n);
Json to_json(const PodLane& p);
Json to_json(const ReportTable& t);

template <class T>
Json to_json(const std::vector<T>& items) {
  Json out = Json::array();
  for (const T& x : items) {
    if constexpr (std::is_same_v<T, double> || std::is_same_v<T, std::string>) {
      out.push_back(x);
    } else {
      out.push_back(to_json(x));
    }
  }
  return out;
}

Json to_json(const StoryEntry& s) {
  Json out = Json::object({{"timeSeconds", s.t_seconds},
                           {"severity", name_of(s.severity)},
                           {"text", s.text},
                           {"because", to_json(s.because)}});
  set_if(out, "endSeconds", s.end_seconds);
  return out;
}

Json to_json(const Hint& x) {
  Json out = Json::object({{"text", x.text}});
  set_if(out, "command", x.command);
  return out;
}

Json to_json(const Series& s) {
  Json labels = Json::object();
  for (const auto& [key, value] : s.labels) labels.set(key, value);
  return Json::object({{"metric", s.metric},
                       {"unit", s.unit},
                       {"kind", name_of(s.kind)},
                       {"labels", std::move(labels)},
                       {"timesSeconds", to_json(s.t_seconds)},
                       {"values", to_json(s.value)}});
}

template <class Segment>
Json segments_of(const std::vector<Segment>& segments) {
  Json out = Json::array();
  for (const Segment& s : segments) {
    Json x = Json::object({{"startSeconds", s.start_seconds},
                           {"endSeconds", s.end_seconds},
                           {"state", name_of(s.state)}});
    if constexpr (std::is_same_v<Segment, PodSegment>) set_if(x, "reason", s.reason);
    out.push_back(std::move(x));
  }
  return out;
}

Json to_json(const NodeLane& n) {
  return Json::object({{"name", n.name},
                       {"zone", n.zone},
                       {"pool", n.pool},
                       {"instanceType", n.instance_type},
                       {"segments", segments_of(n.segments)}});
}

Json to_json(const PodLane& p) {
  return Json::object({{"namespace", p.namespace_},
                       {"name", p.name},
                       {"workload", p.workload},
                       {"node", p.node},
                       {"zone", p.zone},
                       {"restarts", p.restarts},
                       {"segments", segments_of(p.segments)}});
}

Json to_json(const ReportTable& t) {
  Json rows = Json::array();
  for (const std::vector<std::string>& row : t.rows) rows.push_back(to_json(row));
  return Json::object(
      {{"title", t.title}, {"columns", to_json(t.columns)}, {"rows", std::move(rows)}});
}

std::string_view verdict_of(const RunReport& r) {
  if (!passed(r)) return "failed";
  return r.meta.interrupted ? "interrupted" : "passed";
}

}  // namespace

std::string render_results_json(const RunReport& r) {
  const Json all = Json::object({{"apiVersion", "mainspring.dev/v1"},
                                 {"expectations", to_json(r.expectations)},
                                 {"hints", to_json(r.hints)},
                                 {"kind", "RunResults"},
                                 {"marks", to_json(r.marks)},
                                 {"metadata", to_json(r.meta)},
                                 {"nodes", to_json(r.nodes)},
                                 {"notes", to_json(r.notes)},
                                 {"numbers", to_json(r.numbers)},
                                 {"pods", to_json(r.pods)},
                                 {"series", to_json(r.series)},
                                 {"story", to_json(r.story)},
                                 {"tables", to_json(r.tables)},
                                 {"verdict", verdict_of(r)}});
  // One line per element of a list: short enough to page through, and a diff shows what changed.
  std::string out = "{\n";
  bool first = true;
  for (const Json::Member& member : all.members()) {
    if (!first) out += ",\n";
    first = false;
    out += "  " + api::to_json(Json(member.key)) + ": ";
    if (!member.value.is_array() || member.value.empty()) {
      out += api::to_sorted_json(member.value);
      continue;
    }
    const char* separator = "[\n";
    for (const Json& item : member.value.items()) {
      out += separator;
      out += "    " + api::to_sorted_json(item);
      separator = ",\n";
    }
    out += "\n  ]";
  }
  return out + "\n}\n";
}

bool write_results_json(const RunReport& report, const std::string& path) {
  return write_file(path, render_results_json(report));
}

}  // namespace mainspring::scenarios
