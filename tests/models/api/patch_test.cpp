#include "models/api/patch.h"

#include <gmock/gmock.h>

#include "models/api/types/all.h"
#include "tests/models/api/schema_test_util.h"

namespace mainspring::api {
namespace {

using ::testing::HasSubstr;

constexpr const char* kDeployment = R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web, tier: front}, finalizers: [a, b]}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: app, image: "app:1", args: [p, q], env: [{name: A, value: "1"}, {name: B, value: "2"}]}
      - {name: proxy, image: "proxy:1"}
      tolerations: [{key: a, operator: Exists}]
)";

Ref<Object> strategic(const char* object, const char* patch) {
  Diagnostics diagnostics;
  Ref<Object> result = apply_strategic_merge_patch(*parse(object), yaml(patch), diagnostics);
  EXPECT_TRUE(diagnostics.empty()) << diagnostics.to_text();
  return result;
}

struct Case {
  const char* patch;
  const char* path;      // of the result
  const char* expected;  // JSON
};

TEST(StrategicMerge, FollowsTheSchema) {
  const Case cases[] = {
      {"spec: {replicas: 5}", "replicas", "5"},
      {"spec: {replicas: null}", "replicas", "null"},
      // Containers are matched by name, everything else of them stays.
      {"spec: {template: {spec: {containers: [{name: app, image: 'app:2'}]}}}", "containers",
       R"([{"args":["p","q"],"env":[{"name":"A","value":"1"},{"name":"B","value":"2"}],)"
       R"("image":"app:2","name":"app","resources":{}},)"
       R"({"image":"proxy:1","name":"proxy","resources":{}}])"},
      {"spec: {template: {spec: {containers: [{name: proxy, $patch: delete}, {name: new, image: "
       "img}], $setElementOrder/containers: [{name: new}, {name: app}]}}}",
       "containers",
       R"([{"image":"img","name":"new","resources":{}},{"args":["p","q"],"env":[{"name":"A","value":"1"},)"
       R"({"name":"B","value":"2"}],"image":"app:1","name":"app","resources":{}}])"},
      // Lists without a key are replaced.
      {"spec: {template: {spec: {tolerations: [{key: b, operator: Exists}]}}}", "tolerations",
       R"([{"key":"b","operator":"Exists"}])"},
      {"spec: {template: {spec: {containers: [{$patch: replace}, {name: only, image: o}]}}}",
       "containers", R"([{"image":"o","name":"only","resources":{}}])"},
      // strategy takes $retainKeys.
      {"spec: {strategy: {$retainKeys: [type], type: Recreate}}", "strategy",
       R"({"type":"Recreate"})"},
      {"spec: {strategy: {$patch: replace, type: Recreate}}", "strategy", R"({"type":"Recreate"})"},
  };
  for (const Case& c : cases) {
    const Ref<Object> result = strategic(kDeployment, c.patch);
    ASSERT_TRUE(result) << c.patch;
    const Json spec = encode(*result)["spec"];
    const std::string_view path = c.path;
    const Json& found = spec.contains(path) ? spec[path] : spec["template"]["spec"][path];
    EXPECT_EQ(to_sorted_json(found), c.expected) << c.patch;
  }
}

TEST(StrategicMerge, SetsOfPrimitivesAreUnited) {
  EXPECT_EQ(strategic(kDeployment, "metadata: {finalizers: [c, a]}")->metadata.finalizers,
            (List<Str>{"a", "b", "c"}));
  EXPECT_EQ(strategic(kDeployment, "metadata: {$deleteFromPrimitiveList/finalizers: [a]}")
                ->metadata.finalizers,
            (List<Str>{"b"}));
}

TEST(StrategicMerge, ConditionsAreMatchedByType) {
  const Ref<Object> pod = strategic(
      "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a}]}, status: "
      "{conditions: [{type: Ready, status: 'False'}, {type: Initialized, status: 'True'}]}}",
      "status: {conditions: [{type: Ready, status: 'True'}, "
      "{type: PodScheduled, status: 'True'}]}");
  const PodStatus& status = as<Pod>(*pod).status;
  ASSERT_EQ(status.conditions.size(), 3u);
  EXPECT_EQ(status.conditions[0].status, "True");
  EXPECT_EQ(status.conditions[2].type, "PodScheduled");
}

TEST(StrategicMerge, WrongTypesAndOtherKindsAreErrors) {
  Diagnostics diagnostics;
  EXPECT_FALSE(apply_strategic_merge_patch(*parse(kDeployment), yaml("spec: {replicas: many}"),
                                           diagnostics));
  EXPECT_FALSE(apply_strategic_merge_patch(*parse(kDeployment), yaml("kind: Pod"), diagnostics));
  EXPECT_FALSE(apply_strategic_merge_patch(
      *parse("{apiVersion: x.io/v1, kind: X, metadata: {name: x}}"), yaml("{a: b}"), diagnostics));
  EXPECT_EQ(diagnostics.errors(), 3u);
}

TEST(MergePatch, IsRfc7386) {
  // From appendix A of the RFC.
  const char* cases[][3] = {
      {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
      {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
      {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
      {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
      {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
      {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
      {"{\"e\":null}", "{\"a\":1}", "{\"a\":1,\"e\":null}"},
      {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
      {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(to_sorted_json(merge_patch(parse_json(c[0]), parse_json(c[1]))), c[2]) << c[1];
  }
  Diagnostics diagnostics;
  const Ref<Object> result = apply_merge_patch(
      *parse(kDeployment), yaml("{spec: {replicas: 9}, metadata: {labels: {tier: null}}}"),
      diagnostics);
  EXPECT_EQ(as<Deployment>(*result).spec.replicas, 9);
  EXPECT_EQ(result->metadata.labels, (StrMap{{"app", "web"}}));
}

TEST(JsonPatch, IsRfc6902) {
  Diagnostics diagnostics;
  const Ref<Object> result = apply_json_patch(*parse(kDeployment), yaml(R"(
- {op: test, path: /spec/replicas, value: 3}
- {op: replace, path: /spec/replicas, value: 4}
- {op: remove, path: /metadata/labels/tier}
- {op: add, path: /metadata/labels/example.com~1a~0b, value: c}
- {op: add, path: /spec/template/spec/containers/-, value: {name: last, image: l}}
- {op: copy, from: /spec/replicas, path: /spec/minReadySeconds}
- {op: move, from: /spec/template/spec/containers/0/args/0, path: /spec/template/spec/containers/0/args/1}
)"),
                                              diagnostics);
  ASSERT_TRUE(result) << diagnostics.to_text();
  const Deployment& d = as<Deployment>(*result);
  EXPECT_EQ(d.spec.replicas, 4);
  EXPECT_EQ(d.spec.min_ready_seconds, 4);
  EXPECT_EQ(d.metadata.labels, (StrMap{{"app", "web"}, {"example.com/a~b", "c"}}));
  EXPECT_EQ(d.spec.template_.spec.containers[2].name, "last");
  EXPECT_EQ(d.spec.template_.spec.containers[0].args, (List<Str>{"q", "p"}));
}

TEST(JsonPatch, FailsAsAWhole) {
  const char* bad[] = {
      "[{op: test, path: /spec/replicas, value: 1}]",
      "[{op: remove, path: /spec/nothing}]",
      "[{op: replace, path: /spec/template/spec/containers/7, value: {}}]",
      "[{op: add, path: spec, value: {}}]",
      "[{op: frob, path: /spec}]",
      "{op: add}",
  };
  for (const char* patch : bad) {
    Diagnostics diagnostics;
    EXPECT_FALSE(apply_json_patch(*parse(kDeployment), yaml(patch), diagnostics)) << patch;
    EXPECT_EQ(diagnostics.errors(), 1u) << patch;
  }
}

TEST(ThreeWayPatch, TakesLiveToModifiedAndLeavesWhatOthersSet) {
  const Json last = yaml(kDeployment);
  Json modified = yaml(kDeployment);
  // The new manifest drops a label and a container, and changes an image.
  modified.edit("metadata").edit("labels").erase("tier");
  Json& containers = modified.edit("spec").edit("template").edit("spec").edit("containers");
  containers.edit_items().pop_back();
  containers.edit_items()[0].set("image", "app:2");
  // Meanwhile an autoscaler has scaled, and somebody has injected a sidecar.
  Json live = yaml(kDeployment);
  modified.edit("spec").erase("replicas");
  Json last_without = last;
  last_without.edit("spec").erase("replicas");
  live.edit("spec").set("replicas", 8);
  live.edit("spec")
      .edit("template")
      .edit("spec")
      .edit("containers")
      .push_back(Json::object({{"name", "injected"}, {"image", "i"}}));

  const Json patch = three_way_patch(Deployment::kType, last_without, modified, live);
  const Json result = strategic_merge(Deployment::kType, live, patch);
  EXPECT_EQ(result["spec"]["replicas"], Json(8));
  EXPECT_FALSE(result["metadata"]["labels"].contains("tier"));
  const Json& after = result["spec"]["template"]["spec"]["containers"];
  ASSERT_EQ(after.size(), 2u);
  EXPECT_EQ(after[0]["image"], Json("app:2"));
  EXPECT_EQ(after[1]["name"], Json("injected"));
  EXPECT_TRUE(three_way_patch(Deployment::kType, modified, modified, result).empty());
}

}  // namespace
}  // namespace mainspring::api
