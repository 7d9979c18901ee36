#include "models/api/defaulting.h"

#include <gtest/gtest.h>

#include "models/api/compare.h"
#include "models/api/types/all.h"
#include "tests/models/api/schema_test_util.h"

namespace mainspring::api {
namespace {

struct Case {
  const char* object;
  const char* path;
  const char* expected;  // JSON
};

class Defaults : public ::testing::TestWithParam<Case> {};

TEST_P(Defaults, AreKubernetes) {
  const Case& c = GetParam();
  const Ref<Object> object = defaulted(c.object);
  EXPECT_EQ(to_sorted_json(get_field(*object, c.path)), c.expected) << c.object << c.path;
  // Once is enough.
  const Ref<Object> again = clone(*object);
  set_defaults(*again);
  EXPECT_TRUE(equal(*object, *again));
}

constexpr const char* kPod = R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  hostNetwork: true
  initContainers: [{name: i, image: "r/i@sha256:0000"}]
  containers:
  - name: a
    image: registry:5000/app
    ports: [{containerPort: 80}]
    resources: {limits: {cpu: 1500u, memory: 1Gi}, requests: {memory: 512Mi}}
    livenessProbe: {httpGet: {port: 80}}
    startupProbe: {grpc: {port: 9}, periodSeconds: 5}
    env: [{name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
  - {name: b, image: "b:1"}
  volumes:
  - {name: e}
  - {name: c, configMap: {name: x}}
  - {name: h, hostPath: {path: /x}}
  - {name: k, iscsi: {lun: 1}}
  - {name: t, projected: {sources: [{serviceAccountToken: {path: t}}]}}
)";
constexpr const char* kDeployment =
    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {}}";
constexpr const char* kDaemonSet =
    "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: d}, spec: {}}";
constexpr const char* kStatefulSet =
    "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: d}, spec: {}}";
constexpr const char* kExplicitStatefulSet =
    "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: d}, "
    "spec: {updateStrategy: {type: RollingUpdate}}}";
constexpr const char* kJob =
    "{apiVersion: batch/v1, kind: Job, metadata: {name: j}, "
    "spec: {template: {metadata: {labels: {a: b}}}}}";
constexpr const char* kWideJob =
    "{apiVersion: batch/v1, kind: Job, metadata: {name: j}, "
    "spec: {completions: 5, backoffLimitPerIndex: 1, podFailurePolicy: {rules: []}}}";
constexpr const char* kCronJob =
    "{apiVersion: batch/v1, kind: CronJob, metadata: {name: j}, spec: {}}";
constexpr const char* kService =
    "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {ports: [{port: 80}]}}";
constexpr const char* kLoadBalancer =
    "{apiVersion: v1, kind: Service, metadata: {name: s}, "
    "spec: {type: LoadBalancer, sessionAffinity: ClientIP, ports: [{port: 1, targetPort: web}]}, "
    "status: {loadBalancer: {ingress: [{ip: 1.2.3.4}]}}}";
constexpr const char* kExternal =
    "{apiVersion: v1, kind: Service, metadata: {name: s}, "
    "spec: {type: ExternalName, externalName: x}}";
constexpr const char* kHpa =
    "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: h}, "
    "spec: {maxReplicas: 5}}";
constexpr const char* kHpaBehavior =
    "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: h}, "
    "spec: {maxReplicas: 5, behavior: {scaleDown: {stabilizationWindowSeconds: 60}}}}";
constexpr const char* kLimits =
    "{apiVersion: v1, kind: LimitRange, metadata: {name: l}, "
    "spec: {limits: [{type: Container, max: {cpu: 2}, min: {memory: 1Mi}}]}}";

INSTANTIATE_TEST_SUITE_P(
    Table, Defaults,
    ::testing::Values(
        Case{kPod, "spec.restartPolicy", "\"Always\""},
        Case{kPod, "spec.dnsPolicy", "\"ClusterFirst\""},
        Case{kPod, "spec.schedulerName", "\"default-scheduler\""},
        Case{kPod, "spec.terminationGracePeriodSeconds", "30"},
        Case{kPod, "spec.securityContext", "{}"}, Case{kPod, "spec.enableServiceLinks", "true"},
        // No tag is latest, a digest without a tag is not.
        Case{kPod, "spec.containers[0].imagePullPolicy", "\"Always\""},
        Case{kPod, "spec.containers[1].imagePullPolicy", "\"IfNotPresent\""},
        Case{kPod, "spec.initContainers[0].imagePullPolicy", "\"IfNotPresent\""},
        Case{kPod, "spec.containers[0].terminationMessagePath", "\"/dev/termination-log\""},
        Case{kPod, "spec.containers[0].terminationMessagePolicy", "\"File\""},
        Case{kPod, "spec.containers[0].ports[0]",
             R"({"containerPort":80,"hostPort":80,"protocol":"TCP"})"},
        // Requests come from limits; amounts are rounded up to the thousandth.
        Case{kPod, "spec.containers[0].resources.requests", R"({"cpu":"2m","memory":"512Mi"})"},
        Case{kPod, "spec.containers[0].livenessProbe",
             R"({"failureThreshold":3,"httpGet":{"path":"/","port":80,"scheme":"HTTP"},)"
             R"("periodSeconds":10,"successThreshold":1,"timeoutSeconds":1})"},
        Case{kPod, "spec.containers[0].startupProbe",
             R"({"failureThreshold":3,"grpc":{"port":9,"service":""},"periodSeconds":5,)"
             R"("successThreshold":1,"timeoutSeconds":1})"},
        Case{kPod, "spec.containers[0].env[0].valueFrom.fieldRef.apiVersion", "\"v1\""},
        Case{kPod, "spec.volumes[0].emptyDir", "{}"},
        Case{kPod, "spec.volumes[1].configMap.defaultMode", "420"},
        Case{kPod, "spec.volumes[2].hostPath.type", "\"\""},
        Case{kPod, "spec.volumes[3].emptyDir", "null"},
        Case{kPod, "spec.volumes[4].projected.defaultMode", "420"},
        Case{kPod, "spec.volumes[4].projected.sources[0].serviceAccountToken.expirationSeconds",
             "3600"},
        Case{kDeployment, "spec.replicas", "1"},
        Case{
            kDeployment, "spec.strategy",
            R"({"rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"},"type":"RollingUpdate"})"},
        Case{kDeployment, "spec.revisionHistoryLimit", "10"},
        Case{kDeployment, "spec.progressDeadlineSeconds", "600"},
        Case{kDeployment, "spec.template.spec.restartPolicy", "\"Always\""},
        Case{kDeployment, "spec.template.spec.enableServiceLinks", "null"},
        Case{kDaemonSet, "spec.updateStrategy",
             R"({"rollingUpdate":{"maxSurge":0,"maxUnavailable":1},"type":"RollingUpdate"})"},
        Case{kStatefulSet, "spec.podManagementPolicy", "\"OrderedReady\""},
        Case{kStatefulSet, "spec.updateStrategy",
             R"({"rollingUpdate":{"maxUnavailable":1,"partition":0},"type":"RollingUpdate"})"},
        Case{kExplicitStatefulSet, "spec.updateStrategy", R"({"type":"RollingUpdate"})"},
        Case{kStatefulSet, "spec.persistentVolumeClaimRetentionPolicy",
             R"({"whenDeleted":"Retain","whenScaled":"Retain"})"},
        Case{kJob, "spec.completions", "1"}, Case{kJob, "spec.parallelism", "1"},
        Case{kJob, "spec.backoffLimit", "6"}, Case{kJob, "spec.suspend", "false"},
        Case{kJob, "spec.completionMode", "\"NonIndexed\""},
        Case{kJob, "spec.podReplacementPolicy", "\"TerminatingOrFailed\""},
        Case{kJob, "metadata.labels", R"({"a":"b"})"}, Case{kWideJob, "spec.parallelism", "1"},
        Case{kWideJob, "spec.backoffLimit", "2147483647"},
        Case{kWideJob, "spec.podReplacementPolicy", "\"Failed\""},
        Case{kCronJob, "spec.concurrencyPolicy", "\"Allow\""},
        Case{kCronJob, "spec.successfulJobsHistoryLimit", "3"},
        Case{kCronJob, "spec.failedJobsHistoryLimit", "1"},
        Case{kService, "spec.type", "\"ClusterIP\""},
        Case{kService, "spec.sessionAffinity", "\"None\""},
        Case{kService, "spec.ports[0]", R"({"port":80,"protocol":"TCP","targetPort":80})"},
        Case{kService, "spec.internalTrafficPolicy", "\"Cluster\""},
        Case{kService, "spec.externalTrafficPolicy", "null"},
        Case{kLoadBalancer, "spec.externalTrafficPolicy", "\"Cluster\""},
        Case{kLoadBalancer, "spec.allocateLoadBalancerNodePorts", "true"},
        Case{kLoadBalancer, "spec.sessionAffinityConfig.clientIP.timeoutSeconds", "10800"},
        Case{kLoadBalancer, "spec.ports[0].targetPort", "\"web\""},
        Case{kLoadBalancer, "status.loadBalancer.ingress[0].ipMode", "\"VIP\""},
        Case{kExternal, "spec.internalTrafficPolicy", "null"}, Case{kHpa, "spec.minReplicas", "1"},
        Case{
            kHpa, "spec.metrics",
            R"([{"resource":{"name":"cpu","target":{"averageUtilization":80,"type":"Utilization"}},)"
            R"("type":"Resource"}])"},
        Case{kHpa, "spec.behavior", "null"},
        Case{kHpaBehavior, "spec.behavior.scaleUp",
             R"({"policies":[{"periodSeconds":15,"type":"Pods","value":4},)"
             R"({"periodSeconds":15,"type":"Percent","value":100}],"selectPolicy":"Max",)"
             R"("stabilizationWindowSeconds":0})"},
        Case{kHpaBehavior, "spec.behavior.scaleDown",
             R"({"policies":[{"periodSeconds":15,"type":"Percent","value":100}],)"
             R"("selectPolicy":"Max","stabilizationWindowSeconds":60})"},
        Case{kLimits, "spec.limits[0].default", R"({"cpu":"2"})"},
        Case{kLimits, "spec.limits[0].defaultRequest", R"({"cpu":"2","memory":"1Mi"})"},
        Case{"{apiVersion: v1, kind: Namespace, metadata: {name: x}}",
             "metadata.labels['kubernetes.io/metadata.name']", "\"x\""},
        Case{"{apiVersion: v1, kind: Namespace, metadata: {name: x}}", "status.phase",
             "\"Active\""},
        Case{"{apiVersion: v1, kind: Node, metadata: {name: x}, status: {capacity: {cpu: 4}}}",
             "status.allocatable", R"({"cpu":"4"})"},
        // base64("hi!") = aGkh, base64("a") = YQ==
        Case{"{apiVersion: v1, kind: Secret, metadata: {name: x}, stringData: {k: hi!, l: a}}",
             "data", R"({"k":"aGkh","l":"YQ=="})"},
        Case{"{apiVersion: v1, kind: Secret, metadata: {name: x}}", "type", "\"Opaque\""},
        Case{"{apiVersion: v1, kind: PersistentVolume, metadata: {name: x}, spec: {}}",
             "spec.persistentVolumeReclaimPolicy", "\"Retain\""},
        Case{"{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: x}, spec: {}}",
             "spec.volumeMode", "\"Filesystem\""},
        Case{"{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: x}}",
             "volumeBindingMode", "\"Immediate\""},
        Case{"{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: x}}",
             "preemptionPolicy", "\"PreemptLowerPriority\""},
        Case{"{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: x}, "
             "ports: [{port: 80}]}",
             "ports[0]", R"({"name":"","port":80,"protocol":"TCP"})"}));

TEST(Defaulting, SharesWhatNeedsNothing) {
  const Ref<Object> object = defaulted(kDeployment);
  Ref<Deployment> deployment = clone(as<Deployment>(*object));
  deployment->spec.template_.spec.containers =
      List<Container>{{.name = "a",
                       .image = "b:1",
                       .termination_message_path = "/dev/termination-log",
                       .termination_message_policy = "File",
                       .image_pull_policy = "Always"}};
  Ref<Pod> pod = make<Pod>();
  pod->spec = deployment->spec.template_.spec;
  set_defaults(*pod);
  EXPECT_TRUE(pod->spec.enable_service_links.value());
  EXPECT_TRUE(pod->spec.containers.same(deployment->spec.template_.spec.containers));
}

TEST(Defaulting, PodLevelRequestsComeFromContainersAndLimits) {
  const Ref<Object> pod = defaulted(R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  resources: {limits: {cpu: 2, memory: 1Gi}}
  containers: [{name: a, image: b, resources: {requests: {cpu: 300m}}}]
)");
  EXPECT_EQ(to_sorted_json(get_field(*pod, "spec.resources.requests")),
            R"({"cpu":"300m","memory":"1Gi"})");
}

}  // namespace
}  // namespace mainspring::api
