// Whether a run was as its scenario expects.
//
// Each expectation gives one result: the measured value, the bound, how it was measured, and where
// on the timeline it was first violated. One that cannot be measured (a service without requests,
// an unknown series) is kNotEvaluated with the reason, and fails the run as a violated one does.
//
// Windows [from, until) are of virtual time; an interval of statistics belongs to the window that
// its beginning lies in. Percentiles are of all answers of the window: the histograms of its
// intervals are merged, which is exact.
#pragma once

#include <vector>

#include "scenarios/analysis_facts.h"
#include "scenarios/report/run_report.h"
#include "scenarios/types/scenario.h"

namespace mainspring::scenarios {

// `series`: those that series expectations may name (analysis.h).
std::vector<ExpectationResult> evaluate_expectations(const spec::ScenarioFile& scenario,
                                                     const Facts& facts,
                                                     const std::vector<Series>& series);

}  // namespace mainspring::scenarios
