// The verbs of the program: plain arguments in, exit code out. main.cpp fills the arguments.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/cli/terminal.h"
#include "sim/time.h"

namespace mainspring::cli {

enum class Output { kTable, kWide, kJson, kYaml, kName };

// A virtual time as --at takes it. Nothing, with the reason said, if it is none.
std::optional<sim::Duration> parse_at(const std::string& text, const Terminal& terminal);

// --set path=value, in order.
using Overrides = std::vector<std::pair<std::string, std::string>>;

struct RunArguments {
  std::string scenario;
  std::optional<uint64_t> seed;
  Overrides set;
  std::string out;  // folder; empty: nothing is written
  bool quiet = false;
  Output output = Output::kTable;
};
int run_command(const RunArguments& arguments, const Terminal& terminal);

struct ValidateArguments {
  std::vector<std::string> paths;  // files, folders or globs
  Overrides set;
  bool quiet = false;
  Output output = Output::kTable;
};
int validate_command(const ValidateArguments& arguments, const Terminal& terminal);

struct InitArguments {
  std::vector<std::string> paths;  // manifests: files, folders or globs
  std::string out;                 // file; empty: stdout
  bool force = false;              // overwrites `out`
};
int init_command(const InitArguments& arguments, const Terminal& terminal);

struct GetArguments {
  std::string run;  // folder of `run --out`
  std::string resource;
  std::vector<std::string> names;
  std::string ns;
  bool all_namespaces = false;
  std::string selector;
  std::string at;  // virtual time; empty: the end
  Output output = Output::kTable;
};
int get_command(const GetArguments& arguments, const Terminal& terminal);

int digest_command(const std::string& run, const Terminal& terminal);
int version_command(Output output);
int schema_command();
// `path`: "scenario.cluster.nodePools", or a kind: "deployment.spec.replicas".
int explain_command(const std::string& path, Output output, const Terminal& terminal);

// `explain pod NAME`: why a pod of a recorded run is on its node, or on none.
struct PlacementArguments {
  std::string run;  // folder of `run --out`
  std::string pod;  // "NAME" or "NAMESPACE/NAME"
  std::string ns;
  std::string at;  // virtual time; empty: the end
  Output output = Output::kTable;
};
int explain_placement_command(const PlacementArguments& arguments, const Terminal& terminal);

// The command line as completion and documentation see it.
struct OptionHelp {
  std::vector<std::string> names;    // "-o", "--output"
  std::string value;                 // "FORMAT"; empty for a switch
  std::vector<std::string> choices;  // if only these are allowed
  bool takes_file = false;
  std::string doc;
};
struct VerbHelp {
  std::string name;
  std::string doc;
  bool takes_files = false;        // its words are files
  std::vector<std::string> words;  // or one of these
  std::vector<OptionHelp> options;
};
// The script for "bash", "zsh" or "fish".
std::string completion_script(const std::string& shell, const std::vector<VerbHelp>& verbs);

}  // namespace mainspring::cli
