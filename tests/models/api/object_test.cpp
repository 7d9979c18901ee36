#include "models/api/object.h"

#include <gtest/gtest.h>

#include <set>
#include <stdexcept>
#include <string>

#include "models/api/descriptor.h"
#include "models/api/types/all.h"

namespace mainspring::api {
namespace {

TEST(Kinds, TableIsIndexedByKindAndNamesAreUnique) {
  std::set<std::string_view> names;
  std::set<std::string_view> resources;
  for (size_t i = 0; i < all_kinds().size(); ++i) {
    const KindInfo& info = all_kinds()[i];
    EXPECT_EQ(static_cast<size_t>(info.kind), i);
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_EQ(info.make()->kind, info.kind);
    EXPECT_TRUE(resources.insert(info.resource).second) << info.resource;
  }
  EXPECT_EQ(all_kinds().size(), kKindCount);
}

TEST(Kinds, AreFoundByApiVersionAndKind) {
  EXPECT_EQ(find_kind("apps/v1", "Deployment")->kind, Kind::Deployment);
  EXPECT_EQ(find_kind("v1", "Pod")->kind, Kind::Pod);
  EXPECT_EQ(find_kind("autoscaling/v1", "HorizontalPodAutoscaler")->kind,
            Kind::HorizontalPodAutoscaler);
  EXPECT_EQ(find_kind("apps/v1", "Pod"), nullptr);
  EXPECT_EQ(find_kind("policy/v1beta1", "PodDisruptionBudget"), nullptr);
}

TEST(Kinds, AreFoundAsKubectlNamesThem) {
  for (const char* name : {"deploy", "deployment", "deployments", "deployments.apps",
                           "deployments.v1.apps", "Deployment"}) {
    ASSERT_NE(kind_by_resource(name), nullptr) << name;
    EXPECT_EQ(kind_by_resource(name)->kind, Kind::Deployment) << name;
  }
  EXPECT_EQ(kind_by_resource("no")->kind, Kind::Node);
  EXPECT_EQ(kind_by_resource("hpa")->kind, Kind::HorizontalPodAutoscaler);
  EXPECT_EQ(kind_by_resource("deployments.extensions"), nullptr);
  EXPECT_EQ(kind_by_resource("frobs"), nullptr);
}

TEST(Kinds, SayWhatTheirApiIsLike) {
  EXPECT_FALSE(kind_info(Kind::Node).namespaced);
  EXPECT_TRUE(kind_info(Kind::Pod).namespaced);
  EXPECT_TRUE(kind_info(Kind::Deployment).has_status);
  EXPECT_FALSE(kind_info(Kind::ConfigMap).has_status);
  EXPECT_TRUE(kind_info(Kind::Pod).tracks_generation);
  EXPECT_FALSE(kind_info(Kind::Node).tracks_generation);
  EXPECT_EQ(kind_info(Kind::Lease).group, "coordination.k8s.io");
}

TEST(Object, CloneIsIndependentAndShares) {
  Ref<Pod> pod = make<Pod>();
  pod->metadata.name = "web";
  pod->spec.containers.push_back({.name = "app", .image = "nginx:1.27"});
  Ref<Pod> copy = clone(*pod);
  EXPECT_EQ(*pod, *copy);
  EXPECT_TRUE(copy->spec.containers.same(pod->spec.containers));
  copy->spec.containers.edit()[0].image = "nginx:1.28";
  EXPECT_EQ(pod->spec.containers[0].image, "nginx:1.27");
  EXPECT_FALSE(*pod == *copy);

  const ObjectRef erased = pod;
  EXPECT_TRUE(equal(*erased, *clone(*erased)));
  EXPECT_FALSE(equal(*erased, *copy));
  EXPECT_FALSE(equal(*erased, *make<Node>()));
}

TEST(Object, CastsAreCheckedByKind) {
  const ObjectRef object = make<Pod>();
  EXPECT_EQ(&as<Pod>(object), object.get());
  EXPECT_EQ(cast<Pod>(object).get(), object.get());
  EXPECT_EQ(try_as<Node>(*object), nullptr);
  EXPECT_THROW(as<Node>(object), std::logic_error);
  EXPECT_THROW(cast<Node>(object), std::logic_error);
  EXPECT_FALSE(cast<Node>(ObjectRef()));
}

TEST(Schema, StructsStaySmall) {
  // 10,000 replicas must fit: 3 KiB a running pod with everything (docs/performance.md).
  EXPECT_LE(sizeof(Pod), 640u);
  EXPECT_LE(sizeof(ObjectMeta), 120u);
  EXPECT_LE(sizeof(Container), 220u);
  EXPECT_LE(sizeof(ContainerStatus), 160u);
}

TEST(Schema, DescribesFieldsInKubernetesOrder) {
  const TypeInfo& type = type_info_of<DeploymentSpec>();
  EXPECT_EQ(type.name, "DeploymentSpec");
  EXPECT_EQ(type.fields[0].name, "replicas");
  EXPECT_EQ(type.find("template")->type_info, &PodTemplateSpec::kType);
  EXPECT_EQ(type.find("replicas")->default_value, "1");
  EXPECT_EQ(PodSpec::kType.find("containers")->merge_key, "name");
  EXPECT_EQ(type.find("nothing"), nullptr);
}

TEST(Schema, EnumsAreConstants) {
  EXPECT_EQ(pod_phase::kRunning, "Running");
  EXPECT_EQ(pull_policy::kIfNotPresent, "IfNotPresent");
  EXPECT_EQ(resource_name::kEphemeralStorage, "ephemeral-storage");
}

}  // namespace
}  // namespace mainspring::api
