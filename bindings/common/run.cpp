#include "bindings/common/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "scenarios/analysis.h"
#include "scenarios/history.h"
#include "scenarios/simulation.h"

namespace mainspring::bindings {

namespace {

// Wall time between two calls of the observer: an interrupt feels immediate, and the clock costs
// nothing.
constexpr double kSliceSeconds = 0.02;

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// Whether the run came to its end, or to the time that the settings name. Slices are of virtual
// time and grow or shrink with what they cost.
bool run_in_slices(scenarios::Simulation& simulation, const RunSettings& settings,
                   const Stopwatch& watch, Observer& observer) {
  sim::SimTime end = simulation.end();
  if (settings.until) end = std::min(end, sim::SimTime() + *settings.until);
  sim::Duration slice = sim::Duration::seconds(1);
  double before = watch.seconds();
  sim::SimTime now;
  while (now < end) {
    now = std::min(now + slice, end);
    const bool done = simulation.run_until(now);
    const double after = watch.seconds();
    const bool go_on = observer.go_on(
        {simulation.world().now(), end, simulation.world().events_executed(), after});
    if (done) return true;
    if (!go_on) return now >= end;
    if (after - before < kSliceSeconds / 2) slice = std::min(slice * 2, sim::Duration::hours(6));
    if (after - before > kSliceSeconds) slice = std::max(slice / 2, sim::Duration::millis(10));
    before = after;
  }
  return true;
}

// Only what a shell takes as it is stays without quotes.
std::string shell_word(const std::string& word) {
  const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
           c == '.' || c == '_' || c == '-' || c == '=' || c == ':' || c == ',' || c == '+' ||
           c == '%' || c == '@';
  });
  if (plain) return word;
  std::string out = "'";
  for (const char c : word) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

sim::JournalHeader header_of(const scenarios::LoadedScenario& scenario, uint64_t seed) {
  sim::JournalHeader header;
  header.version = MAINSPRING_VERSION;
  header.seed = seed;
  header.scenario = scenario.spec.metadata.name.str();
  header.scenario_hash = scenario.hash;
  header.attributes.emplace_back(std::string(scenarios::kEpochAttribute),
                                 std::to_string(scenario.epoch_unix_ns));
  return header;
}

}  // namespace

std::string reproduce_command(const std::string& file, uint64_t seed, const Overrides& overrides) {
  std::string out = fmt::format("mainspring run {} --seed {}", shell_word(file), seed);
  for (const auto& [path, value] : overrides) out += " --set " + shell_word(path + "=" + value);
  return out;
}

FinishedRun run_scenario(const scenarios::LoadedScenario& scenario, const RunSettings& settings,
                         Observer& observer) {
  const Stopwatch watch;
  FinishedRun run;
  run.file = scenario.file;
  run.overrides = settings.overrides;
  scenarios::RunOptions options;
  options.seed = settings.seed;
  scenarios::Simulation simulation(scenario, options);
  simulation.world().journal().set_header(header_of(scenario, simulation.seed()));

  run.interrupted = !run_in_slices(simulation, settings, watch, observer);
  const sim::World& world = simulation.world();
  run.seed = simulation.seed();
  run.horizon = simulation.end().since_start();
  run.ended = world.now().since_start();
  run.digest = world.journal().digest_hex();

  scenarios::AnalysisOptions analysis;
  analysis.version = MAINSPRING_VERSION;
  analysis.reproduce = reproduce_command(scenario.file, run.seed, settings.overrides);
  analysis.seed = run.seed;
  analysis.events = world.events_executed();
  analysis.ended_seconds = run.ended.to_seconds();
  analysis.interrupted = run.interrupted;
  analysis.wall_seconds = watch.seconds();
  scenarios::AnalysisResult result =
      scenarios::analyse(scenario, sim::JournalReader(world.journal()), analysis);
  run.report = std::move(result.report);
  run.series = std::move(result.series);
  run.journal = std::move(simulation.world().journal());
  return run;
}

PlacementRun explain_placement(const scenarios::LoadedScenario& scenario,
                               const RunSettings& settings, const std::string& pod,
                               Observer& observer) {
  const Stopwatch watch;
  scenarios::RunOptions options;
  options.seed = settings.seed;
  options.keep_journal = false;
  scenarios::Simulation simulation(scenario, options);
  scenarios::PlacementObserver placement(simulation.world(), simulation.scheduler(), pod);
  simulation.scheduler().observe(&placement);
  PlacementRun run;
  run.interrupted = !run_in_slices(simulation, settings, watch, observer);
  run.digest = simulation.world().journal().digest_hex();
  run.placement = placement.placement();
  if (run.placement.attempts.empty()) {
    run.why_not_tried =
        scenarios::why_not_tried(simulation.api_server().store(), simulation.scheduler(), pod);
  }
  return run;
}

}  // namespace mainspring::bindings
