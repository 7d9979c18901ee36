#include "scenarios/loader.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "models/api/diagnostics.h"

namespace mainspring::scenarios {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kHead = R"(apiVersion: mainspring.dev/v1
kind: Scenario
metadata: {name: t}
horizon: 3m
cluster: {nodePools: [{name: a, count: 2, zones: [west, east]}]}
manifests: [hello.yaml]
)";

// What loading a scenario with these lines added says, a line each.
class Loader : public ::testing::Test {
 protected:
  std::vector<std::string> said(const std::string& lines,
                                const std::vector<std::pair<std::string, std::string>>& set = {}) {
    namespace fs = std::filesystem;
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    const fs::path folder = fs::temp_directory_path() / ("mainspring-loader-" + name);
    fs::create_directories(folder);
    fs::copy_file(MAINSPRING_SOURCE_DIR "/scenarios/library/manifests/hello.yaml",
                  folder / "hello.yaml", fs::copy_options::overwrite_existing);
    std::ofstream(folder / "more.yaml") << manifest_;
    const bool own = lines.starts_with("manifests:");  // instead of hello.yaml
    const std::string_view head = own ? kHead.substr(0, kHead.find("manifests:")) : kHead;
    std::ofstream(folder / "t.yaml") << head << lines;
    api::Diagnostics diagnostics;
    loaded_ = load_scenario((folder / "t.yaml").string(), set, diagnostics);
    std::vector<std::string> out;
    for (const api::Diagnostic& d : diagnostics.sorted()) {
      std::string line = diagnostics.render(d);
      if (line.starts_with(folder.string())) line.erase(0, folder.string().size() + 1);
      out.push_back(line);
    }
    fs::remove_all(folder);
    return out;
  }
  LoadedScenario loaded_;
  std::string manifest_;  // more.yaml
};

TEST_F(Loader, AGoodScenarioSaysNothing) {
  EXPECT_THAT(said("traffic: [{service: web, rate: \"3\"}]\n"), IsEmpty());
}

TEST_F(Loader, TheSchemasEnumsRangesAndRequiredFieldsHold) {
  EXPECT_THAT(said("traffic: [{service: web, rate: 3, shape: Poison}]\n"),
              ElementsAre("t.yaml:7:42: Scenario/t traffic[0].shape: Unsupported value: "
                          "\"Poison\": supported values: \"Constant\", \"Diurnal\", \"Poisson\", "
                          "\"Ramp\", \"Spike\", \"Trace\""));
  EXPECT_THAT(said("seed: -4\n"),
              ElementsAre("t.yaml:7:7: Scenario/t seed: Invalid value: -4: must be greater than or "
                          "equal to 0"));
  EXPECT_THAT(said("services: [{service: web, concurrency: 0}]\n"),
              ElementsAre(HasSubstr("services[0].concurrency: Invalid value: 0")));
  EXPECT_THAT(said("expectations: [{series: {value: 3}}]\n"),
              ElementsAre(HasSubstr("series.metric: Required value"),
                          HasSubstr("series.is: Required value")));
  EXPECT_THAT(said("faults: [{at: 1m, containerCrash: {}}]\n"),
              ElementsAre(HasSubstr("faults[0].containerCrash.target: Required value")));
}

TEST_F(Loader, AnUnknownFieldIsAnErrorWithTheNearestName) {
  EXPECT_THAT(said("trafic: []\n"),
              ElementsAre("t.yaml:7:1: Scenario/t trafic: unknown field \"trafic\"; did you mean "
                          "\"traffic\"?"));
  EXPECT_THAT(said("", {{"clster.seed", "3"}}), Contains(HasSubstr("did you mean \"cluster\"?")));
}

TEST_F(Loader, AZeroIsNotNothing) {
  EXPECT_THAT(said("seed: 0\nservices: [{service: web, queue: 0}]\n",
                   {{"cluster.nodePools[0].count", "0"}}),
              IsEmpty());
  EXPECT_EQ(loaded_.spec.seed, 0);
  EXPECT_EQ(loaded_.spec.services[0].queue, 0);
  EXPECT_EQ(loaded_.spec.cluster.node_pools[0].count, 0);
}

TEST_F(Loader, AMachineHasMoreThanNoCpuMemoryAndDisk) {
  EXPECT_THAT(said("", {{"cluster.nodePools[0].cpu", "0"},
                        {"cluster.nodePools[0].memory", "-1Gi"},
                        {"cluster.nodePools[0].disk", "1m"}}),
              ElementsAre(HasSubstr("nodePools[0].cpu: must be greater than 0"),
                          HasSubstr("nodePools[0].memory: must be greater than 0")));
}

TEST_F(Loader, APoolsMachinesHaveNamesLabelsTaintsAndDevicesThatNodesMayHave) {
  const auto of_pool = [&](const char* field, const char* value) {
    return said("", {{std::string("cluster.nodePools[0].") + field, value}});
  };
  EXPECT_THAT(of_pool("devices", "{nvidia.com/gpu: 8, example.com/fpga: 0}"), IsEmpty());
  EXPECT_THAT(of_pool("devices", "{nvidia.com/gpu: -1}"),
              ElementsAre(HasSubstr("Scenario/t cluster.nodePools[0].devices.nvidia.com/gpu: "
                                    "expected a whole number of at least 0, got \"-1\"")));
  EXPECT_THAT(of_pool("devices", "{nvidia.com/gpu: 1.5}"),
              ElementsAre(HasSubstr("expected a whole number of at least 0, got \"1500m\"")));
  for (const char* name : {"foo", "a b", "cpu", "requests.a/b"}) {
    EXPECT_THAT(of_pool("devices", (std::string("{") + name + ": 1}").c_str()),
                ElementsAre(HasSubstr(std::string("expected the name of an extended resource such "
                                                  "as nvidia.com/gpu, got \"") +
                                      name + '"')));
  }
  EXPECT_THAT(of_pool("labels", "{a b: c}"),
              ElementsAre(HasSubstr("cluster.nodePools[0].labels.a b: expected a label's name such "
                                    "as example.com/tier, got \"a b\"")));
  EXPECT_THAT(of_pool("labels", "{a: b c}"),
              ElementsAre(HasSubstr("nodePools[0].labels.a: expected a label's value")));
  EXPECT_THAT(of_pool("zones", "[west, east, a b, '']"),
              ElementsAre(HasSubstr("nodePools[0].zones[2]: expected a label's value such as "
                                    "zone-a, got \"a b\""),
                          HasSubstr("nodePools[0].zones[3]: expected a label's value such as "
                                    "zone-a, got \"\"")));
  EXPECT_THAT(of_pool("region", "a b"), ElementsAre(HasSubstr("nodePools[0].region: expected")));
  EXPECT_THAT(of_pool("instanceType", "a b"),
              ElementsAre(HasSubstr("nodePools[0].instanceType: expected a label's value such as "
                                    "standard-4")));
  EXPECT_THAT(of_pool("name", "A B"),
              ElementsAre(HasSubstr("nodePools[0].name: expected the start of machines' names such "
                                    "as general: a-z, 0-9, '-' and '.', got \"A B\"")));
  EXPECT_THAT(of_pool("taints",
                      "[{key: a, effect: NoSchedule}, {key: a, effect: NoExecute}, "
                      "{key: a, value: x, effect: NoSchedule}]"),
              ElementsAre(HasSubstr("nodePools[0].taints[2]: taints must be unique by key and "
                                    "effect pair")));
}

TEST_F(Loader, NumbersNeedNoQuotes) {
  EXPECT_THAT(said("traffic: [{service: web, rate: 2.50}]\n"
                   "expectations: [{availability: {service: web, atLeast: 0.9}}]\n"),
              IsEmpty());
  EXPECT_EQ(loaded_.spec.traffic[0].rate, "2.5");
  EXPECT_THAT(said("traffic: [{service: web, rate: 2, timeout: 3}]\n"),
              ElementsAre(HasSubstr("timeout: expected string (put it in quotes), got 3")));
}

TEST_F(Loader, NamesThatNothingHasAreErrors) {
  EXPECT_THAT(said("traffic: [{service: webb, rate: 3}]\n"),
              ElementsAre("t.yaml:7:21: Scenario/t traffic[0].service: no manifest has a Service "
                          "\"webb\"; did you mean \"web\"?"));
  EXPECT_THAT(said("traffic: [{service: default/web, rate: 3}]\n"), IsEmpty());
  EXPECT_THAT(said("services: [{service: web, calls: [{service: ghost}]}]\n"),
              ElementsAre(HasSubstr("services[0].calls[0].service: no manifest has a Service")));
  EXPECT_THAT(said("apps: [{match: {workload: wbe}}]\n"),
              ElementsAre(HasSubstr("no manifest has a workload \"wbe\"; did you mean \"web\"?")));
  EXPECT_THAT(said("faults: [{at: 1m, nodeCrash: {node: a-3}}]\n"),
              ElementsAre(HasSubstr("no machine is named \"a-3\"")));
  EXPECT_THAT(said("faults: [{at: 1m, zoneOutage: {zone: wset}}]\n"),
              ElementsAre(HasSubstr("zone \"wset\"; did you mean \"west\"?")));
  EXPECT_THAT(said("faults: [{at: 1m, trafficSpike: {traffic: x, factor: 2, duration: 1m}}]\n"),
              ElementsAre(HasSubstr("no traffic entry is named \"x\"")));
  EXPECT_THAT(said("expectations: [{recovery: {after: x, within: 1m}}]\n"),
              ElementsAre(HasSubstr("no fault is named \"x\"")));
  EXPECT_THAT(said("expectations: [{flapping: {workload: x, atMostChanges: 1}}]\n"),
              ElementsAre(HasSubstr("no manifest has a workload \"x\"")));
}

TEST_F(Loader, AWorkloadThatTheTimelineMakesIsKnown) {
  EXPECT_THAT(said("timeline: [{at: 1m, kubectl: create deployment later --image=x}]\n"
                   "apps: [{match: {workload: later}}]\n"),
              IsEmpty());
}

TEST_F(Loader, AFaultOrAnExpectationIsOfOneKind) {
  EXPECT_THAT(said("faults: [{at: 1m, zoneOutage: {zone: west}, nodeCrash: {}}]\n"),
              ElementsAre("t.yaml:7:10: Scenario/t faults[0]: expected exactly one of "
                          "containerCrash, nodeCrash, zoneOutage, trafficSpike, got 2"));
  EXPECT_THAT(said("expectations: [{name: x}]\n"),
              ElementsAre(HasSubstr("expectations[0]: expected exactly one of availability")));
}

TEST_F(Loader, WhatComesAfterTheEndGetsAWarning) {
  EXPECT_THAT(said("faults: [{at: 3m, nodeCrash: {}}]\n"),
              ElementsAre("t.yaml:7:15: warning: Scenario/t faults[0].at: never happens: the run "
                          "ends at 3m"));
}

TEST_F(Loader, KubectlCommandsAreCheckedBeforeTheRun) {
  const auto step = [&](const std::string& line) {
    return said("timeline: [{at: 1m, kubectl: \"" + line + "\"}]\n");
  };
  EXPECT_THAT(step("scale deployment web --replicas=x"),
              ElementsAre(HasSubstr("--replicas=COUNT")));
  EXPECT_THAT(step("rollout undo"), ElementsAre(HasSubstr("expected TYPE/NAME")));
  EXPECT_THAT(step("scale deploymnt web --replicas=2"),
              ElementsAre(HasSubstr("doesn't have a resource type \"deploymnt\"")));
  EXPECT_THAT(step("apply"), ElementsAre(HasSubstr("kubectl apply needs -f FILE")));
  EXPECT_THAT(step("apply -f nope.yaml"), ElementsAre(HasSubstr("no file matches nope.yaml")));
  EXPECT_THAT(step("apply -f hello.yaml"), IsEmpty());
  EXPECT_EQ(loaded_.timeline.at(0).command.documents.size(), 2U);
}

TEST_F(Loader, ProblemsOfTheTrafficModelHaveTheirPlace) {
  EXPECT_THAT(said("services: [{service: web, calls: [{service: web}]}]\n"),
              ElementsAre("t.yaml:7:12: services[0]: service default/web: its calls lead back to "
                          "it"));
  EXPECT_THAT(said("traffic: [{service: web, rate: 1, from: 2m, until: 1m}]\n"),
              ElementsAre("t.yaml:7:11: traffic[0]: traffic web: it ends before it begins"));
}

// A pod, as one line of a manifest.
std::string pod(std::string_view metadata, std::string_view spec = "") {
  return fmt::format(
      "---\n{{apiVersion: v1, kind: Pod, metadata: {{{}}}, spec: {{{}containers: "
      "[{{name: c, image: a:1}}]}}}}\n",
      metadata, spec);
}

#define HOW "; cluster.namespaces makes those that no manifest has"
TEST_F(Loader, ObjectsThatTheApiServerRefusesAreErrorsAllAtOnce) {
  manifest_ = pod("name: a, namespace: nowhere") + pod("name: b", "priorityClassName: nope, ") +
              pod("name: c") + pod("name: c");
  EXPECT_THAT(
      said("manifests: [more.yaml]\n"),
      ElementsAre("more.yaml:2:1: Pod/a: namespaces \"nowhere\" not found" HOW,
                  "more.yaml:4:1: Pod/b: pods \"b\" is forbidden: no PriorityClass with name nope "
                  "was found",
                  "more.yaml:8:1: Pod/c: pods \"c\" already exists"));
  manifest_ = pod("name: a");
  EXPECT_THAT(said("manifests: [more.yaml]\nnamespace: team-a\n"),
              ElementsAre("more.yaml:2:1: Pod/a: namespaces \"team-a\" not found" HOW));
  EXPECT_THAT(said("manifests: [more.yaml]\nnamespace: Team A\n"),
              ElementsAre(HasSubstr("t.yaml:7:12: Scenario/t namespace: Invalid value")));
}

TEST_F(Loader, FilesForProgramsAreNoObjectsOfTheCluster) {
  const std::string file =
      "---\n{apiVersion: kubescheduler.config.k8s.io/v1, kind: "
      "KubeSchedulerConfiguration}\n";
  manifest_ = pod("name: a") + file + file;
  EXPECT_THAT(said("manifests: [more.yaml]\n"), IsEmpty());
}

TEST_F(Loader, WhatOtherObjectsMakeIsThereWhateverTheOrder) {
  manifest_ = pod("name: a, namespace: late", "priorityClassName: high, ") +
              "---\n{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, value: 5, "
              "metadata: {name: high}}\n"
              "---\n{apiVersion: v1, kind: Namespace, metadata: {name: late}}\n";
  EXPECT_THAT(said("manifests: [more.yaml]\n"), IsEmpty());
}

TEST_F(Loader, AQuotaCountsFromTheStart) {
  manifest_ = pod("name: a") + pod("name: b") +
              "---\n{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}, spec: {hard: {pods: "
              "'1'}}}\n";
  EXPECT_THAT(said("manifests: [more.yaml]\n"),
              ElementsAre("more.yaml:4:1: Pod/b: pods \"b\" is forbidden: exceeded quota: q, "
                          "requested: pods=1, used: pods=1, limited: pods=1"));
}

TEST_F(Loader, ObjectsOfTheListHaveTheirOwnPlaces) {
  manifest_ =
      "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a, namespace: nowhere}\n"
      "  spec: {containers: [{name: c, image: a:1}]}\n";
  EXPECT_THAT(said("manifests: [more.yaml]\n"),
              ElementsAre("more.yaml:4:3: Pod/a: namespaces \"nowhere\" not found" HOW));
}

TEST_F(Loader, WhatANewClusterHasAndKindsThatAreOnlyKeptDoNotCollide) {
  manifest_ =
      "---\n{apiVersion: v1, kind: Namespace, metadata: {name: kube-system}}\n"
      "---\n{apiVersion: example.com/v1, kind: One, metadata: {name: x}}\n"
      "---\n{apiVersion: example.com/v1, kind: Other, metadata: {name: x}}\n";
  EXPECT_THAT(said("manifests: [more.yaml]\n"),
              ElementsAre("more.yaml:2:1: warning: Namespace/kube-system: a new cluster has it, "
                          "and keeps its own"));
}

TEST_F(Loader, AFileWithoutAnObjectIsAnError) {
  manifest_ = "# nothing\n";
  EXPECT_THAT(said("manifests: [more.yaml]\n"),
              ElementsAre("more.yaml:1:1: expected an object, got an empty file"));
}

TEST_F(Loader, OneMistakeIsOneError) {
  EXPECT_THAT(said("", {{"cluster", "{}"}}),
              ElementsAre(HasSubstr("cluster.nodePools: Required value")));
  EXPECT_THAT(said("", {{"cluster.nodePools[0].cpu", "4x"}}),
              ElementsAre(HasSubstr("expected quantity, such as 500m or 2Gi, got \"4x\"")));
}

TEST_F(Loader, TheLongestHorizonIsSaid) {
  EXPECT_THAT(said("", {{"horizon", "999999999h"}}),
              ElementsAre(HasSubstr("horizon: expected at most 876000h (100 years), got")));
  EXPECT_THAT(said("", {{"horizon", "876001h"}}), ElementsAre(HasSubstr("at most 876000h")));
  EXPECT_THAT(said("", {{"horizon", "876000h"}}), IsEmpty());
}

TEST_F(Loader, AFileThatIsNotThereIsSaidToBeMissing) {
  api::Diagnostics diagnostics;
  load_scenario("/nonexistent/x.yaml", {}, diagnostics);
  EXPECT_EQ(diagnostics.to_text(), "/nonexistent/x.yaml: no such file\n");
}

}  // namespace
}  // namespace mainspring::scenarios
