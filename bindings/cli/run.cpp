#include <fmt/format.h>

#include <algorithm>

#include "bindings/cli/commands.h"
#include "bindings/cli/progress.h"
#include "bindings/common/run.h"
#include "bindings/common/run_folder.h"
#include "models/api/yaml.h"
#include "scenarios/report/text.h"
#include "scenarios/report/writers.h"
#include "scenarios/units.h"
#include "sim/check.h"

namespace mainspring::cli {

namespace {

// The hints do not know where the run was written.
scenarios::RunReport with_folder(scenarios::RunReport report, const std::string& folder) {
  for (scenarios::Hint& hint : report.hints) {
    if (!hint.command.starts_with("mainspring get ")) continue;
    hint.command += " --run " + (folder.empty() ? std::string("DIR") : folder);
    if (folder.empty()) hint.text += " (after a run with --out DIR)";
  }
  return report;
}

void print_results(const scenarios::RunReport& report, const RunArguments& arguments,
                   const Terminal& terminal) {
  if (arguments.output == Output::kJson) {
    print_out(scenarios::render_results_json(report));
  } else if (arguments.output == Output::kYaml) {
    print_out(api::to_yaml(api::parse_json(scenarios::render_results_json(report))));
  } else if (!arguments.quiet) {
    scenarios::TerminalOptions options;
    options.width = std::min(terminal.width, 110);
    options.color = terminal.color_out;
    options.unicode = terminal.unicode;
    print_out(scenarios::render_terminal_summary(with_folder(report, arguments.out), options));
  }
}

int save_and_print(const bindings::FinishedRun& run, const RunArguments& arguments,
                   const Terminal& terminal) {
  int code = run.interrupted                 ? kInterrupted
             : scenarios::passed(run.report) ? kOk
                                             : kExpectationFailed;
  std::string problem;
  if (!arguments.out.empty()) problem = bindings::save_run(run, arguments.out);
  print_results(run.report, arguments, terminal);
  if (!problem.empty()) {
    print_error(terminal, problem);
    return kInvalidInput;
  }
  if (!arguments.quiet && !arguments.out.empty()) {
    print_err(
        fmt::format("written to {0}: report.html, results.json, junit.xml, journal.mspj\n"
                    "next: mainspring get pods -A --run {0} --at {1}\n",
                    arguments.out, scenarios::format_duration(run.ended / 2)));
  } else if (!arguments.quiet && arguments.output == Output::kTable) {
    print_err("nothing was written; --out DIR keeps the report and the journal\n");
  }
  return code;
}

}  // namespace

int run_command(const RunArguments& arguments, const Terminal& terminal) {
  api::Diagnostics diagnostics;
  const scenarios::LoadedScenario scenario =
      scenarios::load_scenario(arguments.scenario, arguments.set, diagnostics);
  print_diagnostics(terminal, diagnostics, 50);
  if (!diagnostics.ok()) return kInvalidInput;
  if (!arguments.out.empty()) {
    const std::string problem = bindings::make_run_folder(arguments.out);
    if (!problem.empty()) {
      print_error(terminal, problem);
      return kInvalidInput;
    }
  }
  if (!arguments.quiet) {
    for (const std::string& note : scenario.notes) print_err(fmt::format("note: {}\n", note));
  }
  catch_interrupts();
  ProgressLine line(terminal, arguments.quiet);
  bindings::RunSettings settings;
  settings.seed = arguments.seed;
  settings.overrides = arguments.set;
  const uint64_t seed =
      arguments.seed.value_or(static_cast<uint64_t>(scenario.spec.seed.value_or(1)));
  try {
    const bindings::FinishedRun run = bindings::run_scenario(scenario, settings, line);
    line.erase();
    return save_and_print(run, arguments, terminal);
  } catch (const sim::InvariantBroken& broken) {
    line.erase();
    print_error(terminal,
                fmt::format("an invariant of Mainspring is broken; this is a bug\n{}\n"
                            "seed: {}\nreproduce: {}",
                            broken.text(), seed,
                            bindings::reproduce_command(arguments.scenario, seed, arguments.set)));
    return kInvariantBroken;
  }
}

}  // namespace mainspring::cli
