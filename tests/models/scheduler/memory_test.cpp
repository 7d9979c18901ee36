// What cycles remember of earlier ones must never show: random lives of a cluster, told to a
// scheduler that remembers and to one that works everything out anew each time.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/models/scheduler/cluster.h"
#include "tests/models/scheduler/same_life.h"

namespace mainspring::scheduler {
namespace {

using test::Cluster;
using test::make_node;
using test::make_pod;

constexpr const char* kZoneLabel = "topology.kubernetes.io/zone";
constexpr const char* kHostLabel = "kubernetes.io/hostname";

// Draws objects for a cluster's life.
class Lives : public test::Draws {
 public:
  using Draws::Draws;

  api::Ref<api::Node> node(uint64_t i) {
    const std::string zone = one_in(12) ? "" : "z" + std::to_string(draw(3));
    auto n = make_node("n-" + std::to_string(i), i % 7 ? "4" : "2", "16Gi", zone);
    if (one_in(20)) n->metadata.labels.erase(kHostLabel);
    if (one_in(8)) n->spec.unschedulable = true;
    if (one_in(4)) {
      api::Taint taint;
      taint.key = "k";
      taint.effect = draw(2) ? "NoSchedule" : "PreferNoSchedule";
      n->spec.taints = {taint};
    }
    if (one_in(3)) {
      api::ContainerImage image;
      image.names = {"app:1"};
      image.size_bytes = int64_t{300} << 20;
      n->status.images = {image};
    }
    return n;
  }

  api::Ref<api::Namespace> name_space(uint64_t i) {
    api::Ref<api::Namespace> n = api::make<api::Namespace>();
    n->metadata.name = i == 0 ? "default" : "ns-" + std::to_string(i);
    if (one_in(2)) n->metadata.labels.set("team", one_in(2) ? "a" : "b");
    return n;
  }

  api::LabelSelector selector() {
    api::LabelSelector s;
    if (one_in(5)) {
      api::LabelSelectorRequirement r;
      r.key = "app";
      r.operator_ = one_in(2) ? "NotIn" : "In";
      r.values = {"web"};
      s.match_expressions = {r};
    } else if (!one_in(8)) {
      s.match_labels.set("app", app());
    }
    return s;
  }

  api::PodAffinityTerm term() {
    api::PodAffinityTerm t;
    t.label_selector = selector();
    t.topology_key = one_in(2) ? kZoneLabel : kHostLabel;
    if (one_in(3)) t.namespaces = {"ns-1"};
    if (one_in(3)) {
      api::LabelSelector team;
      if (!one_in(4)) team.match_labels.set("team", "a");
      t.namespace_selector = team;
    }
    return t;
  }
  api::WeightedPodAffinityTerm weighted() {
    api::WeightedPodAffinityTerm w;
    w.weight = static_cast<int32_t>(draw(100)) + 1;
    w.pod_affinity_term = term();
    return w;
  }
  api::TopologySpreadConstraint spread() {
    api::TopologySpreadConstraint c;
    c.max_skew = static_cast<int32_t>(draw(4)) + 1;
    c.topology_key = one_in(3) ? kHostLabel : kZoneLabel;
    c.when_unsatisfiable = one_in(2) ? "DoNotSchedule" : "ScheduleAnyway";
    c.label_selector = selector();
    if (one_in(4) && c.when_unsatisfiable == "DoNotSchedule") c.min_domains = 3;
    if (one_in(4)) c.node_taints_policy = "Honor";
    if (one_in(4)) c.node_affinity_policy = "Ignore";
    if (one_in(4)) c.match_label_keys = {"rev"};
    return c;
  }

  // One of a few templates, so that what is remembered for one serves the next.
  api::Ref<api::Pod> pod(const std::string& name) {
    if (templates_.size() < 24) templates_.push_back(new_template());
    api::Ref<api::Pod> p = api::clone(*templates_[draw(templates_.size())]);
    p->metadata.name = name;
    p->metadata.uid = "uid-" + name;
    if (one_in(6)) p->metadata.labels.set("rev", std::to_string(draw(3)));
    return p;
  }

 private:
  std::string app() { return one_in(2) ? "web" : "x" + std::to_string(draw(3)); }

  api::Ref<api::Pod> new_template() {
    static constexpr const char* kCpu[] = {"100m", "500m", "1", "2500m"};
    auto p = make_pod("t", kCpu[draw(4)], "256Mi", {{"app", app()}});
    if (one_in(4)) p->metadata.namespace_ = "ns-" + std::to_string(draw(2) + 1);
    if (one_in(5)) p->spec.node_selector = {{kZoneLabel, "z1"}};
    if (one_in(4)) p->spec.priority = static_cast<int32_t>(draw(3)) * 10;
    if (one_in(3)) {
      p->spec.topology_spread_constraints = {spread()};
      if (one_in(2)) p->spec.topology_spread_constraints.push_back(spread());
    }
    if (one_in(2)) affinity(p->spec.affinity.edit());
    return p;
  }
  void affinity(api::Affinity& a) {
    if (one_in(3)) {
      auto& near = a.pod_affinity.edit();
      if (one_in(2)) near.required_during_scheduling_ignored_during_execution = {term()};
      if (one_in(2)) near.preferred_during_scheduling_ignored_during_execution = {weighted()};
    }
    if (one_in(2)) {
      auto& away = a.pod_anti_affinity.edit();
      if (one_in(3)) away.required_during_scheduling_ignored_during_execution = {term()};
      if (one_in(2)) {
        away.preferred_during_scheduling_ignored_during_execution = {weighted(), weighted()};
      }
    }
  }

  std::vector<api::Ref<api::Pod>> templates_;
};

class Memory : public testing::TestWithParam<int> {};

TEST_P(Memory, NeverShowsInDecisions) {
  Lives lives(static_cast<uint64_t>(GetParam()));
  const bool many = GetParam() % 4 == 0;  // more nodes than a cycle looks at
  SchedulerOptions options{.cycle_time = api::Duration()};
  options.percentage_of_nodes_to_score = 40;
  Cluster fast(options);
  options.remember_verdicts = false;
  Cluster plain(options);
  const auto both = [&](auto&& f) {
    f(fast);
    f(plain);
  };
  const auto put = [&](const api::ObjectRef& o) { both([&](Cluster& c) { c.put(o); }); };
  for (uint64_t i = 0; i < 3; ++i) put(lives.name_space(i));
  const uint64_t nodes = many ? 280 : 12;
  for (uint64_t i = 0; i < nodes; ++i) put(lives.node(i));

  std::vector<std::pair<api::Str, api::Str>> pods;
  for (int step = 0; step < 400; ++step) {
    switch (lives.draw(12)) {
      case 0:
        put(lives.node(lives.draw(nodes + 3)));
        break;
      case 1:
      case 2: {
        if (pods.empty()) break;
        const auto [ns, name] = pods[lives.draw(pods.size())];
        if (!fast.ctx.cache(api::Kind::Pod).find(ns, name)) break;
        both([&](Cluster& c) { c.remove(api::Kind::Pod, ns, name); });
        break;
      }
      case 3:
        if (lives.one_in(6)) put(lives.name_space(lives.draw(3)));
        if (!lives.one_in(6)) break;
        if (const std::string gone = "n-" + std::to_string(lives.draw(nodes));
            fast.ctx.cache(api::Kind::Node).find("", gone)) {
          both([&](Cluster& c) { c.remove(api::Kind::Node, "", gone); });
        }
        break;
      default: {
        const auto p = lives.pod("p-" + std::to_string(step));
        pods.emplace_back(p->metadata.namespace_, p->metadata.name);
        put(p);
      }
    }
    if (lives.one_in(20)) both([](Cluster& c) { c.run_for(api::Duration::seconds(15)); });
    ASSERT_EQ(fast.loop->next_start(), plain.loop->next_start()) << step;
    if (step == 100) {
      api::Ref<api::Service> s = api::make<api::Service>();
      s->metadata.name = "web";
      s->metadata.namespace_ = "default";
      s->spec.selector = {{"app", "web"}};
      put(s);
    }
  }
  test::expect_same_life(fast, plain);
}

INSTANTIATE_TEST_SUITE_P(RandomLives, Memory, testing::Range(1, 25));

}  // namespace
}  // namespace mainspring::scheduler
