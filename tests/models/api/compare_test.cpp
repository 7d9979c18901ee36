#include "models/api/compare.h"

#include <gtest/gtest.h>

#include "models/api/types/all.h"
#include "tests/models/api/schema_test_util.h"

namespace mainspring::api {
namespace {

// Unknown fields warn, so that parse() would complain.
Ref<Pod> pod_with_extra() {
  Diagnostics ignored;
  const Json tree = yaml(R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers: [{name: a, image: "a:1", weird: {x: 1.50}}]
  unknownToUs: {deep: [1, 2.50, "x", null, true]}
topLevel: y-es
)");
  return clone(as<Pod>(decode(tree, ignored)));
}

TEST(Diff, NamesTheLeavesThatDiffer) {
  Ref<Pod> a = make<Pod>();
  a->metadata.name = "web";
  a->metadata.labels.set("example.com/x", "1");
  a->spec.containers = List<Container>{{.name = "a", .image = "a:1"}, {.name = "b"}};
  Ref<Pod> b = clone(*a);
  EXPECT_TRUE(diff(*a, *b).empty());
  b->metadata.labels.set("example.com/x", "2");
  b->spec.containers.edit()[0].image = "a:2";
  b->spec.containers.edit().pop_back();
  b->spec.priority = 5;
  b->status.phase = pod_phase::kRunning;

  std::string text;
  for (const FieldChange& c : diff(*a, *b)) {
    text += c.path + ": " + to_sorted_json(c.before) + " -> " + to_sorted_json(c.after) + "\n";
  }
  EXPECT_EQ(text,
            "metadata.labels['example.com/x']: \"1\" -> \"2\"\n"
            "spec.containers[0].image: \"a:1\" -> \"a:2\"\n"
            "spec.containers[1]: {\"name\":\"b\",\"resources\":{}} -> null\n"
            "spec.priority: null -> 5\n"
            "status.phase: null -> \"Running\"\n");
}

TEST(Xxh64, AgreesWithTheReference) {
  // Values of the reference implementation (xxhsum -H64).
  EXPECT_EQ(xxh64(""), 0xef46db3751d8e999u);
  EXPECT_EQ(xxh64("a"), 0xd24ec4f1a98c6e5bu);
  EXPECT_EQ(xxh64("abc"), 0x44bc2cf5ad770999u);
  EXPECT_EQ(xxh64("Nobody inspects the spammish repetition"), 0xfbcea83c8a378bf1u);
}

TEST(Hash, FollowsContentsNotRepresentation) {
  const Ref<Pod> a = pod_with_extra();
  Ref<Pod> b = clone(*a);
  EXPECT_EQ(hash64(*a), hash64(*b));
  b->spec.containers.edit()[0].resources.requests.set("memory", Quantity::of("1Gi"));
  Ref<Pod> c = clone(*a);
  c->spec.containers.edit()[0].resources.requests.set("memory", Quantity::of("1073741824"));
  EXPECT_NE(hash64(*a), hash64(*b));
  EXPECT_EQ(hash64(*b), hash64(*c));
  c->extra = Json::object({{"topLevel", "other"}});
  EXPECT_NE(hash64(*b), hash64(*c));
}

TEST(Delta, HoldsOnlyWhatChangedAndRoundTrips) {
  const Ref<Pod> old = pod_with_extra();
  old->status.conditions = List<PodCondition>{{.type = "Ready", .status = "False"},
                                              {.type = "Initialized", .status = "True"}};
  Ref<Pod> now = clone(*old);
  now->status.conditions.edit()[0].status = "True";
  now->status.conditions.edit()[0].last_transition_time = Time::from_unix_seconds(1'700'000'000);
  now->metadata.resource_version = "17";
  std::string bytes;
  encode_delta(old.get(), *now, bytes);
  EXPECT_LT(bytes.size(), 40u);
  const Ref<Object> copy = apply_delta(old.get(), bytes);
  ASSERT_TRUE(copy);
  EXPECT_TRUE(equal(*now, *copy));
  // What did not change is still shared.
  EXPECT_TRUE(as<Pod>(*copy).spec.containers.same(old->spec.containers));

  std::string nothing;
  encode_delta(old.get(), *clone(*old), nothing);
  EXPECT_EQ(nothing.size(), 2u);
  EXPECT_TRUE(equal(*apply_delta(old.get(), nothing), *old));
}

TEST(Delta, ATimeThatNoClockHoldsIsDamage) {
  const Ref<Pod> old = make<Pod>();
  const Ref<Pod> now = clone(*old);
  now->metadata.creation_timestamp = Time::from_unix_seconds(1);
  std::string bytes;
  encode_delta(old.get(), *now, bytes);
  // ... whole seconds, 1 in zigzag, end of metadata, end of the pod.
  ASSERT_TRUE(bytes.ends_with(std::string_view("\1\2\0\0", 4)));
  bytes.replace(bytes.size() - 3, 1, "\xff\xff\xff\xff\xff\xff\x7f");
  EXPECT_FALSE(apply_delta(old.get(), bytes));
}

TEST(Delta, RoundTripsEveryKindOfEdit) {
  const Ref<Pod> full = pod_with_extra();
  full->metadata.deletion_grace_period_seconds = -5;
  full->metadata.creation_timestamp = Time::from_unix_ns(1'700'000'000'123'456'789);
  full->spec.security_context = PodSecurityContext{};
  full->spec.tolerations = List<Toleration>{{.key = "a"}, {}, {.key = "c"}};
  full->spec.overhead.set("cpu", Quantity::of("1e3"));
  full->spec.enable_service_links = false;
  const Ref<Pod> empty = make<Pod>();
  for (const auto& [a, b] : {std::pair(full, empty), std::pair(empty, full)}) {
    std::string bytes;
    encode_delta(a.get(), *b, bytes);
    const Ref<Object> copy = apply_delta(a.get(), bytes);
    ASSERT_TRUE(copy);
    EXPECT_TRUE(equal(*b, *copy));
    EXPECT_EQ(to_json(encode(*b)), to_json(encode(*copy)));
  }
}

TEST(Delta, UnstructuredObjectsToo) {
  const ObjectRef a = parse("{apiVersion: x.io/v1, kind: X, metadata: {name: x}, spec: {a: 1}}");
  const ObjectRef b = parse("{apiVersion: x.io/v1, kind: X, metadata: {name: x}, spec: {a: 2}}");
  std::string fresh, step;
  encode_delta(nullptr, *a, fresh);
  encode_delta(a.get(), *b, step);
  EXPECT_TRUE(equal(*apply_delta(nullptr, fresh), *a));
  EXPECT_TRUE(equal(*apply_delta(a.get(), step), *b));
}

TEST(Delta, DamagedBytesGiveNothingAndNeverCrash) {
  const Ref<Pod> pod = pod_with_extra();
  std::string bytes;
  encode_delta(nullptr, *pod, bytes);
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(apply_delta(nullptr, std::string_view(bytes).substr(0, n))) << n;
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x55);
    apply_delta(nullptr, damaged);
    apply_delta(pod.get(), damaged);
  }
  EXPECT_FALSE(apply_delta(pod.get(), bytes));
}

TEST(GetField, WalksPaths) {
  const Ref<Pod> pod = pod_with_extra();
  pod->metadata.labels.set("app.kubernetes.io/name", "web");
  pod->status.conditions = List<PodCondition>{{.type = "Ready", .status = "True"}};
  const struct {
    const char* path;
    const char* expected;
  } cases[] = {
      {"kind", "\"Pod\""},
      {"metadata.name", "\"web\""},
      {".metadata.name", "\"web\""},
      {"{.metadata.name}", "\"web\""},
      {"metadata.labels['app.kubernetes.io/name']", "\"web\""},
      {"spec.containers[0].image", "\"a:1\""},
      {"spec.containers[name=a].image", "\"a:1\""},
      {"spec.containers[3].image", "null"},
      {"status.conditions[type=Ready].status", "\"True\""},
      {"status.conditions[type=None].status", "null"},
      {"spec.unknownToUs.deep[1]", "2.5"},
      {"spec.containers[0].weird.x", "1.5"},
      {"spec.priority", "null"},
      {"topLevel", "\"y-es\""},
      {"spec.nothing.at.all", "null"},
      {"spec.containers[", "null"},
  };
  for (const auto& c : cases) EXPECT_EQ(to_json(get_field(*pod, c.path)), c.expected) << c.path;
  // Plain numbers have a value also when it is zero.
  EXPECT_EQ(to_json(get_field(*make<Deployment>(), "status.readyReplicas")), "0");
}

TEST(SchemaFingerprint, IsStable) { EXPECT_EQ(schema_fingerprint(), schema_fingerprint()); }

}  // namespace
}  // namespace mainspring::api
