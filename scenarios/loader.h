// From files to a scenario that can be run: reads the scenario file, the manifests it names and the
// files of its kubectl steps, and finds everything that is wrong with them before the run starts:
// also the objects of the manifests that the API server would not take.
//
// Input: YAML or JSON, apiVersion mainspring.dev/v1, kind Scenario (schema/scenario.schema). Paths
// are relative to the scenario file; globs (*, ?, **) are expanded in byte order.
// Errors: all at once in Diagnostics, each with its place and path.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/api/diagnostics.h"
#include "models/api/object.h"
#include "models/scheduler/scheduler.h"
#include "scenarios/kubectl/command.h"
#include "scenarios/types/scenario.h"
#include "sim/time.h"

namespace mainspring::scenarios {

struct TimelineEntry {
  sim::Duration at;
  KubectlCommand command;
  bool background = false;
};

struct LoadedScenario {
  std::string file;  // as given
  spec::ScenarioFile spec;
  std::string hash;  // of everything that was read, 16 hexadecimal digits
  sim::Duration horizon;
  int64_t epoch_unix_ns = 0;
  // The manifests' objects in order, not yet defaulted.
  std::vector<api::ObjectRef> objects;
  std::vector<api::Position> places;    // of the objects, one for one
  std::vector<TimelineEntry> timeline;  // ascending in time
  scheduler::SchedulerOptions scheduler;
  // What the simulator keeps but does not act on, a sentence each.
  std::vector<std::string> notes;
};

// `overrides`: (path, value) of --set, such as ("cluster.nodePools[0].count", "5"); the value is
// read as YAML. The result can be used if `diagnostics` has no errors.
LoadedScenario load_scenario(const std::string& path,
                             const std::vector<std::pair<std::string, std::string>>& overrides,
                             api::Diagnostics& diagnostics);

// Reads manifests as `mainspring validate` does: decode, defaults, validation. Appends the objects
// and, where asked for, the place of each.
void load_manifest(const std::string& path, api::Diagnostics& diagnostics,
                   std::vector<api::ObjectRef>& objects,
                   std::vector<api::Position>* places = nullptr);
// Reads a KubeSchedulerConfiguration as a scenario that names it does, with Kubernetes' plugins.
void load_scheduler_configuration(const std::string& path, api::Diagnostics& diagnostics);
// "kept, not simulated: ServiceMonitor (3), NetworkPolicy (1)", and fields of devices that nothing
// acts on; or nothing.
std::vector<std::string> notes_on_kept_parts(const std::vector<api::ObjectRef>& objects);

// The files that a path or glob names, in byte order; empty if there are none.
std::vector<std::string> expand_glob(const std::string& pattern);
// False, with nothing in `text`, when the file cannot be read.
bool read_file(const std::string& path, std::string& text);
// Why it cannot be read: "no such file", "is a folder", ...
std::string why_unreadable(const std::string& path);

// The JSON Schema (draft 2020-12) of the scenario file.
api::Json scenario_json_schema();

}  // namespace mainspring::scenarios
