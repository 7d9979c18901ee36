// What happened in a run and why, in words, from the facts of its journal: the second half of an
// analysis.
//
// Causes are found, not guessed: a link of a chain is something that the journal has and that
// lies in time between the cause and what is explained. Where nothing was found, the text says so.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "scenarios/analysis_facts.h"
#include "scenarios/loader.h"
#include "scenarios/report/run_report.h"

namespace mainspring::scenarios {

// Ids of marks before they are numbered: "fault:0", "rescale:3", "action:1", "incident:2",
// "load:0", by position in the lists of Facts and loads_of().
std::string mark_id(std::string_view list, size_t position);

// Users send more for a while: a spike of the scenario's traffic or a fault.
struct Load {
  double begin = 0;
  double end = 0;
  std::string service;  // its label; empty: all that users send to
  std::string title;    // "traffic x10"
  std::string mark;
};
std::vector<Load> loads_of(const LoadedScenario& scenario, const Facts& facts);

// Requests of the services that users send to (`service` null), or of one.
struct RequestSum {
  uint64_t ok = 0;
  uint64_t failed = 0;
  double first_failure = 0;  // begin of the first interval with one
  double last_failure = 0;   // end of the last
  std::array<uint64_t, traffic::kFailureCount> why{};
};
RequestSum sum_requests(const Facts& facts, const ServiceFacts* service, double from, double until);
// Milliseconds; NaN if nothing was answered.
double percentile_ms(const ServiceFacts& service, double q, double from, double until);

// Entries in order of time. `focus` may be null.
std::vector<StoryEntry> tell_story(const LoadedScenario& scenario, const Facts& facts,
                                   const ServiceFacts* focus);

// "1m30s", "450ms".
std::string span_text(double seconds);
// "118 ms", "1.84 s".
std::string ms_text(double ms);
// What share `part` is of `whole`: "0.4 %", "12 %", "99.9 %"; "100 %" only for all of it.
std::string share_text(uint64_t part, uint64_t whole);
// "1 pod", "3 pods".
std::string count_text(uint64_t n, std::string_view noun);

}  // namespace mainspring::scenarios
