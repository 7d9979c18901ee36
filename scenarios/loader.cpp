#include "scenarios/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "models/api/codec.h"
#include "models/api/compare.h"
#include "models/api/defaulting.h"
#include "models/api/time_text.h"
#include "models/api/validation.h"
#include "models/api/yaml.h"
#include "models/traffic/options.h"
#include "scenarios/convert.h"
#include "scenarios/trace_file.h"
#include "scenarios/units.h"
#include "sim/hash.h"

namespace mainspring::scenarios {

namespace fs = std::filesystem;
using api::Diagnostics;
using api::Json;

namespace {

constexpr uintmax_t kMaxFileBytes = uintmax_t{256} << 20;

bool glob_match(std::string_view pattern, std::string_view name) {
  size_t p = 0, n = 0, star = std::string_view::npos, mark = 0;
  while (n < name.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool is_manifest(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

// One step of a glob: the entries of `folders` that match `part`.
std::vector<fs::path> descend(const std::vector<fs::path>& folders, const std::string& part) {
  std::vector<fs::path> out;
  std::error_code error;
  for (const fs::path& folder : folders) {
    if (part == "**") {
      out.push_back(folder);
      for (fs::recursive_directory_iterator i(folder, error), end; !error && i != end;
           i.increment(error)) {
        if (i->is_directory(error)) out.push_back(i->path());
      }
    } else if (part.find_first_of("*?") == std::string::npos) {
      if (fs::exists(folder / part, error)) out.push_back(folder / part);
    } else {
      for (fs::directory_iterator i(folder, error), end; !error && i != end; i.increment(error)) {
        if (glob_match(part, i->path().filename().string())) out.push_back(i->path());
      }
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

// Checks values that the schema only knows as text, each with the place it stands at.
class Checker {
 public:
  Checker(Diagnostics& diagnostics, std::string prefix)
      : diagnostics_(diagnostics), prefix_(std::move(prefix)) {}

  void at(const Json& tree, std::string path) {
    tree_ = &tree;
    path_ = std::move(path);
  }
  template <class Parse>
  void parsed(std::string_view field, std::string_view text, std::string_view expected,
              Parse parse) {
    if (text.empty() || parse(text)) return;
    bad(field, fmt::format("expected {}, got \"{}\"", expected, text));
  }
  void duration(std::string_view field, std::string_view text) {
    parsed(field, text, "a duration such as 90s or 1h30m",
           [](std::string_view t) { return parse_duration(t).has_value(); });
  }
  void probability(std::string_view field, std::string_view text) {
    parsed(field, text, "a probability such as 30%, 3/10 or 0.3",
           [](std::string_view t) { return parse_probability(t).has_value(); });
  }
  void number(std::string_view field, std::string_view text) {
    parsed(field, text, "a number of at least 0",
           [](std::string_view t) { return parse_number(t).has_value(); });
  }
  void distribution(std::string_view field, std::string_view text) {
    sim::Distribution d;
    const std::string problem = sim::parse_distribution(text, d);
    if (!problem.empty()) bad(field, problem);
  }
  void bad(std::string_view field, std::string message) {
    const Json* value = tree_->find(field);
    diagnostics_.error(value ? value->position() : tree_->position(),
                       fmt::format("{} {}{}{}", prefix_, path_, path_.empty() ? "" : ".", field),
                       std::move(message));
  }

 private:
  Diagnostics& diagnostics_;
  std::string prefix_;
  const Json* tree_ = nullptr;
  std::string path_;
};

std::string indexed(std::string_view list, size_t i) { return fmt::format("{}[{}]", list, i); }

void check_cluster(const spec::ScenarioFile& s, const Json& tree, Checker& check) {
  const Json& cluster = tree["cluster"];
  std::set<std::string> names;
  size_t i = 0;
  for (const spec::NodePoolSpec& pool : s.cluster.node_pools) {
    check.at(cluster["nodePools"][i], "cluster." + indexed("nodePools", i));
    ++i;
    check.distribution("bootTime", pool.boot_time);
    check.number("pricePerHour", pool.price_per_hour);
    if (!names.insert(pool.name.str()).second) check.bad("name", "another pool has this name");
    const auto positive = [&](std::string_view field, const api::Quantity& q) {
      if (q.value() < 0) check.bad(field, "must be greater than 0");
    };
    positive("cpu", pool.cpu);
    positive("memory", pool.memory);
    positive("disk", pool.disk);
  }
  check.at(cluster, "cluster");
  if (s.cluster.node_pools.empty()) check.bad("nodePools", "expected at least one pool of nodes");
  check.parsed("registryBandwidth", s.cluster.registry_bandwidth,
               "bytes per second such as 100MB/s",
               [](std::string_view t) { return parse_bandwidth(t).has_value(); });
  if (s.cluster.control_plane) {
    const spec::ControlPlaneSpec& c = *s.cluster.control_plane;
    check.at(cluster["controlPlane"], "cluster.controlPlane");
    check.duration("requestLatency", c.request_latency);
    check.duration("watchLatency", c.watch_latency);
    check.duration("latencyJitter", c.latency_jitter);
    check.duration("nodeMonitorGracePeriod", c.node_monitor_grace_period);
    check.duration("podEvictionTimeout", c.pod_eviction_timeout);
    check.duration("hpaSyncPeriod", c.hpa_sync_period);
    check.duration("hpaDownscaleStabilization", c.hpa_downscale_stabilization);
  }
}

void check_behaviors(const spec::ScenarioFile& s, const Json& tree, Checker& check) {
  size_t i = 0;
  for (const spec::AppSpec& app : s.apps) {
    check.at(tree["apps"][i], indexed("apps", i));
    ++i;
    check.distribution("startup", app.startup);
    check.distribution("warmup", app.warmup);
    check.distribution("crashAfter", app.crash_after);
    check.distribution("shutdown", app.shutdown);
    if (!app.run_for.empty()) check.distribution("runFor", app.run_for);
    check.probability("crashProbability", app.crash_probability);
  }
  i = 0;
  for (const spec::ServiceBehavior& service : s.services) {
    const std::string path = indexed("services", i);
    const Json& own = tree["services"][i];
    ++i;
    check.at(own, path);
    check.distribution("cpu", service.cpu);
    check.distribution("latency", service.latency);
    check.probability("errorRate", service.error_rate);
    size_t k = 0;
    for (const spec::CallSpec& call : service.calls) {
      check.at(own["calls"][k], path + "." + indexed("calls", k));
      ++k;
      check.probability("probability", call.probability);
      check.duration("timeout", call.timeout);
    }
  }
}

void check_trace(const spec::TrafficSpec& t, const fs::path& folder, Checker& check) {
  if (t.file.empty()) {
    check.bad("file", "expected a CSV file");
    return;
  }
  const std::string path = (folder / t.file.str()).string();
  std::string text, error;
  std::vector<traffic::RatePoint> rows;
  if (!read_file(path, text)) {
    check.bad("file", fmt::format("{} cannot be read", path));
  } else if (!parse_rate_trace(text, t.column.str(), rows, error)) {
    check.bad("file", fmt::format("{}: {}", path, error));
  }
}

void check_traffic(const spec::ScenarioFile& s, const Json& tree, const fs::path& folder,
                   Checker& check) {
  size_t i = 0;
  for (const spec::TrafficSpec& t : s.traffic) {
    const std::string path = indexed("traffic", i);
    const Json& own = tree["traffic"][i];
    ++i;
    check.at(own, path);
    check.duration("timeout", t.timeout);
    check.number("rate", t.rate);
    check.number("peak", t.peak);
    check.number("scale", t.scale);
    check.duration("from", t.from);
    check.duration("until", t.until);
    check.duration("peakAt", t.peak_at);
    check.duration("peakFor", t.peak_for);
    check.duration("rampUp", t.ramp_up);
    check.duration("period", t.period);
    const bool by_rate = t.shape != "Ramp" && t.shape != "Trace";
    if (by_rate && t.rate.empty()) check.bad("rate", "expected requests per second");
    if (t.shape == "Ramp" && t.points.size() < 2)
      check.bad("points", "expected at least two points");
    if (t.shape == "Trace") check_trace(t, folder, check);
    if ((t.shape == "Spike" || t.shape == "Diurnal") && t.peak.empty()) {
      check.bad("peak", "expected requests per second");
    }
    size_t k = 0;
    for (const spec::ShapePoint& point : t.points) {
      check.at(own["points"][k], path + "." + indexed("points", k));
      ++k;
      check.duration("at", point.at);
      check.number("rate", point.rate);
    }
  }
}

void check_faults(const spec::ScenarioFile& s, const Json& tree, Checker& check) {
  std::set<std::string> zones, pools;
  std::vector<std::string_view> zone_names;
  for (const spec::NodePoolSpec& pool : s.cluster.node_pools) {
    pools.insert(pool.name.str());
    for (const api::Str& z : pool.zones) zones.insert(z.str());
  }
  if (zones.empty()) zones.insert("zone-a");
  for (const std::string& z : zones) zone_names.push_back(z);
  const auto known_zone = [&](const api::Str& zone) {
    if (zone.empty() || zones.contains(zone.str())) return;
    const std::string_view near = api::nearest(zone, zone_names);
    check.bad("zone", fmt::format("no pool has machines in zone \"{}\"{}", zone.view(),
                                  near.empty() ? "" : fmt::format(", did you mean \"{}\"?", near)));
  };
  size_t i = 0;
  for (const spec::FaultEntry& f : s.faults) {
    const std::string path = indexed("faults", i);
    const Json& own = tree["faults"][i];
    ++i;
    check.at(own, path);
    check.duration("at", f.at);
    const int kinds = f.container_crash.has_value() + f.node_crash.has_value() +
                      f.zone_outage.has_value() + f.traffic_spike.has_value();
    if (kinds != 1) {
      check.bad("at", "expected one of containerCrash, nodeCrash, zoneOutage, trafficSpike");
    }
    if (f.node_crash) {
      check.at(own["nodeCrash"], path + ".nodeCrash");
      check.duration("duration", f.node_crash->duration);
      known_zone(f.node_crash->zone);
      if (!f.node_crash->pool.empty() && !pools.contains(f.node_crash->pool.str())) {
        check.bad("pool", fmt::format("no pool is named \"{}\"", f.node_crash->pool.view()));
      }
    }
    if (f.zone_outage) {
      check.at(own["zoneOutage"], path + ".zoneOutage");
      check.duration("duration", f.zone_outage->duration);
      known_zone(f.zone_outage->zone);
    }
    if (f.traffic_spike) {
      check.at(own["trafficSpike"], path + ".trafficSpike");
      check.number("factor", f.traffic_spike->factor);
      check.duration("duration", f.traffic_spike->duration);
      check.duration("rampUp", f.traffic_spike->ramp_up);
      const bool found =
          f.traffic_spike->traffic.empty() ||
          std::any_of(s.traffic.begin(), s.traffic.end(), [&](const spec::TrafficSpec& t) {
            return t.name == f.traffic_spike->traffic;
          });
      if (!found) check.bad("traffic", "no traffic entry has this name");
    }
  }
}

void check_expectations(const spec::ScenarioFile& s, const Json& tree, Checker& check) {
  size_t i = 0;
  for (const spec::Expectation& e : s.expectations) {
    const std::string path = indexed("expectations", i);
    const Json& own = tree["expectations"][i];
    ++i;
    const auto window = [&](const api::Str& from, const api::Str& until) {
      check.duration("from", from);
      check.duration("until", until);
    };
    const int kinds = e.availability.has_value() + e.latency.has_value() +
                      e.pods_pending.has_value() + e.recovery.has_value() + e.cost.has_value() +
                      e.flapping.has_value() + e.series.has_value();
    check.at(own, path);
    if (kinds != 1) {
      check.bad("name",
                "expected one of availability, latency, podsPending, recovery, cost, flapping, "
                "series");
    }
    if (e.availability) {
      check.at(own["availability"], path + ".availability");
      check.probability("atLeast", e.availability->at_least);
      window(e.availability->from, e.availability->until);
    }
    if (e.latency) {
      check.at(own["latency"], path + ".latency");
      check.duration("atMost", e.latency->at_most);
      window(e.latency->from, e.latency->until);
      check.parsed("percentile", e.latency->percentile, "p50, p90, p95, p99 or p99.9",
                   [](std::string_view t) {
                     return t == "p50" || t == "p90" || t == "p95" || t == "p99" || t == "p99.9";
                   });
    }
    if (e.pods_pending) {
      check.at(own["podsPending"], path + ".podsPending");
      check.duration("longerThan", e.pods_pending->longer_than);
    }
    if (e.recovery) {
      check.at(own["recovery"], path + ".recovery");
      check.duration("within", e.recovery->within);
    }
    if (e.cost) {
      check.at(own["cost"], path + ".cost");
      check.number("atMost", e.cost->at_most);
    }
    if (e.series) {
      check.at(own["series"], path + ".series");
      check.number("value", e.series->value);
      window(e.series->from, e.series->until);
    }
  }
}

// Sets the value at "a.b[2].c", making mappings on the way.
bool set_path(Json& tree, std::string_view path, const Json& value) {
  if (path.empty()) {
    tree = value;
    return true;
  }
  if (path.front() == '.') path.remove_prefix(1);
  if (path.front() == '[') {
    const size_t close = path.find(']');
    size_t index = 0;
    if (close == std::string_view::npos) return false;
    const auto [end, error] = std::from_chars(path.data() + 1, path.data() + close, index);
    if (error != std::errc() || end != path.data() + close) return false;
    if (!tree.is_array() || index >= tree.size()) return false;
    return set_path(tree.edit_items()[index], path.substr(close + 1), value);
  }
  const size_t end = std::min(path.find_first_of(".["), path.size());
  if (end == 0) return false;
  if (tree.is_null()) tree = Json::object();
  if (!tree.is_object()) return false;
  const std::string_view key = path.substr(0, end);
  if (!tree.contains(key)) tree.set(key, Json());
  return set_path(tree.edit(key), path.substr(end), value);
}

// `tree`: what the objects from `from` on were decoded from. Messages name the place of the field,
// or that of the whole list if there are several.
void validate_objects(const std::vector<api::ObjectRef>& objects, size_t from, const Json& tree,
                      Diagnostics& diagnostics) {
  const bool single = objects.size() == from + 1;
  for (size_t i = from; i < objects.size(); ++i) {
    api::Ref<api::Object> copy = api::clone(*objects[i]);
    api::set_defaults(*copy);
    if (copy->metadata.namespace_.empty() && api::kind_info(*copy).namespaced) {
      copy->metadata.namespace_ = "default";
    }
    if (single) {
      api::validate(*copy, diagnostics, &tree);
      continue;
    }
    for (const api::FieldError& e : api::validate(*copy)) {
      diagnostics.error(tree.position(),
                        fmt::format("{}/{}", api::kind_name_of(*copy), copy->metadata.name.view()),
                        e.text());
    }
  }
}

}  // namespace

bool read_file(const std::string& path, std::string& text) {
  std::error_code error;
  if (fs::is_directory(path, error) || fs::file_size(path, error) > kMaxFileBytes) {
    if (!error) return false;
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) return false;
  text.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  return !file.bad();
}

std::vector<std::string> expand_glob(const std::string& pattern) {
  std::error_code error;
  if (fs::is_directory(pattern, error)) return expand_glob((fs::path(pattern) / "**/*").string());
  const fs::path path(pattern);
  std::vector<fs::path> found = {path.is_absolute() ? path.root_path() : fs::path("")};
  for (const fs::path& part : path.relative_path()) {
    if (found.size() == 1 && found.front().empty()) {
      const std::string text = part.string();
      if (text.find_first_of("*?") != std::string::npos) {
        found = descend({fs::path(".")}, text);
      } else {
        found = {part};
      }
    } else {
      found = descend(found, part.string());
    }
  }
  const bool wild = pattern.find_first_of("*?") != std::string::npos;
  std::vector<std::string> out;
  for (const fs::path& p : found) {
    if (fs::is_regular_file(p, error) && (!wild || is_manifest(p))) out.push_back(p.string());
  }
  return out;
}

void load_manifest(const std::string& path, Diagnostics& diagnostics,
                   std::vector<api::ObjectRef>& objects) {
  const uint16_t file = diagnostics.add_file(path);
  std::string text;
  if (!read_file(path, text)) {
    diagnostics.error(api::Position(file, 1, 1), "", "cannot be read");
    return;
  }
  for (const Json& document : api::read_documents(text, file, &diagnostics)) {
    const size_t from = objects.size();
    api::decode_all(document, diagnostics, &objects);
    validate_objects(objects, from, document, diagnostics);
  }
}

std::vector<std::string> notes_on_kept_kinds(const std::vector<api::ObjectRef>& objects) {
  std::map<std::string, int> kept;
  for (const api::ObjectRef& o : objects) {
    if (!api::kind_info(*o).simulated) ++kept[std::string(api::kind_name_of(*o))];
  }
  if (kept.empty()) return {};
  std::string text = "kept, not simulated: ";
  bool first = true;
  for (const auto& [kind, n] : kept) {
    text += fmt::format("{}{} ({})", first ? "" : ", ", kind, n);
    first = false;
  }
  return {text};
}

namespace {

// One scenario on its way from files to a LoadedScenario.
class ScenarioReader {
 public:
  ScenarioReader(const std::string& path, Diagnostics& diagnostics)
      : diagnostics_(diagnostics),
        folder_(fs::path(path).parent_path()),
        file_(diagnostics.add_file(path)) {
    loaded_.file = path;
  }

  LoadedScenario read(const std::vector<std::pair<std::string, std::string>>& overrides) {
    if (!read_tree()) return std::move(loaded_);
    override_fields(overrides);
    const std::string prefix = fmt::format("Scenario/{}", tree_["metadata"]["name"].as_view());
    spec::ScenarioFile& s = loaded_.spec;
    api::decode_struct(spec::ScenarioFile::kType, tree_, &s, diagnostics_, prefix);
    api::set_struct_defaults(spec::ScenarioFile::kType, &s);

    Checker check(diagnostics_, prefix);
    check.at(tree_, "");
    check.duration("horizon", s.horizon);
    check.parsed("epoch", s.epoch, "a time such as 2026-01-05T09:00:00Z",
                 [](std::string_view t) { return api::parse_time(t).has_value(); });
    check_cluster(s, tree_, check);
    check_behaviors(s, tree_, check);
    check_traffic(s, tree_, folder_, check);
    check_faults(s, tree_, check);
    check_expectations(s, tree_, check);
    read_manifests(prefix);
    read_timeline(check);
    finish(check);
    return std::move(loaded_);
  }

 private:
  void mix(uint64_t part) { hash_ = part ^ (hash_ * 0x9e3779b97f4a7c15ULL); }

  bool read_tree() {
    std::string text;
    if (!read_file(loaded_.file, text)) {
      diagnostics_.error(api::Position(file_, 1, 1), "", "cannot be read");
      return false;
    }
    hash_ = sim::hash64(text);
    const std::vector<Json> documents = api::read_documents(text, file_, &diagnostics_);
    if (documents.size() != 1) {
      if (diagnostics_.ok()) {
        diagnostics_.error(
            api::Position(file_, 1, 1), "",
            fmt::format("expected one Scenario, got {} documents", documents.size()));
      }
      return false;
    }
    tree_ = documents.front();
    const Json& version = tree_["apiVersion"];
    const Json& kind = tree_["kind"];
    if (version.as_view() == "mainspring.dev/v1" && kind.as_view() == "Scenario") return true;
    diagnostics_.error(
        tree_.position(), "",
        fmt::format("expected apiVersion mainspring.dev/v1, kind Scenario, got {} {}",
                    api::describe(version), api::describe(kind)));
    return false;
  }

  void override_fields(const std::vector<std::pair<std::string, std::string>>& overrides) {
    const uint16_t command_line = overrides.empty() ? file_ : diagnostics_.add_file("--set");
    for (const auto& [where, value] : overrides) {
      mix(sim::hash64(where + "=" + value));
      const std::vector<Json> values = api::read_documents(value, command_line, &diagnostics_);
      if (!set_path(tree_, where, values.empty() ? Json() : values.front())) {
        diagnostics_.error(api::Position(command_line, 1, 1), "",
                           fmt::format("{}: no such place in the scenario", where));
      }
    }
  }

  void read_manifests(const std::string& prefix) {
    const api::List<api::Str>& manifests = loaded_.spec.manifests;
    for (size_t i = 0; i < manifests.size(); ++i) {
      const std::string pattern = (folder_ / manifests[i].str()).string();
      const std::vector<std::string> files = expand_glob(pattern);
      if (files.empty()) {
        diagnostics_.error(tree_["manifests"][i].position(),
                           fmt::format("{} {}", prefix, indexed("manifests", i)),
                           fmt::format("no file matches {}", pattern));
      }
      for (const std::string& f : files) load_manifest(f, diagnostics_, loaded_.objects);
    }
    for (const api::ObjectRef& o : loaded_.objects) mix(api::hash64(*o));
  }

  void read_timeline(Checker& check) {
    size_t i = 0;
    for (const spec::TimelineStep& step : loaded_.spec.timeline) {
      check.at(tree_["timeline"][i], indexed("timeline", i));
      ++i;
      check.duration("at", step.at);
      std::string problem;
      std::optional<KubectlCommand> command = parse_kubectl(step.kubectl, problem);
      if (!command) {
        check.bad("kubectl", problem);
        continue;
      }
      for (const api::Str& name : step.files) {
        const std::vector<std::string> files = expand_glob((folder_ / name.str()).string());
        if (files.empty()) check.bad("files", fmt::format("no file matches {}", name.view()));
        for (const std::string& f : files) read_step_file(f, *command);
      }
      loaded_.timeline.push_back(
          {parse_duration(step.at).value_or(sim::Duration()), *command, step.background});
    }
    std::stable_sort(loaded_.timeline.begin(), loaded_.timeline.end(),
                     [](const TimelineEntry& a, const TimelineEntry& b) { return a.at < b.at; });
  }

  void read_step_file(const std::string& file, KubectlCommand& command) {
    std::string body;
    if (!read_file(file, body)) return;
    const uint16_t number = diagnostics_.add_file(file);
    for (const Json& document : api::read_documents(body, number, &diagnostics_)) {
      std::vector<api::ObjectRef> checked;
      api::decode_all(document, diagnostics_, &checked);
      validate_objects(checked, 0, document, diagnostics_);
      command.documents.push_back(document);
      for (const api::ObjectRef& o : checked) mix(api::hash64(*o));
    }
  }

  void finish(Checker& check) {
    loaded_.horizon = parse_duration(loaded_.spec.horizon).value_or(sim::Duration());
    if (loaded_.horizon <= sim::Duration() && diagnostics_.ok()) {
      check.at(tree_, "");
      check.bad("horizon", "must be longer than 0");
    }
    // What only the model can tell: calls in a circle, names used twice, times that go back.
    if (diagnostics_.ok()) {
      for (const std::string& problem : traffic::validate(convert_traffic(loaded_))) {
        diagnostics_.error(tree_.position(), "", problem);
      }
    }
    const std::optional<api::Time> epoch = api::parse_time(loaded_.spec.epoch);
    loaded_.epoch_unix_ns = epoch ? epoch->unix_ns() : 0;
    loaded_.notes = notes_on_kept_kinds(loaded_.objects);
    loaded_.hash = fmt::format("{:016x}", hash_);
  }

  Diagnostics& diagnostics_;
  fs::path folder_;
  uint16_t file_;
  Json tree_;
  uint64_t hash_ = 0;
  LoadedScenario loaded_;
};

}  // namespace

LoadedScenario load_scenario(const std::string& path,
                             const std::vector<std::pair<std::string, std::string>>& overrides,
                             Diagnostics& diagnostics) {
  return ScenarioReader(path, diagnostics).read(overrides);
}

}  // namespace mainspring::scenarios
