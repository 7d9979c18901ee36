#include "models/apiserver/api_server.h"

#include <gtest/gtest.h>

#include <set>

#include "models/api/pod_helpers.h"
#include "models/api/types/apps.h"
#include "models/api/types/core.h"
#include "models/api/types/policy.h"
#include "tests/support/resource_claims.h"

namespace mainspring::apiserver {
namespace {

using client::Outcome;
using client::Request;
using client::Verb;

// Collects what reaches a client.
class Listener final : public sim::Cloneable<Listener> {
 public:
  explicit Listener(sim::ComponentRef<ApiServer> server) : server_(server) {}
  std::string_view name() const override { return "listener"; }
  void handle(sim::World& world, const sim::Event& event) override {
    ApiServer& server = world.get(server_);
    if (event.kind == 0) {
      outcomes.push_back(server.take_outcome(event.b));
      answered_at.push_back(world.now());
    } else {
      changes.push_back(server.take_change(event.b));
      changed_at.push_back(world.now());
    }
  }
  std::vector<Outcome> outcomes;
  std::vector<sim::SimTime> answered_at;
  std::vector<client::WatchEvent> changes;
  std::vector<sim::SimTime> changed_at;

 private:
  sim::ComponentRef<ApiServer> server_;
};

class ApiServerTest : public ::testing::Test {
 protected:
  ApiServerTest() : world_(1) {
    server_ = world_.add<ApiServer>(ApiServer::Options{});
    listener_ = world_.add<Listener>(server_);
    world_.start();
  }
  ApiServer& server() { return world_.get(server_); }
  Listener& listener() { return world_.get(listener_); }
  Outcome run(const Request& r) { return server().execute(world_, r); }

  static api::Ref<api::Pod> pod(std::string_view name, std::string_view node = "") {
    api::Ref<api::Pod> p = api::make<api::Pod>();
    p->metadata.name = name;
    p->metadata.namespace_ = "default";
    p->spec.node_name = node;
    api::Container c;
    c.name = "c";
    c.image = "app:1";
    p->spec.containers.push_back(c);
    return p;
  }
  Outcome create(api::Ref<api::Object> body) {
    Request r;
    r.verb = Verb::kCreate;
    r.kind = body->kind;
    r.ns = body->metadata.namespace_;
    r.body = std::move(body);
    return run(r);
  }
  static Request on(Verb verb, const api::Object& o) {
    Request r;
    r.verb = verb;
    r.kind = o.kind;
    r.ns = o.metadata.namespace_;
    r.name = o.metadata.name;
    return r;
  }

  sim::World world_;
  sim::ComponentRef<ApiServer> server_;
  sim::ComponentRef<Listener> listener_;
};

TEST_F(ApiServerTest, ANewClusterHasItsNamespacesAndTheKubernetesService) {
  for (const char* name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    EXPECT_NE(server().get<api::Namespace>("", name), nullptr) << name;
  }
  ASSERT_NE(server().get<api::Service>("default", "kubernetes"), nullptr);
  EXPECT_EQ(server().get<api::Service>("default", "kubernetes")->spec.cluster_ip, "10.96.0.1");
}

TEST_F(ApiServerTest, CreateStampsDefaultsAndAdmitsAPod) {
  const Outcome o = create(pod("a"));
  ASSERT_EQ(o.code, 201) << o.message.view();
  const api::Pod& p = api::as<api::Pod>(*o.object);
  EXPECT_EQ(p.metadata.uid.size(), 36u);
  EXPECT_EQ(p.metadata.generation, 1);
  EXPECT_FALSE(p.metadata.creation_timestamp.is_zero());
  EXPECT_EQ(p.status.phase, "Pending");
  EXPECT_EQ(p.status.qos_class, "BestEffort");
  EXPECT_EQ(p.spec.priority, 0);
  EXPECT_EQ(p.spec.service_account_name, "default");
  ASSERT_EQ(p.spec.tolerations.size(), 2u);
  EXPECT_EQ(p.spec.tolerations[0].key, "node.kubernetes.io/not-ready");
  EXPECT_EQ(p.spec.tolerations[0].toleration_seconds, 300);
}

TEST_F(ApiServerTest, GeneratedNamesUseTheAlphabetAndDoNotRepeat) {
  std::set<std::string> names;
  for (int i = 0; i < 200; ++i) {
    api::Ref<api::Pod> p = pod("");
    p->metadata.generate_name = "web-";
    const Outcome o = create(p);
    ASSERT_EQ(o.code, 201);
    const std::string name = o.object->metadata.name.str();
    EXPECT_EQ(name.size(), 9u);
    EXPECT_EQ(name.find_first_not_of("bcdfghjklmnpqrstvwxz2456789", 4), std::string::npos) << name;
    names.insert(name);
  }
  EXPECT_EQ(names.size(), 200u);
}

TEST_F(ApiServerTest, ErrorsAreWordedAsTheRealServerWordsThem) {
  create(pod("a"));
  EXPECT_EQ(create(pod("a")).message, "pods \"a\" already exists");
  api::Ref<api::Deployment> missing = api::make<api::Deployment>();
  missing->metadata.name = "x";
  missing->metadata.namespace_ = "default";
  const Outcome none = run(on(Verb::kGet, *missing));
  EXPECT_EQ(none.code, 404);
  EXPECT_EQ(none.message, "deployments.apps \"x\" not found");
  api::Ref<api::Pod> lost = pod("b");
  lost->metadata.namespace_ = "nowhere";
  EXPECT_EQ(create(lost).message, "namespaces \"nowhere\" not found");
  api::Ref<api::Pod> classy = pod("c");
  classy->spec.priority_class_name = "gold";
  const Outcome forbidden = create(classy);
  EXPECT_EQ(forbidden.code, 403);
  EXPECT_EQ(forbidden.message,
            "pods \"c\" is forbidden: no PriorityClass with name gold was found");
}

TEST_F(ApiServerTest, ANewPodsLabelKeysAreMergedIntoItsSelectors) {
  const auto term = [](bool with_selector) {
    api::PodAffinityTerm t;
    t.topology_key = "kubernetes.io/hostname";
    t.match_label_keys = {"pod-template-hash", "absent"};
    t.mismatch_label_keys = {"tenant"};
    if (with_selector) t.label_selector.edit().match_labels.set("app", "web");
    return t;
  };
  api::Ref<api::Pod> p = pod("a");
  p->metadata.labels.set("app", "web");
  p->metadata.labels.set("pod-template-hash", "5d4f");
  p->metadata.labels.set("tenant", "blue");
  api::Affinity& affinity = p->spec.affinity.edit();
  affinity.pod_anti_affinity.edit().required_during_scheduling_ignored_during_execution = {
      term(true)};
  api::WeightedPodAffinityTerm weighted;
  weighted.weight = 1;
  weighted.pod_affinity_term = term(true);
  affinity.pod_affinity.edit().preferred_during_scheduling_ignored_during_execution = {weighted};
  api::TopologySpreadConstraint spread;
  spread.max_skew = 1;
  spread.topology_key = "zone";
  spread.when_unsatisfiable = "DoNotSchedule";
  spread.match_label_keys = {"pod-template-hash"};
  spread.label_selector.edit().match_labels.set("app", "web");
  p->spec.topology_spread_constraints = {spread};

  const Outcome created = create(p);
  ASSERT_EQ(created.code, 201) << created.message.view();
  const api::PodSpec& spec = api::as<api::Pod>(*created.object).spec;
  api::LabelSelectorRequirement same_hash;
  same_hash.key = "pod-template-hash";
  same_hash.operator_ = "In";
  same_hash.values = {"5d4f"};
  api::LabelSelectorRequirement other_tenant;
  other_tenant.key = "tenant";
  other_tenant.operator_ = "NotIn";
  other_tenant.values = {"blue"};
  const api::List<api::LabelSelectorRequirement> both = {same_hash, other_tenant};
  const api::PodAffinityTerm& required =
      spec.affinity->pod_anti_affinity->required_during_scheduling_ignored_during_execution[0];
  EXPECT_EQ(required.label_selector->match_expressions, both);
  EXPECT_EQ(required.match_label_keys, term(true).match_label_keys);
  const api::WeightedPodAffinityTerm& preferred =
      spec.affinity->pod_affinity->preferred_during_scheduling_ignored_during_execution[0];
  EXPECT_EQ(preferred.pod_affinity_term.label_selector->match_expressions, both);
  EXPECT_EQ(spec.topology_spread_constraints[0].label_selector->match_expressions,
            (api::List<api::LabelSelectorRequirement>{same_hash}));
  // What was sent is its sender's.
  EXPECT_EQ(p->spec.topology_spread_constraints[0], spread);
  // Later writes merge nothing again.
  api::Ref<api::Pod> next = api::clone(api::as<api::Pod>(*created.object));
  next->metadata.annotations.set("a", "b");
  Request update = on(Verb::kUpdate, *next);
  update.body = next;
  const Outcome updated = run(update);
  ASSERT_TRUE(updated.ok()) << updated.message.view();
  EXPECT_EQ(api::as<api::Pod>(*updated.object).spec, spec);

  api::Ref<api::Pod> none = pod("b");
  none->spec.affinity.edit()
      .pod_affinity.edit()
      .required_during_scheduling_ignored_during_execution = {term(false)};
  EXPECT_EQ(create(none).code, 422);
}

TEST_F(ApiServerTest, AKeyInBothMatchLabelKeysAndSelectorIsAnError) {
  api::PodAffinityTerm t;
  t.topology_key = "kubernetes.io/hostname";
  t.match_label_keys = {"app"};
  t.label_selector.edit().match_labels.set("app", "web");
  api::Ref<api::Pod> p = pod("a");
  p->metadata.labels.set("app", "web");
  p->spec.affinity.edit().pod_affinity.edit().required_during_scheduling_ignored_during_execution =
      {t};
  EXPECT_EQ(create(p).message,
            "Pod \"a\" is invalid: spec.affinity.podAffinity."
            "requiredDuringSchedulingIgnoredDuringExecution[0][0]: Invalid value: \"app\": exists "
            "in both matchLabelKeys and labelSelector");
}

// A kind without it would keep the status it was made with for ever.
TEST(ObjectParts, EveryStatusCanBeCopied) {
  for (const api::KindInfo& info : api::all_kinds()) {
    if (!info.has_status) continue;
    ASSERT_TRUE(info.set_status) << info.name;
    const api::Ref<api::Object> object = info.make();
    clear_status(*object);
    copy_status(*object, *info.make());
  }
}

TEST_F(ApiServerTest, AdminAccessToDevicesNeedsAMarkedNamespace) {
  const auto create = [&](std::string_view ns) {
    auto claim = api::make<api::ResourceClaim>();
    claim->metadata.namespace_ = ns;
    claim->metadata.name = "all";
    api::DeviceRequest request = test::gpu_request();
    request.exactly.edit().admin_access = true;
    claim->spec.devices.requests = {request};
    return this->create(claim);
  };
  EXPECT_EQ(create("default").message,
            "ResourceClaim.resource.k8s.io \"all\" is invalid: "
            "spec.devices.requests[0].adminAccess: Forbidden: admin access to devices requires the "
            "`resource.kubernetes.io/admin-access: true` label on the containing namespace");
  auto ns = api::make<api::Namespace>();
  ns->metadata.name = "admins";
  ns->metadata.labels.set("resource.kubernetes.io/admin-access", "true");
  EXPECT_TRUE(this->create(ns).ok());
  EXPECT_TRUE(create("admins").ok());
}

TEST_F(ApiServerTest, UpdateNeedsTheNewestVersionAndCountsGenerationsOfTheSpecOnly) {
  api::Ref<api::Deployment> d = api::make<api::Deployment>();
  d->metadata.name = "web";
  d->metadata.namespace_ = "default";
  api::LabelSelector selector;
  selector.match_labels.set("app", "web");
  d->spec.selector = selector;
  d->spec.template_.metadata.labels.set("app", "web");
  d->spec.template_.spec = pod("x")->spec;
  const Outcome made = create(d);
  ASSERT_EQ(made.code, 201) << made.message.view();

  api::Ref<api::Deployment> status = api::clone(api::as<api::Deployment>(*made.object));
  status->status.replicas = 3;
  Request r = on(Verb::kUpdateStatus, *status);
  r.body = status;
  const Outcome counted = run(r);
  EXPECT_EQ(counted.object->metadata.generation, 1);
  EXPECT_NE(counted.object->metadata.resource_version, made.object->metadata.resource_version);

  api::Ref<api::Deployment> stale = api::clone(api::as<api::Deployment>(*made.object));
  stale->spec.replicas = 5;
  r = on(Verb::kUpdate, *stale);
  r.body = stale;
  const Outcome conflict = run(r);
  EXPECT_TRUE(conflict.conflict());
  EXPECT_EQ(conflict.message,
            "Operation cannot be fulfilled on deployments.apps \"web\": the object has been "
            "modified; please apply your changes to the latest version and try again");

  api::Ref<api::Deployment> fresh = api::clone(api::as<api::Deployment>(*counted.object));
  fresh->spec.replicas = 5;
  fresh->status.replicas = 99;
  r.body = fresh;
  const Outcome updated = run(r);
  ASSERT_TRUE(updated.ok());
  EXPECT_EQ(updated.object->metadata.generation, 2);
  EXPECT_EQ(api::as<api::Deployment>(*updated.object).status.replicas, 3)
      << "the main resource does not touch the status";
  r.body = updated.object;
  EXPECT_EQ(run(r).object->metadata.resource_version, updated.object->metadata.resource_version)
      << "an update that changes nothing writes nothing";
}

TEST_F(ApiServerTest, ADeletedPodStaysForItsGracePeriodOnceItIsBound) {
  create(pod("unbound"));
  EXPECT_TRUE(run(on(Verb::kDelete, *pod("unbound"))).ok());
  EXPECT_EQ(server().get<api::Pod>("default", "unbound"), nullptr);

  create(pod("bound", "n1"));
  Request r = on(Verb::kDelete, *pod("bound"));
  EXPECT_TRUE(run(r).ok());
  const api::Pod* going = server().get<api::Pod>("default", "bound");
  ASSERT_NE(going, nullptr);
  EXPECT_EQ(going->metadata.deletion_grace_period_seconds, 30);
  const api::Time deadline = going->metadata.deletion_timestamp;
  r.grace_period_seconds = 60;
  run(r);
  EXPECT_EQ(server().get<api::Pod>("default", "bound")->metadata.deletion_timestamp, deadline)
      << "a later delete may only shorten";
  r.grace_period_seconds = 0;
  run(r);
  EXPECT_EQ(server().get<api::Pod>("default", "bound"), nullptr);
}

TEST_F(ApiServerTest, FinalizersHoldAnObjectUntilTheLastIsRemoved) {
  api::Ref<api::ConfigMap> c = api::make<api::ConfigMap>();
  c->metadata.name = "c";
  c->metadata.namespace_ = "default";
  c->metadata.finalizers = {"example.com/hold"};
  create(c);
  run(on(Verb::kDelete, *c));
  const api::ConfigMap* held = server().get<api::ConfigMap>("default", "c");
  ASSERT_NE(held, nullptr);
  EXPECT_FALSE(held->metadata.deletion_timestamp.is_zero());
  api::Ref<api::ConfigMap> freed = api::clone(*held);
  freed->metadata.finalizers.clear();
  Request r = on(Verb::kUpdate, *freed);
  r.body = freed;
  run(r);
  EXPECT_EQ(server().get<api::ConfigMap>("default", "c"), nullptr);
}

TEST_F(ApiServerTest, BindingSetsTheNodeOnceAndTheCondition) {
  create(pod("a"));
  Request r = on(Verb::kBind, *pod("a"));
  r.target = "n1";
  EXPECT_EQ(run(r).code, 201);
  const api::Pod* p = server().get<api::Pod>("default", "a");
  EXPECT_EQ(p->spec.node_name, "n1");
  EXPECT_TRUE(api::has_condition(p->status.conditions, "PodScheduled", "True"));
  r.target = "n2";
  const Outcome again = run(r);
  EXPECT_EQ(again.code, 409);
  EXPECT_NE(again.message.view().find("pod a is already assigned to node \"n1\""),
            std::string_view::npos);
}

TEST_F(ApiServerTest, EvictionsSpendTheDisruptionBudget) {
  for (const char* name : {"a", "b"}) {
    api::Ref<api::Pod> p = pod(name, "n1");
    p->metadata.labels.set("app", "web");
    create(p);
    api::Ref<api::Pod> running = api::clone(*server().get<api::Pod>("default", name));
    running->status.phase = "Running";
    api::PodCondition ready;
    ready.type = "Ready";
    ready.status = "True";
    running->status.conditions.push_back(ready);
    Request status = on(Verb::kUpdateStatus, *running);
    status.body = running;
    ASSERT_TRUE(run(status).ok());
  }
  api::Ref<api::PodDisruptionBudget> pdb = api::make<api::PodDisruptionBudget>();
  pdb->metadata.name = "pdb";
  pdb->metadata.namespace_ = "default";
  api::LabelSelector selector;
  selector.match_labels.set("app", "web");
  pdb->spec.selector = selector;
  pdb->spec.min_available = api::IntOrString(1);
  ASSERT_EQ(create(pdb).code, 201);
  Request evict = on(Verb::kEvict, *pod("a"));
  const Outcome unseen = run(evict);
  EXPECT_EQ(unseen.code, 429) << "the controller has not looked at the budget yet";
  EXPECT_EQ(unseen.retry_after_seconds, 10);
  api::Ref<api::PodDisruptionBudget> seen =
      api::clone(*server().get<api::PodDisruptionBudget>("default", "pdb"));
  seen->status.observed_generation = seen->metadata.generation;
  seen->status.disruptions_allowed = 1;
  seen->status.current_healthy = 2;
  seen->status.desired_healthy = 1;
  seen->status.expected_pods = 2;
  Request status = on(Verb::kUpdateStatus, *seen);
  status.body = seen;
  ASSERT_TRUE(run(status).ok());
  EXPECT_EQ(run(evict).code, 201);
  EXPECT_TRUE(api::has_condition(server().get<api::Pod>("default", "a")->status.conditions,
                                 "DisruptionTarget", "True"));
  const Outcome refused = run(on(Verb::kEvict, *pod("b")));
  EXPECT_EQ(refused.code, 429);
  EXPECT_EQ(refused.message, "Cannot evict pod as it would violate the pod's disruption budget.");
}

TEST_F(ApiServerTest, RequestsAndWatchesTakeTimeAndWatchesKeepTheOrder) {
  const ClientId c = server().connect("test", {0, 0}, {listener().id(), 0});
  server().watch(c, api::Kind::Pod, {listener().id(), 1});
  for (int i = 0; i < 50; ++i) {
    Request r;
    r.verb = Verb::kCreate;
    r.kind = api::Kind::Pod;
    r.ns = "default";
    r.body = pod("p" + std::to_string(i));
    server().submit(world_, c, std::move(r), static_cast<uint64_t>(i));
  }
  EXPECT_EQ(server().get<api::Pod>("default", "p0"), nullptr) << "nothing happens at once";
  world_.run_until(sim::SimTime() + sim::Duration::millis(100));
  ASSERT_EQ(listener().outcomes.size(), 50u);
  ASSERT_EQ(listener().changes.size(), 50u);
  uint64_t last = 0;
  for (const client::WatchEvent& e : listener().changes) {
    const uint64_t version = std::stoull(e.object->metadata.resource_version.str());
    EXPECT_GT(version, last);
    last = version;
  }
  for (const sim::SimTime t : listener().answered_at) {
    EXPECT_GE(t - sim::SimTime(), sim::Duration::micros(2400));  // 1.2 ms there, 1.2 ms back
    EXPECT_LT(t - sim::SimTime(), sim::Duration::micros(6600));  // and up to 4 ms and 0.2 ms more
  }
}

// 20 a second, burst 30: of 50 requests the last leaves at 20 * 50 ms = 1 s.
TEST_F(ApiServerTest, AClientsRequestsPassItsRateLimit) {
  const ClientId c = server().connect("slow", {20'000, 30}, {listener().id(), 0});
  for (int i = 0; i < 50; ++i) {
    server().submit(world_, c, on(Verb::kGet, *pod("x")), 0);
  }
  world_.run_until(sim::SimTime() + sim::Duration::millis(900));
  EXPECT_EQ(listener().outcomes.size(), 30u + 17u);
  world_.run_until(sim::SimTime() + sim::Duration::millis(1010));
  EXPECT_EQ(listener().outcomes.size(), 50u);
}

TEST_F(ApiServerTest, AWatchOfBoundPodsSeesThemFromTheirBinding) {
  const ClientId c = server().connect("kubelet", {0, 0}, {listener().id(), 0});
  server().watch(c, api::Kind::Pod, {listener().id(), 1}, {.bound_pods_only = true});
  create(pod("a"));
  Request bind = on(Verb::kBind, *pod("a"));
  bind.target = "n1";
  run(bind);
  run(on(Verb::kDelete, *pod("a")));
  world_.run_until(sim::SimTime() + sim::Duration::seconds(1));
  ASSERT_EQ(listener().changes.size(), 2u);
  EXPECT_EQ(listener().changes[0].type, client::WatchType::kAdded);
  EXPECT_EQ(listener().changes[1].type, client::WatchType::kModified);
}

TEST_F(ApiServerTest, WhileUnavailableItAnswers503AndWatchesCatchUpLater) {
  const ClientId c = server().connect("test", {0, 0}, {listener().id(), 0});
  server().watch(c, api::Kind::Pod, {listener().id(), 1});
  server().set_available(world_, false);
  server().submit(world_, c, on(Verb::kGet, *pod("x")), 0);
  create(pod("a"));
  world_.run_until(sim::SimTime() + sim::Duration::seconds(1));
  ASSERT_EQ(listener().outcomes.size(), 1u);
  EXPECT_EQ(listener().outcomes[0].code, 503);
  EXPECT_TRUE(listener().changes.empty());
  server().set_available(world_, true);
  world_.run_until(sim::SimTime() + sim::Duration::seconds(2));
  EXPECT_EQ(listener().changes.size(), 1u);
}

TEST_F(ApiServerTest, AnEventGoesAnHourAfterItWasLastWritten) {
  const ClientId c = server().connect("test", {0, 0}, {listener().id(), 0});
  server().watch(c, api::Kind::Event, {listener().id(), 1});
  for (const std::string_view name : {"once", "again"}) {
    api::Ref<api::Event> e = api::make<api::Event>();
    e->metadata.name = name;
    e->metadata.namespace_ = "default";
    e->involved_object.namespace_ = "default";
    create(e);
  }
  // The second one is written again after 20 minutes, so it lives until 1 h 20 min.
  world_.run_until(sim::SimTime() + sim::Duration::minutes(20));
  api::Ref<api::Event> newer = api::clone(*server().get<api::Event>("default", "again"));
  newer->count = 2;
  Request update = on(Verb::kUpdate, *newer);
  update.body = newer;
  ASSERT_TRUE(run(update).ok());

  world_.run_until(sim::SimTime() + sim::Duration::minutes(60) - sim::Duration::nanos(1));
  EXPECT_NE(server().get<api::Event>("default", "once"), nullptr);
  const uint64_t records = world_.journal().records();
  world_.run_until(sim::SimTime() + sim::Duration::minutes(61));
  EXPECT_EQ(server().get<api::Event>("default", "once"), nullptr);
  EXPECT_NE(server().get<api::Event>("default", "again"), nullptr);
  EXPECT_EQ(world_.journal().records(), records + 1);
  EXPECT_EQ(listener().changes.back().type, client::WatchType::kDeleted);
  EXPECT_EQ(listener().changes.back().object->metadata.name, "once");

  world_.run_until(sim::SimTime() + sim::Duration::minutes(81));
  EXPECT_EQ(server().get<api::Event>("default", "again"), nullptr);
}

TEST_F(ApiServerTest, AForkLivesOnByItself) {
  create(pod("a"));
  sim::World fork = world_;
  EXPECT_EQ(fork.journal().digest_hex(), world_.journal().digest_hex());
  create(pod("b"));
  EXPECT_EQ(fork.get(server_).get<api::Pod>("default", "b"), nullptr);
  EXPECT_NE(fork.journal().digest_hex(), world_.journal().digest_hex());
}

}  // namespace
}  // namespace mainspring::apiserver
