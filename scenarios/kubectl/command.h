// A kubectl command line, taken apart: verb, words and flags, with the documents it reads.
//
// `mainspring` checks every command of a scenario before the run: unknown verbs, flags and resource
// types are input errors with the nearest valid name.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/api/json.h"
#include "models/api/object.h"

namespace mainspring::scenarios {

struct KubectlCommand {
  std::string line;  // as given, without the leading "kubectl"
  std::string verb;  // "rollout restart" for verbs with a second word
  std::vector<std::string> words;
  std::map<std::string, std::string> flags;  // long names; "true" for switches
  std::string ns = "default";
  std::vector<api::Json> documents;  // of -f, already read

  bool has(std::string_view flag) const { return flags.contains(std::string(flag)); }
  std::string flag(std::string_view name, std::string_view otherwise = "") const;
};

// Splits a line as a POSIX shell would (quotes and backslashes, nothing else).
std::vector<std::string> split_command_line(std::string_view line);

// Null with the problem in `error` when the line is not a command this kubectl knows.
std::optional<KubectlCommand> parse_kubectl(std::string_view line, std::string& error);

// One object named on a command line: TYPE NAME, TYPE/NAME.
struct KubectlTarget {
  api::Kind kind{};
  std::string name;
};
// Resolves words such as {"deployment/web"}, {"deploy", "web", "api"}; false with the problem.
bool resolve_names(const std::vector<std::string>& words, std::vector<KubectlTarget>& out,
                   api::Kind& type, std::string& error);

}  // namespace mainspring::scenarios
