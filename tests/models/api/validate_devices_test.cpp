#include <gmock/gmock.h>

#include "models/api/types/all.h"
#include "models/api/validation.h"
#include "tests/models/api/schema_test_util.h"

namespace mainspring::api {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> errors_of(const std::string& yaml) {
  std::vector<std::string> texts;
  for (const FieldError& e : validate(*defaulted(yaml))) texts.push_back(e.text());
  return texts;
}

std::string claim_with(std::string_view devices) {
  return "apiVersion: resource.k8s.io/v1\nkind: ResourceClaim\nmetadata: {name: c, namespace: d}\n"
         "spec: {devices: {" +
         std::string(devices) + "}}\n";
}
std::string slice_with(std::string_view spec) {
  return "apiVersion: resource.k8s.io/v1\nkind: ResourceSlice\nmetadata: {name: s}\n"
         "spec: {driver: gpu.example.com, pool: {name: p, generation: 1, resourceSliceCount: 1}, " +
         std::string(spec) + "}\n";
}
std::string pod_with(std::string_view claims, std::string_view resources) {
  return "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {resourceClaims: [" +
         std::string(claims) + "], containers: [{name: a, image: b, resources: {claims: [" +
         std::string(resources) + "]}}]}\n";
}

TEST(Devices, DefaultsAskForOneDevice) {
  const ObjectRef o = defaulted(claim_with(
      "requests: [{name: a, exactly: {deviceClassName: gpu}}, {name: b, firstAvailable: [{name: x, "
      "deviceClassName: gpu}, {name: z, deviceClassName: gpu, allocationMode: All}]}]"));
  const auto& requests = as<ResourceClaim>(*o).spec.devices.requests;
  EXPECT_EQ(requests[0].exactly->count, 1);
  EXPECT_EQ(requests[0].exactly->allocation_mode, "ExactCount");
  EXPECT_EQ(requests[1].first_available[0].count, 1);
  EXPECT_EQ(requests[1].first_available[1].count, 0);
}

// One mistake, one message, in Kubernetes' words.
TEST(Devices, ClaimsSayWhatKubernetesSays) {
  EXPECT_THAT(errors_of(claim_with("requests: [{name: a, exactly: {deviceClassName: gpu}}]")),
              IsEmpty());
  const struct {
    const char* devices;
    const char* expected;
  } cases[] = {
      {"requests: [{name: a}]",
       "spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is "
       "required"},
      {"requests: [{name: a, exactly: {}}]",
       "spec.devices.requests[0].exactly.deviceClassName: Required value"},
      {"requests: [{name: a, exactly: {deviceClassName: g, count: -1}}]",
       "spec.devices.requests[0].exactly.count: Invalid value: -1: must be greater than zero"},
      {"requests: [{name: a, exactly: {deviceClassName: g, allocationMode: All, count: 2}}]",
       "spec.devices.requests[0].exactly.count: Invalid value: 2: must not be specified when "
       "allocationMode is 'All'"},
      {"requests: [{name: a, exactly: {deviceClassName: g, selectors: [{cel: {expression: "
       "'1'}}]}}]",
       "spec.devices.requests[0].exactly.selectors[0].cel.expression: Invalid value: \"1\": must "
       "evaluate to bool or the unknown type, not int"},
      {"requests: [{name: a, exactly: {deviceClassName: g, selectors: [{}]}}]",
       "spec.devices.requests[0].exactly.selectors[0].cel: Required value"},
      {"requests: [{name: a, exactly: {deviceClassName: g}}, {name: a, exactly: {deviceClassName: "
       "g}}]",
       "spec.devices.requests[1]: Duplicate value: \"a\""},
      {"requests: [{name: a, exactly: {deviceClassName: g}}], constraints: [{requests: [b], "
       "matchAttribute: x/y}]",
       "spec.devices.constraints[0].requests[0]: Invalid value: \"b\": must be the name of a "
       "request in the claim or the name of a request and a subrequest separated by '/'"},
      {"requests: [{name: a, exactly: {deviceClassName: g}}], constraints: [{requests: [a/b/c], "
       "matchAttribute: x/y}]",
       "spec.devices.constraints[0].requests[0]: Invalid value: \"a/b/c\": must be the name of a "
       "request in the claim or the name of a request and a subrequest separated by '/'"},
      {"requests: [{name: a, exactly: {deviceClassName: g}}], constraints: [{matchAttribute: z}]",
       "spec.devices.constraints[0].matchAttribute: Invalid value: \"z\": a fully qualified name "
       "must be a domain and a name separated by a slash"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(errors_of(claim_with(c.devices)), ElementsAre(c.expected)) << c.devices;
  }
}

// Both parts of a reference are looked at before it is looked for.
TEST(Devices, NamesOfRequestsAreLabels) {
  const std::string place = "spec.devices.constraints[0].requests[0]: Invalid value: ";
  const std::string label =
      ": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
      "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
      "used "
      "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
  EXPECT_THAT(errors_of(claim_with("requests: [{name: a, exactly: {deviceClassName: g}}], "
                                   "constraints: [{requests: [A/], matchAttribute: x/y}]")),
              ElementsAre(place + "\"A\"" + label, place + "\"\"" + label,
                          place + "\"A/\": must be the name of a request in the claim or the name "
                                  "of a request and a subrequest separated by '/'"));
  constexpr const char* kGood = "{name: g, resourceClaimTemplateName: t}";
  EXPECT_THAT(
      errors_of(pod_with(kGood, "{name: g, request: A}")),
      ElementsAre("spec.containers[0].resources.claims[0].request: Invalid value: \"A\"" + label));
  // Where the whole claim is named before, only that counts.
  EXPECT_THAT(errors_of(pod_with(kGood, "{name: g}, {name: g, request: A}")),
              ElementsAre("spec.containers[0].resources.claims[1]: Duplicate value: \"g\""));
}

TEST(Devices, NumbersOfVersionsMayBeOfAnyLength) {
  const auto slice = [](std::string_view version) {
    return slice_with("allNodes: true, devices: [{name: d, attributes: {a: {version: \"" +
                      std::string(version) + "\"}}}]");
  };
  EXPECT_THAT(errors_of(slice("18446744073709551616.0.0")), IsEmpty());
  EXPECT_THAT(errors_of(slice("1.2.3-99999999999999999999.0a+01.x-")), IsEmpty());
  for (const char* bad : {"1.2", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3+", "1.2.3\\n"}) {
    EXPECT_THAT(errors_of(slice(bad)), ::testing::SizeIs(1)) << bad;
  }
}

TEST(Devices, SlicesSayWhatKubernetesSays) {
  EXPECT_THAT(errors_of(slice_with("nodeName: m, devices: [{name: d, attributes: {a: {int: 1}}, "
                                   "capacity: {m: {value: 1Gi}}}]")),
              IsEmpty());
  const struct {
    const char* spec;
    const char* expected;
  } cases[] = {
      {"devices: []",
       "spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, "
       "`perDeviceNodeSelection` is required"},
      {"nodeName: m, allNodes: true",
       "spec: Invalid value: \"{`nodeName`, `allNodes`}\": exactly one of `nodeName`, "
       "`nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are "
       "set"},
      {"allNodes: true, devices: [{name: d}, {name: d}]",
       "spec.devices[1]: Duplicate value: \"d\""},
      {"allNodes: true, devices: [{name: d, attributes: {a: {}}}]",
       "spec.devices[0].attributes[a]: Invalid value: \"\": exactly one value must be specified"},
      {"allNodes: true, devices: [{name: d, attributes: {a: {version: v1}}}]",
       "spec.devices[0].attributes[a].version: Invalid value: \"v1\": must be a string compatible "
       "with semver.org spec 2.0.0"},
      {"allNodes: true, devices: [{name: D}]",
       "spec.devices[0].name: Invalid value: \"D\": a lowercase RFC 1123 label must consist of "
       "lower case alphanumeric characters or '-', and must start and end with an alphanumeric "
       "character (e.g. 'my-name',  or '123-abc', regex used for validation is "
       "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(errors_of(slice_with(c.spec)), ElementsAre(c.expected)) << c.spec;
  }
}

TEST(Devices, PodsSayWhatKubernetesSays) {
  constexpr const char* kGood = "{name: g, resourceClaimTemplateName: t}";
  EXPECT_THAT(errors_of(pod_with(kGood, "{name: g}")), IsEmpty());
  EXPECT_THAT(errors_of(pod_with(kGood, "{name: g, request: a}, {name: g, request: b}")),
              IsEmpty());
  EXPECT_THAT(errors_of(pod_with("{name: g}", "")),
              ElementsAre("spec.resourceClaims[0]: Invalid value: {\"name\":\"g\"}: must specify "
                          "one of: `resourceClaimName`, `resourceClaimTemplateName`"));
  EXPECT_THAT(errors_of(pod_with(kGood, "{name: h}")),
              ElementsAre("spec.containers[0].resources.claims[0]: Not found: \"h\": must be one "
                          "of the names in pod.spec.resourceClaims: g"));
  EXPECT_THAT(errors_of(pod_with("", "{name: h}")),
              ElementsAre("spec.containers[0].resources.claims[0]: Not found: \"h\": must be one "
                          "of the names in pod.spec.resourceClaims which is empty"));
  EXPECT_THAT(errors_of(pod_with(kGood, "{name: g}, {name: g, request: a}")),
              ElementsAre("spec.containers[0].resources.claims[1]: Duplicate value: \"g\""));
}

// What a claim was given stays, and what is deleted takes no new users.
TEST(Devices, UpdatesOfClaims) {
  auto claim = make<ResourceClaim>();
  claim->metadata.name = "c";
  auto reserved = clone(*claim);
  ResourceClaimConsumerReference pod;
  pod.resource = "pods";
  pod.name = "p";
  pod.uid = "1";
  reserved->status.reserved_for.push_back(pod);
  const auto texts = [](const Object& old, const Object& now) {
    std::vector<std::string> out;
    for (const FieldError& e : validate_update(old, now)) out.push_back(e.text());
    return out;
  };
  EXPECT_THAT(texts(*claim, *reserved),
              ElementsAre("status.reservedFor: Forbidden: may not be specified when `allocated` is "
                          "not set"));
  auto allocated = clone(*reserved);
  allocated->status.allocation = AllocationResult();
  EXPECT_THAT(texts(*claim, *allocated), IsEmpty());
  auto twice = clone(*allocated);
  twice->status.reserved_for.push_back(pod);
  EXPECT_THAT(texts(*allocated, *twice),
              ElementsAre("status.reservedFor[1]: Duplicate value: \"1\""));
}

}  // namespace
}  // namespace mainspring::api
