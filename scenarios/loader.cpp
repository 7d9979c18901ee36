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
#include "models/scheduler/configuration.h"
#include "models/scheduler/plugin_library.h"
#include "models/traffic/options.h"
#include "scenarios/checks.h"
#include "scenarios/convert.h"
#include "scenarios/kubectl/kubectl_loop.h"
#include "scenarios/simulation.h"
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
  text.clear();
  std::ifstream file(path, std::ios::binary);
  // What is no regular file has no size, and maybe no end.
  char piece[1 << 16];
  while (file && text.size() <= kMaxFileBytes) {
    file.read(piece, sizeof piece);
    text.append(piece, static_cast<size_t>(file.gcount()));
  }
  if (file.eof() && !file.bad()) return true;
  text.clear();
  return false;
}

std::string why_unreadable(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return "no such file";
  if (fs::is_directory(path, error)) return "is a folder, expected a file";
  if (fs::file_size(path, error) > kMaxFileBytes && !error) {
    return fmt::format("is larger than {} MiB", kMaxFileBytes >> 20);
  }
  if (!fs::is_regular_file(path, error)) {
    return fmt::format("cannot be read, or is larger than {} MiB", kMaxFileBytes >> 20);
  }
  return "cannot be read";
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
                   std::vector<api::ObjectRef>& objects, std::vector<api::Position>* places) {
  const uint16_t file = diagnostics.add_file(path);
  std::string text;
  if (!read_file(path, text)) {
    diagnostics.error(api::Position(file, 0, 0), "", why_unreadable(path));
    return;
  }
  const size_t errors = diagnostics.errors();
  const std::vector<Json> documents = api::read_documents(text, file, &diagnostics);
  if (documents.empty() && diagnostics.errors() == errors) {
    diagnostics.error(api::Position(file, 1, 1), "", "expected an object, got an empty file");
  }
  for (const Json& document : documents) {
    const size_t from = objects.size();
    api::decode_all(document, diagnostics, &objects, places);
    validate_objects(objects, from, document, diagnostics);
  }
}

void load_scheduler_configuration(const std::string& path, Diagnostics& diagnostics) {
  const uint16_t file = diagnostics.add_file(path);
  std::string text;
  if (!read_file(path, text)) {
    diagnostics.error(api::Position(file, 0, 0), "", why_unreadable(path));
    return;
  }
  scheduler::Registry registry;
  scheduler::register_scheduler_plugins(registry);
  (void)scheduler::read_configuration(text, file, registry, diagnostics);
}

namespace {

// Fields of resource.k8s.io that stand for what is off by default in Kubernetes v1.35, where the
// API server drops them.
constexpr std::string_view kDeviceExtras[] = {"sharedCounters",
                                              "consumesCounters",
                                              "perDeviceNodeSelection",
                                              "allowMultipleAllocations",
                                              "requestPolicy",
                                              "distinctAttribute",
                                              "taints",
                                              "tolerations",
                                              "bindingConditions",
                                              "bindsToNode",
                                              "bindingFailureConditions",
                                              "extendedResourceName"};

void find_device_extras(const Json& tree, std::set<std::string>* found) {
  for (const Json& item : tree.items()) find_device_extras(item, found);
  for (const Json::Member& m : tree.members()) {
    const bool extra = std::find(std::begin(kDeviceExtras), std::end(kDeviceExtras),
                                 m.key.view()) != std::end(kDeviceExtras);
    // Of a device it is what it has; of a request, how much of it is wanted.
    const bool wanted = m.key == "capacity" && tree.contains("deviceClassName");
    if (extra || wanted) found->insert(m.key.str());
    // What drivers are told is theirs.
    if (m.key != "opaque") find_device_extras(m.value, found);
  }
}

}  // namespace

std::vector<std::string> notes_on_kept_parts(const std::vector<api::ObjectRef>& objects) {
  std::map<std::string, int> kept;
  std::set<std::string> extras;
  for (const api::ObjectRef& o : objects) {
    const api::KindInfo& info = api::kind_info(*o);
    if (!info.simulated) ++kept[std::string(api::kind_name_of(*o))];
    if (info.group == "resource.k8s.io") find_device_extras(api::encode(*o)["spec"], &extras);
  }
  std::vector<std::string> notes;
  std::string text;
  for (const auto& [kind, n] : kept) {
    text += fmt::format("{}{} ({})", text.empty() ? "kept, not simulated: " : ", ", kind, n);
  }
  if (!text.empty()) notes.push_back(std::move(text));
  if (!extras.empty()) {
    notes.push_back(fmt::format("kept, without effect on devices: {}", fmt::join(extras, ", ")));
  }
  return notes;
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
    api::decode_struct(spec::ScenarioFile::kType, tree_, &s, diagnostics_, prefix,
                       api::UnknownFields::kRefuse);
    api::set_struct_defaults(spec::ScenarioFile::kType, &s);
    api::validate_struct(spec::ScenarioFile::kType, &s, diagnostics_, tree_, prefix);

    Checker check(diagnostics_, prefix);
    check_scenario(s, tree_, folder_, check);
    const bool complete = read_manifests(prefix);
    read_scheduler_config(prefix);
    read_timeline(check);
    if (complete) check_names(loaded_, made_later_, tree_, check);
    finish(check);
    return std::move(loaded_);
  }

 private:
  void mix(uint64_t part) { hash_ = part ^ (hash_ * 0x9e3779b97f4a7c15ULL); }

  bool read_tree() {
    std::string text;
    if (!read_file(loaded_.file, text)) {
      diagnostics_.error(api::Position(file_, 0, 0), "", why_unreadable(loaded_.file));
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
      mix(sim::hash64(fmt::format("{}={}", where, value)));
      const std::vector<Json> values = api::read_documents(value, command_line, &diagnostics_);
      if (!set_path(tree_, where, values.empty() ? Json() : values.front())) {
        diagnostics_.error(api::Position(command_line, 1, 1), "",
                           fmt::format("{}: no such place in the scenario", where));
      }
    }
  }

  // Adds the plugins of shared libraries to those that a configuration may name.
  std::vector<scheduler::RegisterPlugins> load_plugin_libraries(const std::string& prefix,
                                                                scheduler::Registry* registry) {
    std::vector<scheduler::RegisterPlugins> out;
    const api::List<api::Str>& files = loaded_.spec.cluster.control_plane->scheduler_plugins;
    for (size_t i = 0; i < files.size(); ++i) {
      const std::string path = (folder_ / files[i].str()).string();
      std::string text, why;
      if (read_file(path, text)) mix(sim::hash64(text));
      const size_t known = registry->entries().size();
      if (const auto plugins = scheduler::load_plugins(path, &why)) {
        out.push_back(plugins);
        plugins(*registry);
      }
      for (size_t k = known; k < registry->entries().size() && why.empty(); ++k) {
        const std::string_view name = registry->entries()[k].name;
        if (registry->find(name) != static_cast<scheduler::PluginId>(k)) {
          why = fmt::format("a plugin named {} already exists", name);
        }
      }
      if (why.empty()) continue;
      const Json& here = tree_["cluster"]["controlPlane"]["schedulerPlugins"][i];
      diagnostics_.error(here.position(),
                         fmt::format("{} cluster.controlPlane.schedulerPlugins[{}]", prefix, i),
                         fmt::format("{} {}", path, why));
    }
    return out;
  }

  void read_scheduler_config(const std::string& prefix) {
    if (!loaded_.spec.cluster.control_plane) return;
    scheduler::Registry registry;
    scheduler::register_scheduler_plugins(registry);
    const auto libraries = load_plugin_libraries(prefix, &registry);
    loaded_.scheduler.libraries = libraries;
    const api::Str& name = loaded_.spec.cluster.control_plane->scheduler_config;
    if (name.empty()) return;
    const std::string path = (folder_ / name.str()).string();
    std::string text;
    if (!read_file(path, text)) {
      diagnostics_.error(tree_["cluster"]["controlPlane"]["schedulerConfig"].position(),
                         prefix + " cluster.controlPlane.schedulerConfig",
                         fmt::format("{}: {}", path, why_unreadable(path)));
      return;
    }
    mix(sim::hash64(text));
    const uint16_t file = diagnostics_.add_file(path);
    loaded_.scheduler = scheduler::read_configuration(text, file, registry, diagnostics_);
    loaded_.scheduler.libraries = libraries;
  }

  // False if an object may be missing for want of a file or for an error in one.
  bool read_manifests(const std::string& prefix) {
    const size_t errors = diagnostics_.errors();
    const api::List<api::Str>& manifests = loaded_.spec.manifests;
    for (size_t i = 0; i < manifests.size(); ++i) {
      const std::string pattern = (folder_ / manifests[i].str()).string();
      const std::vector<std::string> files = expand_glob(pattern);
      if (files.empty()) {
        diagnostics_.error(tree_["manifests"][i].position(),
                           fmt::format("{} {}", prefix, indexed("manifests", i)),
                           fmt::format("no file matches {}", pattern));
      }
      for (const std::string& f : files) {
        load_manifest(f, diagnostics_, loaded_.objects, &loaded_.places);
      }
    }
    for (const api::ObjectRef& o : loaded_.objects) mix(api::hash64(*o));
    return diagnostics_.errors() == errors;
  }

  void read_timeline(Checker& check) {
    size_t i = 0;
    for (const spec::TimelineStep& step : loaded_.spec.timeline) {
      check.at(tree_["timeline"][i], indexed("timeline", i));
      ++i;
      std::string problem;
      std::optional<KubectlCommand> command = parse_kubectl(step.kubectl, problem);
      if (!command) {
        check.bad("kubectl", problem);
        continue;
      }
      // `files`, or what -f names in the command itself.
      std::vector<std::string> names;
      for (const api::Str& name : step.files) names.push_back(name.str());
      const std::string named = command->flag("filename");
      const bool inline_file = names.empty() && !named.empty() && named != "-";
      if (inline_file) names.push_back(named);
      for (const std::string& name : names) {
        const std::vector<std::string> files = expand_glob((folder_ / name).string());
        if (files.empty()) {
          check.bad(inline_file ? "kubectl" : "files", fmt::format("no file matches {}", name));
        }
        for (const std::string& f : files) read_step_file(f, *command);
      }
      const bool needs_file = command->verb == "apply" || command->verb == "replace";
      if (needs_file && names.empty()) {
        check.bad("kubectl", fmt::format("kubectl {} needs -f FILE", command->verb));
      } else if (!make_kubectl_job(*command, problem)) {
        check.bad("kubectl", problem);
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
      for (const api::ObjectRef& o : checked) {
        mix(api::hash64(*o));
        const api::Ref<api::Object> placed = api::clone(*o);
        if (placed->metadata.namespace_.empty()) placed->metadata.namespace_ = command.ns;
        made_later_.push_back(placed);
      }
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
      for (const traffic::Problem& problem : traffic::validate(convert_traffic(loaded_))) {
        diagnostics_.error(api::place_of(tree_, problem.entry), problem.entry, problem.text);
      }
    }
    const std::optional<api::Time> epoch = api::parse_time(loaded_.spec.epoch);
    loaded_.epoch_unix_ns = epoch ? epoch->unix_ns() : 0;
    if (diagnostics_.ok()) check_start();
    loaded_.notes = notes_on_kept_parts(loaded_.objects);
    loaded_.hash = fmt::format("{:016x}", hash_);
  }

  // What only the API server can tell: namespaces, classes and quotas that others of the objects
  // make, or do not.
  void check_start() {
    for (const StartRefusal& r : refused_at_start(loaded_)) {
      const api::Object& o = *loaded_.objects[r.object];
      const std::string path = fmt::format("{}/{}", api::kind_name_of(o), o.metadata.name.view());
      if (r.of_the_cluster) {
        diagnostics_.warning(loaded_.places[r.object], path,
                             "a new cluster has it, and keeps its own");
      } else {
        const std::string_view way_out =
            r.no_namespace ? "; cluster.namespaces makes those that no manifest has" : "";
        diagnostics_.error(loaded_.places[r.object], path, fmt::format("{}{}", r.message, way_out));
      }
    }
  }

  Diagnostics& diagnostics_;
  fs::path folder_;
  uint16_t file_;
  Json tree_;
  uint64_t hash_ = 0;
  std::vector<api::ObjectRef> made_later_;  // what the timeline applies
  LoadedScenario loaded_;
};

}  // namespace

LoadedScenario load_scenario(const std::string& path,
                             const std::vector<std::pair<std::string, std::string>>& overrides,
                             Diagnostics& diagnostics) {
  return ScenarioReader(path, diagnostics).read(overrides);
}

}  // namespace mainspring::scenarios
