// One run from a loaded scenario to its report, for the command line and for Python: runs in
// slices, tells an observer how it goes, and can be stopped between slices. The slices do not move
// a bit of the result.
//
// Throws sim::InvariantBroken when the simulator itself is at fault.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scenarios/loader.h"
#include "scenarios/placement.h"
#include "scenarios/report/run_report.h"
#include "sim/journal.h"
#include "sim/time.h"

namespace mainspring::bindings {

using Overrides = std::vector<std::pair<std::string, std::string>>;

struct Progress {
  sim::SimTime now;
  sim::SimTime end;
  uint64_t events = 0;      // executed so far
  double wall_seconds = 0;  // since the start
};

class Observer {
 public:
  virtual ~Observer() = default;
  // Called every 20 ms or so of wall time. False stops the run.
  virtual bool go_on(const Progress& progress) = 0;
};

struct RunSettings {
  std::optional<uint64_t> seed;        // instead of the scenario's
  std::optional<sim::Duration> until;  // ends before the horizon
  Overrides overrides;                 // for the command line that reproduces the run
};

struct FinishedRun {
  std::string file;  // the scenario's, as given
  Overrides overrides;
  sim::Journal journal;
  scenarios::RunReport report;
  std::vector<scenarios::Series> series;  // with every point; the report's are thinned out
  sim::Duration horizon;
  sim::Duration ended;
  std::string digest;
  uint64_t seed = 0;
  bool interrupted = false;
};

FinishedRun run_scenario(const scenarios::LoadedScenario& scenario, const RunSettings& settings,
                         Observer& observer);

struct PlacementRun {
  scenarios::Placement placement;
  std::string why_not_tried;  // of a pod without attempts
  std::string digest;
  bool interrupted = false;
};

// Runs the scenario and collects the attempts to schedule a pod ("namespace/name").
PlacementRun explain_placement(const scenarios::LoadedScenario& scenario,
                               const RunSettings& settings, const std::string& pod,
                               Observer& observer);

// "mainspring run FILE --seed N --set a=b", quoted for a shell.
std::string reproduce_command(const std::string& file, uint64_t seed, const Overrides& overrides);

}  // namespace mainspring::bindings
