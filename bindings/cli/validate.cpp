#include <fmt/format.h>

#include <map>

#include "bindings/cli/commands.h"
#include "models/api/json.h"
#include "models/api/yaml.h"
#include "scenarios/loader.h"

namespace mainspring::cli {

namespace {

using api::Json;

enum class Kind : uint8_t { kManifest, kScenario, kSchedulerConfiguration };

struct Checked {
  std::string file;
  Kind kind = Kind::kManifest;
  std::vector<api::ObjectRef> objects;
  std::vector<std::string> notes;
  api::Diagnostics diagnostics;
};

// Told by its apiVersion, whatever the file is called.
Kind kind_of(const std::string& path) {
  constexpr std::string_view kScenario = "mainspring.dev/";
  constexpr std::string_view kScheduler = "kubescheduler.config.k8s.io/";
  std::string text;
  if (!scenarios::read_file(path, text)) return Kind::kManifest;
  if (text.find(kScenario) == std::string::npos && text.find(kScheduler) == std::string::npos) {
    return Kind::kManifest;
  }
  api::Diagnostics ignored;
  for (const Json& d : api::read_documents(text, ignored.add_file(path), &ignored)) {
    const std::string_view version = d["apiVersion"].as_view();
    if (version.starts_with(kScenario)) return Kind::kScenario;
    if (version.starts_with(kScheduler)) return Kind::kSchedulerConfiguration;
  }
  return Kind::kManifest;
}

std::string_view name_of(Kind kind) {
  if (kind == Kind::kScenario) return "Scenario";
  return kind == Kind::kManifest ? "Manifest" : "KubeSchedulerConfiguration";
}

Checked check(const std::string& path, const Overrides& set) {
  Checked c;
  c.file = path;
  c.kind = kind_of(path);
  if (c.kind == Kind::kScenario) {
    scenarios::LoadedScenario loaded = scenarios::load_scenario(path, set, c.diagnostics);
    c.objects = std::move(loaded.objects);
    c.notes = std::move(loaded.notes);
  } else if (c.kind == Kind::kSchedulerConfiguration) {
    scenarios::load_scheduler_configuration(path, c.diagnostics);
  } else {
    scenarios::load_manifest(path, c.diagnostics, c.objects);
    c.notes = scenarios::notes_on_kept_parts(c.objects);
  }
  return c;
}

std::string counted(size_t n, std::string_view word) {
  return fmt::format("{} {}{}", n, word, n == 1 ? "" : "s");
}

std::string verdict(const Checked& c) {
  if (!c.diagnostics.ok()) return counted(c.diagnostics.errors(), "error");
  std::string out = fmt::format("ok, {}", counted(c.objects.size(), "object"));
  if (c.kind == Kind::kScenario) {
    out = "ok, a scenario with " + counted(c.objects.size(), "object");
  } else if (c.kind == Kind::kSchedulerConfiguration) {
    out = "ok, a scheduler configuration";
  }
  if (c.diagnostics.warnings() > 0) out += ", " + counted(c.diagnostics.warnings(), "warning");
  return out;
}

Json as_json(const std::vector<Checked>& files) {
  Json list = Json::array();
  size_t errors = 0, warnings = 0, objects = 0;
  for (const Checked& c : files) {
    std::map<std::string, int64_t> kinds;
    for (const api::ObjectRef& o : c.objects) ++kinds[std::string(api::kind_name_of(*o))];
    Json by_kind = Json::object();
    for (const auto& [kind, n] : kinds) by_kind.set(kind, n);
    Json notes = Json::array();
    for (const std::string& n : c.notes) notes.push_back(n);
    list.push_back(Json::object()
                       .set("file", c.file)
                       .set("kind", name_of(c.kind))
                       .set("valid", c.diagnostics.ok())
                       .set("errors", static_cast<int64_t>(c.diagnostics.errors()))
                       .set("warnings", static_cast<int64_t>(c.diagnostics.warnings()))
                       .set("objects", by_kind)
                       .set("notes", notes)
                       .set("diagnostics", c.diagnostics.to_json_value()));
    errors += c.diagnostics.errors();
    warnings += c.diagnostics.warnings();
    objects += c.objects.size();
  }
  return Json::object()
      .set("apiVersion", "mainspring.dev/v1")
      .set("kind", "ValidationReport")
      .set("valid", errors == 0)
      .set("errors", static_cast<int64_t>(errors))
      .set("warnings", static_cast<int64_t>(warnings))
      .set("objects", static_cast<int64_t>(objects))
      .set("files", list);
}

void print_table(const std::vector<Checked>& files, const Terminal& terminal, bool quiet) {
  size_t errors = 0, warnings = 0, objects = 0;
  std::vector<api::ObjectRef> all;
  for (const Checked& c : files) {
    print_diagnostics(terminal, c.diagnostics);
    errors += c.diagnostics.errors();
    warnings += c.diagnostics.warnings();
    objects += c.objects.size();
    all.insert(all.end(), c.objects.begin(), c.objects.end());
    if (!quiet) print_out(fmt::format("{}: {}\n", c.file, verdict(c)));
  }
  if (quiet) return;
  for (const std::string& n : scenarios::notes_on_kept_parts(all)) {
    print_err(fmt::format("note: {}\n", n));
  }
  print_err(fmt::format("{}, {}, {}, {}\n", counted(files.size(), "file"),
                        counted(objects, "object"), counted(errors, "error"),
                        counted(warnings, "warning")));
}

}  // namespace

int validate_command(const ValidateArguments& arguments, const Terminal& terminal) {
  std::vector<Checked> files;
  bool missing = false;
  for (const std::string& path : arguments.paths) {
    const std::vector<std::string> found = scenarios::expand_glob(path);
    if (found.empty()) {
      print_error(terminal, fmt::format("no file matches {}", path));
      missing = true;
    }
    for (const std::string& f : found) files.push_back(check(f, arguments.set));
  }
  if (arguments.output == Output::kJson) {
    print_out(api::to_pretty_json(as_json(files)) + "\n");
  } else if (arguments.output == Output::kYaml) {
    print_out(api::to_yaml(as_json(files), {.sorted = false}));
  } else {
    print_table(files, terminal, arguments.quiet);
  }
  bool good = !missing;
  for (const Checked& c : files) good = good && c.diagnostics.ok();
  return good ? kOk : kInvalidInput;
}

}  // namespace mainspring::cli
