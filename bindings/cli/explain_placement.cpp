#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <tuple>

#include "bindings/cli/commands.h"
#include "bindings/cli/progress.h"
#include "bindings/common/run.h"
#include "bindings/common/run_folder.h"
#include "models/api/diagnostics.h"
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

// To the millisecond: attempts follow each other closely.
std::string time_text(sim::SimTime at) {
  const int64_t ms = (at - sim::SimTime()).ns() / 1'000'000;
  return scenarios::format_exactly(sim::Duration::millis(ms));
}

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
    std::string reasons = fmt::format("{}", fmt::join(r.reasons, "; "));
    if (!r.detail.empty()) reasons += ": " + r.detail;
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
  for (size_t i = 0; i < a.plugins.size(); ++i) {
    table.columns.push_back(a.weights[i] == 1 ? a.plugins[i]
                                              : fmt::format("{}*{}", a.weights[i], a.plugins[i]));
  }
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
  // kube-scheduler adds up priorities from the lowest possible one on, so that each pod counts.
  table.columns = {"PREEMPT ON", "PDB VIOLATIONS", "HIGHEST PRIORITY", "SUM OF PRIORITY+2^31",
                   "PODS",       "STARTED",        "VICTIMS"};
  for (size_t i = 0; i < std::min(search.candidates.size(), kMostRows); ++i) {
    const auto& c = search.candidates[i];
    table.rows.push_back({c.victims.node + (i == 0 ? "  chosen" : ""),
                          std::to_string(c.pdb_violations), std::to_string(c.highest_priority),
                          std::to_string(c.priority_sum), std::to_string(c.victims.pods.size()),
                          time_text(c.start), names(c.victims.pods)});
  }
  std::string out = scenarios::render_table(table);
  if (search.candidates.size() > kMostRows) {
    out +=
        fmt::format("and {} more nodes (-o json has all)\n", search.candidates.size() - kMostRows);
  }
  out += fmt::format("chosen: {}\n", search.decided_by);
  return out;
}

std::string describe_holds(const std::vector<SchedulingAttempt::Hold>& holds) {
  std::string out;
  for (const auto& h : holds) {
    out += fmt::format("  {}  {} keeps it from trying: {}\n", time_text(h.at), h.plugin,
                       fmt::join(h.reasons, "; "));
  }
  return out;
}

std::string describe_wakeups(const std::vector<SchedulingAttempt::Wakeup>& wakeups,
                             std::string_view what) {
  std::string out;
  for (const auto& w : wakeups) {
    out += fmt::format("  {}  {}{}{} lets it try{}\n", time_text(w.at), w.event,
                       w.object.empty() ? "" : " of ", w.object, what);
  }
  return out;
}

// Why it tries again.
std::string describe_return(const SchedulingAttempt& a, const SchedulingAttempt* before) {
  std::string out = describe_holds(a.holds) + describe_wakeups(a.wakeups, before ? " again" : "");
  if (!out.empty() || !before) return out;
  return before->is_error ? "  an error: it tries again after its backoff\n"
                          : "  it has waited long enough to be tried again without a cause\n";
}

std::string describe_scores(const SchedulingAttempt& a) {
  const size_t fit = a.candidates.size();
  if (a.node.empty() || fit == 0) return {};
  if (fit == 1) {
    return fmt::format("  {} is the only node found to fit; no scores are needed\n", a.node);
  }
  std::string out;
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
  return out;
}

std::string describe_preemption(const SchedulingAttempt& a) {
  std::string out;
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
  return out;
}

std::string describe(const SchedulingAttempt& a, const SchedulingAttempt* before, size_t number) {
  std::string out = describe_return(a, before);
  out += fmt::format("{}Attempt {} at {}: {}\n", before ? "\n" : "", number, time_text(a.at),
                     a.node.empty() ? "no node" : a.node);
  if (!a.rejections.empty()) out += indented(rejected_nodes("REJECTED", a.rejections));
  out += describe_scores(a) + describe_preemption(a);
  for (const auto& w : a.waits) {
    out += fmt::format("  {}  waits for {} at {}\n", time_text(w.at), w.plugin, w.point);
  }
  if (!a.message.empty()) {
    out += fmt::format("  {}: {}\n", a.is_error ? "error" : "FailedScheduling", a.message);
  }
  if (a.bound_at) out += fmt::format("  bound at {}\n", time_text(*a.bound_at));
  return out;
}

// Who rejected which node, whatever the order in which they were looked at.
auto verdicts(const SchedulingAttempt& a) {
  std::map<std::tuple<std::string, std::vector<std::string>, std::string>, std::set<std::string>>
      all;
  for (const auto& r : a.rejections) {
    all[{r.plugin, r.reasons, r.detail}].insert(r.nodes.begin(), r.nodes.end());
  }
  return all;
}

// Whether there is nothing new in an attempt but its time.
bool is_same(const SchedulingAttempt& a, const SchedulingAttempt& b) {
  return a.node.empty() && b.node.empty() && !a.search && !b.search && a.holds.empty() &&
         a.message == b.message && verdicts(a) == verdicts(b);
}

void print_attempts(const std::string& pod, const scenarios::Placement& placement,
                    const PlacementArguments& arguments) {
  if (arguments.output == Output::kJson) {
    print_out(api::to_pretty_json(scenarios::placement_json(pod, placement)) + "\n");
    return;
  }
  const std::vector<SchedulingAttempt>& attempts = placement.attempts;
  std::string out;
  for (size_t i = 0; i < attempts.size(); ++i) {
    out += describe(attempts[i], i > 0 ? &attempts[i - 1] : nullptr, i + 1);
    size_t last = i;
    while (last + 1 < attempts.size() && is_same(attempts[i], attempts[last + 1])) ++last;
    if (last == i + 1) last = i;  // a single one is told
    if (last > i) {
      out += fmt::format("\nAttempts {} to {}, the last at {}: the same (-o json has them)\n",
                         i + 2, last + 1, time_text(attempts[last].at));
    }
    i = last;
  }
  out += describe_holds(placement.holds);
  out += describe_wakeups(placement.wakeups, attempts.empty() ? "" : " again");
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
  std::string pod = arguments.pod;
  if (pod.starts_with("pod/")) pod.erase(0, 4);  // as `get -o name` prints it
  if (pod.find('/') == std::string::npos) pod.insert(0, ns + "/");
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
    if (run.placement.attempts.empty() && run.placement.holds.empty()) {
      print_err(fmt::format("no attempt to schedule pod {} until {}: {}\n", pod,
                            scenarios::format_duration(*settings.until), run.why_not_tried));
      return kExpectationFailed;
    }
    print_attempts(pod, run.placement, arguments);
    return kOk;
  } catch (const sim::InvariantBroken& broken) {
    line.erase();
    print_error(terminal, fmt::format("an invariant of Mainspring is broken; this is a bug\n{}",
                                      broken.text()));
    return kInvariantBroken;
  }
}

}  // namespace mainspring::cli
