// What `run --out DIR` and Run.save() write, and `get` and `digest` read:
//
//   journal.mspj   every record of the run (sim/journal.h)
//   report.html    for people
//   results.json   for programs
//   junit.xml      for CI
//   scenario.yaml  the scenario file as it was
//   run.json       version, seed, digest, how far it came, --set values, where the scenario is: as
//                  given and as seen from this folder, so that both may move together
#pragma once

#include <cstdint>
#include <string>

#include "bindings/common/run.h"
#include "sim/time.h"

namespace mainspring::bindings {

struct RunFolder {
  std::string problem;  // empty: the folder can be used
  std::string journal_path;
  sim::Duration ended;  // virtual time reached
  // What it takes to run it again.
  std::string file;  // the scenario's, as seen from the current folder
  uint64_t seed = 0;
  Overrides overrides;
  std::string digest;
};

// Makes the folder if it is missing. Returns why files cannot be written there, or an empty string.
std::string make_run_folder(const std::string& folder);
// The same, and replaces those files of it. Returns what went wrong, or an
// empty string.
std::string save_run(const FinishedRun& run, const std::string& folder);

RunFolder open_run_folder(const std::string& folder);

}  // namespace mainspring::bindings
