#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "bindings/cli/commands.h"
#include "bindings/cli/progress.h"
#include "bindings/common/run.h"
#include "bindings/common/run_folder.h"
#include "models/api/diagnostics.h"
#include "models/api/time_text.h"
#include "scenarios/placement.h"
#include "scenarios/tables.h"
#include "scenarios/units.h"
#include "sim/check.h"
#include "sim/journal.h"

namespace mainspring::cli {

namespace {

using scenarios::SchedulingAttempt;

constexpr size_t kMostRows = 12;
constexpr size_t kMostNames = 5;

std::string time_text(sim::SimTime at) { return scenarios::format_duration(at - sim::SimTime()); }

std::string indented(const std::string& text) {
  std::string out;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size());
    out += "  " + text.substr(at, end - at) + "\n";
    at = end + 1;
  }
  return out;
}

// "general-1, general-2 and 7 more"
std::string names(const std::vector<std::string>& all) {
  const size_t shown = all.size() <= kMostNames + 1 ? all.size() : kMostNames;
  std::string out;
  for (size_t i = 0; i < shown; ++i) out += (i ? ", " : "") + all[i];
  if (shown < all.size()) out += fmt::format(" and {} more", all.size() - shown);
  return out;
}

std::string rejected_nodes(const std::string& title,
                           const std::vector<SchedulingAttempt::Rejection>& rejections) {
  scenarios::ReportTable table;
  table.columns = {title, "PLUGIN", "REASON", "NODES"};
  for (const auto& r : rejections) {
    std::string reasons;
    for (const std::string& reason : r.reasons) reasons += (reasons.empty() ? "" : "; ") + reason;
    const bool all = r.nodes.empty();  // by a PreFilter plugin, before any node was looked at
    table.rows.push_back({all ? "all" : std::to_string(r.nodes.size()), r.plugin, reasons,
                          all ? "" : names(r.nodes)});
  }
  return scenarios::render_table(table);
}

// The best of the candidates, the chosen one first.
std::string scored_nodes(const SchedulingAttempt& a) {
  std::vector<size_t> order(a.candidates.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto chosen = [&](size_t i) { return a.candidates[i].node == a.node; };
  std::stable_sort(order.begin(), order.end(), [&](size_t x, size_t y) {
    if (chosen(x) != chosen(y)) return chosen(x);
    return a.candidates[x].total > a.candidates[y].total;
  });
  scenarios::ReportTable table;
  table.columns = {"NODE"};
  for (const std::string& p : a.plugins) table.columns.push_back(p);
  table.columns.emplace_back("TOTAL");
  for (size_t k = 0; k < std::min(order.size(), kMostRows); ++k) {
    const auto& c = a.candidates[order[k]];
    std::vector<std::string> row = {c.node};
    for (const int64_t s : c.scores) row.push_back(std::to_string(s));
    row.push_back(fmt::format("{}{}", c.total, k == 0 ? "  chosen" : ""));
    table.rows.push_back(std::move(row));
  }
  std::string out = scenarios::render_table(table);
  if (order.size() > kMostRows) {
    out += fmt::format("and {} more nodes that fit (-o json has all)\n", order.size() - kMostRows);
  }
  return out;
}

// Where it could have room made for it, the chosen node first.
std::string preemption_candidates(const SchedulingAttempt::PreemptionSearch& search) {
  scenarios::ReportTable table;
  table.columns = {"PREEMPT ON", "PDB VIOLATIONS", "HIGHEST PRIORITY", "PRIORITY SUM",
                   "PODS",       "STARTED",        "VICTIMS"};
  for (size_t i = 0; i < std::min(search.candidates.size(), kMostRows); ++i) {
    const auto& c = search.candidates[i];
    table.rows.push_back({c.victims.node + (i == 0 ? "  chosen" : ""),
                          std::to_string(c.pdb_violations), std::to_string(c.highest_priority),
                          std::to_string(c.priority_sum), std::to_string(c.victims.pods.size()),
                          api::format_time(c.start), names(c.victims.pods)});
  }
  std::string out = scenarios::render_table(table);
  if (search.candidates.size() > kMostRows) {
    out +=
        fmt::format("and {} more nodes (-o json has all)\n", search.candidates.size() - kMostRows);
  }
  out += fmt::format("chosen: {}\n", search.decided_by);
  return out;
}

std::string describe(const SchedulingAttempt& a, size_t number) {
  std::string out;
  for (const auto& w : a.wakeups) {
    out += fmt::format("  {}  {}{}{} lets it try again\n", time_text(w.at), w.event,
                       w.object.empty() ? "" : " of ", w.object);
  }
  out += fmt::format("{}Attempt {} at {}: {}\n", number > 1 ? "\n" : "", number, time_text(a.at),
                     a.node.empty() ? "no node" : a.node);
  if (!a.rejections.empty()) out += indented(rejected_nodes("REJECTED", a.rejections));
  const size_t fit = a.candidates.size();
  if (fit == 1) {
    out += fmt::format("  {} is the only node found to fit; no scores are needed\n", a.node);
  } else if (fit > 1) {
    if (fit < a.nodes && a.rejections.empty()) {
      out += fmt::format("  {} nodes that fit are enough in a cluster of {}\n", fit, a.nodes);
    }
    if (!a.plugins.empty()) out += indented(scored_nodes(a));
    if (a.ties > 1) {
      out += fmt::format(
          "  {} nodes share the greatest total; of those the one is taken that is "
          "on top of kube-scheduler's heap\n",
          a.ties);
    }
  }
  if (a.search) {
    if (!a.search->candidates.empty()) out += indented(preemption_candidates(*a.search));
    if (!a.search->rejections.empty()) {
      out += indented(rejected_nodes("NO HELP", a.search->rejections));
    }
  }
  for (const auto& p : a.preemptions) {
    out += fmt::format("  preempts on {}: {}\n", p.node, names(p.pods));
  }
  if (!a.nominated_node.empty()) out += fmt::format("  nominated: {}\n", a.nominated_node);
  if (!a.message.empty()) out += fmt::format("  FailedScheduling: {}\n", a.message);
  return out;
}

void print_attempts(const std::string& pod, const std::vector<SchedulingAttempt>& attempts,
                    const PlacementArguments& arguments) {
  if (arguments.output == Output::kJson) {
    print_out(api::to_pretty_json(scenarios::placement_json(pod, attempts)) + "\n");
    return;
  }
  std::string out;
  for (size_t i = 0; i < attempts.size(); ++i) out += describe(attempts[i], i + 1);
  print_out(out);
}

// How the scenario is run again; nothing, with the reason said, if it is not the same any more.
std::optional<scenarios::LoadedScenario> load_again(const bindings::RunFolder& folder,
                                                    const Terminal& terminal) {
  api::Diagnostics diagnostics;
  scenarios::LoadedScenario scenario =
      scenarios::load_scenario(folder.file, folder.overrides, diagnostics);
  if (!diagnostics.ok()) {
    print_diagnostics(terminal, diagnostics, 50);
    return std::nullopt;
  }
  const sim::JournalReader reader = sim::JournalReader::open(folder.journal_path);
  if (scenario.hash == reader.header().scenario_hash) return scenario;
  print_error(terminal, fmt::format("{} or a file that it names has changed since the run; run it "
                                    "again",
                                    folder.file));
  return std::nullopt;
}

}  // namespace

int explain_placement_command(const PlacementArguments& arguments, const Terminal& terminal) {
  if (arguments.run.empty()) {
    print_error(terminal, "--run is required: the folder that `mainspring run --out` wrote");
    return kUsage;
  }
  bindings::RunSettings settings;
  if (!arguments.at.empty()) {
    settings.until = parse_at(arguments.at, terminal);
    if (!settings.until) return kUsage;
  }
  const bindings::RunFolder folder = bindings::open_run_folder(arguments.run);
  if (!folder.problem.empty()) {
    print_error(terminal, folder.problem);
    return kInvalidInput;
  }
  const std::optional<scenarios::LoadedScenario> scenario = load_again(folder, terminal);
  if (!scenario) return kInvalidInput;
  settings.seed = folder.seed;
  const bool whole = !settings.until || *settings.until >= folder.ended;
  if (whole) settings.until = folder.ended;
  const std::string ns = arguments.ns.empty() ? "default" : arguments.ns;
  const std::string pod =
      arguments.pod.find('/') == std::string::npos ? ns + "/" + arguments.pod : arguments.pod;
  catch_interrupts();
  ProgressLine line(terminal, false);
  try {
    const bindings::PlacementRun run = bindings::explain_placement(*scenario, settings, pod, line);
    line.erase();
    if (run.interrupted) return kInterrupted;
    if (whole && run.digest != folder.digest) {
      print_error(terminal, fmt::format("the run does not repeat: its digest is {}, this time it "
                                        "is {}",
                                        folder.digest, run.digest));
      return kInvariantBroken;
    }
    if (run.attempts.empty()) {
      print_err(fmt::format("no attempt to schedule pod {} until {}\n", pod,
                            scenarios::format_duration(*settings.until)));
      return kExpectationFailed;
    }
    print_attempts(pod, run.attempts, arguments);
    return kOk;
  } catch (const sim::InvariantBroken& broken) {
    line.erase();
    print_error(terminal, fmt::format("an invariant of Mainspring is broken; this is a bug\n{}",
                                      broken.text()));
    return kInvariantBroken;
  }
}

}  // namespace mainspring::cli
