// The results of a run, computed from its journal: series, marks, lanes of nodes and pods, what
// happened and why, and whether the expectations held.
//
// Deterministic: everything but what AnalysisOptions passes through is a function of the journal
// and the scenario. Times are seconds of virtual time since the start.
// Limits: at most kMaxPodLanes pod lanes, troubled ones first; what is left out is in the notes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/analysis_facts.h"
#include "scenarios/loader.h"
#include "scenarios/report/run_report.h"
#include "sim/journal.h"

namespace mainspring::scenarios {

inline constexpr size_t kMaxPodLanes = 2000;

struct AnalysisOptions {
  std::string version;
  std::string reproduce;  // the command line that gives the same run
  uint64_t seed = 0;
  uint64_t events = 0;       // executed
  double ended_seconds = 0;  // virtual time reached; the last record's if that is later
  bool interrupted = false;
  double wall_seconds = 0;
};

struct AnalysisResult {
  RunReport report;            // its series are thinned out for display
  std::vector<Series> series;  // with every point
  Facts facts;
};

AnalysisResult analyse(const LoadedScenario& scenario, sim::JournalReader journal,
                       const AnalysisOptions& options);

// All series of the facts: run_report.h's metrics and "memory_used" (GiB).
std::vector<Series> make_series(const Facts& facts);
// The label (analysis_facts.h) of a service or workload that the scenario names, NAME or
// NAMESPACE/NAME.
std::string label_in(const spec::ScenarioFile& scenario, std::string_view name);

}  // namespace mainspring::scenarios
