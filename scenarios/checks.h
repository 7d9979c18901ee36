// What is wrong with a scenario beyond its schema: texts that are no durations, rates or
// distributions, faults without a kind, names that nothing in the scenario has. All problems go to
// Diagnostics at once, each with its place.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/api/diagnostics.h"
#include "models/api/json.h"
#include "models/api/object.h"
#include "scenarios/loader.h"
#include "scenarios/types/scenario.h"

namespace mainspring::scenarios {

// Says what is wrong with fields of one mapping of the scenario file at a time.
class Checker {
 public:
  // `prefix`: "Scenario/NAME".
  Checker(api::Diagnostics& diagnostics, std::string prefix)
      : diagnostics_(diagnostics), prefix_(std::move(prefix)) {}

  // The mapping that the next checks are about, and its path in the file.
  void at(const api::Json& tree, std::string path) {
    tree_ = &tree;
    path_ = std::move(path);
  }
  void duration(std::string_view field, std::string_view text);
  void probability(std::string_view field, std::string_view text);
  void number(std::string_view field, std::string_view text);
  void distribution(std::string_view field, std::string_view text);
  // Text that is given must satisfy `parse`.
  template <class Parse>
  void parsed(std::string_view field, std::string_view text, std::string_view expected,
              Parse parse) {
    if (!text.empty() && !parse(text)) mismatch(field, expected, text);
  }
  // The field stands in the file.
  void given(std::string_view field);
  // `name` is empty or one of these; `what`: "no pool is named".
  void known(std::string_view field, std::string_view name, std::string_view what,
             const std::vector<std::string_view>& names);
  // An empty field means the mapping itself.
  void bad(std::string_view field, std::string message);
  void doubtful(std::string_view field, std::string message);
  void mismatch(std::string_view field, std::string_view expected, std::string_view found);

 private:
  void add(api::Diagnostic d, std::string_view field);

  api::Diagnostics& diagnostics_;
  std::string prefix_;
  const api::Json* tree_ = nullptr;
  std::string path_;
};

// "traffic[2]"
std::string indexed(std::string_view list, size_t i);

// What can be said from the scenario file (`tree`) alone, and the traces in `folder`.
void check_scenario(const spec::ScenarioFile& spec, const api::Json& tree,
                    const std::filesystem::path& folder, Checker& check);

// Names of services and workloads against all objects of the scenario: those of its manifests and
// those that its timeline makes.
void check_names(const LoadedScenario& scenario, const std::vector<api::ObjectRef>& made_later,
                 const api::Json& tree, Checker& check);

}  // namespace mainspring::scenarios
