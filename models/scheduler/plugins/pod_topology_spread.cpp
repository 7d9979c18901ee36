#include "models/scheduler/plugins/pod_topology_spread.h"

#include <algorithm>
#include <cmath>

#include "models/api/types/apps.h"
#include "sim/math.h"

namespace mainspring::scheduler {

namespace {
constexpr uint8_t kPodHint = 0;
constexpr uint8_t kNodeHint = 1;

// Whether the node counts for the constraint, by the pod's node affinity and tolerations.
bool included(const SpreadConstraint& c, const PodTemplate& t, const NodeInfo& node) {
  if (c.honor_affinity && !t.required.trivial() && !t.required.matches(*node.node)) return false;
  return !c.honor_taints || !node.has_hard_taints ||
         !untolerated_taint(node.node->spec.taints, t.tolerations);
}

bool has_all_keys(const std::vector<SpreadConstraint>& constraints, const NodeInfo& node) {
  return std::all_of(constraints.begin(), constraints.end(), [&](const SpreadConstraint& c) {
    return node.topology_value(c.key) >= 0;
  });
}

bool has_all_keys(const std::vector<SpreadConstraint>& constraints, const ClusterCache& cluster,
                  const api::Node& node) {
  return std::all_of(constraints.begin(), constraints.end(), [&](const SpreadConstraint& c) {
    return node.metadata.labels.contains(cluster.topology_name(c.key));
  });
}

// Which label classes a selector matches in a namespace; an empty selector counts no pod.
void match_classes(const ClusterCache& cluster, const Selector& selector, const api::Str& ns,
                   std::vector<uint8_t>* out) {
  const auto classes = cluster.classes();
  out->assign(classes.size(), 0);
  if (selector.empty()) return;
  for (size_t i = 0; i < classes.size(); ++i) {
    const ClusterCache::ClassInfo& c = classes[i];
    if (c.users > 0 && c.ns == ns && selector.matches(c.labels)) (*out)[i] = 1;
  }
}

int32_t count_pods(const NodeInfo& node, const std::vector<uint8_t>& matches) {
  int32_t n = 0;
  for (const NodeInfo::ClassCount& c : node.classes) {
    if (matches[c.label_class]) n += c.pods - c.terminating;
  }
  return n;
}
}  // namespace

struct PodTopologySpread::Data final : CycleDataOf<Data> {
  // Filter.
  std::vector<SpreadConstraint> hard;
  struct Domains {
    std::vector<int32_t> pods;  // by value of the key; -1: not a domain
    int32_t count = 0;
    int32_t min = 0;
    int32_t self = 0;
  };
  std::vector<Domains> domains;
  // Score.
  std::vector<SpreadConstraint> soft;
  std::vector<std::vector<uint8_t>> matches;  // by constraint; shared ones are empty
  bool one_selector = false;
  std::vector<std::vector<int64_t>> counts;   // by constraint, by value + 1; -1: not registered
  std::vector<double> weights;
  std::vector<uint8_t> ignored;  // by slot of the node
  bool any_ignored = false;

  const std::vector<uint8_t>& match(size_t i) const { return matches[one_selector ? 0 : i]; }
  void update_min(size_t i) {
    Domains& d = domains[i];
    d.count = 0;
    d.min = 0;
    for (const int32_t n : d.pods) {
      if (n < 0) continue;
      d.min = d.count == 0 ? n : std::min(d.min, n);
      ++d.count;
    }
    if (d.count < hard[i].min_domains) d.min = 0;
  }
};

PodTopologySpread::PodTopologySpread(const Args& args, ClusterCache& cluster)
    : system_defaults_(args.system_defaults) {
  const auto add = [&](TopologyKey key, int32_t skew, bool hard) {
    SpreadConstraint c;
    c.key = key;
    c.max_skew = skew;
    c.hard = hard;
    defaults_.push_back(std::move(c));
    return &defaults_.back();
  };
  if (system_defaults_) {
    add(ClusterCache::kHostname, 3, false);
    add(ClusterCache::kZone, 5, false);
    return;
  }
  for (const api::TopologySpreadConstraint& c : args.default_constraints) {
    SpreadConstraint* added = add(cluster.topology_key(c.topology_key), c.max_skew,
                                  c.when_unsatisfiable == "DoNotSchedule");
    added->min_domains = c.min_domains.value_or(1);
    added->honor_affinity = c.node_affinity_policy != "Ignore";
    added->honor_taints = c.node_taints_policy == "Honor";
  }
}

double PodTopologySpread::weight_of(size_t domains) {
  return sim::log(static_cast<double>(domains + 2));
}

Selector default_selector(const client::ControlContext& ctx, const api::Pod& pod) {
  const api::StrMap& labels = pod.metadata.labels;
  const api::Str& ns = pod.metadata.namespace_;
  api::StrMap merged;
  for (const api::ObjectRef& ref :
       ctx.cache(api::Kind::Service).by(client::IndexBy::kNamespace, ns)) {
    const api::StrMap& selector = api::as<api::Service>(ref).spec.selector;
    if (selector.empty()) continue;
    const bool match = std::all_of(selector.begin(), selector.end(), [&](const auto& e) {
      const api::Str* v = labels.find(e.first);
      return v && *v == e.second;
    });
    if (!match) continue;
    for (const auto& [key, value] : selector) merged.set(key, value);
  }
  const api::OwnerReference* owner = api::controller_of(pod);
  if (!owner) return Selector::of(merged);
  if (owner->api_version == "v1" && owner->kind == "ReplicationController") {
    const auto* rc = ctx.cache(api::Kind::ReplicationController)
                         .get<api::ReplicationController>(ns, owner->name);
    if (rc) {
      for (const auto& [key, value] : rc->spec.selector) merged.set(key, value);
    }
    return Selector::of(merged);
  }
  Selector selector = Selector::of(merged);
  if (owner->api_version == "apps/v1" && owner->kind == "ReplicaSet") {
    const auto* rs = ctx.cache(api::Kind::ReplicaSet).get<api::ReplicaSet>(ns, owner->name);
    if (rs && rs->spec.selector) selector.add(Selector::of(*rs->spec.selector));
  } else if (owner->api_version == "apps/v1" && owner->kind == "StatefulSet") {
    const auto* set = ctx.cache(api::Kind::StatefulSet).get<api::StatefulSet>(ns, owner->name);
    if (set && set->spec.selector) selector.add(Selector::of(*set->spec.selector));
  }
  return selector;
}

std::vector<SpreadConstraint> PodTopologySpread::constraints(const client::ControlContext& ctx,
                                                             const PodInfo& pod,
                                                             bool hard) const {
  std::vector<SpreadConstraint> out;
  const bool own = !pod.t->spread.empty();
  for (const SpreadConstraint& c : own ? pod.t->spread : defaults_) {
    if (c.hard == hard) out.push_back(c);
  }
  if (own || out.empty()) return out;
  const Selector selector = default_selector(ctx, *pod.pod);
  if (selector.empty()) return {};
  for (SpreadConstraint& c : out) c.selector = selector;
  return out;
}

// ---- filter

Status PodTopologySpread::pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>*) {
  const PodInfo& pod = cycle.info();
  if (pod.t->spread.empty() &&
      std::none_of(defaults_.begin(), defaults_.end(), [](const auto& c) { return c.hard; })) {
    return Status::skip();
  }
  std::vector<SpreadConstraint> hard = constraints(cycle.ctx, pod, true);
  if (hard.empty()) return Status::skip();
  Data& d = cycle.state->write<Data>(id());
  d.hard = std::move(hard);
  d.domains.resize(d.hard.size());
  d.matches.resize(d.hard.size());
  d.one_selector = false;
  const ClusterCache& cluster = cycle.cluster;
  for (size_t i = 0; i < d.hard.size(); ++i) {
    const SpreadConstraint& c = d.hard[i];
    d.domains[i].pods.assign(cluster.topology_values(c.key), -1);
    d.domains[i].self = c.selector.matches(pod.labels()) ? 1 : 0;
    match_classes(cluster, c.selector, pod.ns(), &d.matches[i]);
  }
  for (const uint32_t slot : cluster.order()) {
    const NodeInfo& node = cluster.node(slot);
    if (!has_all_keys(d.hard, node)) continue;
    for (size_t i = 0; i < d.hard.size(); ++i) {
      if (!included(d.hard[i], *pod.t, node)) continue;
      int32_t& n = d.domains[i].pods[static_cast<size_t>(node.topology_value(d.hard[i].key))];
      n = std::max(n, 0) + count_pods(node, d.matches[i]);
    }
  }
  for (size_t i = 0; i < d.hard.size(); ++i) d.update_min(i);
  return {};
}

void PodTopologySpread::change(Cycle& cycle, const PodInfo& pod, const NodeInfo& node,
                               int32_t by) const {
  Data* d = cycle.state->find<Data>(id());
  if (!d || pod.ns() != cycle.info().ns() || !has_all_keys(d->hard, node)) return;
  for (size_t i = 0; i < d->hard.size(); ++i) {
    const SpreadConstraint& c = d->hard[i];
    if (!included(c, cycle.t(), node) || !c.selector.matches(pod.labels())) continue;
    int32_t& n = d->domains[i].pods[static_cast<size_t>(node.topology_value(c.key))];
    n = std::max(n, 0) + by;
    d->update_min(i);
  }
}

void PodTopologySpread::add_pod(Cycle& cycle, const PodInfo& pod, const NodeInfo& node) const {
  change(cycle, pod, node, 1);
}
void PodTopologySpread::remove_pod(Cycle& cycle, const PodInfo& pod,
                                   const NodeInfo& node) const {
  change(cycle, pod, node, -1);
}

Status PodTopologySpread::filter(const Cycle& cycle, const NodeInfo& node) const {
  const Data& d = *cycle.state->find<Data>(id());
  for (size_t i = 0; i < d.hard.size(); ++i) {
    const SpreadConstraint& c = d.hard[i];
    const int32_t value = node.topology_value(c.key);
    if (value < 0) return Status::unresolvable(reason_missing_);
    const Data::Domains& domains = d.domains[i];
    const int32_t n = std::max(domains.pods[static_cast<size_t>(value)], 0);
    if (n + domains.self - domains.min > c.max_skew) return Status::unschedulable(reason_);
  }
  return {};
}

// ---- score

Status PodTopologySpread::pre_score(Cycle& cycle, std::span<const NodeInfo* const> nodes) {
  const PodInfo& pod = cycle.info();
  std::vector<SpreadConstraint> soft = constraints(cycle.ctx, pod, false);
  if (soft.empty()) return Status::skip();
  const bool own = !pod.t->spread.empty();
  const bool require_all = own || !system_defaults_;
  const ClusterCache& cluster = cycle.cluster;
  Data& d = cycle.state->write<Data>(id());
  d.soft = std::move(soft);
  d.one_selector = !own;
  d.matches.resize(d.soft.size());
  d.counts.resize(d.soft.size());
  d.weights.resize(d.soft.size());
  for (size_t i = 0; i < d.soft.size(); ++i) {
    if (i == 0 || !d.one_selector) {
      match_classes(cluster, d.soft[i].selector, pod.ns(), &d.matches[i]);
    }
    d.counts[i].clear();
    if (d.soft[i].key != ClusterCache::kHostname) {
      d.counts[i].assign(cluster.topology_values(d.soft[i].key) + 1, -1);
    }
  }
  d.any_ignored = false;
  std::vector<size_t> sizes(d.soft.size());
  size_t ignored = 0;
  for (const NodeInfo* node : nodes) {
    if (require_all && !has_all_keys(d.soft, *node)) {
      if (!d.any_ignored) d.ignored.assign(cluster.slots(), 0);
      d.any_ignored = true;
      d.ignored[node->id] = 1;
      ++ignored;
      continue;
    }
    for (size_t i = 0; i < d.soft.size(); ++i) {
      if (d.counts[i].empty()) continue;
      int64_t& n = d.counts[i][static_cast<size_t>(node->topology_value(d.soft[i].key) + 1)];
      if (n < 0) {
        n = 0;
        ++sizes[i];
      }
    }
  }
  bool walk = false;
  for (size_t i = 0; i < d.soft.size(); ++i) {
    const bool hostname = d.counts[i].empty();
    d.weights[i] = weight_of(hostname ? nodes.size() - ignored : sizes[i]);
    walk = walk || !hostname;
  }
  if (!walk) return {};
  for (const uint32_t slot : cluster.order()) {
    const NodeInfo& node = cluster.node(slot);
    if (node.classes.empty() || (require_all && !has_all_keys(d.soft, node))) continue;
    for (size_t i = 0; i < d.soft.size(); ++i) {
      if (d.counts[i].empty()) continue;
      int64_t& n = d.counts[i][static_cast<size_t>(node.topology_value(d.soft[i].key) + 1)];
      if (n >= 0 && included(d.soft[i], *pod.t, node)) n += count_pods(node, d.match(i));
    }
  }
  return {};
}

int64_t PodTopologySpread::score(const Cycle& cycle, const NodeInfo& node) const {
  const Data& d = *cycle.state->find<Data>(id());
  if (d.any_ignored && d.ignored[node.id]) return 0;
  double score = 0;
  for (size_t i = 0; i < d.soft.size(); ++i) {
    const SpreadConstraint& c = d.soft[i];
    const int32_t value = node.topology_value(c.key);
    if (value < 0) continue;
    const int64_t n = d.counts[i].empty() ? count_pods(node, d.match(i))
                                          : d.counts[i][static_cast<size_t>(value + 1)];
    score += static_cast<double>(n) * d.weights[i] + static_cast<double>(c.max_skew - 1);
  }
  // Half away from zero; scores are not negative.
  const double whole = std::floor(score);
  return static_cast<int64_t>(whole) + (score - whole >= 0.5 ? 1 : 0);
}

Status PodTopologySpread::normalize(Cycle& cycle, std::span<const NodeInfo* const> nodes,
                                    std::span<int64_t> scores) const {
  const Data& d = *cycle.state->find<Data>(id());
  const auto ignored = [&](size_t i) { return d.any_ignored && d.ignored[nodes[i]->id]; };
  int64_t min = INT64_MAX;
  int64_t max = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (ignored(i)) continue;
    min = std::min(min, scores[i]);
    max = std::max(max, scores[i]);
  }
  for (size_t i = 0; i < scores.size(); ++i) {
    if (ignored(i)) {
      scores[i] = 0;
    } else {
      scores[i] = max == 0 ? kMaxNodeScore : kMaxNodeScore * (max + min - scores[i]) / max;
    }
  }
  return {};
}

// ---- hints

std::vector<EventRegistration> PodTopologySpread::events() const {
  return {{{Resource::kPod, kAdd | kDelete | kUpdatePodLabel | kUpdatePodToleration}, kPodHint},
          {{Resource::kNode, kAdd | kDelete | kUpdateNodeLabel | kUpdateNodeTaint}, kNodeHint}};
}

bool PodTopologySpread::hint(uint8_t hint, const client::ControlContext& ctx,
                             const ClusterCache& cluster, const PodInfo& pod,
                             const EventObjects& objects) const {
  const std::vector<SpreadConstraint> hard = constraints(ctx, pod, true);
  if (hint == kNodeHint) {
    const bool was = objects.old_node && has_all_keys(hard, cluster, *objects.old_node);
    const bool is = objects.new_node && has_all_keys(hard, cluster, *objects.new_node);
    if (!objects.old_node || !objects.new_node) return was || is;
    if (was != is) return true;
    if (!is) return false;
    if (!(objects.old_node->spec.taints == objects.new_node->spec.taints)) return true;
    return std::any_of(hard.begin(), hard.end(), [&](const SpreadConstraint& c) {
      const api::Str& key = cluster.topology_name(c.key);
      return *objects.old_node->metadata.labels.find(key) !=
             *objects.new_node->metadata.labels.find(key);
    });
  }
  const auto involved = [&](const PodInfoRef& p) {
    return !p || p->uid() == pod.uid() || (!p->node_name.empty() && p->ns() == pod.ns());
  };
  if (!involved(objects.old_pod) || !involved(objects.new_pod)) return false;
  const auto matches_any = [&](const PodInfo& p) {
    return std::any_of(hard.begin(), hard.end(),
                       [&](const auto& c) { return c.selector.matches(p.labels()); });
  };
  if (!objects.old_pod) return objects.new_pod && matches_any(*objects.new_pod);
  if (!objects.new_pod) return matches_any(*objects.old_pod);
  const PodInfo& was = *objects.old_pod;
  const PodInfo& is = *objects.new_pod;
  if (is.uid() == pod.uid() && !(is.t->tolerations == was.t->tolerations) &&
      std::any_of(hard.begin(), hard.end(), [](const auto& c) { return c.honor_taints; })) {
    return true;
  }
  return std::any_of(hard.begin(), hard.end(), [&](const SpreadConstraint& c) {
    return c.selector.matches(was.labels()) != c.selector.matches(is.labels());
  });
}

}  // namespace mainspring::scheduler
