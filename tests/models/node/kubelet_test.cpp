#include "tests/models/node/cluster.h"

#include <algorithm>
#include <vector>

#include "models/api/claim_helpers.h"
#include "models/api/types/coordination.h"

namespace mainspring::node {
namespace {

TEST(Kubelet, RunsABoundPodAndReportsIt) {
  Cluster k;
  k.add_node("n-1");
  k.start();
  k.apply(pod_yaml("web"));
  const double running = k.until([&] { return k.shown("web") == "Running"; });
  EXPECT_GT(running, 0.5);
  EXPECT_LT(running, 12);
  k.run_for(Duration::seconds(5));
  const api::Pod* p = k.pod("web");
  EXPECT_EQ(p->status.phase, "Running");
  EXPECT_EQ(k.condition("web", "Ready"), "True");
  EXPECT_EQ(k.condition("web", "ContainersReady"), "True");
  EXPECT_EQ(k.condition("web", "Initialized"), "True");
  EXPECT_EQ(k.condition("web", "PodReadyToStartContainers"), "True");
  EXPECT_EQ(p->status.pod_ip, "10.128.0.2");
  EXPECT_EQ(p->status.host_ip, "172.16.0.1");
  ASSERT_EQ(p->status.container_statuses.size(), 1u);
  EXPECT_TRUE(p->status.container_statuses[0].ready);
  EXPECT_EQ(p->status.container_statuses[0].restart_count, 0);
  const std::vector<std::string> e = k.events("web");
  ASSERT_EQ(e.size(), 4u) << ::testing::PrintToString(e);
  EXPECT_EQ(e[0], "Pulling: Pulling image \"app:1\"");
  EXPECT_TRUE(e[1].starts_with("Pulled: Successfully pulled image \"app:1\" in ")) << e[1];
  EXPECT_EQ(e[2], "Created: Created container: c");
  EXPECT_EQ(e[3], "Started: Started container c");
}

// --- starting ------------------------------------------------------------------------------------

NodeFleet::Options quick() {
  NodeFleet::Options o;
  AppBehavior app;
  app.startup = sim::Distribution::constant(Duration());
  o.apps.set_default(behavior(app));
  return o;
}

TEST(Kubelet, PullsOneImageAfterTheOther) {
  NodeFleet::Options o = quick();
  // 100 MB at 100 MB/s and 150 MB/s unpacked: 1 s + 0.667 s, plus 0.1-0.5 s to resolve.
  o.images.set_image({"a:1", 100'000'000, false});
  o.images.set_image({"b:1", 300'000'000, false});
  Cluster k(std::move(o));
  k.add_node("n-1");
  k.start();
  const std::string pod =
      "apiVersion: v1\nkind: Pod\nmetadata: {name: NAME}\nspec:\n  nodeName: n-1\n"
      "  containers: [{name: c, image: IMAGE}]\n";
  const auto make = [&](std::string name, std::string image) {
    std::string y = pod;
    y.replace(y.find("NAME"), 4, name);
    y.replace(y.find("IMAGE"), 5, image);
    k.apply(y);
  };
  make("first", "b:1");
  k.run_for(Duration::seconds(1));
  make("second", "a:1");
  make("third", "b:1");
  const auto started = [&](std::string_view name) {
    return k.until([&] { return k.nodes().running(k.container(name)); }, 60);
  };
  const double first = started("first");
  // 3 s + 2 s of transfer.
  EXPECT_GT(first, 5.2);
  EXPECT_LT(first, 7.0);
  const double second = started("second");
  // Waited for the first: another 1.67 s and a resolve.
  EXPECT_GT(second, first + 1.5);
  // The third image was on disk by the time its turn came: only the resolve.
  const double third = started("third");
  EXPECT_LT(third, second + 0.9);
  for (const std::string& e : k.events("third")) {
    if (!e.starts_with("Pulled")) continue;
    EXPECT_NE(e.find("including waiting"), std::string::npos) << e;
  }
}

TEST(Kubelet, BacksOffFromAnImageThatDoesNotExist) {
  NodeFleet::Options o = quick();
  o.images.set_image({"app:1", 0, true});
  Cluster k(std::move(o));
  k.add_node("n-1");
  k.start();
  k.apply(pod_yaml("web"));
  // Shown by the sync that the new sandbox causes, within a second or two.
  const double shown = k.until([&] { return k.shown("web") == "ErrImagePull"; }, 20);
  EXPECT_GT(shown, 0);
  EXPECT_LT(shown, 3);
  EXPECT_GT(k.until([&] { return k.shown("web") == "ImagePullBackOff"; }, 40), 0);
  EXPECT_EQ(k.pod("web")->status.phase, "Pending");
  k.run_to(300);
  const std::vector<std::string> e = k.events("web");
  EXPECT_NE(std::find(e.begin(), e.end(), "BackOff: Back-off pulling image \"app:1\""), e.end());
  EXPECT_NE(std::find(e.begin(), e.end(), "Failed: Error: ErrImagePull"), e.end());
  EXPECT_FALSE(k.nodes().running(k.container("web")));
}

TEST(Kubelet, AsksPrivateRegistriesWithThePodsSecrets) {
  NodeFleet::Options o = quick();
  o.images.set_registry({"reg.example.com", true, "bob", false});
  Cluster k(std::move(o));
  k.add_node("n-1");
  k.start();
  k.apply(
      "apiVersion: v1\nkind: Secret\nmetadata: {name: creds}\n"
      "type: kubernetes.io/dockerconfigjson\nstringData: {.dockerconfigjson: "
      "'{\"auths\":{\"reg.example.com/team\":{\"username\":\"bob\"}}}'}\n");
  const auto pod = [&](std::string name, std::string image, std::string spec) {
    k.apply("apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + "}\nspec:\n  nodeName: n-1\n" +
            spec + "  containers: [{name: c, image: \"" + image + "\"}]\n");
  };
  const std::string secret = "  imagePullSecrets: [{name: creds}]\n";
  pod("anonymous", "reg.example.com/team/app:2", "");
  pod("allowed", "reg.example.com/team/app:1", secret);
  pod("elsewhere", "reg.example.com/other/app:1", secret);
  k.run_to(60);
  EXPECT_FALSE(k.nodes().running(k.container("anonymous")));
  EXPECT_TRUE(k.nodes().running(k.container("allowed")));
  EXPECT_FALSE(k.nodes().running(k.container("elsewhere")));
}

TEST(Kubelet, WaitsForAConfigMapThatIsNotThereYet) {
  Cluster k(quick());
  k.add_node("n-1");
  k.start();
  k.apply(pod_yaml("web", "", "  volumes: [{name: v, configMap: {name: cm}}]\n"));
  k.run_to(5);
  EXPECT_EQ(k.shown("web"), "ContainerCreating");
  const std::vector<std::string> e = k.events("web");
  ASSERT_FALSE(e.empty());
  EXPECT_EQ(e[0],
            "FailedMount: MountVolume.SetUp failed for volume \"v\" : configmap \"cm\" not found");
  k.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\n");
  EXPECT_GT(k.until([&] { return k.shown("web") == "Running"; }, 30), 0);
}

// It looks again at the next regular sync, 60 to 90 s later.
TEST(Kubelet, WaitsForAClaimThatIsNotReserved) {
  Cluster k(quick());
  k.add_node("n-1");
  k.start();
  k.apply(pod_yaml("web", "", "  resourceClaims: [{name: gpu, resourceClaimName: one}]\n"));
  k.run_to(5);
  EXPECT_EQ(k.events("web").at(0),
            "FailedPrepareDynamicResources: Failed to prepare dynamic resources: prepare dynamic "
            "resources: fetch ResourceClaim one: resourceclaims.resource.k8s.io \"one\" not found");
  k.apply(
      "apiVersion: resource.k8s.io/v1\nkind: ResourceClaim\nmetadata: {name: one}\n"
      "spec: {devices: {requests: [{name: gpu, exactly: {deviceClassName: gpu}}]}}\n");
  auto claim = api::clone(*k.server().get<api::ResourceClaim>("default", "one"));
  claim->status.reserved_for.push_back(api::reservation_for(*k.pod("web")));
  client::Request r;
  r.verb = client::Verb::kUpdateStatus;
  r.kind = api::Kind::ResourceClaim;
  r.ns = "default";
  r.name = "one";
  r.body = api::ObjectRef(claim);
  ASSERT_TRUE(k.server().execute(k.world, r).ok());
  k.run_to(60);
  EXPECT_EQ(k.shown("web"), "ContainerCreating");
  k.run_to(200);
  for (auto& e : k.events("web")) puts(e.c_str());
  EXPECT_GT(k.until([&] { return k.shown("web") == "Running"; }, 35), 60);
}

TEST(Kubelet, RejectsWhatDoesNotFit) {
  Cluster k(quick());
  k.add_node("n-1", 1000);
  k.start();
  k.apply(pod_yaml("big", "    resources: {requests: {cpu: 800m}}\n"));
  k.apply(pod_yaml("more", "    resources: {requests: {cpu: 300m}}\n"));
  k.run_to(10);
  EXPECT_EQ(k.pod("more")->status.phase, "Failed");
  EXPECT_EQ(k.pod("more")->status.reason, "OutOfcpu");
  EXPECT_EQ(k.pod("more")->status.message,
            "Pod was rejected: Node didn't have enough resource: cpu, requested: 300, used: 800, "
            "capacity: 1000");
  EXPECT_EQ(k.pod("big")->status.phase, "Running");
}

TEST(Kubelet, RunsInitContainersInOrderThenTheRest) {
  Cluster k(quick());
  k.add_node("n-1");
  k.start();
  k.apply(pod_yaml("web", "",
                   "  initContainers:\n  - {name: i1, image: a:1}\n"
                   "  - {name: side, image: a:1, restartPolicy: Always}\n"
                   "  - {name: i2, image: a:1}\n"));
  const auto running = [&](std::string_view name) {
    return k.nodes().running(k.container("web", name));
  };
  k.until([&] { return running("i1"); }, 30);
  EXPECT_FALSE(running("side"));
  EXPECT_EQ(k.shown("web"), "PodInitializing");
  k.until([&] { return running("i2"); }, 30);
  EXPECT_TRUE(running("side"));
  EXPECT_FALSE(running("c"));
  EXPECT_EQ(k.condition("web", "Initialized"), "False");
  EXPECT_GT(k.until([&] { return running("c"); }, 30), 0);
  k.run_for(Duration::seconds(3));
  EXPECT_EQ(k.condition("web", "Initialized"), "True");
  EXPECT_EQ(k.pod("web")->status.phase, "Running");
  EXPECT_EQ(k.pod("web")->status.init_container_statuses[0].state.terminated->reason, "Completed");
}

// --- ends and restarts ---------------------------------------------------------------------------

TEST(Kubelet, RestartsACrashingContainerWithGrowingPauses) {
  NodeFleet::Options o;
  AppBehavior app;
  app.startup = sim::Distribution::constant(Duration());
  app.crash_per_mille = 1000;
  app.crash_after = sim::Distribution::constant(Duration::seconds(2));
  app.crash_code = 3;
  o.apps.set_default(behavior(app));
  Cluster k(std::move(o));
  k.add_node("n-1");
  k.start();
  k.apply(pod_yaml("web"));
  k.run_to(1200);
  // From the end of a process to the start of the next one.
  std::vector<double> pauses;
  double stopped = -1;
  for (const Ear::Heard& h : k.heard()) {
    if (h.kind != Ear::kContainer) continue;
    const auto change = static_cast<ContainerChange>(h.b);
    if (change == ContainerChange::kStopped) stopped = h.at.to_seconds();
    if (change == ContainerChange::kStarted && stopped >= 0) {
      pauses.push_back(h.at.to_seconds() - stopped);
    }
  }
  ASSERT_GE(pauses.size(), 7u);
  // At once (relist and start only); then 10, 20, 40, 80, 160, 300 s and up to half as much of
  // that again, at most 60 s at a time.
  EXPECT_LT(pauses[0], 2);
  const double expected[] = {0, 10, 20, 40, 80, 160, 300};
  for (size_t i = 1; i < 7; ++i) {
    EXPECT_GE(pauses[i], expected[i]) << i;
    EXPECT_LE(pauses[i], std::max(expected[i] * 1.5, expected[i] + 90) + 1) << i;
  }
  const api::Pod* p = k.pod("web");
  EXPECT_EQ(p->status.phase, "Running");
  const api::ContainerStatus& c = p->status.container_statuses[0];
  EXPECT_GE(c.restart_count, 7);
  EXPECT_EQ(c.last_state.terminated->exit_code, 3);
  EXPECT_EQ(c.state.waiting->reason, "CrashLoopBackOff");
  EXPECT_TRUE(c.state.waiting->message.view().starts_with(
      "back-off 5m0s restarting failed container=c pod=web_default("))
      << c.state.waiting->message.view();
}

TEST(Kubelet, LeavesAFinishedPodFinished) {
  NodeFleet::Options o = quick();
  AppBehavior job;
  job.startup = sim::Distribution::constant(Duration());
  job.run_for = sim::Distribution::constant(Duration::seconds(5));
  o.apps.add({"", "ok", "", behavior(job)});
  job.exit_code = 4;
  o.apps.add({"", "bad", "", behavior(job)});
  Cluster k(std::move(o));
  k.add_node("n-1");
  k.start();
  k.apply(pod_yaml("ok", "", "  restartPolicy: Never\n"));
  k.apply(pod_yaml("bad", "", "  restartPolicy: Never\n"));
  k.run_to(30);
  EXPECT_EQ(k.pod("ok")->status.phase, "Succeeded");
  EXPECT_EQ(k.pod("bad")->status.phase, "Failed");
  EXPECT_EQ(k.shown("ok"), "Completed");
  EXPECT_EQ(k.shown("bad"), "Error");
  EXPECT_EQ(k.condition("ok", "Ready"), "False");
  EXPECT_TRUE(k.remove("ok").ok());
  k.run_for(Duration::seconds(3));
  EXPECT_EQ(k.shown("ok"), "gone");
  EXPECT_FALSE(k.nodes().find_pod("default", "ok").valid());
}

TEST(Kubelet, KillsAContainerAboveItsMemoryLimit) {
  NodeFleet::Options o;
  AppBehavior app;
  app.startup = sim::Distribution::constant(Duration());
  app.base_memory = 50 << 20;
  app.memory_per_request = 1 << 20;
  app.leak_per_second = 1 << 20;
  o.apps.set_default(behavior(app));
  Cluster k(std::move(o));
  k.add_node("n-1");
  k.start();
  k.apply(pod_yaml("web", "    resources: {limits: {memory: 100Mi}}\n"));
  k.until([&] { return k.nodes().running(k.container("web")); }, 30);
  const double start = k.now();
  // 50 MiB to go at 1 MiB/s.
  const double end = k.until([&] { return !k.nodes().running(k.container("web")); }, 100);
  EXPECT_NEAR(end - start, 50, 0.1);
  k.run_for(Duration::seconds(3));
  const api::ContainerStatus c = k.pod("web")->status.container_statuses[0];
  EXPECT_EQ(c.last_state.terminated->reason, "OOMKilled");
  EXPECT_EQ(c.last_state.terminated->exit_code, 137);
  EXPECT_EQ(c.restart_count, 1);
  // 40 requests of 1 MiB fit, 60 do not.
  k.until([&] { return k.nodes().running(k.container("web")); }, 30);
  k.nodes().set_in_flight(k.world, k.container("web"), 40);
  EXPECT_TRUE(k.nodes().running(k.container("web")));
  k.nodes().set_in_flight(k.world, k.container("web"), 60);
  EXPECT_FALSE(k.nodes().running(k.container("web")));
}

TEST(Kubelet, EvictsWhoIsFurthestOverItsRequest) {
  NodeFleet::Options o = quick();
  const auto app = [](int64_t mi) {
    AppBehavior b;
    b.startup = sim::Distribution::constant(Duration());
    b.base_memory = mi << 20;
    return behavior(b);
  };
  o.apps.add({"", "small", "", app(300)});
  o.apps.add({"", "large", "", app(500)});
  o.apps.add({"", "fair", "", app(150)});
  Cluster k(std::move(o));
  k.add_node("n-1", 4000, 1000LL << 20);
  k.start();
  k.apply(pod_yaml("fair", "    resources: {requests: {memory: 200Mi}}\n"));
  k.apply(pod_yaml("small", "    resources: {requests: {memory: 100Mi}}\n"));
  k.apply(pod_yaml("large", "    resources: {requests: {memory: 100Mi}}\n"));
  // 950 of 1000 Mi used: below the threshold of 100 Mi.
  const double evicted = k.until([&] { return k.pod("large")->status.reason == "Evicted"; }, 60);
  EXPECT_GT(evicted, 0);
  k.run_for(Duration::seconds(20));
  EXPECT_EQ(k.pod("large")->status.phase, "Failed");
  EXPECT_EQ(k.condition("large", "DisruptionTarget"), "True");
  EXPECT_EQ(k.pod("small")->status.phase, "Running");
  EXPECT_EQ(k.pod("fair")->status.phase, "Running");
  EXPECT_TRUE(k.pod("large")->status.message.view().starts_with(
      "The node was low on resource: memory. Threshold quantity: 100Mi, available: "))
      << k.pod("large")->status.message.view();
  const auto pressure = [&] {
    for (const api::NodeCondition& c : k.server().get<api::Node>("", "n-1")->status.conditions) {
      if (c.type == "MemoryPressure") return c.status.str();
    }
    return std::string("absent");
  };
  EXPECT_EQ(pressure(), "True");
  k.run_for(Duration::minutes(6));
  EXPECT_EQ(pressure(), "False");
}

// --- termination ---------------------------------------------------------------------------------

TEST(Kubelet, TerminatesGracefully) {
  NodeFleet::Options o;
  AppBehavior app;
  app.startup = sim::Distribution::constant(Duration());
  app.shutdown = sim::Distribution::constant(Duration::seconds(4));
  o.apps.set_default(behavior(app));
  Cluster k(std::move(o));
  k.add_node("n-1");
  k.start();
  k.apply(pod_yaml("web", "    lifecycle: {preStop: {sleep: {seconds: 5}}}\n"));
  k.run_to(20);
  EXPECT_TRUE(k.remove("web").ok());
  const double asked = k.now();
  EXPECT_EQ(*k.pod("web")->metadata.deletion_grace_period_seconds, 30);
  const ContainerHandle c = k.container("web");
  k.run_for(Duration::seconds(4));
  EXPECT_TRUE(k.nodes().accepts(c));
  // 5 s of preStop, then 4 s of shutting down.
  const double ended = k.until([&] { return !k.nodes().running(c); }, 60);
  EXPECT_NEAR(ended - asked, 9, 0.1);
  const double gone = k.until([&] { return k.shown("web") == "gone"; }, 60);
  EXPECT_GT(gone, ended);
  EXPECT_LT(gone, ended + 2);
  EXPECT_FALSE(k.nodes().alive(c));
  const std::vector<std::string> e = k.events("web");
  EXPECT_EQ(e.back(), "Killing: Stopping container c");
}

TEST(Kubelet, KillsWhatIgnoresSigtermWhenTheGracePeriodEnds) {
  NodeFleet::Options o;
  AppBehavior app;
  app.startup = sim::Distribution::constant(Duration());
  app.ignores_sigterm = true;
  o.apps.set_default(behavior(app));
  Cluster k(std::move(o));
  k.add_node("n-1");
  k.start();
  k.apply(pod_yaml("a", "", "  terminationGracePeriodSeconds: 10\n"));
  k.apply(pod_yaml("b", "", "  terminationGracePeriodSeconds: 10\n"));
  k.apply(pod_yaml("c", "    lifecycle: {preStop: {sleep: {seconds: 20}}}\n",
                   "  terminationGracePeriodSeconds: 10\n"));
  k.run_to(30);
  k.remove("a");
  k.remove("b");
  k.remove("b", 0);  // by force: the object goes at once, the process within 2 s
  k.remove("c");
  EXPECT_EQ(k.shown("b"), "gone");
  const ContainerHandle a = k.container("a");
  const ContainerHandle c = k.container("c");
  const NodeIndex n = k.nodes().find_machine("n-1");
  EXPECT_EQ(k.nodes().pods_on(n), 3u);
  k.run_for(Duration::seconds(4));
  EXPECT_EQ(k.nodes().pods_on(n), 2u);
  EXPECT_NEAR(k.until([&] { return !k.nodes().running(a); }, 60), 40, 0.1);
  // A preStop hook that overruns gets two seconds more.
  EXPECT_NEAR(k.until([&] { return !k.nodes().running(c); }, 60), 42, 0.1);
}

TEST(Kubelet, EndsAPodAtItsDeadline) {
  Cluster k(quick());
  k.add_node("n-1");
  k.start();
  k.apply(pod_yaml("web", "", "  activeDeadlineSeconds: 20\n"));
  k.run_to(30);
  EXPECT_EQ(k.pod("web")->status.phase, "Failed");
  EXPECT_EQ(k.pod("web")->status.reason, "DeadlineExceeded");
}

// --- probes --------------------------------------------------------------------------------------

TEST(Kubelet, TurnsReadyWhenTheProbeSucceeds) {
  NodeFleet::Options o;
  AppBehavior app;
  app.startup = sim::Distribution::constant(Duration::seconds(12));
  o.apps.set_default(behavior(app));
  Cluster k(std::move(o));
  k.add_node("n-1");
  k.start();
  k.apply(
      pod_yaml("web", "    readinessProbe: {httpGet: {path: /ok, port: 80}, periodSeconds: 5}\n"));
  const double started = k.until([&] { return k.nodes().running(k.container("web")); }, 30);
  const double ready = k.until([&] { return k.condition("web", "Ready") == "True"; }, 60);
  // The first tick after 12 s, on a grid of 5 s.
  EXPECT_GE(ready, started + 12);
  EXPECT_LE(ready, started + 17.1);
  int unhealthy = 0;
  for (const std::string& e : k.events("web")) {
    unhealthy += e ==
                 "Unhealthy: Readiness probe failed: Get \"http://10.128.0.2:80/ok\": dial tcp "
                 "10.128.0.2:80: connect: connection refused";
  }
  // One event, counted up.
  EXPECT_EQ(unhealthy, 1) << ::testing::PrintToString(k.events("web"));
}

TEST(Kubelet, RestartsAHangingContainerWithinTheWorstCase) {
  NodeFleet::Options o;
  AppBehavior app;
  app.startup = sim::Distribution::constant(Duration());
  app.shutdown = sim::Distribution::constant(Duration());
  app.liveness_fails_after = Duration::seconds(100);
  o.apps.set_default(behavior(app));
  Cluster k(std::move(o));
  k.add_node("n-1");
  k.start();
  k.apply(pod_yaml("web",
                   "    livenessProbe: {httpGet: {path: /ok, port: 80}, periodSeconds: 10, "
                   "timeoutSeconds: 3, failureThreshold: 3}\n"));
  const double started = k.until([&] { return k.nodes().running(k.container("web")); }, 30);
  const double killed = k.until([&] { return !k.nodes().running(k.container("web")); }, 300);
  // Third failing tick: between 20 and 30 s after the hang, plus the timeout.
  EXPECT_GE(killed - started, 100 + 20 + 3 - 0.1);
  EXPECT_LE(killed - started, 100 + 30 + 3 + 0.1);
  k.run_for(Duration::seconds(3));
  EXPECT_EQ(k.pod("web")->status.container_statuses[0].restart_count, 1);
  const std::vector<std::string> e = k.events("web");
  EXPECT_NE(std::find(e.begin(), e.end(),
                      "Killing: Container c failed liveness probe, will be restarted"),
            e.end());
}

TEST(Kubelet, HoldsOtherProbesBackUntilTheStartupProbeSucceeds) {
  NodeFleet::Options o;
  AppBehavior app;
  app.startup = sim::Distribution::constant(Duration::seconds(50));
  o.apps.set_default(behavior(app));
  Cluster k(std::move(o));
  k.add_node("n-1");
  k.start();
  const std::string startup = "    startupProbe: {tcpSocket: {port: 80}, failureThreshold: ";
  k.apply(pod_yaml(
      "slow", startup + "10}\n    livenessProbe: {tcpSocket: {port: 80}, failureThreshold: 1}\n"
                        "    readinessProbe: {tcpSocket: {port: 80}, periodSeconds: 5}\n"));
  k.apply(pod_yaml("hopeless", startup + "3}\n"));
  const double ready = k.until([&] { return k.condition("slow", "Ready") == "True"; }, 200);
  EXPECT_GT(ready, 50);
  EXPECT_LT(ready, 70);
  EXPECT_EQ(k.nodes().restarts(k.container("slow")), 0);
  EXPECT_GE(k.nodes().restarts(k.container("hopeless")), 1);
}

// --- CPU -----------------------------------------------------------------------------------------

// Programs that start at once and burn nothing by themselves.
NodeFleet::Options quiet_programs() {
  AppBehavior app;
  app.startup = sim::Distribution::constant(Duration());
  app.idle_cpu = MicroCores{};
  NodeFleet::Options o;
  o.apps.set_default(behavior(app));
  return o;
}

TEST(Kubelet, SharesTheProcessorAmongRequestsAndAccountsForIt) {
  Cluster k(quiet_programs());
  k.add_node("n-1", 2000);
  k.start();
  k.apply(pod_yaml("a", "    resources: {requests: {cpu: 500m}}\n"));
  k.apply(pod_yaml("b", "    resources: {requests: {cpu: 500m}}\n"));
  k.apply(pod_yaml("l", "    resources: {requests: {cpu: 100m}, limits: {cpu: 200m}}\n"));
  k.run_to(30);
  NodeFleet& nodes = k.nodes();
  const ContainerHandle a = k.container("a");
  const ContainerHandle b = k.container("b");
  const ContainerHandle l = k.container("l");
  // At full speed, 20 ms of each 100.
  EXPECT_EQ(nodes.set_demand(k.world, l, kOneCore), kOneCore);
  k.run_for(Duration::seconds(1));
  const Duration used = nodes.cpu_used(k.world, l);
  const Duration throttled = nodes.throttled(k.world, l);
  const int64_t periods = nodes.throttled_periods(k.world, l);
  k.run_for(Duration::seconds(10));
  EXPECT_EQ(nodes.cpu_used(k.world, l) - used, Duration::seconds(2));
  EXPECT_EQ(nodes.throttled(k.world, l) - throttled, Duration::seconds(8));
  EXPECT_EQ(nodes.throttled_periods(k.world, l) - periods, 100);
  nodes.set_demand(k.world, l, {});
  nodes.rate_changes(0);
  EXPECT_EQ(nodes.set_demand(k.world, a, {2'000'000}), MicroCores{2'000'000});
  EXPECT_EQ(nodes.set_demand(k.world, b, {2'000'000}), kOneCore);
  k.run_for(Duration());
  ASSERT_FALSE(k.heard().empty());
  EXPECT_EQ(k.heard().back().kind, Ear::kRates);
  const auto changes = nodes.rate_changes(0);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].first, a);
  EXPECT_EQ(changes[0].second, kOneCore);
}

TEST(Kubelet, TellsListenersWhenTheQuotaStopsRequestsAndWhenTheyGoOn) {
  Cluster k(quiet_programs());
  k.add_node("n-1", 2000);
  k.start();
  k.apply(pod_yaml("l", "    resources: {limits: {cpu: '1'}}\n"));
  while (!k.nodes().running(k.container("l"))) ASSERT_TRUE(k.world.step());
  const SimTime start = k.world.now();
  k.world.run_until(start + Duration::seconds(10));
  k.heard().clear();
  const ContainerHandle l = k.container("l");
  EXPECT_EQ(k.nodes().set_demand(k.world, l, {2'000'000}), MicroCores{2'000'000});
  // Two threads under a limit of one core: 50 ms of running, 50 ms of standing still.
  for (int i = 1; i <= 4; ++i) {
    k.run_for(Duration::millis(50));
    ASSERT_EQ(k.heard().size(), static_cast<size_t>(i));
    EXPECT_EQ(k.heard().back().kind, Ear::kRates);
    EXPECT_EQ(k.heard().back().at - start, Duration::millis(10'000 + 50 * i));
    const auto changes = k.nodes().rate_changes(0);
    ASSERT_EQ(changes.size(), 1u);
    EXPECT_EQ(changes[0].second, MicroCores{i % 2 == 0 ? 2'000'000 : 0});
  }
  // Without demand nothing is left to be told.
  k.nodes().set_demand(k.world, l, {});
  k.run_for(Duration::seconds(10));
  EXPECT_EQ(k.heard().size(), 4u);
  EXPECT_EQ(k.nodes().throttled(k.world, l), Duration::millis(100));
}

TEST(Kubelet, SharesAMachineBetweenQuotas) {
  Cluster k(quiet_programs());
  k.add_node("n-1", 1000);
  k.start();
  k.apply(pod_yaml("a", "    resources: {requests: {cpu: 100m}}\n"));
  k.apply(pod_yaml("l", "    resources: {requests: {cpu: 100m}, limits: {cpu: 200m}}\n"));
  k.apply(pod_yaml("m", "    resources: {requests: {cpu: 100m}, limits: {cpu: 600m}}\n"));
  k.run_to(30);
  NodeFleet& nodes = k.nodes();
  const auto used = [&](std::string_view pod) { return nodes.cpu_used(k.world, k.container(pod)); };
  const auto want = [&](std::string_view pod, MicroCores demand) {
    nodes.set_demand(k.world, k.container(pod), demand);
  };
  want("a", kOneCore);
  want("l", kOneCore);
  EXPECT_EQ(nodes.rate(k.container("l")), MicroCores::from_milli(500));  // its share
  k.run_for(Duration::seconds(1));
  Duration a = used("a"), l = used("l");
  k.run_for(Duration::seconds(10));
  // 40 ms at half a core each, then a alone for 60 ms.
  EXPECT_EQ(used("l") - l, Duration::seconds(2));
  EXPECT_EQ(used("a") - a, Duration::seconds(8));

  // A share of half a core never uses up 60 ms in a period.
  want("l", {});
  want("m", kOneCore);
  k.run_for(Duration::seconds(1));
  const Duration m = used("m");
  k.run_for(Duration::seconds(10));
  EXPECT_EQ(used("m") - m, Duration::seconds(5));
  EXPECT_EQ(nodes.throttled_periods(k.world, k.container("m")), 0);
}

TEST(Kubelet, AnswersMetricsAsTheMetricsServerHasThem) {
  NodeFleet::Options o;
  AppBehavior app;
  app.startup = sim::Distribution::constant(Duration());
  app.idle_cpu = MicroCores{};
  app.base_memory = 10 << 20;
  o.apps.set_default(behavior(app));
  Cluster k(std::move(o));
  k.add_node("n-1");
  k.start();
  k.apply(pod_yaml("web"));
  const double started = k.until([&] { return k.nodes().running(k.container("web")); }, 30);
  ASSERT_LT(started, 15);
  // Nothing before it is 10 s old at a scrape.
  k.run_to(15.5);
  const bool old_enough = 15 - started >= 10;
  EXPECT_EQ(k.nodes().pod_metrics(k.world, "default").size(), old_enough ? 1u : 0u);
  k.run_to(37);
  k.nodes().set_demand(k.world, k.container("web"), kOneCore);
  k.run_to(44.9);
  auto m = k.nodes().pod_metrics(k.world, "default");
  ASSERT_EQ(m.size(), 1u);
  EXPECT_EQ(m[0].containers[0].cpu_milli, 0);  // the scrape at 30 is the newest
  k.run_to(46);
  k.nodes().set_demand(k.world, k.container("web"), {});
  m = k.nodes().pod_metrics(k.world, "default");
  // From 30 to 45: 8 s of one core: 8/15 = 0.5333, rounded up.
  EXPECT_EQ(m[0].containers[0].cpu_milli, 534);
  EXPECT_EQ(m[0].containers[0].memory_bytes, 10 << 20);
  EXPECT_EQ(m[0].window, Duration::seconds(15));
  k.run_to(61);
  m = k.nodes().pod_metrics(k.world, "default");
  EXPECT_EQ(m[0].containers[0].cpu_milli, 67);  // 45 to 46 of 15 s: 66.7
  EXPECT_TRUE(k.nodes().pod_metrics(k.world, "other").empty());
}

// --- machines ------------------------------------------------------------------------------------

TEST(Kubelet, RegistersItsNode) {
  Cluster k;
  k.add_node("n-1");
  k.start();
  k.run_to(1);
  const api::Node* n = k.server().get<api::Node>("", "n-1");
  ASSERT_TRUE(n);
  EXPECT_EQ(*n->metadata.labels.find("topology.kubernetes.io/zone"), "z1");
  EXPECT_EQ(n->status.allocatable.find("cpu")->milli_value(), 4000);
  ASSERT_EQ(n->status.conditions.size(), 4u);
  EXPECT_EQ(n->status.conditions[3].type, "Ready");
  EXPECT_EQ(n->status.conditions[3].status, "True");
  EXPECT_EQ(n->status.conditions[3].reason, "KubeletReady");
}

TEST(Kubelet, RenewsItsLeaseUntilThePowerFails) {
  Cluster k;
  const NodeIndex n = k.add_node("n-1");
  k.start();
  k.run_to(95);
  const api::Lease* lease = k.server().get<api::Lease>("kube-node-lease", "n-1");
  ASSERT_TRUE(lease);
  const auto age = [&] {
    return (k.server().wall(k.world.now()) - k.nodes().lease_renewed(k.world, n)).to_seconds();
  };
  EXPECT_LT(age(), 10.4);
  EXPECT_EQ(client::lease_renewed_at(*lease, k.server().wall(k.world.now())),
            k.nodes().lease_renewed(k.world, n));
  k.nodes().crash(k.world, n, "test");
  const api::Time last = k.nodes().lease_renewed(k.world, n);
  k.run_to(200);
  EXPECT_EQ(k.nodes().lease_renewed(k.world, n), last);
  lease = k.server().get<api::Lease>("kube-node-lease", "n-1");
  EXPECT_EQ(lease->spec.renew_time, last);
  EXPECT_EQ(client::lease_renewed_at(*lease, k.server().wall(k.world.now())), last);
}

TEST(Kubelet, StartsPodsAgainAfterAReboot) {
  Cluster k(quick());
  const NodeIndex n = k.add_node("n-1");
  k.start();
  k.apply(pod_yaml("web"));
  k.apply(pod_yaml("doomed"));
  k.apply(pod_yaml("once", "", "  restartPolicy: Never\n"));
  k.run_to(30);
  k.nodes().crash(k.world, n, "test");
  EXPECT_FALSE(k.nodes().running(k.container("web")));
  k.remove("doomed");
  k.run_to(60);
  EXPECT_EQ(k.shown("doomed"), "Running");  // nobody is there to end it
  k.nodes().recover(k.world, n, Duration::seconds(20));
  k.run_to(150);
  EXPECT_EQ(k.nodes().state(n), MachineState::kUp);
  EXPECT_EQ(k.shown("doomed"), "gone");
  EXPECT_EQ(k.shown("web"), "Running");
  EXPECT_EQ(k.condition("web", "Ready"), "True");
  const api::ContainerStatus c = k.pod("web")->status.container_statuses[0];
  EXPECT_EQ(c.restart_count, 1);
  EXPECT_EQ(c.last_state.terminated->exit_code, 255);
  EXPECT_EQ(k.pod("once")->status.phase, "Failed");
}

// --- the same results ----------------------------------------------------------------------------

void play(Cluster& k) {
  for (int i = 1; i <= 3; ++i) k.add_node("n-" + std::to_string(i), 2000);
  k.start();
  const char* probes =
      "    resources: {requests: {cpu: 200m}}\n"
      "    readinessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 7, successThreshold: 2}\n"
      "    livenessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 5}\n";
  for (int i = 0; i < 12; ++i) {
    k.apply(pod_yaml("p" + std::to_string(i), probes, "", "n-" + std::to_string(1 + i % 3)));
  }
  k.run_to(100);
  k.nodes().force_probe(k.world, k.container("p3"), ProbeKind::kReadiness, false);
  k.nodes().crash_container(k.world, k.container("p4"), 1);
  k.run_to(200);
  k.nodes().force_probe(k.world, k.container("p3"), ProbeKind::kReadiness, {});
  k.remove("p5");
  k.run_to(250);
  k.nodes().crash(k.world, 1, "test");
  k.run_to(400);
  k.nodes().recover(k.world, 1);
}

NodeFleet::Options hanging(bool eager) {
  NodeFleet::Options o;
  AppBehavior app;
  app.liveness_fails_after = Duration::seconds(300);
  o.apps.add({"", "p7", "", behavior(app)});
  o.config.simulate_every_beat = eager;
  return o;
}

// What the journal says, without the numbers of events, which simulated beats use up.
std::vector<std::string> records(const sim::World& world) {
  std::vector<std::string> out;
  sim::JournalReader reader(world.journal());
  sim::JournalRecord r;
  while (reader.next(r)) {
    out.push_back(std::to_string(r.at.ns()) + " " + std::string(r.type) + " " + std::string(r.key) +
                  " " + std::string(r.payload));
  }
  return out;
}

TEST(Determinism, ComputedBeatsGiveTheRecordsOfSimulatedOnes) {
  Cluster lazy(hanging(false));
  Cluster eager(hanging(true));
  play(lazy);
  play(eager);
  lazy.run_to(900);
  eager.run_to(900);
  EXPECT_EQ(records(lazy.world), records(eager.world));
  for (NodeIndex n = 0; n < 3; ++n) {
    EXPECT_EQ(lazy.nodes().lease_renewed(lazy.world, n),
              eager.nodes().lease_renewed(eager.world, n));
  }
  EXPECT_GT(eager.world.events_executed(), 2 * lazy.world.events_executed());
}

TEST(Determinism, AForkRunsOnIdentically) {
  Cluster k(hanging(false));
  play(k);
  k.run_to(433);
  sim::World fork = k.world;
  k.run_to(900);
  fork.run_until(k.world.now());
  EXPECT_EQ(fork.journal().digest_hex(), k.world.journal().digest_hex());
  EXPECT_EQ(fork.execution_hash(), k.world.execution_hash());
}

TEST(Cost, AnIdlePodCausesNoEvents) {
  NodeFleet::Options o = quick();
  o.config.record_events = false;
  Cluster k(std::move(o));
  for (int i = 1; i <= 10; ++i) k.add_node("n-" + std::to_string(i));
  k.start();
  for (int i = 0; i < 200; ++i) {
    k.apply(pod_yaml("p" + std::to_string(i),
                     "    readinessProbe: {tcpSocket: {port: 80}}\n"
                     "    livenessProbe: {tcpSocket: {port: 80}}\n",
                     "", "n-" + std::to_string(1 + i % 10)));
  }
  k.run_to(600);
  const uint64_t before = k.world.events_executed();
  k.run_to(600 + 86'400);
  EXPECT_EQ(k.world.events_executed(), before);
}

}  // namespace
}  // namespace mainspring::node
