// Any JSON document is applied as each kind of patch to a pod, a deployment and a service, or
// refused. A three-way patch takes the live object to where it says.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "models/api/codec.h"
#include "models/api/defaulting.h"
#include "models/api/diagnostics.h"
#include "models/api/patch.h"
#include "models/api/types/core.h"
#include "models/api/yaml.h"
#include "sim/check.h"

using namespace mainspring::api;

namespace {

std::vector<ObjectRef> targets() {
  constexpr std::string_view kManifest = R"(
{apiVersion: v1, kind: Pod, metadata: {name: a, labels: {app: a}, finalizers: [x/y]}, spec: {
  containers: [{name: c, image: i, ports: [{containerPort: 80}], env: [{name: E, value: v}]},
               {name: d, image: j}], tolerations: [{key: k, operator: Exists}],
  volumes: [{name: v, emptyDir: {}}]}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {replicas: 2, selector: {
  matchLabels: {app: a}}, template: {metadata: {labels: {app: a}}, spec: {containers: [
  {name: c, image: i}]}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {selector: {app: a}, ports: [
  {port: 80, protocol: TCP, name: web}]}}
---
{apiVersion: example.com/v1, kind: Custom, metadata: {name: a}, spec: {list: [1, 2], map: {a: b}}}
)";
  Diagnostics diagnostics;
  std::vector<ObjectRef> objects;
  for (const Json& tree : read_documents(kManifest, 0, &diagnostics)) {
    const Ref<Object> object = clone(*decode(tree, diagnostics));
    set_defaults(*object);
    objects.push_back(object);
  }
  MAINSPRING_CHECK(diagnostics.ok() && objects.size() == 4, "{}", diagnostics.to_text());
  return objects;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<ObjectRef> kTargets = targets();
  bool ok = false;
  const Json patch = parse_json({reinterpret_cast<const char*>(data), size}, &ok);
  if (!ok) return 0;
  for (const ObjectRef& target : kTargets) {
    Diagnostics diagnostics;
    for (const auto apply : {apply_merge_patch, apply_strategic_merge_patch, apply_json_patch}) {
      const Ref<Object> patched = apply(*target, patch, diagnostics);
      if (patched) encode(*patched);
    }
    diagnostics.to_text();
  }
  const Json live = encode(*kTargets[0]);
  const Json difference = three_way_patch(Pod::kType, patch, live, live);
  MAINSPRING_CHECK(strategic_merge(Pod::kType, live, difference) == live, "{}",
                   to_json(difference));
  return 0;
}
