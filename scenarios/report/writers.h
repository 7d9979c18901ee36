// The outputs of a run: a self-contained HTML page, results as JSON, JUnit XML and a summary for
// the terminal, all from one RunReport.
//
// Everything but the HTML page and the terminal summary is byte-identical for the same scenario
// and seed; those two also show how long the run took (ReportMeta::wall_seconds).
// Errors: the write_* functions return false and set errno when the file cannot be written.
// Not modelled: nothing is computed here beyond layout; see run_report.h.
#pragma once

#include <string>

#include "scenarios/report/run_report.h"

namespace mainspring::scenarios {

// One HTML page with its styles, scripts and data inside; it makes no requests.
std::string render_html(const RunReport& report);
bool write_html(const RunReport& report, const std::string& path);

// apiVersion mainspring.dev/v1, kind RunResults; keys sorted, units in names, indented.
std::string render_results_json(const RunReport& report);
bool write_results_json(const RunReport& report, const std::string& path);

// One test suite, one test case per expectation, as Jenkins, GitLab and GitHub actions read it.
std::string render_junit_xml(const RunReport& report);
bool write_junit_xml(const RunReport& report, const std::string& path);

struct TerminalOptions {
  int width = 80;       // columns; at least 60 is used
  bool color = false;   // ANSI colours
  bool unicode = true;  // check marks and sparklines; otherwise ASCII
};

// The summary printed at the end of a run. Ends with a newline.
std::string render_terminal_summary(const RunReport& report, const TerminalOptions& options);

}  // namespace mainspring::scenarios
