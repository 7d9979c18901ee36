#include "models/api/validation.h"

#include <gmock/gmock.h>

#include "models/api/types/all.h"
#include "tests/models/api/schema_test_util.h"

namespace mainspring::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> errors_of(const Object& object) {
  std::vector<std::string> texts;
  for (const FieldError& e : validate(object)) texts.push_back(e.text());
  return texts;
}

std::string pod_with(std::string_view spec, std::string_view container = "") {
  return "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers: [{name: a, image: "
         "b" +
         std::string(container.empty() ? "" : ", ") + std::string(container) + "}]\n  " +
         std::string(spec) + "\n";
}
std::string deployment_with(std::string_view spec) {
  return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  " +
         std::string(spec) + "\n";
}
constexpr const char* kTemplate =
    "selector: {matchLabels: {app: web}}\n  template: {metadata: {labels: {app: web}}, spec: "
    "{containers: [{name: a, image: b}]}}";

TEST(Validation, GoodObjectsHaveNoErrors) {
  EXPECT_THAT(errors_of(*defaulted(pod_with(""))), IsEmpty());
  EXPECT_THAT(errors_of(*defaulted(deployment_with(kTemplate))), IsEmpty());
}

constexpr const char* kNamePart =
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

// What validateContainerResourceName and ValidateResourceQuantityValue say.
TEST(Validation, ContainersMayAskForCountableAndNamedResourcesOnly) {
  EXPECT_THAT(errors_of(*defaulted(pod_with("", "resources: {limits: {example.com/gpu: '0.5'}}"))),
              ElementsAre("spec.containers[0].resources.limits[example.com/gpu]: Invalid value: "
                          "\"500m\": must be an integer",
                          "spec.containers[0].resources.requests[example.com/gpu]: Invalid value: "
                          "\"500m\": must be an integer"));
  EXPECT_THAT(errors_of(*defaulted(pod_with("", "resources: {requests: {gpus: 1}}"))),
              ElementsAre("spec.containers[0].resources.requests[gpus]: Invalid value: \"gpus\": "
                          "must be a standard resource type or fully qualified",
                          "spec.containers[0].resources.requests[gpus]: Invalid value: \"gpus\": "
                          "must be a standard resource for containers"));
  EXPECT_THAT(errors_of(*defaulted(pod_with("", "resources: {requests: {pods: 1}}"))),
              ElementsAre("spec.containers[0].resources.requests[pods]: Invalid value: \"pods\": "
                          "must be a standard resource for containers"));
  EXPECT_THAT(errors_of(*parse(pod_with("", "resources: {limits: {requests.x/y: 1}}"))),
              ElementsAre("spec.containers[0].resources.limits[requests.x/y]: Invalid value: "
                          "\"requests.x/y\": doesn't follow extended resource name standard"));
  EXPECT_THAT(errors_of(*defaulted(pod_with("", "resources: {requests: {a b: 1}}"))),
              ElementsAre(std::string("spec.containers[0].resources.requests[a b]: Invalid value: "
                                      "\"a b\": ") +
                              kNamePart,
                          "spec.containers[0].resources.requests[a b]: Invalid value: \"a b\": "
                          "must be a standard resource for containers"));
  EXPECT_THAT(errors_of(*defaulted(
                  pod_with("",
                           "resources: {limits: {cpu: 500m, memory: '0.5', ephemeral-storage: 1Gi, "
                           "hugepages-2Mi: 4Mi, example.com/gpu: 2, kubernetes.io/x: 1500m}}"))),
              IsEmpty());
}

TEST(Validation, HugePagesAreWholeAndNeedCpuOrMemory) {
  const std::string limits = "spec.containers[0].resources.limits";
  const std::string requests = "spec.containers[0].resources.requests";
  EXPECT_THAT(
      errors_of(*defaulted(pod_with("", "resources: {limits: {memory: 1Gi, hugepages-2Mi: 3Mi}}"))),
      ElementsAre(limits + "[hugepages-2Mi]: Invalid value: \"3Mi\": 3Mi is not positive integer "
                           "multiple of hugepages-2Mi",
                  requests + "[hugepages-2Mi]: Invalid value: \"3Mi\": 3Mi is not positive integer "
                             "multiple of hugepages-2Mi"));
  for (const std::string name : {"hugepages-big", "hugepages-0", "hugepages-1500m"}) {
    EXPECT_THAT(
        errors_of(*parse(pod_with("", "resources: {limits: {memory: 1Gi, " + name + ": 4Mi}}"))),
        ElementsAre(limits + "[" + name +
                    "]: Invalid value: \"4Mi\": 4Mi is not positive "
                    "integer multiple of " +
                    name));
  }
  EXPECT_THAT(errors_of(*defaulted(pod_with("", "resources: {limits: {hugepages-2Mi: 4Mi}}"))),
              ElementsAre("spec.containers[0].resources: Forbidden: HugePages require cpu or "
                          "memory"));
}

TEST(Validation, WhatIsSetForTheWholePodCoversItsContainers) {
  const auto errors = [](const std::string& pod, const std::string& container) {
    return errors_of(*parse(pod_with("resources: " + pod, "resources: " + container)));
  };
  EXPECT_THAT(errors("{requests: {cpu: 2}, limits: {cpu: 3, memory: 1Gi}}",
                     "{requests: {cpu: 2}, limits: {cpu: 3, ephemeral-storage: 1Gi}}"),
              IsEmpty());
  EXPECT_THAT(
      errors("{requests: {cpu: 1}, limits: {cpu: 2, foo: 1, ephemeral-storage: 1}}",
             "{requests: {cpu: 1500m}, limits: {cpu: 3}}"),
      ElementsAre("spec.resources.limits[foo]: Invalid value: \"foo\": must be a standard "
                  "resource type or fully qualified",
                  "spec.resources.limits[ephemeral-storage]: Unsupported value: "
                  "\"ephemeral-storage\": supported values: \"cpu\", \"hugepages-\", "
                  "\"memory\"",
                  "spec.resources.requests[cpu]: Invalid value: \"1\": must be greater than "
                  "or equal to aggregate container requests of 1500m",
                  "spec.resources.containers[0][cpu].limits: Invalid value: \"3\": must be "
                  "less than or equal to pod limits of 2"));
  EXPECT_THAT(errors("{limits: {memory: 1Gi, hugepages-2Mi: 2Mi}}",
                     "{limits: {memory: 1Gi, hugepages-2Mi: 4Mi}}"),
              ElementsAre("spec.resources.limits[hugepages-2Mi]: Invalid value: \"2Mi\": must be "
                          "greater than or equal to aggregate container limits of 4Mi",
                          "spec.resources.containers[0][hugepages-2Mi].limits: Invalid value: "
                          "\"4Mi\": must be less than or equal to pod limits of 2Mi"));
}

TEST(Validation, RequiredNodeAffinityAsksForValuesOfLabels) {
  const std::string term = "{matchExpressions: [{key: a, operator: In, values: ['b c']}]}";
  const std::string affinity = "affinity: {nodeAffinity: {";
  EXPECT_THAT(errors_of(*defaulted(pod_with(affinity +
                                            "requiredDuringSchedulingIgnoredDuringExecution: "
                                            "{nodeSelectorTerms: [" +
                                            term + "]}}}"))),
              ElementsAre(testing::StartsWith(
                  "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
                  "nodeSelectorTerms[0].matchExpressions[0].values[0]: Invalid value: \"b c\": ")));
  EXPECT_THAT(errors_of(*defaulted(pod_with(affinity +
                                            "preferredDuringSchedulingIgnoredDuringExecution: "
                                            "[{weight: 1, preference: " +
                                            term + "}]}}"))),
              IsEmpty());
}

TEST(Validation, OverheadFollowsTheRulesOfContainers) {
  EXPECT_THAT(errors_of(*defaulted(pod_with("overhead: {cpu: -1, foo: 1}"))),
              ElementsAre("spec.overhead.limits[cpu]: Invalid value: \"-1\": must be greater than "
                          "or equal to 0",
                          "spec.overhead.limits[foo]: Invalid value: \"foo\": must be a standard "
                          "resource type or fully qualified",
                          "spec.overhead.limits[foo]: Invalid value: \"foo\": must be a standard "
                          "resource for containers"));
}

TEST(Validation, NodesAreSelectedByNameAmongTheirFieldsAndByOneAtATime) {
  const auto errors = [](const std::string& field) {
    return errors_of(*defaulted(
        pod_with("affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "
                 "{nodeSelectorTerms: [{matchFields: [" +
                 field + "]}]}}}")));
  };
  const std::string place =
      "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
      "nodeSelectorTerms[0].matchFields[0].";
  EXPECT_THAT(errors("{key: metadata.name, operator: In, values: [a]}"), IsEmpty());
  EXPECT_THAT(
      errors("{key: metadata.uid, operator: In, values: [a]}"),
      ElementsAre(place + "key: Invalid value: \"metadata.uid\": not a valid field selector "
                          "key"));
  EXPECT_THAT(errors("{key: metadata.name, operator: NotIn, values: [a, b]}"),
              ElementsAre(place + "values: Required value: must be only one value when `operator` "
                                  "is 'In' or 'NotIn' for node field selector"));
  EXPECT_THAT(errors("{key: metadata.name, operator: Exists}"),
              ElementsAre(place + "operator: Invalid value: \"Exists\": not a valid selector "
                                  "operator"));
}

TEST(Validation, LabelKeysNeedASelectorThatDoesNotHaveThem) {
  const auto affinity = [](const std::string& term) {
    return errors_of(*defaulted(
        pod_with("affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "
                 "[{topologyKey: zone, " +
                 term + "}]}}")));
  };
  const std::string place =
      "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]";
  EXPECT_THAT(affinity("labelSelector: {}, matchLabelKeys: [a], mismatchLabelKeys: [b]"),
              IsEmpty());
  EXPECT_THAT(
      affinity("matchLabelKeys: [a], mismatchLabelKeys: [b]"),
      ElementsAre(
          place + ".matchLabelKeys: Forbidden: must not be specified when labelSelector is not set",
          place + ".mismatchLabelKeys: Forbidden: must not be specified when labelSelector is not "
                  "set"));
  EXPECT_THAT(affinity("labelSelector: {}, matchLabelKeys: [a b]"),
              ElementsAre(place + ".matchLabelKeys[0]: Invalid value: \"a b\": " + kNamePart));
  EXPECT_THAT(affinity("labelSelector: {}, matchLabelKeys: [a, b], mismatchLabelKeys: [b]"),
              ElementsAre(place + ".matchLabelKeys[1]: Invalid value: \"b\": exists in both "
                                  "matchLabelKeys and mismatchLabelKeys"));
  // One of the two is what the API server has added.
  EXPECT_THAT(affinity("labelSelector: {matchLabels: {a: x}, matchExpressions: [{key: a, operator: "
                       "In, values: [x]}]}, matchLabelKeys: [b, a]"),
              ElementsAre(place + "[1]: Invalid value: \"a\": exists in both matchLabelKeys and "
                                  "labelSelector"));
  EXPECT_THAT(
      errors_of(*defaulted(pod_with("topologySpreadConstraints: [{maxSkew: 1, topologyKey: b c, "
                                    "whenUnsatisfiable: DoNotSchedule, matchLabelKeys: [a]}]"))),
      ElementsAre("spec.topologySpreadConstraints[0].matchLabelKeys: Forbidden: must not "
                  "be specified when labelSelector is not set"));
}

TEST(Validation, ANodesAmountsAreWholeAndNotNegative) {
  EXPECT_THAT(errors_of(*defaulted("{apiVersion: v1, kind: Node, metadata: {name: a}, status: "
                                   "{capacity: {pods: '1.5'}, allocatable: {cpu: -1}}}")),
              ElementsAre("status.capacity.pods: Invalid value: \"1500m\": must be an integer",
                          "status.allocatable.cpu: Invalid value: \"-1\": must be greater than or "
                          "equal to 0"));
}

// One mistake, one message, in Kubernetes' words.
TEST(Validation, SaysWhatKubernetesSays) {
  struct Case {
    std::string object;
    std::string expected;
  };
  const std::string with_template = std::string(kTemplate) + "\n  ";
  const Case cases[] = {
      {deployment_with(with_template + "replicas: -1"),
       "spec.replicas: Invalid value: -1: must be greater than or equal to 0"},
      {deployment_with("template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, "
                       "image: b}]}}"),
       "spec.selector: Required value"},
      {deployment_with("selector: {matchLabels: {app: web}}\n  template: {metadata: {labels: {app: "
                       "other}}, spec: {containers: [{name: a, image: b}]}}"),
       "spec.template.metadata.labels: Invalid value: {\"app\":\"other\"}: `selector` does not "
       "match template `labels`"},
      {deployment_with("selector: {}\n  template: {spec: {containers: [{name: a, image: b}]}}"),
       "spec.selector: Invalid value: {}: empty selector is invalid for deployment"},
      {deployment_with(with_template +
                       "strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}"),
       "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` "
       "is 0"},
      {deployment_with(with_template + "strategy: {type: Recreate, rollingUpdate: {}}"),
       "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is "
       "'Recreate'"},
      {deployment_with(with_template + "strategy: {type: BlueGreen}"),
       "spec.strategy.type: Unsupported value: \"BlueGreen\": supported values: \"Recreate\", "
       "\"RollingUpdate\""},
      {deployment_with(with_template + "minReadySeconds: 600"),
       "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"},
      {"{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {}}",
       "spec.containers: Required value"},
      {pod_with("", "imagePullPolicy: Sometimes"),
       "spec.containers[0].imagePullPolicy: Unsupported value: \"Sometimes\": supported values: "
       "\"Always\", \"IfNotPresent\", \"Never\""},
      {pod_with("", "ports: [{containerPort: 70000}]"),
       "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and "
       "65535, inclusive"},
      {pod_with("", "ports: [{name: x}]"),
       "spec.containers[0].ports[0].containerPort: Required value"},
      {pod_with("", "ports: [{name: web, containerPort: 1}, {name: web, containerPort: 2}]"),
       "spec.containers[0].ports[1].name: Duplicate value: \"web\""},
      {pod_with("", "resources: {requests: {cpu: 2}, limits: {cpu: 1}}"),
       "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to "
       "cpu limit of 1"},
      {pod_with("", "resources: {requests: {memory: -1}}"),
       "spec.containers[0].resources.requests[memory]: Invalid value: \"-1\": must be greater than "
       "or equal to 0"},
      {pod_with("", "resources: {requests: {example.com/gpu: 1}}"),
       "spec.containers[0].resources.limits: Required value: Limit must be set for non "
       "overcommitable resources"},
      {pod_with("", "livenessProbe: {periodSeconds: 3}"),
       "spec.containers[0].livenessProbe: Required value: must specify a handler type"},
      {pod_with("", "livenessProbe: {successThreshold: 2, tcpSocket: {port: 1}}"),
       "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"},
      {pod_with("", "readinessProbe: {tcpSocket: {port: 1}, exec: {command: [x]}}"),
       "spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 "
       "handler type"},
      {pod_with("", "volumeMounts: [{name: v, mountPath: /v}]"),
       "spec.containers[0].volumeMounts[0].name: Not found: \"v\""},
      {pod_with("tolerations: [{key: a, operator: Exists, value: b}]"),
       "spec.tolerations[0].operator: Invalid value: \"b\": value must be empty when `operator` is "
       "'Exists'"},
      {pod_with("tolerations: [{key: a, operator: Exists, tolerationSeconds: 1}]"),
       "spec.tolerations[0].effect: Invalid value: \"\": effect must be 'NoExecute' when "
       "`tolerationSeconds` is set"},
      {pod_with("tolerations: [{key: a, operator: Gt, value: '5'}]"),
       "spec.tolerations[0].operator: Unsupported value: \"Gt\": supported values: \"Equal\", "
       "\"Exists\", \"Lt\", \"Gt\""},
      {pod_with("tolerations: [{key: a, operator: Like}]"),
       "spec.tolerations[0].operator: Unsupported value: \"Like\": supported values: \"Equal\", "
       "\"Exists\""},
      {pod_with("topologySpreadConstraints: [{maxSkew: 0, topologyKey: zone, whenUnsatisfiable: "
                "DoNotSchedule}]"),
       "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than 0"},
      {pod_with("affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: "
                "[{weight: 200, preference: {}}]}}"),
       "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: "
       "Invalid value: 200: must be between 1 and 100, inclusive"},
      {pod_with("affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "
                "[{labelSelector: {}}]}}"),
       "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]."
       "topologyKey: Required value"},
      {pod_with("initContainers: [{name: a, image: b}]"),
       "spec.initContainers[0].name: Duplicate value: \"a\""},
      {pod_with("volumes: [{name: a, ephemeral: {}}]"),
       "spec.volumes[0].ephemeral.volumeClaimTemplate: Required value"},
      {pod_with("affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "
                "[{labelSelector: {}, topologyKey: b c}]}}"),
       std::string("spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]."
                   "topologyKey: Invalid value: \"b c\": ") +
           kNamePart},
      {pod_with("volumes: [{name: A, emptyDir: {}}]"),
       "spec.volumes[0].name: Invalid value: \"A\": a lowercase RFC 1123 label must consist of "
       "lower case alphanumeric characters or '-', and must start and end with an alphanumeric "
       "character (e.g. 'my-name',  or '123-abc', regex used for validation is "
       "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"},
      {"{apiVersion: v1, kind: ConfigMap, metadata: {name: x, labels: {a b: c}}}",
       "metadata.labels: Invalid value: \"a b\": name part must consist of alphanumeric "
       "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. "
       "'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
       "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"},
      {"{apiVersion: v1, kind: ConfigMap, metadata: {}}",
       "metadata.name: Required value: name or generateName is required"},
      {"{apiVersion: v1, kind: Node, metadata: {name: x, namespace: ns}}",
       "metadata.namespace: Forbidden: not allowed on this type"},
      {"{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {}}",
       "spec.ports: Required value"},
      {"{apiVersion: v1, kind: Service, metadata: {name: 1web}, spec: {ports: [{port: 1}]}}",
       "metadata.name: Invalid value: \"1web\": a DNS-1035 label must consist of lower case "
       "alphanumeric characters or '-', start with an alphabetic character, and end with an "
       "alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
       "'[a-z]([-a-z0-9]*[a-z0-9])?')"},
      {"{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 1, name: a}, "
       "{port: 2}]}}",
       "spec.ports[1].name: Required value"},
      {"{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {template: {spec: "
       "{containers: [{name: a, image: b}]}}}}",
       "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""},
      {"{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: h}, spec: "
       "{minReplicas: 5, maxReplicas: 2, scaleTargetRef: {kind: Deployment, name: d}}}",
       "spec.maxReplicas: Invalid value: 2: must be greater than or equal to `minReplicas`"},
      {"{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: p}, spec: "
       "{minAvailable: 50percent}}",
       "spec.minAvailable: Invalid value: \"50percent\": a valid percent string must be a numeric "
       "string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is "
       "'[0-9]+%')"},
      {"{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: p}, value: "
       "2000000000}",
       "value: Forbidden: maximum allowed value of a user defined priority is 1000000000"},
      {"{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: p}, spec: {accessModes: "
       "[ReadWriteOnce]}}",
       "spec.resources[storage]: Required value"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(errors_of(*defaulted(c.object)), ElementsAre(c.expected)) << c.object;
  }
}

TEST(Validation, ReportsAllAtOnceAndWithPlaces) {
  const Json tree = yaml(R"(
apiVersion: apps/v1
kind: Deployment
metadata:
  name: Web
spec:
  replicas: -2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - image: b
        ports: [{containerPort: 99999}]
)");
  Diagnostics diagnostics;
  const Ref<Object> object = clone(*decode(tree, diagnostics));
  set_defaults(*object);
  validate(*object, diagnostics, &tree);
  const std::string text = diagnostics.to_text();
  EXPECT_EQ(diagnostics.errors(), 4u) << text;
  EXPECT_THAT(text, HasSubstr("5:9: Deployment/Web metadata.name: Invalid value: \"Web\""));
  EXPECT_THAT(text, HasSubstr("7:13: Deployment/Web spec.replicas: Invalid value: -2"));
  EXPECT_THAT(text, HasSubstr("13:9: Deployment/Web spec.template.spec.containers[0].name: "
                              "Required value"));
  EXPECT_THAT(text, HasSubstr("14:33: Deployment/Web "
                              "spec.template.spec.containers[0].ports[0].containerPort"));
}

TEST(Validation, MessageOfTheApiServer) {
  const Ref<Object> bad = defaulted(deployment_with("replicas: -1"));
  const std::vector<FieldError> errors = validate(*bad);
  EXPECT_EQ(invalid_message(*bad, {errors[0]}),
            "Deployment.apps \"web\" is invalid: " + errors[0].text());
  EXPECT_THAT(invalid_message(*bad, errors),
              HasSubstr("is invalid: [spec.replicas: Invalid value: -1"));
  EXPECT_EQ(errors[0].reason(), "FieldValueInvalid");
}

TEST(Validation, StatefulSetsMayMountTheirClaims) {
  EXPECT_THAT(errors_of(*defaulted(R"(
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: a, image: b, volumeMounts: [{name: data, mountPath: /d}]}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
)")),
              IsEmpty());
}

std::vector<std::string> update_errors(const Object& old, const Object& now) {
  std::vector<std::string> texts;
  for (const FieldError& e : validate_update(old, now)) texts.push_back(e.text());
  return texts;
}

TEST(ValidateUpdate, PodsTakeImagesAndTolerationsOnly) {
  const Ref<Pod> old = clone(as<Pod>(*defaulted(pod_with("tolerations: [{operator: Exists}]"))));
  Ref<Pod> now = clone(*old);
  now->spec.containers.edit()[0].image = "b:2";
  now->spec.tolerations.push_back({.key = "x", .operator_ = "Exists"});
  now->spec.node_name = "node-1";
  EXPECT_THAT(update_errors(*old, *now), IsEmpty());
  now->spec.containers.edit()[0].command = List<Str>{"sh"};
  EXPECT_THAT(update_errors(*old, *now), ElementsAre(HasSubstr("spec: Forbidden: pod updates")));
  now = clone(*old);
  now->spec.tolerations.clear();
  EXPECT_THAT(update_errors(*old, *now), ElementsAre(HasSubstr("existing toleration")));
}

TEST(ValidateUpdate, SelectorsAndNamesStay) {
  const Ref<Deployment> old = clone(as<Deployment>(*defaulted(deployment_with(kTemplate))));
  Ref<Deployment> now = clone(*old);
  now->spec.replicas = 7;
  EXPECT_THAT(update_errors(*old, *now), IsEmpty());
  now->spec.selector.edit().match_labels.set("b", "c");
  EXPECT_THAT(update_errors(*old, *now),
              ElementsAre("spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"web\",\"b\":"
                          "\"c\"}}: field is immutable"));
  now = clone(*old);
  now->metadata.name = "other";
  EXPECT_THAT(update_errors(*old, *now),
              ElementsAre("metadata.name: Invalid value: \"other\": field is immutable"));
}

TEST(Names, FollowTheRfcs) {
  EXPECT_EQ(check_dns_label("a-1"), "");
  EXPECT_NE(check_dns_label("a_1"), "");
  EXPECT_NE(check_dns_label("-a"), "");
  EXPECT_NE(check_dns_label(std::string(64, 'a')), "");
  EXPECT_EQ(check_dns_subdomain("a.b-c.d"), "");
  EXPECT_NE(check_dns_subdomain("a..b"), "");
  EXPECT_EQ(check_qualified_name("app.kubernetes.io/name"), "");
  EXPECT_EQ(check_qualified_name("Name_1.x"), "");
  EXPECT_NE(check_qualified_name("a/b/c"), "");
  EXPECT_NE(check_qualified_name("/b"), "");
  EXPECT_EQ(check_label_value(""), "");
  EXPECT_NE(check_label_value("a b"), "");
}

}  // namespace
}  // namespace mainspring::api
