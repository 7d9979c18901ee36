// One test a rule of k8s.io/kubernetes/pkg/scheduler/apis/config/validation (v1.35), its words and
// its place; then what the merge with the default plugins comes to.
#include "models/scheduler/configuration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/models/scheduler/cluster.h"

namespace mainspring::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Read {
  SchedulerOptions options;
  std::vector<std::string> errors;  // as they are shown
  std::vector<std::string> warnings;
};

Read read_file(const std::string& text) {
  api::Diagnostics d;
  const uint16_t file = d.add_file("s.yaml");
  Registry registry;
  register_scheduler_plugins(registry);
  Read r;
  r.options = read_configuration(text, file, registry, d);
  for (const api::Diagnostic& e : d.sorted()) {
    (e.severity == api::Diagnostic::Severity::kError ? r.errors : r.warnings)
        .push_back(d.render(e));
  }
  return r;
}

// Reads the lines after apiVersion and kind, so that the first one is line 3.
Read read(const std::string& text, const std::string& version = "kubescheduler.config.k8s.io/v1") {
  return read_file("apiVersion: " + version + "\nkind: KubeSchedulerConfiguration\n" + text);
}

struct Rule {
  const char* name;
  const char* text;
  std::vector<std::string> errors;
};
void PrintTo(const Rule& r, std::ostream* out) { *out << r.name; }

class Rules : public ::testing::TestWithParam<Rule> {};
TEST_P(Rules, AreToldInKubernetesWords) {
  EXPECT_EQ(read(GetParam().text).errors, GetParam().errors);
}

// A profile with one plugin's arguments, from line 8 on.
#define ARGS(plugin, args)                        \
  "profiles:\n- pluginConfig:\n  - name: " plugin \
  "\n    args:\n      apiVersion: "               \
  "kubescheduler.config.k8s.io/v1\n" args

INSTANTIATE_TEST_SUITE_P(
    Configuration, Rules,
    ::testing::Values(
        Rule{"Parallelism",
             "parallelism: 0\n",
             {"s.yaml:3:14: parallelism: Invalid value: 0: should be an integer value greater than "
              "zero"}},
        Rule{"Percentage",
             "percentageOfNodesToScore: 101\n",
             {"s.yaml:3:27: percentageOfNodesToScore: Invalid value: 101: not in valid range "
              "[0-100]"}},
        Rule{"ProfilePercentage",
             "profiles:\n- percentageOfNodesToScore: -1\n",
             {"s.yaml:4:29: profiles[0].percentageOfNodesToScore: Invalid value: -1: not in valid "
              "range [0-100]"}},
        Rule{"InitialBackoff",
             "podInitialBackoffSeconds: 0\n",
             {"s.yaml:3:27: podInitialBackoffSeconds: Invalid value: 0: must be greater than 0"}},
        Rule{"MaxBackoff",
             "podInitialBackoffSeconds: 5\npodMaxBackoffSeconds: 4\n",
             {"s.yaml:4:23: podMaxBackoffSeconds: Invalid value: 4: must be greater than or equal "
              "to PodInitialBackoffSeconds"}},
        Rule{"Burst",
             "clientConnection: {burst: -1}\n",
             {"s.yaml:3:27: clientConnection.burst: Invalid value: -1: must be non-negative"}},
        Rule{"ResourceLock",
             "leaderElection: {resourceLock: endpoints}\n",
             {"s.yaml:3:32: leaderElection.resourceLock: Invalid value: \"endpoints\": "
              "resourceLock value must be \"leases\""}},
        Rule{"Lease",
             "leaderElection: {leaseDuration: 10s, renewDeadline: 10s, retryPeriod: -1s}\n",
             {"s.yaml:3:33: leaderElection.leaseDuration: Invalid value: \"10s\": must be greater "
              "than `RenewDeadline`",
              "s.yaml:3:71: leaderElection.retryPeriod: Invalid value: \"-1s\": must be greater "
              "than zero"}},
        Rule{"LeaseOfZeroIsTheDefault",
             "leaderElection: {leaseDuration: 0s, renewDeadline: 14s, retryPeriod: 0s}\n",
             {}},
        Rule{"LeaseOfNothing",
             "leaderElection: {leaderElect: false, leaseDuration: ''}\n",
             {"s.yaml:3:53: leaderElection.leaseDuration: time: invalid duration \"\""}},
        Rule{"NoLeaderElection", "leaderElection: {leaderElect: false, resourceLock: x}\n", {}},
        Rule{"SchedulerName",
             "profiles:\n- {schedulerName: a}\n- {}\n- {schedulerName: a}\n",
             {"s.yaml:5:3: profiles[1].schedulerName: Required value",
              "s.yaml:6:19: profiles[2].schedulerName: Duplicate value: "
              "\"profiles[0].schedulerName\""}},
        Rule{"QueueSort",
             "profiles:\n- {schedulerName: a}\n- schedulerName: b\n"
             "  plugins: {queueSort: {enabled: [{name: PrioritySort}]}}\n",
             {"s.yaml:6:24: profiles[1].plugins.queueSort: Invalid value: "
              "{\"enabled\":[{\"name\":\"PrioritySort\"}]}: must be the same for all profiles"}},
        Rule{"RemovedPlugin",
             "profiles:\n- plugins: {filter: {enabled: [{name: EBSLimits}]}}\n",
             {"s.yaml:4:32: profiles[0].plugins.filter.enabled[0]: Invalid value: \"EBSLimits\": "
              "was invalid in version \"kubescheduler.config.k8s.io/v1\" "
              "(KubeSchedulerConfiguration is version \"kubescheduler.config.k8s.io/v1\")"}},
        Rule{"RepeatedConfig",
             "profiles:\n- pluginConfig:\n  - {name: NodeAffinity, args: {}}\n  - {name: "
             "NodeAffinity, args: {}}\n",
             {"s.yaml:6:5: profiles[0].pluginConfig[1]: Duplicate value: \"NodeAffinity\""}},
        Rule{"UnknownField",
             "profiles:\n- pluginz: {}\n",
             {"s.yaml:4:3: profiles[0].pluginz: strict decoding error: unknown field "
              "\"profiles[0].pluginz\"; did you mean \"plugins\"?"}},
        Rule{"AMisspeltNameIsNotMissingAsWell",
             "profiles:\n- plugins: {score: {enabled: [{nam: a}]}, multiPoint: {enabled: [{nam: "
             "b}]}}\n",
             {"s.yaml:4:32: profiles[0].plugins.score.enabled[0].nam: strict decoding error: "
              "unknown "
              "field \"profiles[0].plugins.score.enabled[0].nam\"; did you mean \"name\"?",
              "s.yaml:4:67: profiles[0].plugins.multiPoint.enabled[0].nam: strict decoding error: "
              "unknown field \"profiles[0].plugins.multiPoint.enabled[0].nam\"; did you mean "
              "\"name\"?"}},
        Rule{
            "UnknownFieldOfArgs",
            ARGS("NodeResourcesFit", "      scoringStrategi: {}\n"),
            {"s.yaml:8:7: profiles[0].pluginConfig[0].args.scoringStrategi: strict decoding error: "
             "unknown field \"scoringStrategi\"; did you mean \"scoringStrategy\"?"}},
        Rule{
            "TypeOfArgs",
            ARGS("DynamicResources", "      filterTimeout: 5\n"),
            {"s.yaml:8:22: profiles[0].pluginConfig[0].args.filterTimeout: expected string (put it "
             "in quotes), got 5"}},
        Rule{"DuplicateField",
             "parallelism: 1\nparallelism: 1\n",
             {"s.yaml:4:1: strict decoding error: duplicate field \"parallelism\""}},
        Rule{"AWrongTypeIsNotMissingAsWell",
             "profiles:\n- {schedulerName: 3}\n",
             {"s.yaml:4:19: profiles[0].schedulerName: expected string (put it in quotes), got 3"}},
        Rule{"ArgsKind",
             ARGS("NodeAffinity", "      kind: InterPodAffinityArgs\n"),
             {"s.yaml:7:7: profiles[0].pluginConfig[0].args: args for plugin NodeAffinity were not "
              "of type NodeAffinityArgs.kubescheduler.config.k8s.io, got "
              "InterPodAffinityArgs.kubescheduler.config.k8s.io"}},
        Rule{"ArgsOfAnotherGroup",
             "profiles:\n- pluginConfig:\n  - name: NodeAffinity\n    args: {apiVersion: v1, kind: "
             "Pod, a: 1}\n",
             {"s.yaml:6:11: profiles[0].pluginConfig[0].args: decoding args for plugin "
              "NodeAffinity: no kind \"Pod\" is registered for version \"v1\""}},
        Rule{"ArgsVersion",
             "profiles:\n- pluginConfig:\n  - {name: NodeResourcesFit, args: {apiVersion: foo}}\n",
             {"s.yaml:5:36: profiles[0].pluginConfig[0].args: decoding args for plugin "
              "NodeResourcesFit: no kind \"NodeResourcesFitArgs\" is registered for version "
              "\"foo\""}},
        Rule{"NoArgs", "profiles:\n- pluginConfig:\n  - name: InterPodAffinity\n", {}},
        Rule{"ArgsOfADisabledPlugin",
             "profiles:\n- plugins: {multiPoint: {disabled: [{name: NodeResourcesFit}]}}\n  "
             "pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: Foo}}}]\n",
             {}},
        Rule{"NegativeWeight",
             "profiles:\n- plugins: {score: {enabled: [{name: NodeAffinity, weight: -1}]}}\n",
             {"s.yaml:4:12: profiles[0].plugins: total score of Score plugins could overflow"}},
        Rule{"NegativeWeightThatComesLast",
             "profiles:\n- plugins: {multiPoint: {enabled: [{name: ImageLocality, weight: -1}]}}\n",
             {}},
        Rule{"QueueSortArgs",
             "profiles:\n- {schedulerName: a, pluginConfig: [{name: PrioritySort, args: {a: "
             "1}}]}\n- {schedulerName: b}\n- {schedulerName: c, pluginConfig: [{name: "
             "PrioritySort, args: {a: 1}}]}\n",
             {"s.yaml:5:3: profiles[1]: different queue sort plugin args for profile \"b\""}},
        Rule{"TinyRate",
             "clientConnection: {qps: 0.0001}\n",
             {"s.yaml:3:25: clientConnection.qps: Invalid value: 0.0001: fewer than 0.001 requests "
              "a second are not simulated"}},
        Rule{"HugeRate",
             "clientConnection: {qps: 1e300}\n",
             {"s.yaml:3:25: clientConnection.qps: expected number of 32 bits, got 1e+300"}},
        Rule{"Extenders",
             "extenders:\n- urlPrefix: http://e/\n",
             {"s.yaml:4:3: extenders[0]: HTTP extenders are not simulated: decisions would depend "
              "on the server at \"http://e/\"; write the extender as a plugin"}},
        Rule{"UnknownPlugin",
             "profiles:\n- plugins: {score: {enabled: [{name: Mine}]}}\n",
             {"s.yaml:4:38: profiles[0].plugins.score.enabled[0].name: ScorePlugin \"Mine\" does "
              "not exist"}},
        Rule{"MisspeltPlugin",
             "profiles:\n- plugins: {filter: {enabled: [{name: NodeAffinty}]}, multiPoint: "
             "{enabled: "
             "[{name: ImageLocalty}]}}\n",
             {"s.yaml:4:39: profiles[0].plugins.filter.enabled[0].name: FilterPlugin "
              "\"NodeAffinty\" "
              "does not exist; did you mean \"NodeAffinity\"?",
              "s.yaml:4:85: profiles[0].plugins.multiPoint.enabled[0].name: PreFilterPlugin "
              "\"ImageLocalty\" does not exist; did you mean \"ImageLocality\"?"}},
        Rule{"WrongPoint",
             "profiles:\n- plugins: {score: {enabled: [{name: NodeName}]}}\n",
             {"s.yaml:4:38: profiles[0].plugins.score.enabled[0].name: plugin \"NodeName\" does "
              "not extend ScorePlugin plugin"}},
        Rule{"Twice",
             "profiles:\n- plugins: {bind: {enabled: [{name: DefaultBinder}, {name: "
             "DefaultBinder}]}}\n",
             {"s.yaml:4:60: profiles[0].plugins.bind.enabled[1].name: plugin \"DefaultBinder\" "
              "already registered as \"BindPlugin\""}},
        Rule{"NoBinder",
             "profiles:\n- plugins: {bind: {disabled: [{name: '*'}]}}\n",
             {"s.yaml:4:12: profiles[0].plugins: at least one bind plugin is needed for profile "
              "with scheduler name \"default-scheduler\""}},
        Rule{"NoQueueSort",
             "profiles:\n- plugins: {multiPoint: {disabled: [{name: PrioritySort}]}}\n",
             {"s.yaml:4:12: profiles[0].plugins: only one queue sort plugin required for profile "
              "with scheduler name \"default-scheduler\", but got 0"}}),
    [](const auto& p) { return p.param.name; });

#define AT "s.yaml:"
#define IN "profiles[0].pluginConfig[0].args"
#define AFFINITY IN ".addedAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]"
INSTANTIATE_TEST_SUITE_P(
    Arguments, Rules,
    ::testing::Values(
        Rule{"Preemption",
             ARGS("DefaultPreemption",
                  "      minCandidateNodesPercentage: 101\n      minCandidateNodesAbsolute: -1\n"),
             {AT "8:36: " IN ".minCandidateNodesPercentage: Invalid value: 101: not in valid range "
                 "[0, 100]",
              AT "9:34: " IN ".minCandidateNodesAbsolute: Invalid value: -1: not in valid range "
                 "[0, inf)"}},
        Rule{"HardPodAffinity",
             ARGS("InterPodAffinity", "      hardPodAffinityWeight: 101\n"),
             {AT "8:30: " IN ".hardPodAffinityWeight: Invalid value: 101: not in valid range [0, "
                 "100]"}},
        Rule{"Spread",
             ARGS("PodTopologySpread",
                  "      defaultConstraints:\n      - {maxSkew: 1, topologyKey: z, "
                  "whenUnsatisfiable: ScheduleAnyway}\n"),
             {AT "6:5: " IN ".defaultingType: Invalid value: \"System\": when .defaultConstraints "
                 "are not empty"}},
        Rule{"SpreadConstraints",
             ARGS("PodTopologySpread",
                  "      defaultingType: List\n      defaultConstraints:\n      - maxSkew: 0\n"
                  "        topologyKey: ''\n        whenUnsatisfiable: x\n"
                  "        labelSelector: {}\n"
                  "      - {maxSkew: 1, topologyKey: z, whenUnsatisfiable: DoNotSchedule}\n"
                  "      - {maxSkew: 2, topologyKey: z, whenUnsatisfiable: DoNotSchedule}\n"),
             {AT "10:18: " IN
                 ".defaultConstraints[0].maxSkew: Invalid value: 0: not in valid range (0, inf)",
              AT "11:22: " IN ".defaultConstraints[0].topologyKey: Required value: can not be "
                 "empty",
              AT "12:28: " IN ".defaultConstraints[0].whenUnsatisfiable: Unsupported value: \"x\": "
                 "supported values: \"DoNotSchedule\", \"ScheduleAnyway\"",
              AT "13:24: " IN ".defaultConstraints[0].labelSelector: Forbidden: constraint must "
                 "not define a selector, as they deduced for each pod",
              AT "15:9: " IN ".defaultConstraints[2]: Duplicate value: \"{z, DoNotSchedule}\""}},
        Rule{"Balanced",
             ARGS("NodeResourcesBalancedAllocation",
                  "      resources:\n      - {name: cpu, weight: 2}\n      - {name: cpu}\n"),
             {AT "9:29: " IN ".resources[0].weight: Invalid value: 2: must be 1",
              AT "10:16: " IN ".resources[1].name: Duplicate value: \"cpu\""}},
        Rule{"BindTimeout",
             ARGS("VolumeBinding", "      bindTimeoutSeconds: -1\n"),
             {AT "8:27: " IN ".bindTimeoutSeconds: Invalid value: -1: invalid BindTimeoutSeconds, "
                 "should not be a negative value"}},
        Rule{"Fit",
             ARGS("NodeResourcesFit",
                  "      ignoredResourceGroups: [a/b]\n      scoringStrategy:\n"
                  "        type: RequestedToCapacityRatio\n        resources:\n"
                  "        - {name: cpu, weight: 101}\n        requestedToCapacityRatio:\n"
                  "          shape:\n          - {utilization: 50, score: 1}\n"
                  "          - {utilization: 40, score: 11}\n"),
             {AT
              "8:31: " IN ".ignoredResourceGroups[0]: initializing plugin \"NodeResourcesFit\": "
              "ignoredResourceGroups[0]: Invalid value: \"a/b\": resource group name can't contain "
              "'/'",
              AT "9:7: " IN ".scoringStrategy.shape[1].utilization: initializing plugin "
                 "\"NodeResourcesFit\": scoringStrategy.shape[1].utilization: Invalid value: 40: "
                 "values must be sorted in increasing order",
              AT "9:7: " IN ".scoringStrategy.shape[1].score: initializing plugin "
                 "\"NodeResourcesFit\": scoringStrategy.shape[1].score: Invalid value: 11: not in "
                 "valid range [0, 10]",
              AT "12:31: " IN ".scoringStrategy.resources[0].weight: initializing plugin "
                 "\"NodeResourcesFit\": scoringStrategy.resources[0].weight: Invalid value: 101: "
                 "resource weight of cpu not in valid range (0, 100]"}},
        Rule{"Strategy",
             ARGS("NodeResourcesFit", "      scoringStrategy: {type: Most}\n"),
             {AT "8:31: " IN ".scoringStrategy.type: initializing plugin \"NodeResourcesFit\": "
                 "scoringStrategy.type: Unsupported value: \"Most\": supported values: "
                 "\"LeastAllocated\", \"MostAllocated\", \"RequestedToCapacityRatio\""}},
        Rule{"BindingTimeout",
             ARGS("DynamicResources", "      bindingTimeout: 1s\n"),
             {AT "8:23: " IN ".bindingTimeout: Forbidden: DRADeviceBindingConditions or "
                 "DRAResourceClaimDeviceStatus feature gate is disabled"}},
        Rule{"AddedAffinity",
             ARGS("NodeAffinity",
                  "      addedAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "
                  "{nodeSelectorTerms: [{matchExpressions: [{key: a, operator: In}]}]}}\n"),
             {AT "8:112: " IN ".addedAffinity.requiredDuringSchedulingIgnoredDuringExecution."
                 "nodeSelectorTerms[0].matchExpressions[0].values: Invalid value: null: for 'in', "
                 "'notin' operators, values set can't be empty"}},
        Rule{"AddedFields",
             ARGS("NodeAffinity",
                  "      addedAffinity:\n        preferredDuringSchedulingIgnoredDuringExecution:\n"
                  "        - weight: 1\n          preference:\n            matchFields:\n"
                  "            - {key: a, operator: Exists}\n            - {key: a, operator: In}\n"
                  "            matchExpressions:\n            - {key: a, operator: Foo}\n"
                  "            - {key: a, operator: Gt, values: [q]}\n"
                  "        - weight: 0\n          preference: {matchFields: [{operator: a}]}\n"),
             {AT "10:11: " AFFINITY ".matchExpressions[0].operator: Unsupported value: \"Foo\": "
                 "supported values: \"In\", \"NotIn\", \"Exists\", \"DoesNotExist\", \"Gt\", "
                 "\"Lt\"",
              AT "10:11: " AFFINITY ".matchExpressions[1].values[0]: Invalid value: \"q\": for "
                 "'Gt', 'Lt' operators, the value must be an integer",
              AT "10:11: " AFFINITY ".matchFields[0].operator: Unsupported value: \"Exists\": "
                 "supported values: \"In\", \"NotIn\"",
              AT "10:11: " AFFINITY ".matchFields[1].values: Invalid value: null: must have one "
                 "element"}},
        Rule{"EmptyShapeOfVolumes",
             ARGS("VolumeBinding", "      shape: []\n"),
             {AT "8:14: " IN ".shape: Invalid value: []: unexpected field `shape`, remove it or "
                 "turn on the feature gate StorageCapacityScoring"}}),
    [](const auto& p) { return p.param.name; });

TEST(Configuration, IsOfOneVersion) {
  EXPECT_THAT(read("", "kubescheduler.config.k8s.io/v1beta3").errors,
              ElementsAre("s.yaml:1:1: no kind \"KubeSchedulerConfiguration\" is registered for "
                          "version \"kubescheduler.config.k8s.io/v1beta3\"; use "
                          "kubescheduler.config.k8s.io/v1 KubeSchedulerConfiguration"));
}

TEST(Configuration, IsOneDocument) {
  EXPECT_THAT(read_file("").errors,
              ElementsAre("s.yaml:1:1: expected one KubeSchedulerConfiguration, got 0 documents"));
  EXPECT_THAT(read_file("{}\n---\n{}\n").errors,
              ElementsAre("s.yaml:1:1: expected one KubeSchedulerConfiguration, got 2 documents"));
  EXPECT_EQ(read_file("a: [\n").errors.size(), 1U) << "an error of YAML says enough";
}

// As client-go's limiter has it, in thousandths.
TEST(Configuration, ReadsTheRateOfRequests) {
  const auto qps = [](const std::string& text) {
    const Read r = read("clientConnection: {" + text + "}\n");
    EXPECT_THAT(r.errors, IsEmpty()) << text;
    return std::pair(r.options.client_qps_milli, r.options.client_burst);
  };
  EXPECT_EQ(qps("qps: 0"), std::pair(int64_t{50'000}, int64_t{100}));
  EXPECT_EQ(qps("qps: 1e-50, burst: 7"), std::pair(int64_t{50'000}, int64_t{7}))
      << "nothing is left of it in 32 bits";
  EXPECT_EQ(qps("qps: 0.7").first, 700);
  EXPECT_EQ(qps("qps: 0.001").first, 1);
  EXPECT_EQ(qps("qps: -1").first, 0) << "no limit";
  EXPECT_EQ(qps("qps: 1e30").first, 0) << "none that could be felt";
  EXPECT_EQ(qps("qps: 0.001, burst: 2147483647").second, 2'305'843) << "73 years of tokens";
}

TEST(Configuration, WhatHasNoEffectWarns) {
  const Read r = read(
      "profiles:\n- plugins: {score: {disabled: [{name: NodeAffinty}]}}\n  pluginConfig:\n"
      "  - {name: NodeResourceFit, args: {a: 1}}\n  - {name: NodeName, args: {a: 1}}\n");
  EXPECT_THAT(r.errors, IsEmpty());
  EXPECT_THAT(
      r.warnings,
      ElementsAre("s.yaml:4:39: warning: profiles[0].plugins.score.disabled[0].name: plugin "
                  "\"NodeAffinty\" does not exist; did you mean \"NodeAffinity\"?",
                  "s.yaml:6:12: warning: profiles[0].pluginConfig[0].name: plugin "
                  "\"NodeResourceFit\" does not exist; did you mean \"NodeResourcesFit\"?",
                  "s.yaml:7:28: warning: profiles[0].pluginConfig[1].args: plugin "
                  "\"NodeName\" takes no arguments"));
}

TEST(Configuration, PluginsWhosePointsBuildOnEachOtherWarnWhenSomeAreOff) {
  const auto warnings = [](const std::string& plugins) {
    const Read r = read("profiles:\n- plugins: {" + plugins + "}\n");
    EXPECT_THAT(r.errors, IsEmpty());
    return r.warnings;
  };
  EXPECT_THAT(
      warnings("reserve: {disabled: [{name: VolumeBinding}]}, "
               "filter: {disabled: [{name: VolumeBinding}]}"),
      ElementsAre("s.yaml:4:12: warning: profiles[0].plugins: plugin \"VolumeBinding\" is enabled, "
                  "but not at filter, reserve: kube-scheduler may fail pods that are bound "
                  "here"));
  EXPECT_THAT(warnings("score: {disabled: [{name: '*'}]}"), IsEmpty()) << "nothing builds on it";
  EXPECT_THAT(warnings("multiPoint: {disabled: [{name: VolumeBinding}, {name: "
                       "DynamicResources}]}"),
              IsEmpty());
}

TEST(Configuration, DefaultsToKubernetesDefaults) {
  const Read r = read("");
  EXPECT_THAT(r.errors, IsEmpty());
  EXPECT_THAT(r.warnings, IsEmpty());
  const SchedulerOptions o;
  ASSERT_EQ(r.options.profiles.size(), 1u);
  EXPECT_EQ(r.options.profiles[0].scheduler_name, "default-scheduler");
  EXPECT_EQ(r.options.pod_max_backoff, o.pod_max_backoff);
  EXPECT_EQ(r.options.client_qps_milli, o.client_qps_milli);
  EXPECT_EQ(r.options.client_burst, o.client_burst);
}

// The plugins at a point, with weights where scores are meant.
std::vector<std::string> at(const Read& r, Points point) {
  Registry registry;
  register_scheduler_plugins(registry);
  std::vector<std::string> out;
  for (const std::string_view p : expand(r.options.profiles.at(0).plugins, point, registry)) {
    out.emplace_back(p);
    if (point != kScore) continue;
    out.back() += " " + std::to_string(r.options.profiles[0].plugins.weight(p));
  }
  return out;
}

TEST(Configuration, KeepsTheOrderOfTheDefaults) {
  const Read r = read("");
  EXPECT_THAT(
      at(r, kScore),
      ElementsAre("TaintToleration 3", "NodeAffinity 2", "NodeResourcesFit 1", "VolumeBinding 1",
                  "PodTopologySpread 2", "InterPodAffinity 2", "DynamicResources 2",
                  "NodeResourcesBalancedAllocation 1", "ImageLocality 1"));
  EXPECT_THAT(at(r, kReserve), ElementsAre("VolumeBinding", "DynamicResources"));
}

// A default named again at multiPoint stays where it was; one named at its point goes to the front,
// and its weight there wins; what is disabled at a point stays at others.
TEST(Configuration, MergesPluginSetsAsKubernetesDoes) {
  const Read r = read(
      "profiles:\n- plugins:\n    multiPoint:\n      enabled: [{name: NodeAffinity, weight: 7}]\n"
      "      disabled: [{name: InterPodAffinity}]\n    score:\n      enabled: [{name: "
      "ImageLocality, weight: 5}]\n      disabled: [{name: TaintToleration}]\n");
  EXPECT_THAT(r.errors, IsEmpty());
  EXPECT_THAT(at(r, kScore),
              ElementsAre("ImageLocality 5", "NodeAffinity 7", "NodeResourcesFit 1",
                          "VolumeBinding 1", "PodTopologySpread 2", "DynamicResources 2",
                          "NodeResourcesBalancedAllocation 1"));
  EXPECT_THAT(at(r, kPreScore),
              ElementsAre("TaintToleration", "NodeAffinity", "NodeResourcesFit", "VolumeBinding",
                          "PodTopologySpread", "NodeResourcesBalancedAllocation"));
}

TEST(Configuration, DisablesEverythingAtAPoint) {
  const Read r = read(
      "profiles:\n- plugins:\n    score: {enabled: [{name: NodeResourcesFit}], disabled: [{name: "
      "'*'}]}\n");
  EXPECT_THAT(at(r, kScore), ElementsAre("NodeResourcesFit 1"));
}

TEST(Configuration, ReadsArguments) {
  const Read r = read(
      "percentageOfNodesToScore: 30\npodMaxBackoffSeconds: 60\nclientConnection: {qps: 200, burst: "
      "400}\nprofiles:\n- schedulerName: packer\n  percentageOfNodesToScore: 70\n"
      "  pluginConfig:\n  - name: NodeResourcesFit\n    args:\n      scoringStrategy:\n"
      "        type: MostAllocated\n        resources: [{name: nvidia.com/gpu, weight: 5}, {name: "
      "cpu}]\n  - {name: PodTopologySpread, args: {defaultingType: List}}\n  - {name: "
      "VolumeBinding, args: {bindTimeoutSeconds: 5}}\n  - {name: Mine, args: {a: 1}}\n");
  EXPECT_THAT(r.errors, IsEmpty());
  const SchedulerOptions& o = r.options;
  EXPECT_EQ(o.percentage_of_nodes_to_score, 30);
  EXPECT_EQ(o.pod_max_backoff, api::Duration::seconds(60));
  EXPECT_EQ(o.client_qps_milli, 200'000);
  EXPECT_EQ(o.client_burst, 400);
  const ProfileOptions& p = o.profiles.at(0);
  EXPECT_EQ(p.scheduler_name, "packer");
  EXPECT_EQ(p.percentage_of_nodes_to_score, 70);
  EXPECT_EQ(p.config.fit.strategy, ScoringStrategy::kMostAllocated);
  ASSERT_EQ(p.config.fit.resources.size(), 2u);
  EXPECT_EQ(p.config.fit.resources[0].weight, 5);
  EXPECT_EQ(p.config.fit.resources[1].weight, 1) << "0 means 1";
  EXPECT_FALSE(p.config.spread.system_defaults);
  EXPECT_EQ(p.config.volume_binding.bind_timeout, api::Duration::seconds(5));
  EXPECT_EQ(p.config.custom.at("Mine")["a"].as_int(), 1);
}

// A profile that packs puts the second pod beside the first; the default one spreads them.
TEST(Configuration, DecidesByItsProfiles) {
  const Read r = read(
      "profiles:\n- schedulerName: default-scheduler\n- schedulerName: packer\n  plugins: {score: "
      "{enabled: [{name: NodeResourcesFit}], disabled: [{name: '*'}]}}\n  pluginConfig:\n  - name: "
      "NodeResourcesFit\n    args: {scoringStrategy: {type: MostAllocated}}\n");
  ASSERT_THAT(r.errors, IsEmpty());
  SchedulerOptions options = r.options;
  options.cycle_time = api::Duration();
  test::Cluster c(options);
  for (const char* n : {"n-0", "n-1"}) c.put(test::make_node(n));
  c.put(test::make_pod("a", "1", "1Gi"));
  auto packed = test::make_pod("b", "1", "1Gi");
  packed->spec.scheduler_name = "packer";
  c.put(packed);
  EXPECT_EQ(c.node_of("b"), c.node_of("a"));
  c.put(test::make_pod("d", "1", "1Gi"));
  EXPECT_NE(c.node_of("d"), c.node_of("a"));
}

}  // namespace
}  // namespace mainspring::scheduler
