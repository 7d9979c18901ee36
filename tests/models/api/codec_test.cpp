#include "models/api/codec.h"

#include <gmock/gmock.h>

#include "models/api/compare.h"
#include "models/api/descriptor.h"
#include "models/api/types/all.h"
#include "tests/models/api/schema_test_util.h"

namespace mainspring::api {
namespace {

using ::testing::HasSubstr;

// A tree with every field of the type set to some value, so that every kind is read and written
// whole.
Json full_tree(const TypeInfo& type, int depth) {
  Json tree = Json::object();
  for (const FieldInfo& f : type.fields) {
    Json one;
    switch (f.type) {
      case FieldType::kString:
        one = Json("text");
        break;
      case FieldType::kBool:
        one = Json(true);
        break;
      case FieldType::kInt32:
        one = Json(7);
        break;
      case FieldType::kInt64:
        one = Json(int64_t{1} << 40);
        break;
      case FieldType::kDouble:
        one = Json(0.5);
        break;
      case FieldType::kQuantity:
        one = Json("1536Mi");
        break;
      case FieldType::kIntOrString:
        one = Json("25%");
        break;
      case FieldType::kTime:
        one = Json("2025-01-02T03:04:05Z");
        break;
      case FieldType::kMicroTime:
        one = Json("2025-01-02T03:04:05.678901Z");
        break;
      case FieldType::kJson:
        one = Json::object({{"any", Json::array({1, "x", nullptr})}});
        break;
      case FieldType::kStruct:
        if (depth > 12) continue;
        one = full_tree(*f.type_info, depth + 1);
        break;
    }
    if (f.shape == Shape::kList) one = Json::array({one, one});
    if (f.shape == Shape::kMap) one = Json::object({{"a", one}, {"b/c", one}});
    tree.set(f.name, one);
  }
  for (std::string_view kept : type.kept) tree.set(kept, Json::object({{"kept", 1}}));
  return tree;
}

TEST(Codec, EveryFieldOfEveryKindSurvivesDecodingAndEncoding) {
  for (const KindInfo& info : all_kinds().subspan(1)) {
    Json tree = Json::object({{"kind", info.name}, {"apiVersion", info.api_version}});
    const Json full = full_tree(*info.type, 0);
    for (const Json::Member& m : full.members()) tree.set(m.key, m.value);
    Diagnostics diagnostics;
    const ObjectRef object = decode(tree, diagnostics);
    ASSERT_TRUE(object) << info.name;
    EXPECT_TRUE(diagnostics.empty()) << diagnostics.to_text();
    EXPECT_EQ(to_sorted_json(encode(*object)), to_sorted_json(tree)) << info.name;
    Diagnostics again;
    EXPECT_TRUE(equal(*object, *decode(encode(*object), again))) << info.name;

    std::string delta;
    encode_delta(nullptr, *object, delta);
    const Ref<Object> copy = apply_delta(nullptr, delta);
    ASSERT_TRUE(copy) << info.name;
    EXPECT_TRUE(equal(*object, *copy)) << info.name;
    EXPECT_EQ(hash64(*object), hash64(*copy)) << info.name;
  }
}

TEST(Codec, EncodesWhatTheApiServerWouldPrint) {
  const ObjectRef pod = parse(R"(
apiVersion: v1
kind: Pod
metadata: {name: web, creationTimestamp: null}
spec:
  containers:
  - name: app
    image: nginx
    resources: {requests: {cpu: 0.5, memory: 1024Mi}}
    ports: [{containerPort: 80}]
)");
  EXPECT_EQ(to_json(encode(*pod)),
            R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"web"},)"
            R"("spec":{"containers":[{"name":"app","image":"nginx",)"
            R"("ports":[{"containerPort":80}],)"
            R"("resources":{"requests":{"cpu":"500m","memory":"1Gi"}}}]},"status":{}})");
}

TEST(Codec, KeepsUnknownFieldsAndSaysSo) {
  Diagnostics diagnostics;
  const Json tree = yaml(R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicsa: 3
  template: {spec: {containers: [{name: a, imagePullPolcy: Always}]}}
)");
  const ObjectRef object = decode(tree, diagnostics);
  EXPECT_EQ(diagnostics.warnings(), 2u);
  EXPECT_EQ(diagnostics.errors(), 0u);
  EXPECT_THAT(diagnostics.to_text(),
              HasSubstr("6:3: warning: Deployment/web spec.replicsa: unknown field \"replicsa\""));
  EXPECT_THAT(diagnostics.to_text(), HasSubstr("did you mean \"imagePullPolicy\"?"));
  EXPECT_EQ(encode(*object)["spec"]["replicsa"], Json(3));
}

TEST(Codec, FieldsThatKubernetesHasAreKeptInSilence) {
  const ObjectRef object = parse(R"(
apiVersion: v1
kind: Pod
metadata: {name: web, managedFields: [{manager: kubectl}]}
spec:
  containers: [{name: a, image: b}]
  volumes: [{name: v, gcePersistentDisk: {pdName: disk}}]
)");
  EXPECT_EQ(encode(*object)["spec"]["volumes"][0]["gcePersistentDisk"]["pdName"], Json("disk"));
}

TEST(Codec, ReportsEveryWrongTypeWithItsPlace) {
  struct Case {
    const char* spec;
    const char* expected;
  };
  const Case cases[] = {
      {"replicas: three", "spec.replicas: expected integer, got \"three\""},
      {"replicas: 3000000000", "spec.replicas: expected integer of 32 bits"},
      {"replicas: 1.5", "spec.replicas: expected integer"},
      {"paused: 1", "spec.paused: expected boolean"},
      {"template: []", "spec.template: expected mapping"},
      {"template: {spec: {containers: {}}}", "spec.template.spec.containers: expected list"},
      {"template: {spec: {containers: [{name: 5}]}}",
       "spec.template.spec.containers[0].name: expected string (put it in quotes), got 5"},
      {"template: {metadata: {labels: {on: true}}}",
       "spec.template.metadata.labels.true: expected string (put it in quotes), got true"},
      {"template: {spec: {containers: [{resources: {limits: {cpu: 1 core}}}]}}",
       "spec.template.spec.containers[0].resources.limits.cpu: expected quantity"},
      {"template: {metadata: {creationTimestamp: yesterday}}",
       "spec.template.metadata.creationTimestamp: expected time"},
      {"strategy: {rollingUpdate: {maxSurge: [1]}}",
       "spec.strategy.rollingUpdate.maxSurge: expected integer or string"},
  };
  for (const Case& c : cases) {
    Diagnostics diagnostics;
    const std::string head =
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  ";
    decode(yaml(head + c.spec + "\n"), diagnostics);
    EXPECT_EQ(diagnostics.errors(), 1u) << c.spec;
    EXPECT_THAT(diagnostics.to_text(), HasSubstr(c.expected)) << c.spec;
    EXPECT_THAT(diagnostics.to_text(), HasSubstr("5:")) << c.spec;
  }
}

TEST(Codec, NamesTheVersionThatReplacedARemovedOne) {
  struct Case {
    const char* api_version;
    const char* kind;
    const char* expected;
  };
  const Case cases[] = {
      {"autoscaling/v2beta2", "HorizontalPodAutoscaler",
       "autoscaling/v2beta2 HorizontalPodAutoscaler was removed in Kubernetes 1.26; use "
       "autoscaling/v2"},
      {"policy/v1beta1", "PodDisruptionBudget", "removed in Kubernetes 1.25; use policy/v1"},
      {"extensions/v1beta1", "Deployment", "removed in Kubernetes 1.16; use apps/v1"},
      {"batch/v1beta1", "CronJob", "removed in Kubernetes 1.25; use batch/v1"},
      {"v1", "Deployment", "no matches for kind \"Deployment\" in version \"v1\"; use apps/v1"},
  };
  for (const Case& c : cases) {
    Diagnostics diagnostics;
    const Json tree = Json::object({{"apiVersion", c.api_version}, {"kind", c.kind}});
    EXPECT_FALSE(decode(tree, diagnostics)) << c.api_version;
    EXPECT_THAT(diagnostics.to_text(), HasSubstr(c.expected));
  }
}

TEST(Codec, ConvertsAutoscalingV1) {
  const ObjectRef object = parse(R"(
apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 10
  targetCPUUtilizationPercentage: 60
)");
  const HorizontalPodAutoscaler& hpa = as<HorizontalPodAutoscaler>(object);
  ASSERT_EQ(hpa.spec.metrics.size(), 1u);
  EXPECT_EQ(hpa.spec.metrics[0].resource->name, "cpu");
  EXPECT_EQ(hpa.spec.metrics[0].resource->target.average_utilization, 60);
  EXPECT_EQ(encode(*object)["apiVersion"], Json("autoscaling/v2"));
}

TEST(Codec, KindsWithoutASchemaAreKeptWhole) {
  const char* text = R"(
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, labels: {a: b}}
spec: {rules: [{host: example.com}]}
)";
  const ObjectRef object = parse(text);
  EXPECT_EQ(object->kind, Kind::Unstructured);
  EXPECT_EQ(kind_name_of(*object), "Ingress");
  EXPECT_EQ(object->metadata.labels.get("a"), "b");
  EXPECT_EQ(encode(*object), yaml(text));
  // A Service of another group is not ours.
  EXPECT_EQ(parse("{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: x}}")->kind,
            Kind::Unstructured);
}

TEST(Codec, ListsAreTakenApart) {
  Diagnostics diagnostics;
  std::vector<ObjectRef> objects;
  decode_all(yaml(R"(
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Pod, metadata: {name: a}}
- {apiVersion: v1, kind: ConfigMapList, items: [{metadata: {name: b}}]}
)"),
             diagnostics, &objects);
  EXPECT_TRUE(diagnostics.empty()) << diagnostics.to_text();
  ASSERT_EQ(objects.size(), 2u);
  EXPECT_EQ(objects[0]->kind, Kind::Pod);
  EXPECT_EQ(objects[1]->kind, Kind::ConfigMap);
  const Json list = encode_list(kind_info(Kind::Pod), "42", {objects[0]});
  EXPECT_EQ(to_json(list),
            R"({"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"42"},)"
            R"("items":[{"metadata":{"name":"a"},"spec":{"containers":null},"status":{}}]})");
}

TEST(Codec, WhatIsNotAnObjectIsAnError) {
  for (const char* text : {"[1]", "{kind: Pod}", "{apiVersion: v1}", "word"}) {
    Diagnostics diagnostics;
    EXPECT_FALSE(decode(yaml(text), diagnostics)) << text;
    EXPECT_EQ(diagnostics.errors(), 1u) << text;
  }
}

}  // namespace
}  // namespace mainspring::api
