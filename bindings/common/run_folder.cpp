#include "bindings/common/run_folder.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "models/api/yaml.h"
#include "scenarios/report/text.h"
#include "scenarios/report/writers.h"

namespace mainspring::bindings {

namespace fs = std::filesystem;
using api::Json;

namespace {

constexpr const char* kJournal = "journal.mspj";
constexpr const char* kMetadata = "run.json";

// A file's path as seen from another folder. A link stays one: what it names is relative to it.
std::string move_path(const fs::path& file, const fs::path& from, const fs::path& to) {
  std::error_code error;
  const fs::path in = fs::proximate(fs::absolute(from / file).parent_path(), to, error);
  return (in / file.filename()).lexically_normal().string();
}

Json metadata(const FinishedRun& run, const std::string& folder) {
  Json set = Json::array();
  for (const auto& [path, value] : run.overrides) set.push_back(path + "=" + value);
  return Json::object()
      .set("apiVersion", "mainspring.dev/v1")
      .set("kind", "Run")
      .set("version", MAINSPRING_VERSION)
      .set("scenario", run.report.meta.scenario)
      .set("file", run.file)
      .set("path", move_path(run.file, "", folder))
      .set("seed", run.seed)
      .set("set", set)
      .set("digest", run.digest)
      .set("horizonNanoseconds", run.horizon.ns())
      .set("endedNanoseconds", run.ended.ns())
      .set("interrupted", run.interrupted)
      .set("passed", scenarios::passed(run.report))
      .set("reproduce", run.report.meta.reproduce);
}

}  // namespace

std::string make_run_folder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return fmt::format("{}: {}", folder, error.message());
  if (access(folder.c_str(), W_OK) != 0) {
    return fmt::format("{}: {}", folder, std::strerror(errno));
  }
  return {};
}

std::string save_run(const FinishedRun& run, const std::string& folder) {
  std::string problem = make_run_folder(folder);
  if (!problem.empty()) return problem;
  const auto in = [&](const char* name) { return (fs::path(folder) / name).string(); };

  problem = run.journal.save(in(kJournal));
  if (!problem.empty()) return problem;
  const auto written = [&](bool ok, const char* name) {
    if (!ok && problem.empty()) problem = fmt::format("{}: {}", in(name), std::strerror(errno));
  };
  written(scenarios::write_html(run.report, in("report.html")), "report.html");
  written(scenarios::write_results_json(run.report, in("results.json")), "results.json");
  written(scenarios::write_junit_xml(run.report, in("junit.xml")), "junit.xml");
  std::string scenario;
  if (scenarios::read_file(run.file, scenario)) {
    written(scenarios::write_file(in("scenario.yaml"), scenario), "scenario.yaml");
  }
  written(scenarios::write_file(in(kMetadata), api::to_pretty_json(metadata(run, folder)) + "\n"),
          kMetadata);
  return problem;
}

RunFolder open_run_folder(const std::string& folder) {
  RunFolder out;
  out.journal_path = (fs::path(folder) / kJournal).string();
  const std::string path = (fs::path(folder) / kMetadata).string();
  std::string text;
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    out.problem = fmt::format("{}: no such folder; `mainspring run SCENARIO --out {}` makes it",
                              folder, folder);
  } else if (!fs::exists(out.journal_path, error) || !scenarios::read_file(path, text)) {
    out.problem = fmt::format(
        "{}: no recorded run here; `mainspring run SCENARIO --out {}` makes "
        "one",
        folder, folder);
  }
  if (!out.problem.empty()) return out;
  bool ok = false;
  const Json json = api::parse_json(text, &ok);
  if (!ok || !json["endedNanoseconds"].is_int()) {
    out.problem = fmt::format("{}: not what `mainspring run` writes", path);
  }
  out.ended = sim::Duration::nanos(json["endedNanoseconds"].as_int());
  // As given, if the two have moved apart.
  out.file = json["file"].as_view();
  const fs::path path_from_there(json["path"].as_view());
  if (!path_from_there.empty() && fs::exists(folder / path_from_there, error)) {
    out.file = move_path(path_from_there, folder, fs::current_path());
  }
  out.seed = static_cast<uint64_t>(json["seed"].as_int());
  out.digest = json["digest"].as_view();
  for (const Json& entry : json["set"].items()) {
    const std::string set(entry.as_view());
    const size_t equals = std::min(set.find('='), set.size());
    out.overrides.emplace_back(set.substr(0, equals), set.substr(std::min(equals + 1, set.size())));
  }
  return out;
}

}  // namespace mainspring::bindings
